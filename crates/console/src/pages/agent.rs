//! One agent: who answers for it, what it is for, what it may do, what it has earned, what it did, and what holds it back.

mod described;
mod doing;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use countersign_api::audit::{AuditAnswer, AuditEntryAnswer};
use countersign_api::autonomy::{AutonomyAnswer, CriteriaAnswer, StandingAnswer, StatedModeAnswer};
use countersign_api::inventory::{AccessItem, AccessReviewAnswer, DescriptionBody, ReadinessAnswer};
use countersign_api::operations::KillsAnswer;
use countersign_api::registry::{AgentAnswer, KeyAnswer, KeysAnswer};
use countersign_api::runs::RunsAnswer;
use serde_json::Value;

use self::described::{Described, described};
use super::agents::{standing, stops};
use super::failure::Failure;
use super::runs::{RunRow, run_row};
use crate::Console;
use crate::api::{Quoted, Slashed};
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::When;

/// Actions, runs and operations of one page.
const RECENT: usize = 10;
const OPERATIONS_AT_MOST: usize = 60;
/// Grants and keys of one page.
const GRANTS_AT_MOST: usize = 80;
const KEYS_AT_MOST: usize = 30;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/agents/{*id}", get(agent).post(doing::act))
}

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    chrome: Chrome,
    id: String,
    href: String,
    /// Its name, as a query has it.
    quoted: String,
    name: Html,
    state: &'static str,
    tone: &'static str,
    owner: Html,
    team: Option<Html>,
    tier: Option<Html>,
    labels: Vec<Html>,
    since: When,
    registered: bool,
    seen_by: Option<Html>,
    paused: Option<Html>,
    stopped_by: Vec<Html>,
    readiness: Option<Readiness>,
    described: Vec<Described>,
    grants: Vec<Grant>,
    more_grants: usize,
    stated: Vec<Html>,
    ladder: Vec<Rung>,
    more_operations: usize,
    keys: Vec<KeyRow>,
    more_keys: usize,
    revoked_keys: usize,
    sees_keys: bool,
    /// Nothing where whoever looks may not search the record.
    actions: Option<Vec<Act>>,
    runs: Vec<RunRow>,
    may: May,
    failure: Option<Failure>,
}

/// What whoever looks may do with it.
struct May {
    pause: bool,
    kill: bool,
    describe: bool,
    activate: bool,
    set_mode: bool,
    issue_key: bool,
    revoke_key: bool,
}

struct Readiness {
    ready: bool,
    activated: Option<When>,
    required: bool,
    known: usize,
    items: Vec<Item>,
}

struct Item {
    label: &'static str,
    of_boundary: bool,
    ready: bool,
}

struct Grant {
    tool: Html,
    action: Html,
    place: Html,
    last_used: Option<When>,
    unused: bool,
}

/// Where it stands with one operation.
struct Rung {
    operation: Html,
    raw: String,
    /// The steps, and whether it stands there.
    steps: Vec<(&'static str, bool)>,
    since: When,
    succeeded: u32,
    failed: u32,
    rejected: u32,
    missing: Vec<Html>,
    /// The next step is earned, and waits for a person.
    earned: bool,
}

struct KeyRow {
    kid: Html,
    raw: String,
    scopes: Html,
    expires: Option<When>,
}

struct Act {
    at: When,
    what: Html,
    decision: Html,
    tone: &'static str,
    href: String,
}

async fn agent(visit: Visit, Path(id): Path<String>) -> Page {
    page(&visit, &id, None).await
}

async fn page(visit: &Visit, id: &str, failure: Option<Failure>) -> Page {
    let at = Slashed(id);
    let agent: AgentAnswer = visit.get(&format!("/v1/agents/{at}")).await?;
    let kills: KillsAnswer = visit.get("/v1/kill").await?;
    let readiness: Option<ReadinessAnswer> = visit.find(&format!("/v1/readiness/{at}")).await?;
    let about: Option<DescriptionBody> = visit.find(&format!("/v1/descriptions/{at}")).await?;
    let access: Option<AccessReviewAnswer> = visit.find(&format!("/v1/access_reviews/{at}")).await?;
    let autonomy: AutonomyAnswer = visit.get(&format!("/v1/autonomy/{at}")).await?;
    let criteria: CriteriaAnswer = visit.get("/v1/autonomy").await?;
    let keys: Option<KeysAnswer> = visit.find("/v1/keys").await?;
    let recent = format!("agent={}&limit={RECENT}", Quoted(id));
    let runs: RunsAnswer = visit.get(&format!("/v1/runs?{recent}")).await?;
    let actions = actions(visit, &recent).await?;
    let state = standing(&agent, &kills.kills);
    let operations = autonomy.operations;
    let granted = access.map(|access| access.grants).unwrap_or_default();
    let own: Vec<&KeyAnswer> = (keys.iter().flat_map(|keys| &keys.keys))
        .filter(|key| key.kind == "agent" && key.subject == agent.id)
        .collect();
    let good: Vec<&KeyAnswer> = own.iter().copied().filter(|key| !key.revoked).collect();
    let page = AgentPage {
        chrome: visit.chrome(),
        id: agent.id.clone(),
        href: format!("/agents/{at}"),
        quoted: Quoted(id).to_string(),
        name: said(&agent.id),
        state: messages::standing(state),
        tone: messages::tone(state),
        owner: said(&agent.owner),
        team: agent.team.as_deref().map(said),
        tier: agent.tier.as_deref().map(said),
        labels: (agent.labels.iter())
            .map(|(name, text)| said(&format!("{name}: {text}")))
            .collect(),
        since: visit.zone.when(&agent.since),
        registered: !agent.quarantined,
        seen_by: agent.seen_by.as_deref().map(said),
        paused: (agent.paused.as_deref()).map(|why| said(messages::paused(why))),
        stopped_by: (kills.kills.iter())
            .filter(|kill| stops(kill, &agent))
            .map(|kill| said(&messages::stopped(&kill.scope, kill.name.as_deref(), &kill.by)))
            .collect(),
        readiness: readiness.map(|found| readiness_shown(visit, &found)),
        described: described(&about.unwrap_or_default())?,
        more_grants: granted.len().saturating_sub(GRANTS_AT_MOST),
        grants: (granted.iter().take(GRANTS_AT_MOST))
            .map(|grant| grant_shown(visit, grant))
            .collect(),
        stated: (criteria.stated.iter())
            .filter(|stated| is_about(stated, id))
            .map(stated_shown)
            .collect(),
        more_operations: operations.len().saturating_sub(OPERATIONS_AT_MOST),
        ladder: (operations.iter().take(OPERATIONS_AT_MOST))
            .map(|standing| rung(visit, standing, !criteria.modes.is_empty()))
            .collect(),
        sees_keys: keys.is_some(),
        more_keys: good.len().saturating_sub(KEYS_AT_MOST),
        revoked_keys: own.len() - good.len(),
        keys: (good.iter().take(KEYS_AT_MOST))
            .map(|key| key_row(visit, key))
            .collect(),
        actions,
        runs: runs.runs.iter().map(|run| run_row(visit, run)).collect(),
        may: May {
            pause: visit.may("pause_agent"),
            kill: visit.may("kill"),
            describe: visit.may("describe_agent") && !agent.quarantined,
            activate: visit.may("activate_agent"),
            set_mode: visit.may("set_mode"),
            issue_key: visit.may("issue_key") && !agent.quarantined,
            revoke_key: visit.may("revoke_key"),
        },
        failure,
    };
    let status = if page.failure.is_some() { 422 } else { 200 };
    show_as(status, &page)
}

fn readiness_shown(visit: &Visit, found: &ReadinessAnswer) -> Readiness {
    let item = |item: &countersign_api::inventory::ReadinessItem| Item {
        label: messages::field(&item.field),
        of_boundary: item.field.starts_with("boundary."),
        ready: item.ready,
    };
    let items: Vec<Item> = found.items.iter().map(item).collect();
    Readiness {
        ready: found.ready,
        activated: found.activated.as_deref().map(|at| visit.zone.when(at)),
        required: found.required,
        known: items.iter().filter(|item| item.ready).count(),
        items,
    }
}

fn grant_shown(visit: &Visit, grant: &AccessItem) -> Grant {
    let any = messages::ANY;
    Grant {
        tool: said(grant.tool.as_deref().unwrap_or(any)),
        action: said(grant.action.as_deref().unwrap_or(any)),
        place: said(&format!("{}:{}", grant.file, grant.line)),
        last_used: grant.last_used.as_deref().map(|at| visit.zone.when(at)),
        unused: grant.unused,
    }
}

/// Whether a mode that the document says is about an agent: a name, or a beginning with `*`.
fn is_about(stated: &StatedModeAnswer, agent: &str) -> bool {
    match stated.agent.as_deref() {
        None => true,
        Some(pattern) => match pattern.strip_suffix('*') {
            Some(beginning) => agent.starts_with(beginning),
            None => agent == pattern,
        },
    }
}

fn stated_shown(stated: &StatedModeAnswer) -> Html {
    let about = match (&stated.class, &stated.tool) {
        (Some(class), Some(tool)) => format!("{tool}, class {class}"),
        (Some(class), None) => format!("class {class}"),
        (None, Some(tool)) => tool.clone(),
        (None, None) => "everything".to_owned(),
    };
    said(&format!("{about}: {}", messages::mode(mode_word(stated.mode))))
}

/// A mode as the API names it.
pub(super) fn mode_word(mode: countersign_api::autonomy::ModeWord) -> &'static str {
    use countersign_api::autonomy::ModeWord;
    match mode {
        ModeWord::PreAction => "pre_action",
        ModeWord::PostAction => "post_action",
        ModeWord::ExceptionOnly => "exception_only",
        ModeWord::PeriodicBatch => "periodic_batch",
    }
}

fn rung(visit: &Visit, standing: &StandingAnswer, rules: bool) -> Rung {
    let mode = mode_word(standing.mode);
    let steps = (messages::LADDER.iter()).map(|step| (messages::mode(step), *step == mode));
    let last = matches!(mode, "exception_only" | "periodic_batch");
    Rung {
        operation: said(&standing.operation),
        raw: standing.operation.clone(),
        steps: steps.collect(),
        since: visit.zone.when(&standing.since),
        succeeded: standing.succeeded,
        failed: standing.failed,
        rejected: standing.rejected,
        missing: standing.missing.iter().map(|missing| said(missing)).collect(),
        earned: rules && !last && standing.missing.is_empty(),
    }
}

fn key_row(visit: &Visit, key: &KeyAnswer) -> KeyRow {
    KeyRow {
        kid: said(&key.kid),
        raw: key.kid.clone(),
        scopes: said(&key.scopes.join(", ")),
        expires: key.expires.as_deref().map(|at| visit.zone.when(at)),
    }
}

/// What it asked for lately, for whoever may search the record.
async fn actions(visit: &Visit, recent: &str) -> Result<Option<Vec<Act>>, Trouble> {
    if !visit.may("audit") {
        return Ok(None);
    }
    let path = format!("/v1/audit?type=decision.made&{recent}");
    let found: AuditAnswer = visit.get(&path).await?;
    let acts = found.entries.iter().map(|entry| act(visit, entry));
    Ok(Some(acts.collect::<Result<_, _>>()?))
}

fn act(visit: &Visit, entry: &AuditEntryAnswer) -> Result<Act, Trouble> {
    let record: Value = serde_json::from_str(entry.record.get()).map_err(Trouble::internal)?;
    let text = |place: &str| record.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let mut what = match text("/data/tool") {
        "" => text("/data/action").to_owned(),
        tool => tool.to_owned(),
    };
    if !text("/data/amount").is_empty() {
        what = format!("{what}, {} {}", text("/data/amount"), text("/data/currency"));
    }
    let decision = text("/data/decision");
    Ok(Act {
        at: visit.zone.when(text("/ts")),
        what: said(what.trim()),
        decision: said(messages::decision(decision)),
        tone: messages::tone(decision),
        href: match text("/data/approval") {
            "" => format!("/audit/records/{}", entry.receipt.index),
            approval => format!("/approvals/{}", Quoted(approval)),
        },
    })
}

#[cfg(test)]
mod tests {
    use countersign_api::autonomy::ModeWord;

    use super::*;

    #[test]
    fn a_mode_that_is_said_is_about_a_name_a_beginning_or_everybody() {
        let stated = |agent: Option<&str>| StatedModeAnswer {
            agent: agent.map(str::to_owned),
            class: None,
            tool: None,
            mode: ModeWord::PostAction,
            within_s: None,
            sample: None,
        };
        for (agent, about) in [
            (None, true),
            (Some("refunds"), true),
            (Some("ref*"), true),
            (Some("refund"), false),
            (Some("support*"), false),
        ] {
            assert_eq!(is_about(&stated(agent), "refunds"), about, "{agent:?}");
        }
    }
}
