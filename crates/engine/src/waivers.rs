//! Tests that fail or are missing keep a snapshot from being live, unless somebody says why it may be.

use std::sync::Arc;

use countersign_core::state::Waiver;
use countersign_core::{Command, Refusal};
use countersign_policy::{Snapshot, Tried};
use countersign_store::Org;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::policies::failed_tests;
use crate::{Engine, blocking};

/// What somebody lets pass.
pub struct Waived {
    /// Tests that fail, a sentence each.
    pub failing: Vec<String>,
    /// Rules that no test tries, by file and line.
    pub untried: Vec<String>,
    /// The same request was carried out before.
    pub replayed: bool,
}

/// What the tests of a snapshot lack.
struct Shortfall {
    failing: Vec<String>,
    untried: Vec<String>,
}

impl Shortfall {
    /// `strict`: each rule has to be tried.
    fn of(snapshot: &Snapshot, strict: bool) -> Shortfall {
        let name = |rule: &Tried| format!("{}:{}: `{}#{}`", rule.file, rule.line, rule.document, rule.rule);
        let rules = if strict { snapshot.coverage() } else { Vec::new() };
        let untried = rules.iter().filter(|rule| !rule.is_tried());
        Shortfall {
            failing: failed_tests(snapshot),
            untried: untried.map(name).collect(),
        }
    }

    /// Why it cannot be live, unless somebody has let at least as much pass.
    fn refusal(&self, waived: Option<&Waiver>) -> Option<EngineError> {
        let (failing, untried) = waived.map_or((0, 0), |waiver| (waiver.failing, waiver.untried));
        let more = |found: &[String], let_pass| found.len() as u64 > let_pass;
        let hint = "mend the policy or the test, and upload again, or say why with `POST /v1/policies/{hash}/waivers`";
        if let Some(first) = self.failing.first().filter(|_| more(&self.failing, failing)) {
            let detail = format!("a test of this snapshot fails: {first}");
            return Some(Refusal::conflict("tests_failed", detail).hint(hint).into());
        }
        let first = self.untried.first().filter(|_| more(&self.untried, untried))?;
        let count = self.untried.len();
        let detail = format!("no test shows what {count} rules of this snapshot do, the first one {first}");
        Some(Refusal::conflict("tests_missing", detail).hint(hint).into())
    }
}

impl Engine {
    /// Refuses a snapshot whose tests fail, or do not show what each rule does where they have to.
    pub(crate) async fn tests_suffice(
        &self,
        org: &Org,
        hash: &Arc<str>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(), EngineError> {
        let strict = self.wants_tests(org, snapshot).await?;
        let (known, snapshot) = (hash.clone(), snapshot.clone());
        let waived = self.look(org, move |state| {
            let stored = state.snapshots().get(&known)?;
            stored.waived.clone()
        });
        let waived = waived.await?;
        let refused = blocking(move || Ok(Shortfall::of(&snapshot, strict).refusal(waived.as_ref())));
        refused.await?.map_or(Ok(()), Err)
    }

    /// Whether a test has to show what each rule of a snapshot does: what is live says so, or the snapshot itself. What is
    /// live and cannot be read may have said so.
    async fn wants_tests(&self, org: &Org, snapshot: &Snapshot) -> Result<bool, EngineError> {
        let says = |snapshot: &Snapshot| snapshot.organization().is_some_and(|it| it.requires_tests());
        if says(snapshot) {
            return Ok(true);
        }
        let Some(hash) = self.look(org, |state| state.live().cloned()).await? else {
            return Ok(false);
        };
        let (inner, of) = (self.inner.clone(), org.clone());
        let live = blocking(move || Ok(inner.compiled(&of, Some(&hash)))).await?;
        Ok(live.is_none_or(|live| says(&live)))
    }

    /// Lets a stored snapshot become live though tests of it fail or rules of it have none, with the reason.
    pub async fn waive_tests(&self, request: &Request<'_>, hash: &str, reason: &str) -> Result<Waived, EngineError> {
        let hash: Arc<str> = hash.into();
        let snapshot = self.stored_snapshot(&request.caller.org, &hash).await?;
        let strict = self.wants_tests(&request.caller.org, &snapshot).await?;
        let short = blocking(move || Ok(Shortfall::of(&snapshot, strict))).await?;
        if short.refusal(None).is_none() {
            let detail = "the tests of this snapshot hold, and there are as many as it takes";
            let refusal = Refusal::conflict("nothing_to_waive", detail);
            return Err(refusal
                .hint("make it live with `POST /v1/policies/{hash}/activate`")
                .into());
        }
        let Some(reason) = self.words(Some(reason)) else {
            return Err(Refusal::invalid("invalid_value", "the reason is blank").into());
        };
        let (failing, untried) = (short.failing.len() as u64, short.untried.len() as u64);
        let command = Command::WaiveTests {
            failing,
            hash,
            reason,
            untried,
        };
        let envelope = request.envelope(command);
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(Waived {
            failing: short.failing,
            untried: short.untried,
            replayed: done.replayed.is_some(),
        })
    }
}
