//! Requests that have ended stay as they ended, whoever says what afterwards.

use countersign_core::Event;
use countersign_core::event::{ApprovalState, Verb};
use countersign_core::ids::ActionId;
use proptest::prelude::*;

use crate::steps::{play, step};

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_has_ended_stays_as_it_ended_and_late_votes_change_nothing(
        steps in prop::collection::vec(step(), 10..60),
    ) {
        let mut world = play(&steps);
        let ended: Vec<(ActionId, ApprovalState)> = world
            .records
            .iter()
            .filter_map(|record| match &record.event {
                Event::ApprovalResolved(resolved) => Some((resolved.action_id, resolved.state)),
                _ => None,
            })
            .collect();
        for (id, _) in ended {
            let before = world.view(id);
            let (open, actions) = (world.state.approvals().clone(), world.state.actions().clone());
            for user in ["dana", "erin", "alex"] {
                for verb in [Verb::Approve, Verb::Reject] {
                    let refusal = world.vote(user, id, verb, Some("late")).unwrap_err();
                    prop_assert_eq!(refusal.code, "approval_closed");
                    let Event::ApprovalVoted(vote) = &world.records.last().unwrap().event else { unreachable!() };
                    prop_assert!(!vote.counted && vote.not_counted.as_deref() == Some("late"));
                }
            }
            let after = world.view(id);
            prop_assert_eq!((before.status, before.reason_code), (after.status, after.reason_code));
            prop_assert_eq!(before.permit.map(|permit| permit.2), after.permit.map(|permit| permit.2));
            // What leaves by its time leaves; nothing else changes.
            prop_assert_eq!(world.state.approvals(), &open);
            prop_assert!(world.state.actions().iter().all(|(id, action)| actions.get(id) == Some(action)));
        }
    }
}
