//! A person before each action: of an agent that has shown nothing yet, or where the document says so.

use countersign_policy::verdict::Quorum;
use countersign_policy::{Decision, Demand, Reason, Snapshot};

use crate::event::{ActsIn, Mode};
use crate::state::State;
use crate::state::guard::{Found, Objection, Stricter, Wanted};

/// The guard that asks people before an action of an agent that has shown nothing yet.
pub(in crate::state) fn unproven(_: &State, wanted: &Wanted<'_>, found: &mut Found) {
    let unproven = wanted.acts_in.filter(|acts_in| acts_in.mode == Mode::PreAction);
    found
        .objections
        .extend(unproven.and_then(|acts_in| first_ask(wanted.live, acts_in)));
}

fn first_ask(live: &Snapshot, acts_in: &ActsIn) -> Option<Objection> {
    let operation = &acts_in.operation;
    let organization = live.organization()?;
    let (line, column) = organization.autonomy()?.at();
    let reason = Reason {
        code: "pre_action_review".into(),
        column,
        decision: Decision::RequireApproval,
        document: organization.id().to_owned(),
        line,
        message: if acts_in.stated {
            format!("`{operation}` of this agent runs once a person has looked at it")
        } else {
            format!("the agent has not earned yet that `{operation}` runs before a person looks at it")
        },
        rule: "autonomy".into(),
    };
    let demand = Demand {
        editable: Vec::new(),
        names: Vec::new(),
        quorum: Quorum::Any(1),
        source: format!("{}#autonomy", organization.id()),
    };
    Some(Objection {
        reason,
        stricter: Stricter::Ask(demand),
    })
}
