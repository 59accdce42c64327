//! Policy snapshots.

use std::collections::BTreeMap;

use countersign_api::candidates::CanaryAnswer;
use countersign_api::policies::{
    FILES_AT_MOST, LiveAnswer, PendingPolicy, PoliciesBody, PolicyCheckAnswer, PolicyHistoryAnswer, PolicyVerb,
    PolicyVoteBody, RationaleBody, RollBackBody, SnapshotAnswer, SnapshotFilesAnswer, SnapshotsAnswer, UntriedRule,
    WaivedTests, WaiverAnswer, WaiverBody, problem,
};
use countersign_core::state::Proposal;
use countersign_engine::{Activation, Caller, PolicyCheck, check_policies};
use countersign_policy::Tried;

use super::handlers;
use crate::problem::Problem;
use crate::query::{Limit, None_, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "upload_policies" => Caller upload,
    "check_policies" => Caller check,
    "policies" => Caller policies,
    "policy" => Caller policy,
    "policy_history" => Caller history,
    "activate_policy" => Caller activate,
    "judge_policy" => Caller judge,
    "waive_tests" => Caller waive,
    "roll_back_policy" => Caller roll_back,
}

type Files = Vec<(String, Vec<u8>)>;

fn files(asked: &Asked<Caller>) -> Result<Files, Problem> {
    let PoliciesBody { files } = asked.body()?;
    if files.is_empty() || files.len() > FILES_AT_MOST {
        return Err(Problem::invalid(
            "invalid_value",
            format!("`files` has 1 to {FILES_AT_MOST} documents"),
        ));
    }
    Ok(files
        .into_iter()
        .map(|(name, text)| (name.0, text.into_bytes()))
        .collect())
}

fn on_the_wire(checked: PolicyCheck, files: &Files) -> PolicyCheckAnswer {
    let text = |name: &str| {
        let bytes = files
            .iter()
            .find(|(file, _)| file == name)
            .map(|(_, bytes)| bytes.as_slice());
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    };
    PolicyCheckAnswer {
        ok: checked.is_fine(),
        problems: checked
            .problems
            .iter()
            .map(|found| problem(found, text(&found.file)))
            .collect(),
        hash: checked.hash,
        failed_tests: checked.failed_tests,
        untried: checked.coverage.into_iter().filter_map(untried).collect(),
    }
}

fn untried(rule: Tried) -> Option<UntriedRule> {
    (!rule.untried.is_empty()).then(|| UntriedRule {
        document: rule.document,
        rule: rule.rule,
        file: rule.file,
        line: rule.line,
        untried: rule.untried.iter().map(|branch| branch.as_str().to_owned()).collect(),
    })
}

async fn upload(asked: Asked<Caller>) -> Answer {
    let files = files(&asked)?;
    let checked = asked
        .app
        .engine
        .upload_policies(&asked.request(), files.clone())
        .await?;
    let replayed = checked.replayed;
    let answer = on_the_wire(checked, &files);
    if answer.hash.is_none() {
        let mut refused = Problem::invalid("policy_invalid", "the documents do not load");
        refused.policy = answer.problems.into();
        return Err(refused.hint("`problems` says what is wrong, and where"));
    }
    Ok(json(&answer)?.created().replayed(replayed))
}

async fn check(asked: Asked<Caller>) -> Answer {
    let files = files(&asked)?;
    let checked = tokio::task::spawn_blocking(move || {
        let (_, checked) = check_policies(&files);
        on_the_wire(checked, &files)
    });
    json(&checked.await.map_err(Problem::internal)?)
}

async fn policies(asked: Asked<Caller>) -> Answer {
    let rows = asked.app.engine.snapshots(&asked.caller).await?;
    let on_the_wire = |row: countersign_engine::SnapshotRow| SnapshotAnswer {
        hash: row.hash,
        documents: row.documents,
        uploaded: row.uploaded.to_string(),
        activated: row.activated.map(|at| at.to_string()),
        live: row.live,
        waived: row.waived.map(|waiver| WaivedTests {
            by: waiver.by,
            failing: waiver.failing,
            untried: waiver.untried,
        }),
    };
    json(&SnapshotsAnswer {
        snapshots: rows.into_iter().map(on_the_wire).collect(),
        pending: asked.app.engine.proposal(&asked.caller).await?.map(pending),
    })
}

async fn history(asked: Asked<Caller>) -> Answer {
    let Limit { limit } = asked.query()?;
    let limit = within("limit", limit, 50, 500)?;
    json(&PolicyHistoryAnswer {
        steps: asked.app.engine.policy_history(&asked.caller, limit).await?,
    })
}

/// The snapshot in the path of a request, if it was uploaded.
pub(super) async fn check_known(asked: &Asked<Caller>) -> Result<String, Problem> {
    let hash = asked.param().to_owned();
    must_be_known(asked, &hash).await?;
    Ok(hash)
}

/// Only snapshots that were uploaded: schemas lie beside them in the store.
pub(super) async fn must_be_known(asked: &Asked<Caller>, hash: &str) -> Result<(), Problem> {
    let wanted = hash.to_owned();
    let known = asked.app.engine.look(&asked.caller.org, move |state| {
        state.snapshots().contains_key(wanted.as_str())
    });
    match known.await? {
        true => Ok(()),
        false => Err(Problem::missing("snapshot", hash)),
    }
}

async fn policy(asked: Asked<Caller>) -> Answer {
    let hash = check_known(&asked).await?;
    let files = asked.app.engine.snapshot_files(&asked.caller, &hash).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let files: BTreeMap<String, String> = files.into_iter().map(|(name, bytes)| (name, text(bytes))).collect();
    json(&SnapshotFilesAnswer { hash, files })
}

async fn activate(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let RationaleBody { rationale } = asked.body()?;
    let hash = check_known(&asked).await?;
    let rationale = rationale.as_ref().map(|text| text.0.as_str());
    let activation = asked
        .app
        .engine
        .activate_policy(&asked.request(), &hash, rationale)
        .await?;
    live(activation)
}

async fn judge(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let PolicyVoteBody {
        proposal,
        verb,
        comment,
    } = asked.body()?;
    let agrees = match verb {
        PolicyVerb::Approve => true,
        PolicyVerb::Reject => false,
    };
    let hash = check_known(&asked).await?;
    let comment = comment.as_ref().map(|text| text.0.as_str());
    live(
        asked
            .app
            .engine
            .judge_policy(&asked.request(), &hash, proposal, agrees, comment)
            .await?,
    )
}

async fn waive(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let WaiverBody { reason } = asked.body()?;
    let hash = check_known(&asked).await?;
    let waived = asked.app.engine.waive_tests(&asked.request(), &hash, &reason.0).await?;
    let answer = WaiverAnswer {
        hash,
        failing: waived.failing,
        untried: waived.untried,
    };
    Ok(json(&answer)?.replayed(waived.replayed))
}

async fn roll_back(asked: Asked<Caller>) -> Answer {
    let RollBackBody { from, rationale } = asked.body()?;
    let from = from.as_ref().map(|hash| hash.0.as_str());
    let rationale = rationale.as_ref().map(|text| text.0.as_str());
    let request = asked.request();
    live(asked.app.engine.roll_back_policy(&request, from, rationale).await?)
}

fn live(activation: Activation) -> Answer {
    let answer = LiveAnswer {
        live: activation.live,
        pending: activation.pending.map(pending),
        warnings: activation.warnings,
    };
    Ok(json(&answer)?.replayed(activation.replayed))
}

pub(super) fn pending(proposal: Proposal) -> PendingPolicy {
    PendingPolicy {
        canary: proposal.canary.map(CanaryAnswer::from),
        hash: proposal.hash.to_string(),
        id: proposal.id,
        by: proposal.by,
        approvers: proposal.approvers,
        approved_by: proposal.approved.into_iter().collect(),
        quorum: proposal.quorum,
        until: proposal.until.to_string(),
    }
}
