//! What people are shown of requests in a world. A world does not render requests, so the hash is one of the test's choice.

use countersign_core::command::Viewing;
use countersign_core::digest::Digest;
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::{ActorKind, Command, Refusal};

use crate::{World, by, outcome_of};

impl World {
    /// Shows an open request to somebody, as if what is rendered hashed to `seen`.
    pub fn show(&mut self, user: &str, action: ActionId, seen: [u8; 32]) -> Result<(), Refusal> {
        let approval = self
            .view(action)
            .approval
            .expect("a request was opened")
            .opened
            .approval;
        let viewing = Viewing {
            approval,
            user: user.to_owned(),
            presentation: Digest(seen),
        };
        outcome_of(self.give(by(ActorKind::User, user), Command::View(Box::new(viewing))).0)
    }

    /// What somebody was shown last of an open request.
    pub(crate) fn shown_to(&self, user: &str, approval: ApprovalId) -> Option<Digest> {
        self.state.approvals().get(&approval)?.viewed.get(user).copied()
    }
}
