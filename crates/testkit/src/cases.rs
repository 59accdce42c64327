//! Runs case files: behaviour as YAML that a non-programmer can read. `tests/cases/README.md` explains the words.

mod agents;
mod credentials;
mod expect;
mod given;
mod limits;
mod look;
mod revise;
mod runs;
mod tried;

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::command::SetMode;
use countersign_core::event::{Cause, HoldScope, Mode, OutcomeStatus, Scope, Verb};
use countersign_core::ids::{ActionId, HoldId, RunId};
use countersign_core::policy::{Value, json};
use countersign_core::record::ActorKind;
use countersign_core::{ActionView, Command, Refusal, Span};
use countersign_policy::yaml;

use self::expect::{left, said, shown, times};
use crate::{World, by};

/// Runs every `.yaml` below a folder and names every case that does not hold.
pub fn run_folder(folder: &Path) -> (usize, Vec<String>) {
    let mut failures = Vec::new();
    let mut count = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&folder)
            .expect("a folder of cases")
            .flatten()
            .collect();
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                let text = std::fs::read_to_string(&path).expect("a case file");
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let file = yaml::parse_text(&name, &text).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
                let value = file
                    .value()
                    .unwrap_or_else(|node| panic!("{name}: cannot be read at {:?}", node.span));
                count += run_file(&name, &value, &mut failures);
            }
        }
    }
    (count, failures)
}

fn run_file(name: &str, file: &Value, failures: &mut Vec<String>) -> usize {
    let cases = list(file.get("cases"));
    for case in &cases {
        let title = text(case, "case");
        let mut run = Run {
            world: World::new(),
            last: None,
            named: BTreeMap::new(),
            holds: BTreeMap::new(),
            runs: BTreeMap::new(),
        };
        let given = file.get("given").into_iter().chain(case.get("given"));
        for given in given {
            run.given(given);
        }
        for (place, step) in list(case.get("steps")).iter().enumerate() {
            let times = step
                .get("repeat")
                .and_then(|times| plain(times).parse().ok())
                .unwrap_or(1);
            if let Err(why) = (0..times).try_for_each(|_| run.step(step)) {
                failures.push(format!("{name}: {title}: step {}: {why}", place + 1));
                break;
            }
        }
        if run.world.refolded().hash() != run.world.state.hash() {
            failures.push(format!("{name}: {title}: the records do not fold to the state"));
        }
    }
    cases.len()
}

struct Run {
    world: World,
    last: Option<ActionId>,
    named: BTreeMap<String, ActionId>,
    holds: BTreeMap<String, HoldId>,
    runs: BTreeMap<String, RunId>,
}

impl Run {
    fn step(&mut self, step: &Value) -> Result<(), String> {
        let Value::Map(map) = step else {
            return Err("a step is a map".into());
        };
        if let Some(steps) = map.get("steps") {
            return list(Some(steps)).iter().try_for_each(|step| self.step(step));
        }
        let before = self.world.records.len();
        let mut result: Result<(), Refusal> = Ok(());
        for (word, value) in map {
            match word.as_str() {
                "submit" => result = self.submit(value),
                "vote" => result = self.vote(value),
                "redeem" => result = self.redeem(value),
                "report" => result = self.report(value),
                "pass" => {
                    self.world
                        .pass(span(&plain(value)).ok_or("a span is a number and `s`, `m`, `h` or `d`")?);
                }
                "kill" => drop(self.world.done(Command::Kill {
                    scope: scope(value),
                    reason: None,
                })),
                "release" => {
                    let who = text(value, "by");
                    let command = Command::Release {
                        scope: scope(value),
                        reason: None,
                    };
                    result = crate::outcome_of(self.world.give(by(ActorKind::User, &who), command).0);
                }
                "policy" => {
                    if let Value::Map(files) = value {
                        self.policy(files);
                    }
                }
                "hold" => result = self.hold(value),
                "release_hold" => {
                    let id = self.holds.get(&text(value, "hold")).copied();
                    let id = id.ok_or("no hold has this name")?;
                    result = self.world.release_hold(&text(value, "by"), id);
                }
                "erase" => result = self.world.erase(&text(value, "by"), &text(value, "subject")),
                "destroy_due" => self.world.destroy_due(),
                "edit" => result = self.edit(value),
                "revise" => result = self.revise(value),
                "evidence" => result = self.evidence(value),
                "cancel" => result = self.cancel(value),
                "person" => self.person(value),
                "remove_person" => {
                    let command = Command::RemoveUser(text(value, "id"));
                    let who = by(ActorKind::User, &text(value, "by"));
                    result = crate::outcome_of(self.world.give(who, command).0);
                }
                "set_mode" => result = self.set_mode(value),
                "review" => result = self.review(value),
                "practise" => result = self.practise(value),
                "break_glass" => result = self.break_glass(value),
                "view" => result = self.view_by(value),
                "away" => result = self.away(value),
                "restore_reviewer" => result = self.restore_reviewer(value),
                "restore_glass" => result = self.restore_glass(value),
                "pause_agent" => drop(self.world.done(Command::PauseAgent(plain(value).as_str().into(), None))),
                "resume_agent" => drop(
                    self.world
                        .done(Command::ResumeAgent(plain(value).as_str().into(), None)),
                ),
                "expect" | "refused" | "told" | "hint" | "repeat" | "after" => {}
                other => {
                    let done = self.of_run(other, value).or_else(|| self.of_credentials(other, value));
                    let done = done.or_else(|| self.of_candidates(other, value));
                    result = match done.or_else(|| self.of_limits(other, value)) {
                        Some(result) => result,
                        None => self.of_inventory(other, value)?,
                    }
                }
            }
        }
        match (map.get("refused"), result) {
            (None, Ok(())) => {}
            (None, Err(refusal)) => return Err(format!("refused with `{}`: {refusal}", refusal.code)),
            (Some(code), Ok(())) => {
                return Err(format!("was carried out, and should be refused with `{}`", plain(code)));
            }
            (Some(code), Err(refusal)) if plain(code) != refusal.code => {
                return Err(format!(
                    "refused with `{}` ({refusal}) instead of `{}`",
                    refusal.code,
                    plain(code)
                ));
            }
            (Some(_), Err(refusal)) => {
                for (word, told) in [("told", Some(&refusal.detail)), ("hint", refusal.hint.as_ref())] {
                    let wanted = map.get(word).map(plain);
                    if wanted.is_some() && wanted.as_ref() != told {
                        return Err(format!("`{word}` is {told:?} and should be {wanted:?}"));
                    }
                }
            }
        }
        match map.get("expect") {
            Some(Value::Map(expected)) => self.check(expected, before),
            _ => Ok(()),
        }
    }

    fn submit(&mut self, value: &Value) -> Result<(), Refusal> {
        let mut body = value.clone();
        let (mut agent, mut name, mut person) = (String::new(), None, None);
        if let Value::Map(map) = &mut body {
            agent = map.remove("agent").map(|agent| plain(&agent)).unwrap_or_default();
            name = map.remove("as").map(|name| plain(&name));
            person = map.remove("by").map(|person| plain(&person));
            self.prove(map);
            if let Some(run) = map.get("run").map(|run| self.run_named(&plain(run))) {
                map.insert("run".to_owned(), Value::from(run.as_str()));
            }
        }
        let mut json = String::new();
        json::to_json(&body, &mut json);
        let view = self.world.submit_as(&agent, person, &json)?;
        self.last = Some(view.decision.action_id);
        if let Some(name) = name {
            self.named.insert(name, view.decision.action_id);
        }
        Ok(())
    }

    fn hold(&mut self, value: &Value) -> Result<(), Refusal> {
        let scope = HoldScope {
            agent: value.get("agent").map(plain),
            subject: value.get("subject").map(|name| self.world.subject(&plain(name))),
            ..HoldScope::default()
        };
        let hold = self.world.hold(&text(value, "by"), scope)?;
        self.holds.insert(text(value, "as"), hold);
        Ok(())
    }

    fn action(&self, value: &Value) -> ActionId {
        let name = value.get("action").map(plain);
        name.and_then(|name| self.named.get(&name).copied())
            .or(self.last)
            .expect("an action was submitted")
    }

    fn vote(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.action(value);
        let verb = match text(value, "verb").as_str() {
            "approve" => Verb::Approve,
            "reject" => Verb::Reject,
            "abstain" => Verb::Abstain,
            "clarify" => Verb::Clarify,
            "claim" => Verb::Claim,
            "release" => Verb::Release,
            "hand_over" => return self.world.hand_over(&text(value, "by"), &text(value, "to"), action),
            "comment" => Verb::Comment,
            other => panic!("nobody knows the verb `{other}`"),
        };
        let comment = value.get("comment").map(plain);
        self.world.vote(&text(value, "by"), action, verb, comment.as_deref())
    }

    fn redeem(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.action(value);
        match (value.get("other_action"), value.get("as_asked")) {
            (Some(_), _) => self.world.redeem_for(action, countersign_core::digest::Digest([1; 32])),
            (None, Some(_)) => self.world.redeem_for(action, self.world.view(action).decision.digest),
            (None, None) => self.world.redeem(action),
        }
    }

    fn report(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.action(value);
        let status = if text(value, "status") == "failed" {
            OutcomeStatus::Failed
        } else {
            OutcomeStatus::Succeeded
        };
        let cost = value.get("cost").map(plain);
        let mut tokens = BTreeMap::new();
        if let Some(Value::Map(kinds)) = value.get("tokens") {
            let counted = kinds
                .iter()
                .map(|(kind, count)| Some((kind.clone(), plain(count).parse().ok()?)));
            tokens.extend(counted.flatten());
        }
        let cause = value.get("cause").map(plain);
        let cause = cause.map(|word| {
            Cause::ALL
                .into_iter()
                .find(|cause| cause.as_str() == word)
                .expect("a cause")
        });
        self.world
            .report_because(action, status, cause, cost.as_deref(), tokens)
    }

    fn evidence(&mut self, value: &Value) -> Result<(), Refusal> {
        let view = self.view();
        let approval = view.approval.expect("a request").opened.approval;
        let parts = list(Some(value)).iter().map(plain).collect();
        let agent = view.decision.agent.clone();
        let stored = countersign_core::stored::store_value(
            value,
            &countersign_core::redact::Redactor::standard(),
            &Default::default(),
            [4; 32],
            "default",
        );
        let command = Command::Answer {
            approval,
            agent: agent.clone(),
            parts,
            stored: stored.0,
            redact: stored.1,
        };
        crate::outcome_of(self.world.give(by(ActorKind::Agent, &agent), command).0)
    }

    fn set_mode(&mut self, value: &Value) -> Result<(), Refusal> {
        let modes = [
            Mode::PreAction,
            Mode::PostAction,
            Mode::ExceptionOnly,
            Mode::PeriodicBatch,
        ];
        let name = text(value, "mode");
        let ask = SetMode {
            agent: text(value, "agent").as_str().into(),
            operation: text(value, "operation"),
            mode: modes.into_iter().find(|mode| mode.as_str() == name).expect("a mode"),
            why: None,
        };
        crate::outcome_of(
            self.world
                .give(by(ActorKind::User, &text(value, "by")), Command::SetMode(Box::new(ask)))
                .0,
        )
    }

    /// What the agent of an action has shown with its operation: `mode succeeded/failed`.
    fn standing(&self, action: ActionId) -> String {
        let decision = self.world.view(action).decision;
        let standing = self
            .world
            .state
            .standing(&decision.agent, &decision.action)
            .cloned()
            .unwrap_or_default();
        format!("{} {}/{}", standing.mode.as_str(), standing.succeeded, standing.failed)
    }

    /// The agent withdraws, or whoever else `value` names as `agent` or `by`.
    fn cancel(&mut self, value: &Value) -> Result<(), Refusal> {
        let view = self.view();
        let approval = view.approval.expect("a request").opened.approval;
        let agent = value.get("agent").map_or(view.decision.agent.to_string(), plain);
        let (who, agent) = match value.get("by") {
            Some(person) => (by(ActorKind::User, &plain(person)), None),
            None => (by(ActorKind::Agent, &agent), Some(agent.as_str().into())),
        };
        crate::outcome_of(self.world.give(who, Command::Cancel { approval, agent }).0)
    }

    fn view(&self) -> ActionView {
        self.world.view(self.last.expect("an action was submitted"))
    }

    fn check(&self, expected: &BTreeMap<String, Value>, before: usize) -> Result<(), String> {
        for (word, wanted) in expected {
            let (wanted, got) = match word.as_str() {
                "times" => {
                    let Value::Map(wanted) = wanted else {
                        return Err("`times` is a map from names of times".into());
                    };
                    let [wanted, got] = times(&self.world.records[before..], wanted)?;
                    (wanted, got)
                }
                "payloads" => {
                    let Value::Map(wanted) = wanted else {
                        return Err("`payloads` is a map from names of actions".into());
                    };
                    let left = |name: &String| {
                        let view = self.world.view(self.named.get(name).copied()?);
                        Some(format!("{name}: {}", left(self.world.left(view.seq))))
                    };
                    let said = wanted.iter().map(|(name, left)| format!("{name}: {}", plain(left)));
                    (said.collect(), wanted.keys().filter_map(left).collect())
                }
                "alert" => {
                    let name = plain(wanted);
                    let got = if self.world.alerted(&name) {
                        name.clone()
                    } else {
                        "no such alert".to_owned()
                    };
                    (vec![name], vec![got])
                }
                "standing" => (
                    words(wanted),
                    vec![self.standing(self.last.expect("an action was submitted"))],
                ),
                "reviews" => {
                    let open = self.world.state.reviews().values();
                    (
                        words(wanted),
                        open.map(|review| review.kind.as_str().to_owned()).collect(),
                    )
                }
                "drawn" => (words(wanted), vec![self.drawn()]),
                "suspended" => (words(wanted), self.suspended()),
                "runs" => (words(wanted), self.open_runs()),
                "coverage" => (words(wanted), self.coverage()),
                "circuits" => (words(wanted), self.circuits()),
                "tried" => (words(wanted), self.tried()),
                "barred" => (words(wanted), self.barred()),
                "paused" => {
                    let paused = self
                        .world
                        .state
                        .agents()
                        .iter()
                        .filter(|(_, agent)| agent.paused.is_some());
                    (words(wanted), paused.map(|(id, _)| id.to_string()).collect())
                }
                "args" => (words(wanted), vec![self.args()]),
                "asked" => (
                    words(wanted),
                    self.world.asked(self.last.expect("an action was submitted")),
                ),
                _ => match said(&self.world.records[before..], word) {
                    Some(got) => (words(wanted), got),
                    None => (words(wanted), shown(&self.view(), word)?),
                },
            };
            if wanted != got {
                return Err(format!("`{word}` is {got:?} and should be {wanted:?}"));
            }
        }
        Ok(())
    }
}

fn scope(value: &Value) -> Scope {
    let named = |word: &str, scope: fn(String) -> Scope| value.get(word).map(|name| scope(plain(name)));
    named("agent", Scope::Agent)
        .or_else(|| named("team", Scope::Team))
        .or_else(|| named("tool", Scope::Tool))
        .or_else(|| named("class", Scope::Class))
        .or_else(|| named("run", Scope::Run))
        .unwrap_or(Scope::Organization)
}

fn span(text: &str) -> Option<Span> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    match unit {
        "s" => Some(Span::seconds(number)),
        "m" => Some(Span::minutes(number)),
        "h" => Some(Span::hours(number)),
        "d" => Some(Span::days(number)),
        _ => None,
    }
}

fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::List(items)) => items.clone(),
        Some(other) => vec![other.clone()],
    }
}

fn words(value: &Value) -> Vec<String> {
    list(Some(value)).iter().map(plain).collect()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).map(plain).unwrap_or_default()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}
