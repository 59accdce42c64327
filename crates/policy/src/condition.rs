//! Conditions: a subset of CEL with exact numbers, checked when the policy loads and bounded in time when it runs.
//!
//! The subset: `true` `false` `null`, numbers, strings (`'…'`, `"…"`, `r'…'`), lists; `!` `-` `*` `/` `%` `+` `<` `<=` `>` `>=` `==`
//! `!=` `in` `&&` `||` `?:`; `a.b`, `a['b']`, `list[0]`; `has(a.b)`, `size(x)`, `timestamp('…')`, `duration('…')`; the methods `size`,
//! `startsWith`, `endsWith`, `contains`, `lowerAscii`, `upperAscii`, and of timestamps, in UTC, `getFullYear`, `getMonth`, `getDate`,
//! `getDayOfMonth`, `getDayOfWeek`, `getDayOfYear`, `getHours`, `getMinutes`, `getSeconds`; the macros `all`, `exists`, `exists_one`,
//! `filter`, `map`; of texts in other languages `shell.commands(x)`, `shell.writes(x)`, `url.host(x)`, `path.within(x, folder)`,
//! `sql.verbs(x)`, `email.domain(x)`. No `matches`: a regular expression is one dependency and one cost bound more than a policy needs.
//!
//! Where it differs from CEL, it fails closed where CEL would be silently false:
//!
//! - There is one kind of number, the exact decimal: `1 == 1.0`, `7 / 2 == 3.5`, no suffix `u`. A sum or product that 28 digits cannot
//!   hold is an error; a quotient is rounded to 28 digits. `%` takes decimals and has the sign of the left side.
//! - Names are declared ([`Declarations`]), and types are checked at load: `amount == '500'` and `agent.tema` do not load.
//! - Values of two kinds are never compared: `args.n == 'x'` is an error, not false, where `args.n` turns out to be a number. Only
//!   `null` equals or differs from everything. `x in list` is such an error when no member has the kind of `x`.
//! - Inside lists and maps that are compared as a whole, members of different kinds are just different, as in CEL.
//! - `has()` also takes the name of a root, and a key in brackets, and is false when any part of the path is absent.
//! - Truth values have no order. `timestamp()` and `duration()` count in microseconds.
//! - Reading what may be absent without `has()` before it does not load ([`Condition::compile`]).

use std::ops::Range;

use crate::facts::Facts;
use crate::json::to_json;
use crate::problem::Severity;
use crate::value::Value;

mod access;
mod arith;
mod calls;
mod check;
mod compare;
mod declare;
mod eval;
mod guard;
mod lex;
pub(crate) mod mentions;
mod node;
mod operate;
pub(crate) mod reach;
pub(crate) mod region;
mod syntax;
mod texts;
mod time;

pub use declare::{Declarations, Field, Record, Type};
pub(crate) use time::{duration_text, parse_timestamp, timestamp_text};

use node::{Node, Path};

/// Longest source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4096;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Most parts: literals, names, operators, calls.
pub const MAX_NODES: usize = 1000;
/// Most macros inside each other.
pub const MAX_MACROS: usize = 2;
/// How long the lists that macros walk over are taken to be, where the condition does not say.
const ASSUMED_LENGTH: u64 = 64;

/// Something about a condition that its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// With an error the condition does not load.
    pub severity: Severity,
    /// A stable word, such as `unknown_field`.
    pub code: &'static str,
    /// Bytes of the condition's source.
    pub span: Range<usize>,
    /// What is wrong: lower case, one line, the user's text in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Finding {
    fn error(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Error,
            code,
            span,
            message: message.into(),
            help: None,
        }
    }

    fn syntax(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding::error("syntax", span, message)
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why a condition has no value; the rule that it belongs to denies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What happened, with the path: "`args.to` is absent".
    pub message: String,
}

impl EvalError {
    #[cold]
    fn new(message: impl Into<String>) -> Self {
        EvalError {
            message: message.into(),
        }
    }
}

/// The work that an evaluation may still do; one unit is about one operator or one compared member.
///
/// One fuel for one condition bounds that condition; shared by several, it bounds them together.
#[derive(Clone, Copy, Debug)]
pub struct Fuel {
    left: u64,
}

impl Fuel {
    /// The default amount: a few milliseconds at most.
    pub const FULL: u64 = 200_000;

    /// So much work.
    pub fn new(units: u64) -> Self {
        Fuel { left: units }
    }

    /// What a search for other answers may take with all its evaluations: some tens of milliseconds.
    pub fn search() -> Self {
        Fuel { left: 10 * Fuel::FULL }
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes away what somebody else has spent.
    pub(crate) fn lose(&mut self, units: u64) {
        self.left = self.left.saturating_sub(units);
    }

    fn spend(&mut self, units: u64) -> Result<(), EvalError> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(EvalError::new(
                    "fuel exhausted: the condition takes too long on these values",
                ))
            }
        }
    }
}

impl Default for Fuel {
    fn default() -> Self {
        Fuel { left: Fuel::FULL }
    }
}

/// A condition that was parsed, checked and lowered.
#[derive(Debug)]
pub struct Condition {
    source: String,
    node: Node,
    /// The operands of the outermost `&&`, or the whole, as places in the source.
    operands: Vec<Range<usize>>,
    paths: Vec<Path>,
    reads: Vec<String>,
    cost: u64,
}

impl Condition {
    /// Parses and checks `source` against what `declarations` say may be read.
    ///
    /// Returns the condition with warnings, or everything that is wrong with it, errors and warnings, in the order of the source.
    /// Reading a declared name that may be absent needs a `has()` that was true before it, on the left of `&&`, in the test of `?:`, or
    /// negated on the left of `||`. Comparing a root text such as `env` with literals is excepted, with a warning: where it is absent,
    /// the condition cannot be evaluated and its rule denies. For undeclared members of maps it is a warning.
    pub fn compile(source: &str, declarations: &Declarations) -> Result<(Condition, Vec<Finding>), Vec<Finding>> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("a condition has at most {MAX_SOURCE_BYTES} bytes");
            return Err(vec![
                Finding::error("too_large", 0..0, message).help("split it into several rules"),
            ]);
        }
        let tree = syntax::parse(source).map_err(|finding| vec![finding])?;
        let checked = check::check(source, &tree, declarations);
        let mut findings = checked.findings;
        findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
        findings.dedup();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        let operands = match &tree.get(tree.root).kind {
            syntax::Kind::And(ids) => ids.iter().map(|id| tree.get(*id).span.clone()).collect(),
            _ => vec![tree.get(tree.root).span.clone()],
        };
        let mut paths = checked.paths;
        paths.sort_by(|left, right| left.text.cmp(&right.text));
        paths.dedup_by(|left, right| left.text == right.text);
        let reads = paths.iter().map(|path| path.text.to_string()).collect();
        let (node, cost) = (checked.node, checked.cost);
        Ok((
            Condition {
                source: source.to_owned(),
                node,
                operands,
                paths,
                reads,
                cost,
            },
            findings,
        ))
    }

    /// Whether the condition holds. Takes time in proportion to the fuel at most.
    pub fn eval(&self, facts: &Facts<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
        eval::truth(&self.node, &eval::Scope::new(facts), fuel)
    }

    /// The text that it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths that it reads or asks for with `has()`, such as `args.to`; sorted, without duplicates.
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// An upper bound of the fuel that it needs while texts and lists are of ordinary length.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// What it read and what came of it, for the answer to "why did this rule not match".
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let scope = eval::Scope::new(facts);
        let values = self.paths.iter().map(|path| {
            let text = match eval::lookup(path, &scope) {
                Ok(Some(value)) => shown(value),
                Ok(None) => "absent".to_owned(),
                Err(error) => error.message,
            };
            (path.text.to_string(), text)
        });
        let nodes: Vec<&Node> = match &self.node {
            Node::And(nodes) => nodes.iter().collect(),
            node => vec![node],
        };
        let mut fuel = Fuel::default();
        let part = |index: usize| {
            let range = self.operands.get(index).cloned().unwrap_or_default();
            self.source.get(range).unwrap_or_default().to_owned()
        };
        let mut failed = None;
        let mut error = None;
        for (index, node) in nodes.iter().enumerate() {
            match eval::truth(node, &scope, &mut fuel) {
                Ok(true) => {}
                Ok(false) => {
                    failed = Some(part(index));
                    break;
                }
                Err(e) => error = error.or(Some((part(index), e))),
            }
        }
        Explanation {
            values: values.collect(),
            error: error.filter(|_| failed.is_none()),
            failed,
        }
    }
}

/// Why a condition holds or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Each path that the condition reads, with its value as JSON (cut at 120 characters) or `absent`.
    ///
    /// Values come from the action as it was received: redact before storing or showing them.
    pub values: Vec<(String, String)>,
    /// The first operand of the outermost `&&` that is false, as it stands in the source; `None` where the condition holds.
    pub failed: Option<String>,
    /// The first operand that could not be evaluated, where no other decides.
    pub error: Option<(String, EvalError)>,
}

fn shown(value: &Value) -> String {
    let mut text = String::new();
    to_json(value, &mut text);
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The declared name closest to `name`, if it is close: what the author probably meant.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + name.len() / 4;
    let name = name.to_lowercase();
    let near = known
        .into_iter()
        .map(|other| (distance(&name, &other.to_lowercase()), other));
    near.filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, other)| other)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, a) in left.chars().take(64).enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut best = (cell(&last, j) + usize::from(a != *b))
                .min(cell(&last, j + 1) + 1)
                .min(cell(&row, j) + 1);
            let swapped = j > 0 && previous == Some(*b) && right.get(j - 1) == Some(&a);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
        }
        previous = Some(a);
        before = std::mem::replace(&mut last, row);
    }
    cell(&last, right.len())
}
