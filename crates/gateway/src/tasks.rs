//! Calls that wait for people as tasks (SEP-2663, the extension `io.modelcontextprotocol/tasks`): a client that declared the
//! extension with the call is given a task at once, and asks for it as long as it likes.
//!
//! A call runs in answer to such a question, never in between: a client that does not ask any more runs nothing. A task is
//! kept on disk ([`Drawer`]) before its client hears of it, and is one action of the server that decides. So it outlives the
//! process, and whatever process goes on with it, its permit is there once.

mod drawer;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_api::ActionBody;
use countersign_core::Time;
use countersign_core::digest::hex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::AbortHandle;

pub(crate) use self::drawer::Drawer;
use self::drawer::{Claim, LASTS, OVER_LASTS};
use crate::govern::{Go, Governor, Labels, Ruling, Waiting};
use crate::stdio::lock;
use crate::waiting::fingerprint;
use crate::wire::{Call, Message, Seen};
use crate::{answer, calls, wire};

/// What the ids of our tasks begin with. What is behind it nobody can guess.
const OURS: &str = "countersign-";
/// How soon a client may ask again, as it is told.
const POLL_MS: u64 = 2000;
/// The longest call that becomes a task; a longer one is held as for any other client.
const LONGEST: usize = 256 * 1024;
/// The parameters are not what they should be.
const INVALID_PARAMS: i32 = -32602;

/// A task as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The action that it is, at the server that decides.
    action: String,
    /// What it was asked for with.
    labels: Option<Labels>,
    /// The call, as it came.
    line: String,
    created: Time,
    changed: Time,
    stage: Stage,
}

#[derive(Clone, Serialize, Deserialize)]
enum Stage {
    /// People have to decide: what the client is told meanwhile.
    Waiting(String),
    /// It is over: the answer to the call.
    Ended(Value),
    /// The client wants it no more.
    Cancelled,
}

impl Stage {
    fn is_over(&self) -> bool {
        match self {
            Stage::Waiting(_) => false,
            Stage::Ended(_) | Stage::Cancelled => true,
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Kept {
    /// How long it is kept, from its beginning on.
    fn lasts(&self) -> Duration {
        let past = u64::try_from(self.changed.0 - self.created.0).unwrap_or_default();
        match self.stage.is_over() {
            true => LASTS.min(Duration::from_micros(past) + OVER_LASTS),
            false => LASTS,
        }
    }

    fn become_(&mut self, stage: Stage) {
        (self.stage, self.changed) = (stage, now());
        if self.stage.is_over() {
            // Nobody runs it any more.
            self.line = String::new();
        }
    }

    /// The task as a client sees it.
    fn shown(&self, id: &str, runs: bool) -> Map<String, Value> {
        let (status, message, outcome) = match &self.stage {
            Stage::Waiting(_) if runs => ("working", Some("the tool runs"), None),
            Stage::Waiting(why) => ("working", Some(why.as_str()), None),
            Stage::Cancelled => ("cancelled", None, None),
            Stage::Ended(answer) => match (answer.get("result"), answer.get("error")) {
                (Some(result), _) => ("completed", None, Some(("result", result.clone()))),
                (None, error) => ("failed", None, error.map(|error| ("error", error.clone()))),
            },
        };
        let lasts_ms = u64::try_from(self.lasts().as_millis()).unwrap_or(u64::MAX);
        let mut shown = Map::from_iter([
            ("taskId".to_owned(), id.into()),
            ("status".to_owned(), status.into()),
            ("createdAt".to_owned(), self.created.to_string().into()),
            ("lastUpdatedAt".to_owned(), self.changed.to_string().into()),
            ("ttlMs".to_owned(), lasts_ms.into()),
            ("pollIntervalMs".to_owned(), POLL_MS.into()),
        ]);
        shown.extend(message.map(|message| ("statusMessage".to_owned(), message.into())));
        shown.extend(outcome.map(|(name, outcome)| (name.to_owned(), outcome)));
        shown
    }

    /// The call, under the task's id: what comes of it is kept for whoever asks.
    fn call(&self, id: &str) -> Option<Call> {
        let Message::Call(call) = wire::read(self.line.as_bytes()) else {
            return None;
        };
        Some(Call {
            id: id.into(),
            progress: None,
            ..*call
        })
    }
}

/// Which task, and whose: an agent's at one server of tools.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) drawer: Drawer,
    pub(crate) server: String,
    pub(crate) id: String,
}

impl Place {
    /// The task with this id.
    pub(crate) fn new(governor: &Governor, server: &str, id: &str) -> Place {
        Place {
            drawer: governor.drawer(),
            server: server.to_owned(),
            id: id.to_owned(),
        }
    }

    /// The task that a request is about, if it is one of ours: whatever has become of it, it is not for the tool's server.
    pub(crate) fn of(seen: &Seen, governor: &Governor, server: &str) -> Option<Place> {
        let about = seen
            .method
            .as_deref()
            .is_some_and(|method| method.starts_with("tasks/"));
        let id = seen.about.as_deref().filter(|id| id.starts_with(OURS))?;
        (about && seen.id.is_some()).then(|| Place::new(governor, server, id))
    }

    fn find(&self) -> Option<Kept> {
        self.drawer.find(&self.id, &self.server)
    }

    fn put(&self, kept: &Kept) -> std::io::Result<()> {
        self.drawer.put(&self.id, &self.server, kept)
    }

    /// Takes a task that is not over for this process; nothing if somebody else has it.
    fn claim(&self) -> Option<(Claim, Kept)> {
        // An id that somebody made up leaves no lock behind.
        self.find().filter(|kept| !kept.stage.is_over())?;
        let claim = self.drawer.claim(&self.id)?;
        let kept = self.find().filter(|kept| !kept.stage.is_over())?;
        Some((claim, kept))
    }
}

/// A task that this process looks at, or runs.
struct Live {
    kept: Kept,
    runs: bool,
    /// Ends what runs.
    ends: Option<AbortHandle>,
    /// Nobody else goes on with it.
    _claim: Claim,
}

impl Live {
    fn of((claim, kept): (Claim, Kept)) -> Live {
        Live {
            kept,
            runs: false,
            ends: None,
            _claim: claim,
        }
    }
}

/// A task whose call may run now: it was approved, and its permit is used.
pub(crate) struct Begun {
    /// The call, under the task's id.
    pub(crate) call: Call,
    /// The message, for a server that is not told what only this client and we can do.
    pub(crate) line: Vec<u8>,
    pub(crate) go: Box<Go>,
    /// What the action is told from others by.
    pub(crate) name: String,
}

/// The tasks that this process looks at, or runs.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<BTreeMap<Place, Live>>);

/// The call under another id, for a server that is not told what only this client and we can do.
fn under(line: &str, id: &str) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_str(line).ok()?;
    message.as_object_mut()?.insert("id".to_owned(), id.into());
    let meta = message.pointer_mut("/params/_meta").and_then(Value::as_object_mut)?;
    // Nobody listens to the progress of a call that was answered with a task.
    meta.remove("progressToken");
    let able = meta.get_mut(wire::CAPABILITIES_KEY).and_then(Value::as_object_mut)?;
    able.remove("elicitation");
    able.remove("sampling");
    able.get_mut("extensions")?.as_object_mut()?.remove(wire::TASKS_KEY);
    let mut bytes = serde_json::to_vec(&message).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

/// How long a call is held while people decide: whoever takes a task is not kept waiting for the answer.
pub(crate) fn hold(call: &Call, hold: Duration) -> Duration {
    if call.tasks { Duration::ZERO } else { hold }
}

/// What a client is told whose call waits for people: that it is a task, where the client takes one, or what any other is told,
/// with a question where there is one.
pub(crate) fn put_off(
    governor: &Governor,
    server: &str,
    call: &Call,
    line: &[u8],
    waiting: &Waiting,
    question: impl FnOnce() -> Option<Value>,
) -> Vec<u8> {
    let task = || task_of(governor, server, call, line, waiting);
    let task = call.tasks.then(task).flatten();
    task.unwrap_or_else(|| calls::put_off(call, waiting, question()))
}

/// Makes a task of a call that waits for people: it is kept, and the answer to the call. `None` if it cannot be one.
fn task_of(governor: &Governor, server: &str, call: &Call, line: &[u8], waiting: &Waiting) -> Option<Vec<u8>> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let at = now();
    let place = Place::new(governor, server, &format!("{OURS}{}", hex(&bytes)));
    let kept = Kept {
        action: waiting.id.clone(),
        labels: waiting.labels.clone(),
        line: String::from_utf8(line.to_vec()).ok()?,
        created: at,
        changed: at,
        stage: Stage::Waiting(waiting.sentence.clone()),
    };
    // What cannot be read again later is no task.
    under(&kept.line, &place.id)?;
    if line.len() > LONGEST || !place.drawer.has_room() {
        return None;
    }
    place.put(&kept).ok()?;
    let mut shown = kept.shown(&place.id, false);
    shown.insert("resultType".to_owned(), "task".into());
    Some(answer::result(&call.id, shown))
}

/// Whether the id of a request is that of a call which runs as a task.
pub(crate) fn is_ours(id: &Value) -> bool {
    let ours = id.as_str().and_then(|id| id.strip_prefix(OURS));
    ours.is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Tasks {
    fn live(&self) -> MutexGuard<'_, BTreeMap<Place, Live>> {
        lock(&self.0)
    }

    /// Answers `tasks/get`, once [`Tasks::look`] has looked.
    pub(crate) fn told(&self, id: &Value, place: &Place) -> Vec<u8> {
        let live = self.live();
        let live = live.get(place);
        let shown = match live {
            Some(live) => Some(live.kept.shown(&place.id, live.runs)),
            None => place.find().map(|kept| kept.shown(&place.id, false)),
        };
        match shown {
            Some(shown) => answer::result(id, shown),
            None => unknown(id),
        }
    }

    /// Whether there is such a task.
    pub(crate) fn knows(&self, place: &Place) -> bool {
        self.live().contains_key(place) || place.find().is_some()
    }

    /// Whether there is such a task, and it still waits.
    pub(crate) fn waits(&self, place: &Place) -> bool {
        !self.live().contains_key(place) && place.find().is_some_and(|kept| !kept.stage.is_over())
    }

    /// Looks whether people have decided, and gives the call to run if they said yes. One look at a time, and none at what
    /// another process has: a permit is there once. Nor where `action` says that it is not time. A look has to be let come to
    /// its end, whether or not anybody listens.
    pub(crate) async fn look(
        &self,
        place: &Place,
        governor: &Governor,
        action: impl FnOnce(&Call) -> Option<ActionBody>,
    ) -> Option<Begun> {
        let (claim, kept) = place.claim()?;
        let call = kept.call(&place.id)?;
        let (action, line) = (action(&call)?, under(&kept.line, &place.id)?);
        let (id, labels) = (kept.action.clone(), kept.labels.clone());
        self.live().insert(place.clone(), Live::of((claim, kept)));
        match governor.look(&id, labels.as_ref(), &action).await {
            // People still decide; that one look found nobody ends nothing.
            None => self.let_go(place, None),
            Some(Ruling::Waiting(waiting)) => self.let_go(place, Some(waiting.sentence)),
            Some(Ruling::Refused { sentence, decision }) => {
                self.end(place, &answer::told(&call.id, call.modern, &sentence, &decision));
            }
            Some(Ruling::Go(go)) => {
                if self.runs(place) {
                    let name = fingerprint(&action);
                    return Some(Begun { call, line, go, name });
                }
                let why = "the client had cancelled it before it ran".to_owned();
                governor.report(&go.id, Some(why), std::time::Duration::ZERO).await;
            }
        }
        None
    }

    /// A task waits on; what its client is told meanwhile may be something else now.
    fn let_go(&self, place: &Place, sentence: Option<String>) {
        let mut tasks = self.live();
        let waits = |live: &mut Live| !live.kept.stage.is_over();
        // One that was cancelled stays so.
        if !tasks.get_mut(place).is_some_and(waits) {
            return;
        }
        let Some(mut live) = tasks.remove(place) else { return };
        if let (Some(new), Stage::Waiting(old)) = (sentence, &live.kept.stage)
            && new != *old
        {
            live.kept.become_(Stage::Waiting(new));
            // The older words are as good.
            let _ = place.put(&live.kept);
        }
    }

    /// A task runs from here on. False if it was cancelled meanwhile: then nothing may run.
    fn runs(&self, place: &Place) -> bool {
        let mut tasks = self.live();
        let Some(live) = tasks.get_mut(place).filter(|live| !live.kept.stage.is_over()) else {
            return false;
        };
        (live.runs, live.kept.changed) = (true, now());
        true
    }

    /// Whether a task is looked at, or runs, here.
    pub(crate) fn lives(&self, place: &Place) -> bool {
        self.live().get(place).is_some_and(|live| !live.kept.stage.is_over())
    }

    /// By this a running task is ended when its client cancels it.
    pub(crate) fn ended_by(&self, place: &Place, ends: AbortHandle) {
        match self.live().get_mut(place) {
            Some(live) if !live.kept.stage.is_over() => live.ends = Some(ends),
            Some(_) | None => ends.abort(),
        }
    }

    /// Keeps what came of a call. What comes after a cancellation is for nobody.
    pub(crate) fn end(&self, place: &Place, line: &[u8]) {
        let mut tasks = self.live();
        let Some(live) = tasks.get_mut(place).filter(|live| !live.kept.stage.is_over()) else {
            return;
        };
        let answer: Value = serde_json::from_slice(line).unwrap_or_default();
        let kind = answer.pointer("/result/resultType").and_then(Value::as_str);
        let whole = kind.is_none_or(|kind| kind == "complete");
        live.kept.become_(Stage::Ended(if whole {
            answer
        } else {
            let why = "the tool's server wants another round, which a task does not have: call the tool without tasks";
            json!({ "error": { "code": -32603, "message": why } })
        }));
        // What cannot be written is told by this process alone.
        if place.put(&live.kept).is_ok() {
            tasks.remove(place);
        }
    }

    /// Cancels a task, and ends what runs of it. False if there is nothing to cancel, or another process has it.
    pub(crate) fn cancel(&self, place: &Place) -> bool {
        let mut tasks = self.live();
        let live = tasks.remove(place).or_else(|| place.claim().map(Live::of));
        let Some(mut live) = live else { return false };
        let cancels = !live.kept.stage.is_over();
        if cancels {
            live.kept.become_(Stage::Cancelled);
            if let Some(ends) = live.ends.take() {
                ends.abort();
            }
        }
        if !cancels || place.put(&live.kept).is_err() {
            // What cannot be written is known to this process alone, which keeps its claim.
            tasks.insert(place.clone(), live);
        }
        cancels
    }
}

/// The answer about a task that there is not.
fn unknown(id: &Value) -> Vec<u8> {
    let why = "there is no such task any more: call the tool again with identical arguments";
    answer::error(id, INVALID_PARAMS, why)
}
