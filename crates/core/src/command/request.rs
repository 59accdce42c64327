//! What a person does with a request: looks at it, votes on it, lets its action through.

use countersign_policy::Action;

use super::{Sealed, Submit};
use crate::digest::{Digest, SALT_BYTES};
use crate::event::{Assertion, Finding, PracticeKind, Verb};
use crate::ids::{ApprovalId, ReviewId};
use crate::view::ActionView;

/// A person's vote.
pub struct Vote {
    /// The request.
    pub approval: ApprovalId,
    /// Who.
    pub user: String,
    /// What.
    pub verb: Verb,
    /// The digest that the person saw.
    pub digest: Digest,
    /// The snapshot that the person saw.
    pub snapshot: String,
    /// What the person says.
    pub comment: Option<Sealed>,
    /// The colleague who gets the place, where it is handed over.
    pub to: Option<String>,
    /// The hash of what the person was shown, if the vote says so.
    pub presentation: Option<Digest>,
    /// The name of the votes that are given at once.
    pub batch: Option<Digest>,
    /// The stored form of the action as it stands, in case another snapshot is live by now.
    pub action: Option<Box<Action>>,
    /// The action as the ledger has it, in case it is closed.
    pub view: Option<Box<ActionView>>,
    /// What the person made of the action, where the vote is an edit of the stored form.
    pub edit: Option<Box<Edit>>,
    /// By what it came, where that was not the API.
    pub via: Option<Via>,
    /// A signature of the person's passkey over it, which has been checked.
    pub assertion: Option<Assertion>,
}

/// By what a vote came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The channel.
    pub channel: String,
    /// The link, which has to be open still.
    pub link: Option<Digest>,
}

/// What a person made of an action.
pub struct Edit {
    /// What it would be, with everything that a submission has.
    pub submit: Submit,
    /// The salt of the digest of what it was.
    pub salt: [u8; SALT_BYTES],
    /// Parts of evidence that the request lacked at first, and has since it goes to people.
    pub completed: Vec<String>,
}

/// The agent wants something else than what waits for people.
pub struct Revise {
    /// The request.
    pub approval: ApprovalId,
    /// What it wants now.
    pub submit: Submit,
    /// The stored form of what it wanted.
    pub before: Option<Box<Action>>,
    /// Parts of evidence that the request lacked at first, and has since it goes to people.
    pub completed: Vec<String>,
}

/// A person lets an action through that waits for others.
pub struct BreakGlass {
    /// The request.
    pub approval: ApprovalId,
    /// What it is for: the name of an incident.
    pub incident: String,
    /// Why.
    pub reason: Sealed,
    /// The stored form of the action, in case another snapshot is live by now.
    pub action: Option<Box<Action>>,
}

/// A person is served a request.
pub struct Viewing {
    /// The request.
    pub approval: ApprovalId,
    /// Who.
    pub user: String,
    /// The hash of what is served.
    pub presentation: Digest,
}

/// What a cadence of the policy has due.
pub struct PractiseDue {
    /// The name of the cadence.
    pub cadence: String,
    /// Which of its actions was drawn.
    pub action: usize,
    /// That action, as its agent would ask for it; or why it cannot be asked for: a code.
    pub submit: Result<Submit, &'static str>,
}

/// A person makes a request that cannot come to anything.
pub struct Practise {
    /// What it is.
    pub kind: PracticeKind,
    /// The action, as an agent would ask for it.
    pub submit: Submit,
    /// Why it was made, and for a canary what a careful person finds in it.
    pub reason: Sealed,
}

/// What a person found about an action that has run.
pub struct CloseReview {
    /// The review.
    pub review: ReviewId,
    /// Who looked.
    pub user: String,
    /// What was found.
    pub finding: Finding,
    /// What the person says.
    pub comment: Option<Sealed>,
}
