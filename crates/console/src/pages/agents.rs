//! The inventory of agents: who answers for each, what it is trusted to do, how much of it is looked at, where it stands.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::operations::{KillAnswer, KillsAnswer};
use countersign_api::registry::{AgentAnswer, AgentsAnswer, RegisteredAgent};
use serde::Deserialize;
use serde_json::json;

use super::failure::Failure;
use crate::Console;
use crate::api::Slashed;
use crate::messages;
use crate::page::{Chrome, Page, show, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};

/// Rows of one page; a search narrows what is more.
const SHOWN_AT_MOST: usize = 150;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/agents", get(agents).post(register))
}

#[derive(Template)]
#[template(path = "agents.html")]
struct Agents {
    chrome: Chrome,
    asked: Asked,
    standings: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    /// How many there are that are looked for, and at all.
    found: usize,
    total: usize,
    may_register: bool,
    failure: Option<Failure>,
    new: New,
}

struct Row {
    href: String,
    id: Html,
    owner: Html,
    team: Option<Html>,
    tier: Html,
    modes: Vec<Html>,
    state: &'static str,
    tone: &'static str,
}

/// What is looked for.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
}

/// What a form said that went wrong, to be said again.
#[derive(Default)]
struct New {
    id: String,
    owner: String,
    team: String,
}

/// A key that was issued: the one page that shows it.
#[derive(Template)]
#[template(path = "key.html")]
pub(super) struct KeyShown {
    pub chrome: Chrome,
    pub whose: Html,
    pub href: String,
    pub key: String,
    pub kid: String,
}

/// Where an agent stands: a word that the filter knows.
pub(super) fn standing(agent: &AgentAnswer, kills: &[KillAnswer]) -> &'static str {
    if kills.iter().any(|kill| stops(kill, agent)) {
        "stopped"
    } else if agent.seen_by.is_some() {
        "seen"
    } else if agent.quarantined {
        "quarantined"
    } else if agent.paused.is_some() {
        "paused"
    } else if agent.activated.is_some() {
        "active"
    } else {
        "registered"
    }
}

/// Whether a kill switch stops all that an agent does.
pub(super) fn stops(kill: &KillAnswer, agent: &AgentAnswer) -> bool {
    match kill.scope.as_str() {
        "organization" => true,
        "agent" => kill.name.as_deref() == Some(&agent.id),
        "team" => kill.name.is_some() && kill.name == agent.team,
        _ => false,
    }
}

async fn agents(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked, None, New::default()).await
}

async fn page(visit: &Visit, asked: Asked, failure: Option<Failure>, new: New) -> Page {
    let known: AgentsAnswer = visit.get("/v1/agents").await?;
    let kills: KillsAnswer = visit.get("/v1/kill").await?;
    let found: Vec<_> = (known.agents.iter())
        .map(|agent| (agent, standing(agent, &kills.kills)))
        .filter(|(agent, state)| is_looked_for(&asked, agent, state))
        .collect();
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Agents {
        chrome: visit.chrome(),
        standings: messages::STANDINGS.to_vec(),
        rows: (found.iter().take(SHOWN_AT_MOST))
            .map(|(agent, state)| row(agent, state))
            .collect(),
        found: found.len(),
        total: known.agents.len(),
        may_register: visit.may("register_agent"),
        asked,
        failure,
        new,
    };
    show_as(status, &page)
}

fn is_looked_for(asked: &Asked, agent: &AgentAnswer, state: &str) -> bool {
    let words = asked.q.trim().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&words);
    let named = has(&agent.id) || has(&agent.owner) || agent.team.as_deref().is_some_and(has);
    (words.is_empty() || named) && (asked.state.is_empty() || asked.state == state)
}

fn row(agent: &AgentAnswer, state: &'static str) -> Row {
    Row {
        href: format!("/agents/{}", Slashed(&agent.id)),
        id: said(&agent.id),
        owner: said(&agent.owner),
        team: agent.team.as_deref().map(said),
        tier: said(agent.tier.as_deref().unwrap_or_default()),
        modes: modes(agent),
        state: messages::standing(state),
        tone: messages::tone(state),
    }
}

/// With how many operations it stands where.
fn modes(agent: &AgentAnswer) -> Vec<Html> {
    let told = |(mode, count): (&String, &u32)| said(&format!("{count} × {}", messages::mode(mode)));
    agent.modes.iter().map(told).collect()
}

async fn register(Posted { visit, fields }: Posted) -> Page {
    let mut body = json!({"id": fields.text("id").trim(), "owner": fields.text("owner").trim()});
    if let (Some(team), Some(members)) = (fields.given("team"), body.as_object_mut()) {
        members.insert("team".to_owned(), json!(team));
    }
    match visit.post::<RegisteredAgent>("/v1/agents", &body).await {
        Ok(registered) => show(&KeyShown {
            chrome: visit.chrome(),
            whose: said(&registered.agent.id),
            href: format!("/agents/{}", Slashed(&registered.agent.id)),
            key: registered.key.unwrap_or_default(),
            kid: registered.kid.unwrap_or_default(),
        }),
        Err(trouble) => {
            let again = New {
                id: fields.text("id").to_owned(),
                owner: fields.text("owner").to_owned(),
                team: fields.text("team").to_owned(),
            };
            page(&visit, Asked::default(), Some(Failure::of(trouble)?), again).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str) -> AgentAnswer {
        AgentAnswer {
            id: id.to_owned(),
            owner: "team:support".to_owned(),
            team: Some("support".to_owned()),
            labels: Default::default(),
            quarantined: false,
            seen_by: None,
            since: "2026-11-01T00:00:00Z".to_owned(),
            paused: None,
            activated: None,
            tier: None,
            modes: Default::default(),
        }
    }

    fn kill(scope: &str, name: Option<&str>) -> KillAnswer {
        KillAnswer {
            scope: scope.to_owned(),
            name: name.map(str::to_owned),
            by: "ada".to_owned(),
            since: "2026-11-01T00:00:00Z".to_owned(),
            release_requested_by: None,
        }
    }

    #[test]
    fn a_stop_of_everything_of_the_team_or_of_the_agent_is_a_stop() {
        let bot = agent("bot");
        for (scope, name, state) in [
            ("organization", None, "stopped"),
            ("team", Some("support"), "stopped"),
            ("team", Some("sales"), "registered"),
            ("agent", Some("bot"), "stopped"),
            ("agent", Some("bot/2"), "registered"),
            ("tool", Some("bot"), "registered"),
        ] {
            assert_eq!(standing(&bot, &[kill(scope, name)]), state, "{scope} {name:?}");
        }
        let alone = AgentAnswer { team: None, ..bot };
        assert_eq!(standing(&alone, &[kill("team", None)]), "registered");
    }

    #[test]
    fn who_is_paused_or_in_quarantine_is_told_before_who_is_active() {
        let active = AgentAnswer {
            activated: Some("2026-11-02T00:00:00Z".to_owned()),
            ..agent("bot")
        };
        assert_eq!(standing(&active, &[]), "active");
        let paused = AgentAnswer {
            paused: Some("budget".to_owned()),
            ..active.clone()
        };
        assert_eq!(standing(&paused, &[]), "paused");
        let unknown = AgentAnswer {
            quarantined: true,
            ..active
        };
        assert_eq!(standing(&unknown, &[]), "quarantined");
    }

    #[test]
    fn a_search_looks_at_name_owner_and_team() {
        let asked = |q: &str, state: &str| Asked {
            q: q.to_owned(),
            state: state.to_owned(),
        };
        let bot = agent("Refund-bot");
        assert!(is_looked_for(&asked(" refund ", ""), &bot, "active"));
        assert!(is_looked_for(&asked("SUPPORT", "active"), &bot, "active"));
        assert!(!is_looked_for(&asked("support", "paused"), &bot, "active"));
        assert!(!is_looked_for(&asked("sales", ""), &bot, "active"));
    }
}
