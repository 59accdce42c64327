//! Guards: once policy has granted an action, or would after an approval, each of them looks at it and may tighten the
//! answer. None can loosen it: what a guard returns has no words for that.
//!
//! To add one, write `fn(&State, &Wanted, &mut Found)` in a file below this folder and add a line to [`GUARDS`]. The order is
//! that of the line, and every guard is asked, whatever those before it found. What a guard reads of the state it also
//! leaves in [`Found`], from where it goes into the facts of the record: whoever derives the decision again holds
//! what was read against the ledger before it.

use std::sync::Arc;

use countersign_policy::{Action, Demand, Reason, Snapshot};

use super::{Ctx, State};
use crate::digest::DigestKey;
use crate::event::{
    AccountRead, ActsIn, AgentPaused, CircuitRead, Counted, DecisionFacts, DepthRead, Position, PositionsRead,
    Reservation, Spends, Trial, WindowRead,
};
use crate::ids::ActionId;
use crate::record::Draft;
use crate::redact::{Kinds, Redactor};
use crate::time::Time;

/// Every guard, in the order in which they look.
const GUARDS: [fn(&State, &Wanted<'_>, &mut Found); 4] = [
    super::autonomy::unproven,
    super::budget::guard,
    super::limit::guard,
    super::disagree::guard,
];

/// What is about to be granted.
pub(super) struct Wanted<'a> {
    /// What would run: the alternative, where a remedy was applied.
    pub(super) action: &'a Action,
    /// How much of it is looked at, where it would run without an approval.
    pub(super) acts_in: Option<&'a ActsIn>,
    /// Who acts.
    pub(super) agent: &'a Arc<str>,
    /// Makes of values what may stand in a record in their place.
    pub(super) digest_key: &'a DigestKey,
    /// What the evaluation read outside the action.
    pub(super) facts: &'a DecisionFacts,
    /// What redaction looks for in this agent's actions.
    pub(super) kinds: &'a Kinds,
    /// The policy that granted it.
    pub(super) live: &'a Snapshot,
    /// What its records call it: guards go by that, so that they say the same whenever they are asked.
    pub(super) names: Names<'a>,
    /// When.
    pub(super) now: Time,
    /// Whatever of the action goes into a record goes through it.
    pub(super) redactor: &'a Redactor,
    /// The action of which it is another form: that does not stand in its own way.
    pub(super) revises: Option<ActionId>,
}

/// Tool and operation as records show them.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// The operation.
    pub(super) operation: &'a str,
    /// The tool, where one is named.
    pub(super) tool: Option<&'a str>,
}

/// What the guards found, each adding to it.
#[derive(Default)]
pub(super) struct Found {
    /// Accounts of budgets, as they were read.
    pub(super) accounts: Vec<AccountRead>,
    /// Circuits of limits that are not closed, as they were read.
    pub(super) circuits: Vec<CircuitRead>,
    /// What a permit would count in the windows of limits.
    pub(super) counted: Vec<Counted>,
    /// Where the action lies in the tree of its run.
    pub(super) depth: Option<DepthRead>,
    /// What tightens the answer. The last one is the reason that is shown first.
    pub(super) objections: Vec<Objection>,
    /// Budgets and limits that have no room.
    pub(super) no_room: Vec<NoRoom>,
    /// Whether it may still run shows only when its permit is used here.
    pub(super) online: bool,
    /// What agents want of the same subjects.
    pub(super) positions: FoundPositions,
    /// What a permit would reserve.
    pub(super) reserved: Vec<Reservation>,
    /// What is to be kept while people decide.
    pub(super) spends: Option<Spends>,
    /// Circuits that a permit would try.
    pub(super) trials: Vec<Trial>,
    /// Windows of limits, as they were read.
    pub(super) windows: Vec<WindowRead>,
}

/// What agents want of the same subjects.
#[derive(Default)]
pub(super) struct FoundPositions {
    /// In a sentence: who wants the opposite, and who prevails.
    pub(super) opposed: Vec<String>,
    /// As they were read.
    pub(super) read: Vec<PositionsRead>,
    /// What the agent wants from now on.
    pub(super) taken: Vec<Position>,
}

/// A budget or a limit that has no room for an action.
pub(crate) struct NoRoom {
    /// Which of the two it is.
    pub(super) of: Keeper,
    /// A refusal pauses the agent.
    pub(super) pauses: bool,
    /// In a sentence.
    pub(super) why: String,
}

/// What keeps room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    Budget,
    Limit,
}

impl Keeper {
    /// Both, in the order in which people are told.
    const ALL: [Keeper; 2] = [Keeper::Budget, Keeper::Limit];

    /// The word for why an agent is paused.
    fn word(self) -> &'static str {
        match self {
            Keeper::Budget => "budget",
            Keeper::Limit => "limit",
        }
    }

    /// The alert that there was no room.
    fn alert(self) -> &'static str {
        match self {
            Keeper::Budget => "budget_exhausted",
            Keeper::Limit => "limit_reached",
        }
    }
}

/// Why an answer becomes stricter.
pub(super) struct Objection {
    /// What the record and the caller are told.
    pub(super) reason: Reason,
    /// What becomes of the answer.
    pub(super) stricter: Stricter,
}

/// How strict it becomes at least.
pub(super) enum Stricter {
    /// These people have to approve as well.
    Ask(Demand),
    /// It may not run.
    Deny,
}

impl State {
    /// What all guards find.
    pub(super) fn guarded(&self, wanted: &Wanted<'_>) -> Found {
        let mut found = Found::default();
        GUARDS.iter().for_each(|guard| guard(self, wanted, &mut found));
        found
    }

    /// What an action that found no room comes to besides its answer: its agent is paused once, or people are told.
    pub(super) fn tell_no_room(
        &self,
        agent: &Arc<str>,
        no_room: &[NoRoom],
        refused: bool,
        id: ActionId,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let (mut events, mut paused) = (Vec::new(), false);
        for keeper in Keeper::ALL {
            let of: Vec<&NoRoom> = no_room.iter().filter(|found| found.of == keeper).collect();
            if refused && !paused && of.iter().any(|found| found.pauses) {
                let why: Vec<&str> = of.iter().map(|found| found.why.as_str()).collect();
                events.extend(self.pause_for(keeper, agent, &why.join("; "), id, ctx));
                paused = true;
            } else if let Some(first) = of.first() {
                events.extend(self.alert(keeper.alert(), first.why.clone(), Some(agent), Some(id), ctx));
            }
        }
        events
    }

    /// An agent that found no room is paused, and people are told.
    pub(super) fn pause_for(
        &self,
        keeper: Keeper,
        agent: &Arc<str>,
        why: &str,
        id: ActionId,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let paused = AgentPaused {
            agent: agent.clone(),
            why: keeper.word().to_owned(),
        };
        let summary = format!("`{agent}` is paused: {why}");
        let alert = self.alert("agent_paused", summary, Some(agent), Some(id), ctx);
        std::iter::once(Draft::observed(paused)).chain(alert).collect()
    }
}
