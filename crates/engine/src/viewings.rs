//! A person opens a request: the ledger keeps what was shown, before it is shown.

use countersign_api::ApprovalAnswer;
use countersign_core::Command;
use countersign_core::command::Viewing;
use countersign_core::digest::Digest;
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::record::ActorKind;

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

/// How often a request is rendered anew because the agent answered while it was being read.
const TRIES: usize = 3;

impl Engine {
    /// A request as it is served to this caller. To a person, only what the ledger says was shown has a
    /// `presentation_digest`: a vote cannot name anything else.
    pub(crate) async fn shown(&self, caller: &Caller, action: ActionId) -> Result<ApprovalAnswer, EngineError> {
        let mut answer = self.approval_of_action(&caller.org, action).await?;
        if caller.actor.kind != ActorKind::User {
            return Ok(answer);
        }
        for _ in 0..TRIES {
            let (Ok(id), Some(Ok(digest))) = (
                answer.id.parse::<ApprovalId>(),
                answer
                    .presentation_digest
                    .as_ref()
                    .map(|digest| digest.parse::<Digest>()),
            ) else {
                return Ok(answer);
            };
            let user = caller.actor.id.clone();
            let known = self.look(&caller.org, move |state| {
                let open = state.approvals().get(&id)?;
                Some(open.viewed.get(&user) == Some(&digest))
            });
            match known.await? {
                // It has ended, and nobody votes on it, or this is what was shown.
                None | Some(true) => return Ok(answer),
                Some(false) => {}
            }
            if self.note_viewing(caller, id, digest).await.is_err() {
                // The ledger does not grow now. Reading goes on; a vote that has to say what was seen has to wait.
                answer.presentation_digest = None;
                return Ok(answer);
            }
            answer = self.approval_of_action(&caller.org, action).await?;
        }
        answer.presentation_digest = None;
        Ok(answer)
    }

    async fn note_viewing(&self, caller: &Caller, approval: ApprovalId, digest: Digest) -> Result<(), EngineError> {
        let request = Request {
            caller,
            route: "",
            idempotency_key: None,
            body: &[],
        };
        let viewing = Viewing {
            approval,
            user: caller.actor.id.clone(),
            presentation: digest,
        };
        let envelope = request.envelope(Command::View(Box::new(viewing)));
        self.perform(Lane::Write, &caller.org, envelope, Beside::default())
            .await
            .map(drop)
    }
}
