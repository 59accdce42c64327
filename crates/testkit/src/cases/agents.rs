//! Steps about the inventory: agents, tools, and who guards what.

use std::collections::BTreeMap;

use countersign_core::digest::Digest;
use countersign_core::event::{AgentDescribed, AgentRegistered, Boundary, Description, ToolApproved, ToolRegistered};
use countersign_core::record::ActorKind;
use countersign_core::state::NewLease;
use countersign_core::{Command, Refusal};
use countersign_policy::Value;

use super::{Run, list, plain, scope, span, text};
use crate::{by, outcome_of};

/// Who holds the leases of the cases.
const HOLDER: &str = "alex";

impl Run {
    /// Does what a word about the inventory says.
    pub(super) fn of_inventory(&mut self, word: &str, value: &Value) -> Result<Result<(), Refusal>, String> {
        Ok(match word {
            "move" => {
                self.move_agent(value);
                Ok(())
            }
            "lease" => self.lease(value),
            "give_back_lease" => self.give_back_lease(value),
            "describe" => self.describe(value),
            "activate" => self.activate(value),
            "tool" => {
                self.tool(value);
                Ok(())
            }
            "approve_tool" => self.approve_tool(value),
            "inventory" => {
                self.inventory(value)?;
                Ok(())
            }
            other => return Err(format!("nobody knows the word `{other}`")),
        })
    }

    /// Registers a known agent anew, in another team.
    fn move_agent(&mut self, value: &Value) {
        let id = text(value, "agent");
        let known = self.world.state.agents().get(id.as_str()).expect("a known agent");
        let agent = AgentRegistered {
            agent: id,
            labels: known.labels.clone(),
            owner: known.owner.clone(),
            team: value.get("team").map(plain),
        };
        self.world.done(Command::RegisterAgent(Box::new(agent), None));
    }

    fn lease(&mut self, value: &Value) -> Result<(), Refusal> {
        let ask = NewLease {
            gateway: text(value, "gateway"),
            guards: list(value.get("guards")).iter().map(scope).collect(),
            seconds: text(value, "seconds").parse().expect("a number of seconds"),
        };
        let holder = by(ActorKind::User, HOLDER);
        outcome_of(self.world.give(holder, Command::TakeLease(Box::new(ask))).0)
    }

    fn give_back_lease(&mut self, value: &Value) -> Result<(), Refusal> {
        let holder = by(ActorKind::User, HOLDER);
        outcome_of(
            self.world
                .give(holder, Command::GiveBackLease(text(value, "gateway")))
                .0,
        )
    }

    fn describe(&mut self, value: &Value) -> Result<(), Refusal> {
        let blank: Vec<String> = list(value.get("blank")).iter().map(plain).collect();
        let word = |field: &str| (!blank.iter().any(|name| name == field)).then(|| format!("the {field}"));
        let words = |field: &str| word(field).into_iter().collect::<Vec<_>>();
        let review_in = span(&text(value, "review_in")).expect("a span");
        let described = AgentDescribed {
            agent: text(value, "agent").as_str().into(),
            description: Description {
                boundary: Boundary {
                    always_approve: words("boundary.always_approve"),
                    never_access: words("boundary.never_access"),
                    owning_team: word("boundary.owning_team"),
                    process: word("boundary.process"),
                    reads: words("boundary.reads"),
                    without_approval: words("boundary.without_approval"),
                    writes: words("boundary.writes"),
                },
                data: words("data"),
                environments: words("environments"),
                fallback_owner: word("fallback_owner"),
                model: word("model"),
                prompt: word("prompt"),
                purpose: word("purpose"),
                review_by: word("review_by").map(|_| self.world.now + review_in),
                reviewer: word("reviewer"),
                system: word("system"),
                technical_owner: word("technical_owner"),
                tools: words("tools"),
            },
        };
        let who = by(ActorKind::User, "alex");
        outcome_of(self.world.give(who, Command::DescribeAgent(Box::new(described))).0)
    }

    fn activate(&mut self, value: &Value) -> Result<(), Refusal> {
        let who = by(ActorKind::User, "alex");
        outcome_of(
            self.world
                .give(who, Command::ActivateAgent(plain(value).as_str().into()))
                .0,
        )
    }

    fn tool(&mut self, value: &Value) {
        let description = value.get("description").map(|text| Digest::of(plain(text).as_bytes()));
        self.world.done(Command::RegisterTool(Box::new(ToolRegistered {
            description,
            schema: Digest::of(text(value, "schema").as_bytes()),
            tool: text(value, "name"),
        })));
    }

    fn approve_tool(&mut self, value: &Value) -> Result<(), Refusal> {
        let approved = ToolApproved {
            schema: Digest::of(text(value, "schema").as_bytes()),
            tool: text(value, "name"),
        };
        let who = by(ActorKind::User, "alex");
        outcome_of(self.world.give(who, Command::ApproveTool(Box::new(approved))).0)
    }

    /// Compares what the inventory knows with what a step expects of it.
    fn inventory(&self, value: &Value) -> Result<(), String> {
        let state = &self.world.state;
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        if let Some(agent) = value.get("agent").map(plain) {
            let live = self.world.live();
            let ready = state.readiness(&agent, live, self.world.now).ok_or("no such agent")?;
            let blank = ready.iter().filter(|item| !item.ready);
            found.insert("blank", blank.map(|item| item.field.to_owned()).collect());
            let active = state
                .agents()
                .get(agent.as_str())
                .is_some_and(|known| known.activated.is_some());
            found.insert("active", vec![if active { "yes" } else { "no" }.to_owned()]);
            let grants = state
                .access_review(&agent, live, self.world.now)
                .ok_or("no such agent")?;
            let star = |pattern: Option<String>| pattern.unwrap_or_else(|| "*".to_owned());
            let unused = grants.into_iter().filter(|grant| grant.unused);
            let unused = unused.map(|grant| format!("{} {}", star(grant.tool), star(grant.action)));
            found.insert("unused", unused.collect());
        }
        if let Some(gateway) = value.get("gateway").map(plain) {
            let lease = state.lease(HOLDER, &gateway).ok_or("no such lease")?;
            let (stops, goes_on) = state.stops_for(lease);
            found.insert("stops", stops.iter().map(|kill| kill.scope.to_string()).collect());
            found.insert("goes_on", vec![if goes_on { "yes" } else { "no" }.to_owned()]);
            let open = lease
                .fail_open
                .iter()
                .map(|open| format!("{} {}", open.tool, open.seconds));
            found.insert("fail_open", open.collect());
        }
        let Value::Map(wanted) = value else { return Ok(()) };
        for (word, wanted) in wanted {
            if matches!(word.as_str(), "agent" | "gateway") {
                continue;
            }
            let found = found
                .get(word.as_str())
                .ok_or(format!("nobody knows the word `{word}`"))?;
            let wanted: Vec<String> = match wanted {
                Value::List(items) => items.iter().map(plain).collect(),
                one => vec![plain(one)],
            };
            if *found != wanted {
                return Err(format!("`{word}` is {found:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }
}
