//! Policy documents on disk: a folder, its files, and what is wrong with them.

use std::fs;
use std::path::Path;

use countersign_policy::{Problem, Severity, Snapshot, TestResult, Tried};
use serde_json::{Value, json};

use crate::excerpt;
use crate::failure::{Failure, Result};

/// Names and exact bytes.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// How deep folders in a policy folder may lie.
const DEEPEST: usize = 8;

/// What a check of documents found.
pub(crate) struct Checked {
    /// The documents, if they load.
    pub(crate) snapshot: Option<Snapshot>,
    /// Errors and warnings.
    pub(crate) problems: Vec<Problem>,
    /// What came of the tests in the documents.
    pub(crate) tests: Vec<TestResult>,
}

/// Reads the `.yaml` and `.yml` files of a folder and the folders in it. Names are relative to the folder.
pub(crate) fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    gather(folder, "", 0, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(
            Failure::usage(format!("there is no .yaml file in `{}`", folder.display()))
                .next("name the folder that holds the policy documents"),
        );
    }
    Ok(files)
}

fn gather(folder: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::io("read", folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::io("read", folder, &error))?;
        let path = entry.path();
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let meta = fs::metadata(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let name = format!("{prefix}{name}");
        if meta.is_dir() && depth < DEEPEST {
            gather(&path, &format!("{name}/"), depth + 1, files)?;
        } else if meta.is_file() && (name.ends_with(".yaml") || name.ends_with(".yml")) {
            let bytes = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
            files.push((name, bytes));
        }
    }
    Ok(())
}

/// Loads documents and runs the tests in them.
pub(crate) fn check(files: &Files) -> Checked {
    match Snapshot::load(files) {
        Ok((snapshot, problems)) => {
            let tests = snapshot.run_tests();
            Checked {
                snapshot: Some(snapshot),
                problems,
                tests,
            }
        }
        Err(problems) => Checked {
            snapshot: None,
            problems,
            tests: Vec::new(),
        },
    }
}

/// Loads documents that have to be right, whatever their tests say.
pub(crate) fn load(folder: &Path, files: &Files) -> Result<Snapshot> {
    Snapshot::load(files).map(|(snapshot, _)| snapshot).map_err(|problems| {
        let fault = problems.iter().find_map(|problem| error(problem, folder));
        not_right(&fault.unwrap_or_default(), "check", folder)
    })
}

/// Fails unless documents load and their tests hold.
pub(crate) fn must_be_fine(folder: &Path, files: &Files) -> Result<()> {
    match check(files).first_fault(folder) {
        None => Ok(()),
        Some(fault) => Err(not_right(&fault, "test", folder)),
    }
}

fn not_right(fault: &str, verb: &str, folder: &Path) -> Failure {
    Failure::no(format!("the policies are not right: {fault}")).next(format!(
        "see everything with `countersign policy {verb} {}`",
        folder.display()
    ))
}

fn place(folder: &Path, file: &str, line: u32) -> String {
    format!("{}:{line}", folder.join(file).display())
}

/// An error in one line with its place; nothing of a warning.
fn error(problem: &Problem, folder: &Path) -> Option<String> {
    let place = place(folder, &problem.file, problem.line);
    (problem.severity == Severity::Error).then(|| format!("{place}: {}", problem.message))
}

impl Checked {
    /// Tests that did not get what they want.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &TestResult> {
        self.tests.iter().filter(|test| !test.passed())
    }

    /// How much of the rules the tests try, by running each of them again.
    pub(crate) fn covered(&self) -> Covered {
        Covered {
            rules: self.snapshot.as_ref().map(Snapshot::coverage).unwrap_or_default(),
        }
    }

    /// How many errors and warnings there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let errors = self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count();
        (errors, self.problems.len() - errors)
    }

    /// The documents load and their tests hold.
    pub(crate) fn is_fine(&self) -> bool {
        self.snapshot.is_some() && self.failed().next().is_none()
    }

    /// Adds what reading finds that cannot be meant, such as rules that never speak.
    pub(crate) fn read_closely(mut self) -> Checked {
        self.problems.extend(self.snapshot.iter().flat_map(Snapshot::lint));
        self.problems
            .sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
        self
    }

    /// The problems, each with the line that it is about.
    pub(crate) fn render(&self, folder: &Path, files: &Files) -> String {
        let source = |problem: &Problem| text_of(&problem.file, files);
        let each = self.problems.iter().map(|problem| {
            excerpt::render(
                problem,
                &folder.join(&problem.file).display().to_string(),
                &source(problem),
            )
        });
        each.collect::<Vec<_>>().join("\n")
    }

    /// Everything, as data.
    pub(crate) fn value(&self, covered: &Covered, files: &Files) -> Value {
        let tests: Vec<Value> = self.tests.iter().map(test_value).collect();
        json!({
            "snapshot": self.snapshot.as_ref().map(Snapshot::hash_text),
            "problems": self.problems.iter()
                .map(|problem| excerpt::value(problem, &text_of(&problem.file, files)))
                .collect::<Vec<_>>(),
            "tests": tests,
            "coverage": covered.value(),
            "untried": covered.untried().map(untried_value).collect::<Vec<_>>(),
        })
    }

    /// The first thing that is wrong, in one line with file and line.
    pub(crate) fn first_fault(&self, folder: &Path) -> Option<String> {
        let tests = || {
            let test = self.failed().next()?;
            Some(format!("{}: {}", place(folder, &test.file, test.line), failure(test)))
        };
        self.problems
            .iter()
            .find_map(|problem| error(problem, folder))
            .or_else(tests)
    }
}

/// The text of a document.
pub(crate) fn text_of(name: &str, files: &Files) -> String {
    let found = files.iter().find(|(file, _)| file == name);
    let bytes = found.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// How much of the rules the tests try.
pub(crate) struct Covered {
    /// Every rule, and which of its sides are tried.
    rules: Vec<Tried>,
}

impl Covered {
    /// Rules that are tried, and all.
    pub(crate) fn rules(&self) -> (usize, usize) {
        let tried = self.rules.iter().filter(|rule| rule.is_tried());
        (tried.count(), self.rules.len())
    }

    /// Sides of rules that are tried, and all.
    pub(crate) fn branches(&self) -> (usize, usize) {
        let all: usize = self.rules.iter().map(|rule| rule.branches.len()).sum();
        let untried: usize = self.rules.iter().map(|rule| rule.untried.len()).sum();
        (all - untried, all)
    }

    /// Rules of which a side is not tried.
    pub(crate) fn untried(&self) -> impl Iterator<Item = &Tried> {
        self.rules.iter().filter(|rule| !rule.untried.is_empty())
    }

    /// Sides that are tried, of a hundred.
    pub(crate) fn percent(&self) -> usize {
        let (tried, all) = self.branches();
        (tried * 100).checked_div(all).unwrap_or(100)
    }

    fn value(&self) -> Value {
        let ((rules_tried, rules), (branches_tried, branches)) = (self.rules(), self.branches());
        json!({
            "rules": rules,
            "rules_tried": rules_tried,
            "branches": branches,
            "branches_tried": branches_tried,
            "percent": self.percent(),
        })
    }
}

/// Which sides of a rule no test tries, as text.
pub(crate) fn untried(rule: &Tried) -> String {
    let sides: Vec<&str> = rule.untried.iter().map(|branch| branch.as_str()).collect();
    format!("no test tries `{}#{}`: {}", rule.document, rule.rule, sides.join(", "))
}

fn untried_value(rule: &Tried) -> Value {
    json!({
        "document": rule.document,
        "rule": rule.rule,
        "file": rule.file,
        "line": rule.line,
        "untried": rule.untried.iter().map(|branch| branch.as_str()).collect::<Vec<_>>(),
    })
}

/// What a failed test says.
pub(crate) fn failure(test: &TestResult) -> String {
    format!("test `{}` fails: {}", test.name, test.failures.join("; "))
}

fn test_value(test: &TestResult) -> Value {
    json!({
        "name": test.name,
        "file": test.file,
        "line": test.line,
        "expected": test.expected.as_str(),
        "decision": test.decision.as_str(),
        "passed": test.passed(),
        "failures": test.failures,
    })
}
