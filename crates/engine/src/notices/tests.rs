//! What is told together, and what is not.

use countersign_core::ids::{ActionId, ApprovalId};

use super::*;

fn due(id: u128, channel: &str, user: Option<&str>, held: bool) -> Due {
    Due {
        id: NoticeId(id),
        open: true,
        profile: None,
        messages: Vec::new(),
        pending: PendingNotice {
            action_id: ActionId(id),
            approval: ApprovalId(id),
            attempts: 0,
            channel: channel.into(),
            dead: false,
            detail: String::new(),
            held,
            kind: NoticeKind::Opened,
            next: Time(0),
            user: user.map(str::to_owned),
        },
    }
}

#[test]
fn what_waited_for_the_morning_is_one_message_for_each_person_and_channel() {
    let all = vec![
        due(1, "mail", Some("dana"), true),
        due(2, "mail", Some("erin"), true),
        due(3, "mail", Some("dana"), false),
        due(4, "mail", Some("dana"), true),
        due(5, "other", Some("dana"), true),
        due(6, "room", None, true),
        due(7, "room", None, true),
    ];
    let together = gathered(all).into_iter();
    let mut together: Vec<Vec<u128>> = together.map(|due| due.iter().map(|due| due.id.0).collect()).collect();
    together.sort();
    assert_eq!(together, [vec![1, 4], vec![2], vec![3], vec![5], vec![6], vec![7]]);
}
