//! What an evaluation answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::output::Outputs;

/// What policy says of an action. Ordered from loose to strict: the strictest of several wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may run.
    Allow,
    /// It may run within the constraints.
    AllowWithConstraints,
    /// Not this, but the alternative.
    Remediate,
    /// A person decides.
    RequireApproval,
    /// It may not run.
    Deny,
}

impl Decision {
    /// All of them, from loose to strict.
    pub const ALL: [Decision; 5] = [
        Decision::Allow,
        Decision::AllowWithConstraints,
        Decision::Remediate,
        Decision::RequireApproval,
        Decision::Deny,
    ];

    /// The decision that a document means: its wire name, in any case, with `-` or `_`.
    pub(crate) fn written(word: &str) -> Option<Decision> {
        let word = word.to_ascii_lowercase().replace('-', "_");
        Decision::ALL.into_iter().find(|decision| decision.as_str() == word)
    }

    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::AllowWithConstraints => "allow_with_constraints",
            Decision::Remediate => "remediate",
            Decision::RequireApproval => "require_approval",
            Decision::Deny => "deny",
        }
    }
}

/// One thing that spoke for the decision. Fields are in the order of the record's canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// A stable word, such as `rule`, `no_rule_allows`, `over_max`, `condition_error`, `constraint_violated`.
    pub code: String,
    /// Column in the document, from 1; 0 where there is no document.
    pub column: u32,
    /// What this reason asked for.
    pub decision: Decision,
    /// `agent:` or `name:` of the document; empty where no document spoke.
    pub document: String,
    /// Line in the document, from 1; 0 where there is no document.
    pub line: u32,
    /// One sentence.
    pub message: String,
    /// Which rule, such as `rules[0]` or `permissions[1]`.
    pub rule: String,
}

/// How many of the names of a demand have to approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quorum {
    /// So many distinct people out of all the names together.
    Any(u32),
    /// One person of each name.
    All,
}

/// Approvers that one rule asks for. Every demand of a verdict has to be met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Demand {
    /// Places of the action that whoever decides may narrow: JSON pointers, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<String>,
    /// Names of teams, duties, routes or people, sorted; empty = the default route.
    pub names: Vec<String>,
    /// How many of them.
    pub quorum: Quorum,
    /// `document#rule` that asks.
    pub source: String,
}

impl Demand {
    /// Whoever decides where nobody is named.
    pub fn of_default_route(source: String) -> Demand {
        Demand {
            editable: Vec::new(),
            names: Vec::new(),
            quorum: Quorum::Any(1),
            source,
        }
    }
}

/// A safer action in place of the one asked for.
pub struct Remedy {
    /// The alternative, in full.
    pub alternative: Action,
    /// The alternative's own decision: `allow` or `allow_with_constraints`.
    pub decision: Decision,
    /// `true` when the rule lets us apply it and the caller accepts that.
    pub applied: bool,
    /// `document#rule` that offers it.
    pub source: String,
    /// What it changed: JSON pointers, sorted.
    pub changed: Vec<String>,
}

/// The answer of policy for one action.
pub struct Verdict {
    /// The strictest of all that matched.
    pub decision: Decision,
    /// Everything that matched and spoke for something, strictest first, then by document and line. Never empty.
    pub reasons: Vec<Reason>,
    /// Constraint name to its canonical text (`max_cost` → `50.00`, `timeout` → `300s`, lists → JSON text).
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// Who has to approve, without duplicates; non-empty only with [`Decision::RequireApproval`].
    pub demands: Vec<Demand>,
    /// Parts of evidence, and of a handoff, that policy asks for and the action lacks, in the canonical order.
    pub missing_evidence: Vec<String>,
    /// Policy asks for complete evidence.
    pub evidence_required: bool,
    /// What its result may let out.
    pub outputs: Outputs,
    /// With [`Decision::Remediate`]: the alternative. With `applied`, `decision` is the alternative's own.
    pub remedy: Option<Remedy>,
    /// Names of `alert_on` attempts that this denial sets off, such as `delete_attempt`; sorted.
    pub alerts: Vec<String>,
    /// A grant beyond the agent's mandate was used.
    pub beyond_mandate: bool,
    /// The grant rests on values that only the agent reports.
    pub reported: Vec<String>,
    /// Retention class asked for by the agent's mandate, such as `90_days`.
    pub retention: Option<String>,
    /// How a permit for it may be checked.
    pub permit_use: PermitUse,
}

/// How a permit for this action may be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermitUse {
    /// Online, once.
    Redeem,
    /// By signature alone; only where the mandate says so.
    Offline,
}

/// The value of a constraint as it stands in records, permits and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConstraintValue {
    /// A switch, such as `read_only`.
    Flag(bool),
    /// A decimal or a duration with its unit, as text.
    Text(String),
    /// Common members, sorted.
    List(Vec<String>),
}
