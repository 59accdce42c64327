//! Policies that are not live.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_api::bounded::{FileName, Held, LiveOrHash, SnapshotHash};
use countersign_api::candidates::{CanaryBody, CandidateAnswer, PromoteBody, TryingAnswer, WhyBody};
use countersign_api::policies::{FILES_AT_MOST, problem};
use countersign_api::simulate::{DiffAnswer, DiffBody, SimulateBody, SimulationAnswer};
use countersign_core::Time;
use countersign_engine::{Caller, HeldAgainst, Range, Trying};
use countersign_policy::Snapshot;

use super::handlers;
use super::policies::{check_known, must_be_known, pending};
use crate::problem::Problem;
use crate::query::None_;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "simulate_policy" => Caller simulate,
    "diff_policies" => Caller diff,
    "candidate" => Caller status,
    "shadow_policy" => Caller shadow,
    "canary_policy" => Caller canary,
    "promote_policy" => Caller promote,
    "withdraw_policy" => Caller withdraw,
}

async fn simulate(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let body: SimulateBody = asked.body()?;
    let simulating = asked.app.engine.simulating()?;
    let (candidate, simulating) = candidate(&asked, body.snapshot, body.files, simulating).await?;
    let since = body.since.map(|since| since.0.parse::<Time>()).transpose();
    let range = Range {
        since: since.map_err(|error| Problem::invalid("invalid_value", format!("`since`: {error}")))?,
        from: body.from.map(|from| from.0),
        until: body.until.map(|until| until.0),
    };
    let hash = candidate.hash_text().to_owned();
    let engine = &asked.app.engine;
    let part = engine
        .simulate(
            &asked.caller,
            Arc::new(candidate),
            against(body.against),
            range,
            simulating,
        )
        .await?;
    json(&SimulationAnswer {
        candidate: hash,
        against: part.against,
        outside: part.outside,
        from: part.from,
        until: part.until,
        next: part.next,
        report: part.report,
    })
}

async fn diff(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let body: DiffBody = asked.body()?;
    let simulating = asked.app.engine.simulating()?;
    let (after, simulating) = candidate(&asked, body.snapshot, body.files, simulating).await?;
    let before = body.against.map(|LiveOrHash(word)| word).filter(|word| word != "live");
    let hash = after.hash_text().to_owned();
    let engine = &asked.app.engine;
    let (before, differences) = engine
        .policy_differences(&asked.caller, before, after, simulating)
        .await?;
    json(&DiffAnswer {
        before,
        after: hash,
        differences,
    })
}

async fn status(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    trying(asked.app.engine.candidate(&asked.caller).await?)
}

async fn shadow(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let WhyBody { rationale } = asked.body()?;
    let hash = check_known(&asked).await?;
    let engine = &asked.app.engine;
    trying(engine.try_policy(&asked.request(), &hash, None, &rationale.0).await?)
}

async fn canary(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let body: CanaryBody = asked.body()?;
    let hash = check_known(&asked).await?;
    let (engine, canary) = (&asked.app.engine, body.canary());
    let request = asked.request();
    trying(
        engine
            .try_policy(&request, &hash, Some(canary), &body.rationale.0)
            .await?,
    )
}

async fn promote(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let PromoteBody { snapshot, rationale } = asked.body()?;
    let seen = snapshot.as_ref().map(|hash| hash.0.as_str());
    let request = asked.request();
    trying(asked.app.engine.promote_policy(&request, seen, &rationale.0).await?)
}

async fn withdraw(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let WhyBody { rationale } = asked.body()?;
    trying(asked.app.engine.withdraw_policy(&asked.request(), &rationale.0).await?)
}

fn trying(trying: Trying) -> Answer {
    let activation = trying.activation;
    let answer = TryingAnswer {
        live: activation.live,
        candidate: trying.candidate.map(CandidateAnswer::from),
        pending: activation.pending.map(pending),
        warnings: activation.warnings,
    };
    Ok(json(&answer)?.replayed(activation.replayed))
}

fn against(named: Option<Held>) -> HeldAgainst {
    match named {
        None => HeldAgainst::Live,
        Some(Held(word)) if word == "live" => HeldAgainst::Live,
        Some(Held(word)) if word == "recorded" => HeldAgainst::Recorded,
        Some(Held(hash)) => HeldAgainst::Snapshot(hash),
    }
}

/// The policy that a request is about: one that is stored, or the documents that come with it. `holding` is held while they
/// are read, even where nobody waits for that any more.
pub(super) async fn candidate<T: Send + 'static>(
    asked: &Asked<Caller>,
    stored: Option<SnapshotHash>,
    files: BTreeMap<FileName, String>,
    holding: T,
) -> Result<(Snapshot, T), Problem> {
    let engine = &asked.app.engine;
    let files = match (stored, files.len()) {
        (Some(SnapshotHash(hash)), 0) => {
            must_be_known(asked, &hash).await?;
            engine.snapshot_files(&asked.caller, &hash).await?
        }
        (None, 1..=FILES_AT_MOST) => {
            let files = files.into_iter();
            files.map(|(name, text)| (name.0, text.into_bytes())).collect()
        }
        _neither => {
            let wrong = Problem::invalid("missing_field", "name either a `snapshot` or `files`");
            return Err(wrong.hint(format!("`files` has 1 to {FILES_AT_MOST} documents")));
        }
    };
    let loaded = tokio::task::spawn_blocking(move || (Snapshot::load(&files), files, holding));
    let (loaded, files, holding) = loaded.await.map_err(Problem::internal)?;
    match loaded {
        Ok((snapshot, _)) => Ok((snapshot, holding)),
        Err(problems) => {
            let mut refused = Problem::invalid("policy_invalid", "the documents do not load");
            let text = |name: &str| {
                let file = files.iter().find(|(file, _)| file == name);
                std::str::from_utf8(file.map_or(&[], |(_, bytes)| bytes)).unwrap_or_default()
            };
            refused.policy = problems.iter().map(|found| problem(found, text(&found.file))).collect();
            Err(refused.hint("`problems` says what is wrong, and where"))
        }
    }
}
