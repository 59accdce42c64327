//! Runs the bundle's own examples.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::tests::Case;
use crate::facts::Context;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::{ConstraintValue, Decision, Verdict};

/// What came of one example of a tests document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// The decision that it wants.
    pub expected: Decision,
    /// The decision that it gets.
    pub decision: Decision,
    /// What is not as it should be, a sentence each; empty = passed.
    pub failures: Vec<String>,
}

impl TestResult {
    /// Whether everything is as the example says.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

pub(crate) fn run(snapshot: &Snapshot) -> Vec<TestResult> {
    snapshot.tests.iter().map(|case| one(snapshot, case)).collect()
}

/// The values of a test's world that its context borrows.
pub(crate) struct Stage {
    agent: Value,
    counters: Value,
    pii: Value,
}

/// The world that a test describes.
pub(crate) fn stage(snapshot: &Snapshot, case: &Case) -> Stage {
    let owner = snapshot
        .mandate(&case.agent)
        .and_then(|mandate| mandate.owner())
        .unwrap_or("team:test");
    let mut agent = BTreeMap::from([
        ("id".to_owned(), Value::from(&*case.agent)),
        ("owner".to_owned(), Value::from(owner)),
    ]);
    agent.extend(case.team.as_deref().map(|team| ("team".to_owned(), Value::from(team))));
    let counters = [("failures".to_owned(), Value::Number(case.failures.into()))];
    Stage {
        agent: Value::Map(agent),
        counters: Value::Map(BTreeMap::from(counters)),
        pii: Value::List(case.pii.iter().map(|kind| Value::from(kind.as_str())).collect()),
    }
}

impl Stage {
    /// What an evaluation of the test reads outside its action.
    pub(crate) fn context<'a>(&'a self, snapshot: &'a Snapshot, case: &'a Case) -> Context<'a> {
        let organization = snapshot.organization();
        Context {
            standing: case.standing,
            principal_verified: case.principal_verified,
            pii: &self.pii,
            counters: Some(&self.counters),
            now: case.now,
            currency: organization.and_then(|it| it.currency()).unwrap_or("USD"),
            accept_remedy: case.accept_remedy,
            ..Context::bare(&case.agent, &self.agent)
        }
    }
}

fn one(snapshot: &Snapshot, case: &Case) -> TestResult {
    let stage = stage(snapshot, case);
    let verdict = snapshot.evaluate(&case.action, &stage.context(snapshot, case));
    TestResult {
        name: case.name.clone(),
        file: case.place.file.to_string(),
        line: case.place.line,
        expected: case.expect.decision,
        decision: verdict.decision,
        failures: failures(case, &verdict),
    }
}

fn failures(case: &Case, verdict: &Verdict) -> Vec<String> {
    let expect = &case.expect;
    let mut failures = Vec::new();
    if verdict.decision != expect.decision {
        let why = verdict
            .reasons
            .first()
            .map(|reason| reason.message.as_str())
            .unwrap_or_default();
        let (wanted, got) = (expect.decision.as_str(), verdict.decision.as_str());
        failures.push(format!("expected `{wanted}`, got `{got}`: {why}"));
    }
    let lacking = |code: &&String| !verdict.reasons.iter().any(|reason| reason.code == **code);
    for code in expect.reasons.iter().filter(lacking) {
        let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        failures.push(format!("expected reason `{code}`, got {}", codes.join(", ")));
    }
    if let Some(wanted) = &expect.constraints {
        let text = |value: &ConstraintValue| match value {
            ConstraintValue::Flag(on) => on.to_string(),
            ConstraintValue::Text(text) => text.clone(),
            ConstraintValue::List(items) => items.join(", "),
        };
        let got: BTreeMap<String, String> = verdict.constraints.iter().map(|(k, v)| (k.clone(), text(v))).collect();
        if got != *wanted {
            failures.push(format!("expected constraints {wanted:?}, got {got:?}"));
        }
    }
    if let Some(wanted) = &expect.outputs {
        let (wanted, got) = (wanted.words(), verdict.outputs.words());
        if got != wanted {
            failures.push(format!("expected outputs [{wanted}], got [{got}]"));
        }
    }
    if let Some(names) = &expect.approvers_any {
        let asked = |demand: &crate::verdict::Demand| names.iter().all(|name| demand.names.contains(name));
        if !verdict.demands.iter().any(asked) {
            failures.push(format!("no rule asks {}", names.join(", ")));
        }
    }
    if let Some(wanted) = &expect.approvers {
        let demands = verdict.demands.iter().flat_map(|demand| &demand.names);
        let got: BTreeSet<&String> = demands.collect();
        if got != wanted.iter().collect() {
            let names = |names: &BTreeSet<&String>| names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
            failures.push(format!(
                "expected approvers {}, got {}",
                names(&wanted.iter().collect()),
                names(&got)
            ));
        }
    }
    if let Some(alert) = &expect.alert
        && !verdict.alerts.contains(alert)
    {
        failures.push(format!("no alert `{alert}`"));
    }
    if let Some(needs) = expect.needs_evidence
        && needs == verdict.missing_evidence.is_empty()
    {
        failures.push(format!("missing evidence: [{}]", verdict.missing_evidence.join(", ")));
    }
    failures
}
