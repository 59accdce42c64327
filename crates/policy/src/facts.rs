//! The names that a condition may read, and where an evaluation finds their values.

use crate::hidden::Hidden;
use crate::value::Value;

/// A name at the root of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Root {
    /// Who acts: `id`, `owner`, `team`, `tier`, `autonomy`, `identity`, `labels`.
    Agent,
    /// The operation's name.
    Action,
    /// The tool: `id`, `class`, `risk`, `reversible`, `tier`, `labels`.
    Tool,
    /// The operation's arguments.
    Args,
    /// What it is about: `type`, `id`, `owner`, `labels`.
    Resource,
    /// The environment.
    Env,
    /// `read` or `write`.
    Access,
    /// Money that moves.
    Amount,
    /// Its currency.
    Currency,
    /// What running it is expected to cost.
    EstimatedCost,
    /// The agent's confidence, 0 to 1.
    Confidence,
    /// Evidence for a reviewer.
    Evidence,
    /// Free labels.
    Labels,
    /// On whose behalf: `id`, `verified`.
    Principal,
    /// The run.
    Run,
    /// The chain of agents.
    Delegation,
    /// Kinds of personal or secret data that were found in the action.
    Pii,
    /// Rolling counters.
    Counters,
    /// Sources that disagree.
    Conflicts,
    /// The model and its version.
    Model,
    /// Labels of what the agent has read in this run.
    Reads,
    /// The decision's time.
    Now,
    /// Names of calendars that are open at that time.
    Open,
}

/// The label of content from outside, which nobody in the organization has vouched for.
pub const OUTSIDE: &str = "outside";

impl Root {
    /// Every root, in the order of their discriminants.
    pub const ALL: [Root; 23] = [
        Root::Agent,
        Root::Action,
        Root::Tool,
        Root::Args,
        Root::Resource,
        Root::Env,
        Root::Access,
        Root::Amount,
        Root::Currency,
        Root::EstimatedCost,
        Root::Confidence,
        Root::Evidence,
        Root::Labels,
        Root::Principal,
        Root::Run,
        Root::Delegation,
        Root::Pii,
        Root::Counters,
        Root::Conflicts,
        Root::Model,
        Root::Reads,
        Root::Now,
        Root::Open,
    ];

    /// How a condition spells it.
    pub fn name(self) -> &'static str {
        match self {
            Root::Agent => "agent",
            Root::Action => "action",
            Root::Tool => "tool",
            Root::Args => "args",
            Root::Resource => "resource",
            Root::Env => "env",
            Root::Access => "access",
            Root::Amount => "amount",
            Root::Currency => "currency",
            Root::EstimatedCost => "estimated_cost",
            Root::Confidence => "confidence",
            Root::Evidence => "evidence",
            Root::Labels => "labels",
            Root::Principal => "principal",
            Root::Run => "run",
            Root::Delegation => "delegation",
            Root::Pii => "pii",
            Root::Counters => "counters",
            Root::Conflicts => "conflicts",
            Root::Model => "model",
            Root::Reads => "reads",
            Root::Now => "now",
            Root::Open => "open",
        }
    }

    /// The root of that name.
    pub fn named(name: &str) -> Option<Root> {
        Root::ALL.into_iter().find(|root| root.name() == name)
    }
}

/// The values of the roots for one evaluation; a root that is not set is absent (`has(env)` is false).
#[derive(Default)]
pub struct Facts<'a> {
    values: [Option<&'a Value>; Root::ALL.len()],
    hidden: Option<&'a Hidden>,
}

impl<'a> Facts<'a> {
    /// Gives `root` a value.
    pub fn set(&mut self, root: Root, value: &'a Value) {
        if let Some(slot) = self.values.get_mut(root as usize) {
            *slot = Some(value);
        }
    }

    /// Notes what is read of marks.
    pub(crate) fn watch(&mut self, hidden: Option<&'a Hidden>) {
        self.hidden = hidden;
    }

    /// What watches this evaluation.
    pub(crate) fn hidden(&self) -> Option<&'a Hidden> {
        self.hidden
    }

    /// The value of `root`, if it has one.
    pub fn get(&self, root: Root) -> Option<&'a Value> {
        self.values.get(root as usize).copied().flatten()
    }
}

/// What the control plane knows of the agent that acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody registered it.
    Unregistered,
    /// Seen, not admitted.
    Quarantined,
    /// Registered and active.
    Active,
}

/// An agent that handed an action on to the one that acts, or to one before it.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it may act at all.
    pub standing: Standing,
    /// What conditions see as `agent` when its own rules are looked at; a [`Value::Map`].
    pub agent: &'a Value,
}

/// Everything outside the action that an evaluation may read.
pub struct Context<'a> {
    /// The agent's id.
    pub agent_id: &'a str,
    /// Whether it may act at all.
    pub standing: Standing,
    /// What conditions see as `agent`; a [`Value::Map`].
    pub agent: &'a Value,
    /// Who handed the action on, the first one first; proven, not merely named by the agent.
    pub chain: &'a [Member<'a>],
    /// The principal is proven, not merely named by the agent.
    pub principal_verified: bool,
    /// Kinds found in the action by the redaction; a [`Value::List`] of strings.
    pub pii: &'a Value,
    /// Rolling counters; a [`Value::Map`].
    pub counters: Option<&'a Value>,
    /// Labels of what the agent has read in this run, sorted; those that the action states count as well.
    pub reads: &'a [String],
    /// What is known of the run, if somebody started it; a [`Value::Map`].
    pub run: Option<&'a Value>,
    /// The decision's time, microseconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// The organization's currency, for amounts and bounds that name none.
    pub currency: &'a str,
    /// The caller runs the alternative if policy offers one to apply.
    pub accept_remedy: bool,
}

/// No kinds were found.
static NOTHING: Value = Value::List(Vec::new());

impl<'a> Context<'a> {
    /// An agent that may act, of which nothing else is known; `agent` is what conditions see of it.
    pub fn bare(agent_id: &'a str, agent: &'a Value) -> Self {
        Context {
            agent_id,
            standing: Standing::Active,
            agent,
            chain: &[],
            principal_verified: false,
            pii: &NOTHING,
            counters: None,
            reads: &[],
            run: None,
            now: 0,
            currency: "USD",
            accept_remedy: false,
        }
    }
}
