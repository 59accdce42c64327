//! What a bundle says that cannot be meant: found by reading it, for its author.
//!
//! Everything here is a warning. A bundle that was stored before a finding was thought of still loads.

use std::collections::BTreeMap;

use crate::condition::reach::part;
use crate::condition::region::{Effort, Part, Region};
use crate::document::Place;
use crate::facts::Root;
use crate::problem::{Problem, Severity};
use crate::snapshot::Snapshot;
use crate::yaml::Source;

mod names;
mod rules;
mod speaks;

/// Collects findings.
pub(crate) struct Findings<'a> {
    snapshot: &'a Snapshot,
    found: Vec<Problem>,
}

impl<'a> Findings<'a> {
    /// A finding about a place.
    fn at(&mut self, place: &Place, code: &'static str, message: String, help: String) {
        self.found.push(Problem {
            severity: Severity::Warning,
            code,
            file: place.file.to_string(),
            span: place.span.clone(),
            line: place.line,
            column: place.column,
            message,
            help: Some(help),
        });
    }

    /// A finding about the words of a rule, or about its place where they are written otherwise, such as with escapes.
    fn about(&mut self, place: &Place, words: &str, code: &'static str, message: String, help: String) {
        let file = self.text_of(place);
        let found = file.get(place.span.start..).and_then(|rest| rest.find(words));
        let Some(at) = found.filter(|_| !words.is_empty()) else {
            return self.at(place, code, message, help);
        };
        let start = place.span.start + at;
        let source = Source::new(&place.file, file);
        let span = start..start + words.len();
        self.found
            .push(source.problem(Severity::Warning, code, span, message, Some(help)));
    }

    /// A finding about a word of a condition.
    fn about_within(
        &mut self,
        place: &Place,
        condition: &str,
        word: &str,
        code: &'static str,
        message: String,
        help: String,
    ) {
        let file = self.text_of(place);
        let start = file.get(place.span.start..).and_then(|rest| rest.find(condition));
        let inside = start.and_then(|start| Some((place.span.start + start, condition.find(word)?)));
        let Some((start, at)) = inside else {
            return self.at(place, code, message, help);
        };
        let from = start + at;
        let source = Source::new(&place.file, file);
        let span = from..from + word.len();
        self.found
            .push(source.problem(Severity::Warning, code, span, message, Some(help)));
    }

    fn text_of(&self, place: &Place) -> &'a str {
        let files = self.snapshot.files();
        let at = files.binary_search_by(|(name, _)| name.as_str().cmp(&place.file)).ok();
        let bytes = at.and_then(|at| files.get(at)).map(|(_, bytes)| bytes.as_slice());
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

/// Everything that cannot be meant, by file and place.
pub(crate) fn lint(snapshot: &Snapshot) -> Vec<Problem> {
    let mut findings = Findings {
        snapshot,
        found: Vec::new(),
    };
    rules::look(&mut findings);
    names::look(&mut findings);
    let mut found = findings.found;
    found.sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
    found.dedup();
    found
}

/// Most pairs of cases that are looked at in one bundle: a second or two.
const MOST_EFFORT: u64 = 2_000_000;

/// What every rule is looked at with.
struct Ground {
    /// What parts of conditions can be.
    world: BTreeMap<Part, Region>,
    effort: Effort,
}

impl Ground {
    fn of(snapshot: &Snapshot) -> Ground {
        Ground {
            world: world(snapshot),
            effort: Effort::new(MOST_EFFORT),
        }
    }
}

/// What conditions can see of things that the bundle itself settles.
fn world(snapshot: &Snapshot) -> BTreeMap<Part, Region> {
    let tools = || {
        snapshot
            .tools
            .values()
            .flat_map(|tool| [Some(tool), tool.tainted.as_deref()])
            .flatten()
    };
    let classes = tools().filter_map(|tool| tool.class.clone());
    let risks = tools().filter_map(|tool| tool.risk().map(str::to_owned));
    let some = |words: Vec<String>| match words.is_empty() {
        true => Region::none().or_absent(),
        false => Region::text_of(words, true).or_absent(),
    };
    BTreeMap::from([
        (part(Root::Tool, &["class"]), some(classes.collect())),
        (part(Root::Tool, &["risk"]), some(risks.collect())),
        // Declared, and filled in by nobody yet.
        (part(Root::Agent, &["tier"]), Region::none().or_absent()),
        (part(Root::Agent, &["autonomy"]), Region::none().or_absent()),
    ])
}
