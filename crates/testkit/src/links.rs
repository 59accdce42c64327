//! Links of one use, in a world on a controlled clock.

use countersign_core::Command;
use countersign_core::Refusal;
use countersign_core::command::{Via, Vote};
use countersign_core::digest::Digest;
use countersign_core::event::{ApprovalLinked, Verb};
use countersign_core::ids::{ActionId, NoticeId};
use countersign_core::record::ActorKind;

use crate::{World, by, outcome_of};

impl World {
    /// `user` is sent a link with this secret over a channel. Answers what is kept of it.
    pub fn link(&mut self, user: &str, action: ActionId, channel: &str, secret: [u8; 32]) -> Result<Digest, Refusal> {
        let view = self.view(action);
        let approval = view.approval.expect("a request was opened").opened.approval;
        let until = self.state.asked_until(approval, user);
        let link = self.key.link(&secret);
        let made = ApprovalLinked {
            action_id: action,
            approval,
            channel: channel.to_owned(),
            link,
            notice: NoticeId(1),
            until: until.unwrap_or(self.now),
            user: user.to_owned(),
        };
        outcome_of(
            self.give(by(ActorKind::System, "system"), Command::Link(Box::new(made)))
                .0,
        )
        .map(|()| link)
    }

    /// `user` approves by a link.
    pub fn vote_by_link(&mut self, user: &str, action: ActionId, channel: &str, link: Digest) -> Result<(), Refusal> {
        let view = self.view(action);
        let approval = view.approval.as_ref().expect("a request was opened").opened.approval;
        let vote = Vote {
            assertion: None,
            approval,
            user: user.to_owned(),
            verb: Verb::Approve,
            digest: view.digest(),
            snapshot: view.decided_under().map(|hash| hash.to_string()).unwrap_or_default(),
            comment: None,
            to: None,
            presentation: self.shown_to(user, approval),
            batch: None,
            action: self.stored_form(&view).map(Box::new),
            view: Some(Box::new(view)),
            edit: None,
            via: Some(Via {
                channel: channel.to_owned(),
                link: Some(link),
            }),
        };
        outcome_of(self.give(by(ActorKind::User, user), Command::Vote(Box::new(vote))).0)
    }
}
