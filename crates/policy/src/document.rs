//! The documents of a bundle: one file a kind, each from a YAML tree to what the evaluation reads.
//!
//! What this version does not enforce is refused, not ignored: a document that loads means what it says.

use std::ops::Range;
use std::sync::Arc;

use crate::problem::Problem;
use crate::verdict::{Decision, Reason};
use crate::yaml::{self, Source};

pub(crate) mod autonomy;
pub(crate) mod budget;
pub(crate) mod change_control;
pub(crate) mod channels;
pub(crate) mod compliance;
pub(crate) mod delegation;
pub(crate) mod disagreement;
pub(crate) mod editable;
pub(crate) mod field;
pub(crate) mod gate;
pub(crate) mod glass;
pub(crate) mod limit;
pub(crate) mod mandate;
pub(crate) mod mandate_audit;
pub(crate) mod mode;
pub(crate) mod organization;
pub(crate) mod output;
pub(crate) mod practice;
pub(crate) mod rates;
pub(crate) mod remedy;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod schedule;
pub(crate) mod schema;
pub(crate) mod selector;
pub(crate) mod tests;
pub(crate) mod theatre;
pub(crate) mod tools;
pub(crate) mod trigger;
pub(crate) mod which;

pub use autonomy::{AutonomyRules, Estimate, Threshold};
pub use budget::{AtCap, Budget, Of, Per, Unit};
pub use change_control::PolicyChanges;
pub use disagreement::{Disagreement, Rank, Resolve, Side};
pub use glass::BreakGlass;
pub use limit::{Key, Limit, Measure, as_compared};
pub use mandate::{Grant, Mandate};
pub use mode::{ReviewMode, StatedMode};
pub use organization::{DefaultRoute, Organization, TwoPerson};
pub use practice::Cadence;
pub use rates::Rates;
pub use route::{Assurance, Clarify, Edits, Exhausted, Route, Separation, Step, StepSlot, When};
pub use schedule::{Calendar, Hours, Layer, Schedule, is_time_zone, time_zone};
pub use theatre::{Response, Theatre};
pub use tools::Catalogued;

use field::Reader;

/// Where something stands in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) span: Range<usize>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A rule and the document that it is in, as reasons name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleId {
    /// `agent:` or `name:` of the document.
    pub(crate) document: Arc<str>,
    /// `rules[0]`, `permissions[1]`, or the rule's own name.
    pub(crate) rule: Arc<str>,
    pub(crate) place: Place,
}

impl RuleId {
    /// `document#rule`.
    pub(crate) fn source(&self) -> String {
        format!("{}#{}", self.document, self.rule)
    }

    /// What it says about an action.
    pub(crate) fn reason(&self, code: &str, decision: Decision, message: String) -> Reason {
        Reason {
            code: code.to_owned(),
            column: self.place.column,
            decision,
            document: self.document.to_string(),
            line: self.place.line,
            message,
            rule: self.rule.to_string(),
        }
    }
}

/// One document.
pub(crate) enum Document {
    Mandate(Box<Mandate>),
    Gate(Box<gate::Gate>),
    Organization(Box<Organization>),
    Tools(Vec<tools::Tool>),
    Tests(Vec<tests::Case>),
    Budgets(Vec<budget::Budget>),
    Limits(Vec<limit::Limit>),
    Disagreements(Vec<disagreement::Disagreement>),
    Outputs(Vec<output::OutputRule>),
    Rates(rates::Rates),
}

/// Reads one file. The document is there unless a problem is an error.
pub(crate) fn read(file: &str, bytes: &[u8]) -> (Option<Document>, Vec<Problem>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = std::str::from_utf8(good).unwrap_or_default();
            let span = good.len()..good.len();
            let help = Some("save the file as UTF-8".to_owned());
            let source = Source::new(file, text);
            let severity = crate::Severity::Error;
            return (
                None,
                vec![source.problem(severity, "invalid_text", span, "the file is not UTF-8", help)],
            );
        }
    };
    let source = Source::new(file, text);
    let root = match yaml::parse(&source) {
        Ok(root) => root,
        Err(problem) => return (None, vec![*problem]),
    };
    let mut reader = Reader::new(&source);
    let document = dispatch(&mut reader, &root);
    let problems = reader.problems;
    let failed = problems
        .iter()
        .any(|problem| problem.severity == crate::Severity::Error);
    (document.filter(|_| !failed), problems)
}

/// The keys that tell the kinds apart, the most telling first.
const KINDS: [&str; 10] = [
    "agent",
    "organization",
    "tools",
    "tests",
    "budgets",
    "limits",
    "disagreements",
    "outputs",
    "rates",
    "rules",
];

fn dispatch(reader: &mut Reader<'_>, root: &yaml::Node) -> Option<Document> {
    let fields = reader.fields(root, "a document")?;
    let kind = KINDS.into_iter().find(|kind| fields.has(kind));
    match kind.or_else(|| fields.has("name").then_some("rules")) {
        Some("agent") => mandate::read(reader, fields).map(|mandate| Document::Mandate(Box::new(mandate))),
        Some("organization") => {
            organization::read(reader, fields).map(|organization| Document::Organization(Box::new(organization)))
        }
        Some("tools") => tools::read(reader, fields).map(Document::Tools),
        Some("tests") => tests::read(reader, fields).map(Document::Tests),
        Some("budgets") => budget::read(reader, fields).map(Document::Budgets),
        Some("limits") => limit::read(reader, fields).map(Document::Limits),
        Some("disagreements") => disagreement::read(reader, fields).map(Document::Disagreements),
        Some("outputs") => output::read(reader, fields).map(Document::Outputs),
        Some("rates") => rates::read(reader, fields).map(Document::Rates),
        Some(_) => gate::read(reader, fields).map(|gate| Document::Gate(Box::new(gate))),
        None => {
            let help = "a mandate has `agent:`, a gate `name:` and `rules:`, an organization `organization:`, \
                        a tool catalogue `tools:`, tests `tests:`, budgets `budgets:`, limits `limits:`, disagreements between agents \
                        `disagreements:`, what results may let out `outputs:`, exchange rates `rates:`";
            reader.error(
                "unknown_document",
                root.span.clone(),
                "no field says what kind of document this is",
                help,
            );
            None
        }
    }
}
