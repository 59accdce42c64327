//! One action, from the question whether it may run to the report of what came of it.

mod told;

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_api::always_denied::{AlwaysDeniedAnswer, AlwaysDeniedBody};
use countersign_api::approvals::{OutcomeRequestBody, OutcomeWord, RedeemBody};
use countersign_api::bounded::{Text, Whole};
use countersign_api::{ActionAnswer, ActionBody};
use countersign_client::{Client, ClientError};
use countersign_core::event::Filtered;
use countersign_policy::Outputs;
use serde_json::{Map, Value};

use self::told::{changed_out_of_sight, decision, failed, leads_elsewhere, refused, unusable, used_before, waiting};
use crate::answer;
use crate::elicit::Page;
use crate::guarded::{Guarded, LABEL, Stand, unseen};
use crate::observe::Observer;
use crate::outputs::{self, Passes};
use crate::tasks::Drawer;
use crate::waiting::{Folder, fingerprint};
use crate::wire::Answered;

/// How long one request to the server waits for people.
const LEG: Duration = Duration::from_secs(20);

/// What stands between an agent and its tools.
#[derive(Clone)]
pub struct Governor {
    client: Client,
    folder: Folder,
    observer: Option<Observer>,
    /// Whose actions they are, where the key is a gateway's.
    agent: Option<String>,
    /// What no tool is to reach.
    guarded: Option<Guarded>,
    /// From where arguments are looked at.
    stand: Stand,
}

/// What came of asking.
#[derive(Debug)]
pub enum Ruling {
    /// It runs now, once: the permit is used.
    Go(Box<Go>),
    /// It does not run.
    Refused {
        /// Why, for the agent: what happened, and what it can do.
        sentence: String,
        /// The decision, for programs.
        decision: Value,
    },
    /// A person has to decide, and has not yet.
    Waiting(Waiting),
}

impl Ruling {
    /// The decision, for programs.
    pub(crate) fn decision(&self) -> &Value {
        match self {
            Ruling::Go(go) => &go.decision,
            Ruling::Refused { decision, .. } => decision,
            Ruling::Waiting(waiting) => &waiting.decision,
        }
    }
}

/// An action that runs.
#[derive(Debug)]
pub struct Go {
    /// The action; empty where it was only looked on at.
    pub id: String,
    /// The tool and arguments to run in place of those asked for, where policy changed them.
    pub changed: Option<(String, Map<String, Value>)>,
    /// The longest that it may run.
    pub timeout: Option<Duration>,
    /// The permit, which is used: for it a credential is given out.
    pub permit: String,
    /// The decision, for programs.
    pub decision: Value,
    /// What it was asked for with.
    pub(crate) labels: Option<Labels>,
    /// What its result may let out.
    pub(crate) outputs: Outputs,
    /// The tool, for notes.
    pub(crate) tool: Option<String>,
}

/// Labels of an action.
pub(crate) type Labels = Map<String, Value>;

/// An action that waits for a person.
#[derive(Debug)]
pub struct Waiting {
    /// The action.
    pub id: String,
    /// What it was asked for with.
    pub(crate) labels: Option<Labels>,
    /// What the agent is told.
    pub sentence: String,
    /// Where people decide.
    pub(crate) page: Option<Page>,
    /// The decision, for programs.
    pub decision: Value,
}

impl Governor {
    /// Asks by `client`; what waits is remembered in `folder`.
    pub fn new(client: Client, folder: &Path) -> Governor {
        Governor {
            client,
            folder: Folder::new(folder),
            observer: None,
            agent: None,
            guarded: None,
            stand: Stand::default(),
        }
    }

    /// The same, for a host that says where it works.
    #[must_use]
    pub(crate) fn standing(&self, stand: Stand) -> Governor {
        Governor { stand, ..self.clone() }
    }

    /// The same, where actions say how near they come to a folder.
    #[must_use]
    pub fn guarding(self, guarded: Guarded) -> Governor {
        Governor {
            guarded: Some(guarded),
            ..self
        }
    }

    /// The same, for an agent that the key of `client` acts for.
    #[must_use]
    pub(crate) fn acting_for(self, agent: &str) -> Governor {
        Governor {
            agent: Some(agent.to_owned()),
            ..self
        }
    }

    /// An action as this one's agent asks for it, here and now.
    async fn named(&self, action: &ActionBody) -> ActionBody {
        ActionBody {
            agent: self.agent.clone(),
            labels: self.near(action.args.as_ref()).await,
            ..action.clone()
        }
    }

    /// How near the arguments of an action come to what no tool is to reach, as they lead now.
    async fn near(&self, arguments: Option<&Map<String, Value>>) -> Option<Labels> {
        let (guarded, stand) = (self.guarded.clone()?, self.stand.clone());
        let arguments = arguments?.clone();
        // A thread that may wait: a file system can be slow, and whoever set a time for the answer has to get it.
        let looking = tokio::task::spawn_blocking(move || guarded.label(&arguments, &stand));
        let label = looking.await.unwrap_or_else(|_| Some(unseen()))?;
        Some(Map::from_iter([(LABEL.to_owned(), label.into())]))
    }

    /// Whether what goes on in a later round leads where it led when it was decided.
    pub(crate) async fn leads_as_before(&self, go: &Go, action: &ActionBody) -> bool {
        if self.observer.is_some() {
            return true;
        }
        let changed = go.changed.as_ref().map(|(_, arguments)| arguments);
        let near = self.near(changed.or(action.args.as_ref())).await;
        near.is_none() || near == go.labels
    }

    /// The same, looking on: what would be decided is noted in `folder`, everything runs, and nobody is asked.
    #[must_use]
    pub fn observing(self, folder: &Path) -> Governor {
        Governor {
            observer: Some(Observer::new(folder)),
            ..self
        }
    }

    /// What notes, where this one only looks on.
    pub(crate) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// What would become of an action is noted; it runs whatever that is.
    async fn look_on(&self, observer: &Observer, action: &ActionBody) -> Go {
        let answer = self.client.dry_run(action).await;
        let decision = answer.as_ref().map(decision);
        observer.note(action, decision.as_ref().map_err(|error| *error));
        Go {
            id: String::new(),
            changed: None,
            timeout: None,
            permit: String::new(),
            decision: decision.unwrap_or_default(),
            labels: None,
            outputs: answer.map(|answer| answer.outputs).unwrap_or_default(),
            tool: action.tool.clone(),
        }
    }

    /// Decides an action, waits for people until `until`, and uses the permit.
    ///
    /// An identical action that waits already is looked at instead of asked for again. `key` makes repetitions of one
    /// call one decision.
    pub async fn rule(&self, action: &ActionBody, key: Option<&str>, until: Instant) -> Ruling {
        let action = &self.named(action).await;
        if let Some(observer) = &self.observer {
            return Ruling::Go(Box::new(self.look_on(observer, action).await));
        }
        match self.ask(action, key, until).await {
            Ok(ruling) => ruling,
            Err(error) => failed(&error),
        }
    }

    /// Looks once at an action that waits, by its id, with the labels that it was asked for with: nothing is asked for anew.
    /// `None` if nothing came of it that would last: no server, one that is busy, or a key that is not let in.
    pub(crate) async fn look(&self, id: &str, labels: Option<&Labels>, action: &ActionBody) -> Option<Ruling> {
        let action = &ActionBody {
            agent: self.agent.clone(),
            labels: labels.cloned(),
            ..action.clone()
        };
        if let Some(observer) = &self.observer {
            return Some(Ruling::Go(Box::new(self.look_on(observer, action).await)));
        }
        let answer = match self.client.action(id, 0).await {
            Ok(answer) => answer,
            Err(error) if is_gone(&error) => return Some(failed(&error)),
            // A key may be good again, and a server answer better.
            Err(_) => return None,
        };
        match self.follow(action, answer, &fingerprint(action), Instant::now()).await {
            Ok(Some(ruling)) => Some(ruling),
            Ok(None) => Some(used_before()),
            Err(error) if passes(&error) => None,
            Err(error) => Some(failed(&error)),
        }
    }

    /// Tasks that wait for people.
    pub(crate) fn drawer(&self) -> Drawer {
        Drawer::new(self.folder.path())
    }

    async fn ask(&self, action: &ActionBody, key: Option<&str>, until: Instant) -> Result<Ruling, ClientError> {
        let name = fingerprint(action);
        if let Some(id) = self.folder.find(&name) {
            match self.client.action(&id, 0).await {
                Ok(answer) => {
                    if let Some(ruling) = self.follow(action, answer, &name, until).await? {
                        return Ok(ruling);
                    }
                }
                // Another server, another organization, or another agent's: it is not ours.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            self.folder.forget(&name, &id);
        }
        let answer = self.client.decide(action, key).await?;
        match self.follow(action, answer, &name, until).await? {
            Some(ruling) => Ok(ruling),
            None => Ok(used_before()),
        }
    }

    /// Follows an action to its end. `None` if somebody else used its permit.
    async fn follow(
        &self,
        action: &ActionBody,
        mut answer: ActionAnswer,
        name: &str,
        until: Instant,
    ) -> Result<Option<Ruling>, ClientError> {
        let Some(id) = answer.id.clone() else {
            return Ok(Some(unusable(&answer)));
        };
        loop {
            let decision = decision(&answer);
            match answer.status.as_str() {
                "permitted" if answer.redeemed_at.is_some() => {
                    self.folder.forget(name, &id);
                    return Ok(None);
                }
                "permitted" => {
                    let ruling = self.redeem(action, &answer, &id, decision).await;
                    // What the server has answered, whatever it is, is not worth another try; what got lost is.
                    if matches!(ruling, Ok(_) | Err(ClientError::Problem(_))) {
                        self.folder.forget(name, &id);
                    }
                    return ruling;
                }
                "pending" => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left < Duration::from_secs(1) {
                        let kept = self.folder.keep(name, &id);
                        let sentence = waiting(&answer, kept.is_ok());
                        let labels = action.labels.clone();
                        let page = Page::of(&answer, action.tool.as_deref().unwrap_or_default());
                        let waiting = Waiting {
                            id,
                            labels,
                            sentence,
                            page,
                            decision,
                        };
                        return Ok(Some(Ruling::Waiting(waiting)));
                    }
                    // Kept before it is waited for: whoever is killed meanwhile finds it again.
                    let _ = self.folder.keep(name, &id);
                    answer = self.client.action(&id, left.min(LEG).as_secs()).await?;
                }
                "refused" => {
                    self.folder.forget(name, &id);
                    return Ok(Some(refused(&answer, decision)));
                }
                _ => {
                    self.folder.forget(name, &id);
                    return Ok(Some(unusable(&answer)));
                }
            }
        }
    }

    async fn redeem(
        &self,
        action: &ActionBody,
        answer: &ActionAnswer,
        id: &str,
        decision: Value,
    ) -> Result<Option<Ruling>, ClientError> {
        if answer.revision.as_ref().is_some_and(|revision| !revision.complete) {
            return Ok(Some(changed_out_of_sight(answer, decision)));
        }
        let (Some(permit), Ok(alternative)) = (&answer.permit, alternative(answer)) else {
            return Ok(Some(unusable(answer)));
        };
        let about_to_run = alternative.clone().unwrap_or_else(|| action.clone());
        let near = self.near(about_to_run.args.as_ref()).await;
        if near.is_some() && near != action.labels {
            return Ok(Some(leads_elsewhere(decision)));
        }
        let redemption = RedeemBody {
            permit: Text(permit.clone()),
            action: Some(about_to_run),
            action_digest: None,
        };
        match self.client.redeem(&redemption).await {
            Ok(redeemed) => Ok(Some(Ruling::Go(Box::new(Go {
                id: id.to_owned(),
                changed: alternative.map(|body| {
                    let tool = body.tool.or(body.action).unwrap_or_default();
                    (tool, body.args.unwrap_or_default())
                }),
                permit: permit.clone(),
                timeout: redeemed.constraints.get("timeout").and_then(time),
                decision,
                labels: action.labels.clone(),
                outputs: answer.outputs.clone(),
                tool: action.tool.clone(),
            })))),
            Err(ClientError::Problem(problem)) if problem.code == "already_redeemed" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What would be decided, without asking anybody: the sentence of a refusal, or nothing.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn would_refuse(&self, action: &ActionBody) -> Result<Option<String>, ClientError> {
        if self.observer.is_some() {
            return Ok(None);
        }
        let answer = self.client.dry_run(&self.named(action).await).await?;
        let decision = decision(&answer);
        match refused(&answer, decision) {
            Ruling::Refused { sentence, .. } if answer.status == "refused" => Ok(Some(sentence)),
            Ruling::Refused { .. } | Ruling::Go(_) | Ruling::Waiting(_) => Ok(None),
        }
    }

    /// What is handed back of the answer to a call, and what was done about it. Where this one only looks on, the answer goes on as
    /// it came, and what would have been done is noted.
    pub(crate) fn let_out(
        &self,
        go: &Go,
        id: &Value,
        modern: bool,
        line: Vec<u8>,
        answered: &mut Answered,
    ) -> (Vec<u8>, Option<Filtered>) {
        let (new, filtered) = match outputs::look(&line, &go.outputs) {
            Passes::On(new, filtered) => (new, filtered),
            Passes::Not(sentence, filtered) => (Some(answer::told(id, modern, &sentence, &go.decision)), filtered),
        };
        if let Some(observer) = &self.observer {
            observer.filtered(go.tool.as_deref(), &filtered);
            return (line, None);
        }
        if filtered.whole {
            // Nothing of it is left for the client to come back with.
            answered.state = None;
        }
        if answered.error.is_some() && new.is_some() {
            answered.error = Some("the tool answered with an error, of which policy let out less".to_owned());
        }
        let told = (!filtered.is_empty()).then_some(filtered);
        (new.unwrap_or(line), told)
    }

    /// Which operations are denied to the agent whatever else it says.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(crate) async fn always_denied(&self, ask: AlwaysDeniedBody) -> Result<AlwaysDeniedAnswer, ClientError> {
        let agent = self.agent.clone().map(Text);
        self.client.always_denied(&AlwaysDeniedBody { agent, ..ask }).await
    }

    /// Reports what came of an action. A report that does not arrive is missed by the server after its time; the agent
    /// is not held up for it.
    pub async fn report(&self, id: &str, error: Option<String>, took: Duration) {
        self.report_filtered(id, error, took, None).await;
    }

    /// The same, of a result that was looked at.
    pub(crate) async fn report_filtered(
        &self,
        id: &str,
        error: Option<String>,
        took: Duration,
        filtered: Option<Filtered>,
    ) {
        // What was only looked on at was never decided.
        if id.is_empty() {
            return;
        }
        let outcome = OutcomeRequestBody {
            status: if error.is_none() {
                OutcomeWord::Succeeded
            } else {
                OutcomeWord::Failed
            },
            cause: None,
            cost: None,
            duration_ms: u64::try_from(took.as_millis()).ok().map(Whole),
            tokens: std::collections::BTreeMap::new(),
            output: None,
            error: error.map(|error| Text(error.chars().take(1000).collect())),
            filtered,
        };
        let _ = self.client.report(id, &outcome).await;
    }
}

/// A constraint's time, such as `300s`.
fn time(value: &Value) -> Option<Duration> {
    let microseconds = value
        .as_str()
        .and_then(countersign_policy::constraint::parse_duration)?;
    u64::try_from(microseconds).ok().map(Duration::from_micros)
}

/// What the permit is for in place of the action, if policy put an alternative there or somebody changed it since.
fn alternative(answer: &ActionAnswer) -> Result<Option<ActionBody>, serde_json::Error> {
    if let Some(revision) = &answer.revision {
        return serde_json::from_value(revision.action.clone().unwrap_or_default()).map(Some);
    }
    match &answer.remedy {
        Some(remedy) if remedy.applied => serde_json::from_value(remedy.alternative.clone()).map(Some),
        _ => Ok(None),
    }
}

/// Whether there is no such action, for this agent.
fn is_gone(error: &ClientError) -> bool {
    matches!(error, ClientError::Problem(problem) if problem.status == 404)
}

/// Whether the same question may be answered in a while.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Problem(problem) => problem.status == 429 || problem.status >= 500,
        ClientError::Setup(_) | ClientError::Unreadable { .. } => false,
    }
}

#[cfg(test)]
#[path = "govern_tests.rs"]
mod tests;
