//! Runs: begin, end, talk to, note, show, list; and what another policy would have said in one.
//!
//! The state knows what is open. Everything else about a run is read from its records, which are looked up by its name.

mod tell;

use std::sync::Arc;

use countersign_api::runs::{ReplayAnswer, ReplayItem, RunAnswer, RunItem};
use countersign_core::command::{AboutRun, EndRun, NewRun, Sealed};
use countersign_core::event::{RunStatus, Trigger};
use countersign_core::ids::RunId;
use countersign_core::policy::{Snapshot, Value};
use countersign_core::redact::Kinds;
use countersign_core::replay::{Under, under};
use countersign_core::retention::agent_subject;
use countersign_core::stored::about;
use countersign_core::view::run_subject;
use countersign_core::{Command, Event, Record, Refusal};
use countersign_store::{Org, Query};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, Inner, blocking};

/// Lines of the search index that one list looks at.
const LINES_AT_MOST: usize = 2000;
const LINES_AT_ONCE: usize = 500;

/// A run that somebody wants to begin.
pub struct RunWanted {
    /// Agents that act in it, besides the one that begins it.
    pub agents: Vec<String>,
    /// What sets it off.
    pub trigger: Trigger,
    /// What it begins with.
    pub context: Option<Value>,
    /// On whose behalf.
    pub principal: Option<String>,
    /// The run that it is part of.
    pub parent: Option<RunId>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// It ends when nothing is heard of it for so many seconds.
    pub idle_s: Option<u32>,
}

/// Which runs to list; what is `None` does not matter.
#[derive(Default)]
pub struct RunsWanted {
    /// In which this agent acts.
    pub agent: Option<String>,
    /// What this set off.
    pub trigger: Option<Trigger>,
    /// That are open, or over.
    pub open: Option<bool>,
    /// That began before the record of this index.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Wait until the index covers this record.
    pub min_seq: Option<u64>,
}

/// Runs, newest first.
pub struct RunsPage {
    /// Each of them.
    pub runs: Vec<RunItem>,
    /// Where the next page begins.
    pub next: Option<u64>,
    /// How many records the index covers.
    pub as_of_seq: u64,
}

impl Engine {
    /// Begins a run; answers its name. The second value says that the same request was carried out before.
    pub async fn start_run(&self, request: &Request<'_>, wanted: RunWanted) -> Result<(String, bool), EngineError> {
        let (caller, org) = (request.caller, &request.caller.org);
        let agents = self.agents_of_run(caller, wanted.agents)?;
        let about_whom = wanted
            .principal
            .clone()
            .or(agents.first().map(|agent| agent_subject(agent)));
        let members = [
            ("context", wanted.context),
            ("principal", wanted.principal.as_deref().map(Value::from)),
        ];
        let (context, redact) = self.run_payload(org, members, about_whom)?;
        let new = NewRun {
            agents,
            idle_s: wanted.idle_s,
            parent: wanted.parent,
            traceparent: wanted.traceparent,
            trigger: wanted.trigger,
            context,
            redact,
        };
        let envelope = request.envelope(Command::StartRun(Box::new(new)));
        let done = self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        let seq = done.entries.first().map(|entry| entry.record.seq).or(done.replayed);
        let (inner, name) = (self.inner.clone(), org.clone());
        let started = blocking(move || inner.record(&name, seq.unwrap_or_default())).await?;
        match started.event {
            Event::RunStarted(started) => Ok((started.run.to_string(), done.replayed.is_some())),
            _other => Err(EngineError::internal("the start of a run is another record")),
        }
    }

    /// Ends a run. `true` if the same request was carried out before.
    pub async fn end_run(
        &self,
        request: &Request<'_>,
        run: RunId,
        status: RunStatus,
        output: Option<Value>,
    ) -> Result<bool, EngineError> {
        let (caller, org) = (request.caller, &request.caller.org);
        let name = run.to_string();
        let open = self
            .look(org, move |state| state.runs().get(name.as_str()).cloned())
            .await?;
        let agents = open.map(|open| open.agents).unwrap_or_default();
        let acts = |agent: &Arc<str>| caller.may_act_for(agent);
        let agent = caller.agent().filter(|_| !agents.iter().any(acts));
        let about_whom = agents.first().map(|agent| agent_subject(agent));
        let (output, redact) = self.run_payload(org, [("output", output), ("", None)], about_whom)?;
        let ask = EndRun {
            run,
            agent,
            status,
            output,
            redact,
        };
        let envelope = request.envelope(Command::EndRun(Box::new(ask)));
        let done = self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        Ok(done.replayed.is_some())
    }

    /// Notes what a person says to the agents of a run.
    pub async fn give_input(&self, request: &Request<'_>, run: &str, text: &str) -> Result<bool, EngineError> {
        let ask = self.about_run(request, run, text).await?;
        self.say(request, Command::GiveInput(Box::new(ask))).await
    }

    /// Notes something about a run.
    pub async fn note_run(&self, request: &Request<'_>, run: &str, text: &str) -> Result<bool, EngineError> {
        let ask = self.about_run(request, run, text).await?;
        self.say(request, Command::NoteRun(Box::new(ask))).await
    }

    async fn say(&self, request: &Request<'_>, command: Command) -> Result<bool, EngineError> {
        let envelope = request.envelope(command);
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    async fn about_run(&self, request: &Request<'_>, run: &str, text: &str) -> Result<AboutRun, EngineError> {
        let (inner, org, name) = (self.inner.clone(), request.caller.org.clone(), run.to_owned());
        let first = blocking(move || {
            let stored = inner.store.by_subject_page(&org, run_subject(&name), 0, 1)?;
            let first = stored.first().map(|stored| Record::decode(&stored.leaf)).transpose();
            Ok(first.map_err(EngineError::internal)?.map(|(record, _)| record.event))
        })
        .await?;
        Ok(AboutRun {
            run: run.into(),
            started: matches!(first, Some(Event::RunStarted(_))),
            seen: first.is_some(),
            text: self.reason(text)?,
        })
    }

    /// A run, from what set it off to what it came to.
    pub async fn run(&self, caller: &Caller, run: &str) -> Result<RunAnswer, EngineError> {
        let (inner, caller, name) = (self.inner.clone(), caller.clone(), run.to_owned());
        let wanted = name.clone();
        let open = self
            .look(&caller.org, move |state| state.runs().get(wanted.as_str()).cloned())
            .await?;
        blocking(move || inner.run(&caller, &name, open)).await
    }

    /// Runs that were started, newest first.
    pub async fn runs(&self, caller: &Caller, wanted: RunsWanted) -> Result<RunsPage, EngineError> {
        let org = caller.org.clone();
        if let Some(min_seq) = wanted.min_seq {
            self.wait_for_index(&org, min_seq).await?;
        }
        let (mut runs, mut before, mut looked_at) = (Vec::new(), wanted.before, 0);
        let limit = wanted.limit.clamp(1, LINES_AT_ONCE);
        // Where nothing is left out, a page is as many lines as it shows.
        let leaves_out = wanted.agent.is_some() || wanted.trigger.is_some() || wanted.open.is_some();
        let lines = if leaves_out { LINES_AT_ONCE } else { limit };
        let (inner, name) = (self.inner.clone(), org.clone());
        let as_of_seq = blocking(move || Ok(inner.store.indexed(&name)?)).await?;
        loop {
            let (inner, name) = (self.inner.clone(), org.clone());
            let started = blocking(move || inner.started(&name, before, lines)).await?;
            looked_at += started.len();
            let more = started.len() == lines;
            let names: Vec<String> = started.iter().map(|(_, item)| item.run.clone()).collect();
            let open = self
                .look(&org, move |state| {
                    let open = names.iter().map(|run| state.runs().contains_key(run.as_str()));
                    open.collect::<Vec<_>>()
                })
                .await?;
            for ((seq, mut item), open) in started.into_iter().zip(open) {
                before = Some(seq);
                item.state = if open { "open" } else { "ended" }.to_owned();
                let agent = wanted.agent.as_ref().is_none_or(|agent| item.agents.contains(agent));
                let trigger = wanted.trigger.is_none_or(|trigger| trigger.as_str() == item.trigger);
                if agent && trigger && wanted.open.is_none_or(|wanted| wanted == open) {
                    runs.push(item);
                }
                if runs.len() == limit {
                    return Ok(RunsPage {
                        runs,
                        next: before,
                        as_of_seq,
                    });
                }
            }
            if !more || looked_at >= LINES_AT_MOST {
                let next = before.filter(|_| more);
                return Ok(RunsPage { runs, next, as_of_seq });
            }
        }
    }

    /// What another policy would have decided in a run. Nothing is recorded.
    pub async fn replay_run(&self, caller: &Caller, run: &str, other: Snapshot) -> Result<ReplayAnswer, EngineError> {
        let (inner, org, name) = (self.inner.clone(), caller.org.clone(), run.to_owned());
        blocking(move || inner.replay_run(&org, &name, &other)).await
    }

    /// Who acts in a run: who starts it, and whom it names.
    fn agents_of_run(&self, caller: &Caller, named: Vec<String>) -> Result<Vec<Arc<str>>, EngineError> {
        let gateway = caller.scopes.iter().any(|scope| scope.starts_with("act_for:"));
        let own = caller.agent();
        for agent in &named {
            self.check_id("agent", agent)?;
            if gateway && own.as_deref() != Some(agent) && !caller.may_act_for(agent) {
                let detail = format!("this key cannot act for `{agent}`");
                return Err(Refusal::forbidden("not_your_agent", detail).into());
            }
        }
        let itself = own.filter(|_| !gateway || named.is_empty());
        Ok(named.iter().map(|agent| agent.as_str().into()).chain(itself).collect())
    }

    /// The stored form of what a run begins with or comes to, known to be about somebody.
    fn run_payload(
        &self,
        org: &Org,
        members: [(&str, Option<Value>); 2],
        about_whom: Option<String>,
    ) -> Result<(Option<Sealed>, std::collections::BTreeMap<String, u32>), EngineError> {
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let value: std::collections::BTreeMap<String, Value> = members.collect();
        if value.is_empty() {
            return Ok(Default::default());
        }
        let (sealed, redact) = self.store_foreign(&Value::Map(value), &Kinds::default());
        let subject = about_whom.map(|name| self.subject(org, &name)).transpose()?;
        let sealed = match subject {
            Some(subject) => about(sealed, subject),
            None => sealed,
        };
        Ok((Some(sealed), redact))
    }
}

impl Inner {
    /// Runs as they were started, with the index of that record, newest first.
    fn started(&self, org: &Org, before: Option<u64>, lines: usize) -> Result<Vec<(u64, RunItem)>, EngineError> {
        let query = Query {
            kind: Some("run.started".to_owned()),
            before,
            limit: lines,
            ..Query::default()
        };
        let mut found = Vec::new();
        for row in self.store.search(org, &query)? {
            let stored = self.store.records(org, row.seq, 1)?;
            for stored in stored.into_iter().filter(|stored| stored.seq == row.seq) {
                let record = Record::decode(&stored.leaf).map_err(EngineError::internal)?.0;
                if let Event::RunStarted(started) = &record.event {
                    let item = RunItem {
                        run: started.run.to_string(),
                        state: String::new(),
                        agents: started.agents.iter().map(ToString::to_string).collect(),
                        trigger: started.trigger.as_str().to_owned(),
                        started_by: record.actor.id.clone(),
                        started_at: record.ts.to_string(),
                        parent: started.parent.map(|parent| parent.to_string()),
                    };
                    found.push((record.seq, item));
                }
            }
        }
        Ok(found)
    }

    fn replay_run(&self, org: &Org, run: &str, other: &Snapshot) -> Result<ReplayAnswer, EngineError> {
        let found = self.records_of_run(org, run, |_record| true)?;
        let currency = self.opened(org)?.currency;
        let mut answer = ReplayAnswer {
            run: run.to_owned(),
            snapshot: other.hash_text().to_owned(),
            same: 0,
            differs: 0,
            not_derivable: 0,
            decisions: Vec::new(),
            complete: found.left_off.has_all_actions(),
        };
        for record in &found.decisions {
            let Event::DecisionMade(decision) = &record.event else {
                continue;
            };
            let payload = self.payload(org, record.seq)?;
            let after = under(other, record, decision, payload.as_ref(), &currency);
            let then = self.compiled(org, record.snapshot.as_ref());
            let before = then.map(|then| under(&then, record, decision, payload.as_ref(), &currency));
            let mut item = ReplayItem {
                action_id: decision.action_id.to_string(),
                agent: decision.agent.to_string(),
                tool: decision.tool.clone(),
                action: decision.action.clone(),
                index: record.seq,
                outcome: "not_derivable".to_owned(),
                recorded: decision.decision.as_str().to_owned(),
                before: None,
                after: None,
                rule: None,
                message: None,
                gaps: Vec::new(),
            };
            let before = match &before {
                Some(Under::Says(verdict)) => Some(verdict),
                Some(Under::NotDerivable(_)) | None => None,
            };
            item.before = before.map(|verdict| verdict.decision.as_str().to_owned());
            match after {
                Under::NotDerivable(gaps) => {
                    answer.not_derivable += 1;
                    item.gaps = gaps
                        .into_iter()
                        .map(|gap| format!("{}: {}", gap.field, gap.why))
                        .collect();
                }
                Under::Says(after) => {
                    let same = match before {
                        Some(before) => {
                            before.decision == after.decision
                                && before.constraints == after.constraints
                                && before.outputs == after.outputs
                                && before.demands == after.demands
                        }
                        None => decision.decision == after.decision,
                    };
                    item.outcome = if same { "same" } else { "differs" }.to_owned();
                    *(if same { &mut answer.same } else { &mut answer.differs }) += 1;
                    item.after = Some(after.decision.as_str().to_owned());
                    let first = after.reasons.first();
                    item.rule = first
                        .filter(|reason| !reason.document.is_empty())
                        .map(|reason| format!("{}#{}", reason.document, reason.rule));
                    item.message = first.map(|reason| {
                        let kinds = Kinds::of(Some(other), &decision.agent);
                        self.redactor.redact_text(&reason.message, &kinds).text
                    });
                }
            }
            answer.decisions.push(item);
        }
        Ok(answer)
    }
}
