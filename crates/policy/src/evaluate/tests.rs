//! Runs the bundle's own examples.

use std::collections::BTreeMap;

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

fn one(snapshot: &Snapshot, case: &Case) -> TestResult {
    let owner = snapshot
        .mandate(&case.agent)
        .and_then(|mandate| mandate.owner())
        .unwrap_or("team:test");
    let agent = Value::Map(BTreeMap::from([
        ("id".to_owned(), Value::from(&*case.agent)),
        ("owner".to_owned(), Value::from(owner)),
    ]));
    let counters = Value::Map(BTreeMap::from([(
        "failures".to_owned(),
        Value::Number(case.failures.into()),
    )]));
    let verdict = snapshot.evaluate(
        &case.action,
        &Context {
            agent_id: &case.agent,
            standing: case.standing,
            agent: &agent,
            chain: &[],
            principal_verified: case.principal_verified,
            pii: &Value::List(Vec::new()),
            counters: Some(&counters),
            reads: &[],
            run: None,
            now: 0,
            currency: snapshot
                .organization()
                .and_then(|organization| organization.currency())
                .unwrap_or("USD"),
            accept_remedy: case.accept_remedy,
        },
    );
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
    if let Some(code) = &expect.reason
        && !verdict.reasons.iter().any(|reason| reason.code == *code)
    {
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
    if let Some(names) = &expect.approvers_any {
        let asked = |demand: &crate::verdict::Demand| names.iter().all(|name| demand.names.contains(name));
        if !verdict.demands.iter().any(asked) {
            failures.push(format!("no rule asks {}", names.join(", ")));
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
