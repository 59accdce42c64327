//! What becomes of a call of a tool, whether it came by a pipe or by HTTP: the action that is decided, the message that is
//! handed on, and what is remembered of a call that takes several rounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::govern::{Go, Governor, Waiting};
use crate::wire::Call;
use crate::{answer, wire};

/// How often a client that asked for progress is told.
pub(crate) const PROGRESS: Duration = Duration::from_secs(10);
/// After so many rounds a client gives up, with an error that says nothing; we end before.
const ROUNDS: u32 = 9;
/// How long a client may take to come back with what a server asked it for.
const COMES_BACK: Duration = Duration::from_secs(30 * 60);
/// How many calls may be left for their clients to go on with.
const UNFINISHED_AT_MOST: usize = 10_000;

/// What is said of an alternative that cannot run here.
pub(crate) const ELSEWHERE: &str =
    "Policy puts another tool in place of this one, which is not on this server. Nothing was run.";

/// What is said of a call whose arguments lead to the keys of local mode in a later round.
pub(crate) const LEADS_ELSEWHERE: &str =
    "What this call leads to is not what was decided on any more. It does not go on; call the tool again.";
/// Why it failed.
pub(crate) const ANOTHER_WAY: &str = "its arguments led elsewhere in a later round";

/// The action that a call of a server's tool is.
pub(crate) fn action(server: &str, env: Option<&str>, run: Option<String>, call: &Call) -> ActionBody {
    ActionBody {
        tool: Some(format!("{server}/{}", call.name)),
        action: Some(call.name.clone()),
        args: Some(call.arguments.clone()),
        env: env.map(str::to_owned),
        run,
        evidence: call.evidence.clone(),
        accept_remedy: Some(true),
        ..ActionBody::default()
    }
}

/// What a client is told whose call waits for people: to come back, where it knows how to, and what it is asked before.
pub(crate) fn put_off(call: &Call, waiting: &Waiting, question: Option<Value>) -> Vec<u8> {
    let round = call.state.as_deref().and_then(answer::round).unwrap_or_default();
    if call.modern && round < ROUNDS {
        answer::come_back(&call.id, round + 1, question)
    } else {
        answer::told(&call.id, call.modern, &waiting.sentence, &waiting.decision)
    }
}

/// The name of a tool of this server, out of its name in policy.
pub(crate) fn own_tool<'a>(server: &str, tool: &'a str) -> Option<&'a str> {
    match tool.split_once('/') {
        Some((of, name)) => (of == server).then_some(name),
        None => Some(tool),
    }
}

/// The message that is handed on: the client's own, or with what was decided in its place. What a server gave the client to
/// bring back stays in it. `None` if what was decided is no tool of this server.
pub(crate) fn written(line: &[u8], call: &Call, go: &Go, server: &str) -> Option<Vec<u8>> {
    let ours = call.state.as_deref().and_then(answer::round).is_some();
    match &go.changed {
        None if !ours => Some(line.to_vec()),
        None => wire::rewritten(line, &call.name, None, ours),
        Some((tool, arguments)) => wire::rewritten(line, own_tool(server, tool)?, Some(arguments), ours),
    }
}

/// A call that was decided, in one of the rounds that it takes.
#[derive(Debug)]
pub(crate) struct Round {
    /// What was decided, which holds for each round.
    pub(crate) go: Go,
    /// How long earlier rounds ran.
    pub(crate) ran: Duration,
    /// What the server is reached with for this call.
    pub(crate) credential: Option<Zeroizing<String>>,
}

impl Round {
    /// The first round.
    pub(crate) fn first(go: Go) -> Round {
        Round {
            go,
            ran: Duration::ZERO,
            credential: None,
        }
    }

    /// How much of the time is left that policy lets it run.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.go.timeout.map(|limit| limit.saturating_sub(self.ran))
    }

    /// Why it is ended when nothing is left.
    pub(crate) fn too_long(&self) -> String {
        let limit = self.go.timeout.unwrap_or_default().as_secs();
        format!("it ran longer than the {limit} s that policy allows")
    }
}

/// Whose call it is, the name of its action, and the state that its server gave the client.
type Place = (String, String, String);

struct Kept {
    round: Round,
    governor: Governor,
    since: Instant,
}

/// Calls that their servers asked the clients to come back with.
#[derive(Default)]
pub(crate) struct Unfinished(BTreeMap<Place, Kept>);

/// A call that its client will not go on with.
#[must_use]
pub(crate) struct Lost {
    governor: Governor,
    id: String,
    ran: Duration,
}

impl Lost {
    fn of(kept: Kept) -> Lost {
        Lost {
            governor: kept.governor,
            id: kept.round.go.id,
            ran: kept.round.ran,
        }
    }

    /// Reports it as failed.
    pub(crate) async fn report(self) {
        let why = "the client did not come back with it".to_owned();
        self.governor.report(&self.id, Some(why), self.ran).await;
    }
}

impl Unfinished {
    /// Keeps a call until its client comes back. What has no room, or lost its place to this one, is lost.
    pub(crate) fn keep(&mut self, place: Place, round: Round, governor: Governor, now: Instant) -> Option<Lost> {
        let kept = Kept {
            round,
            governor,
            since: now,
        };
        if self.0.len() >= UNFINISHED_AT_MOST && !self.0.contains_key(&place) {
            return Some(Lost::of(kept));
        }
        self.0.insert(place, kept).map(Lost::of)
    }

    /// The client came back with a call: it goes on, once.
    pub(crate) fn resume(&mut self, owner: &str, name: &str, call: &Call) -> Option<Round> {
        let place = (owner.to_owned(), name.to_owned(), call.state.clone()?);
        self.0.remove(&place).map(|kept| kept.round)
    }

    /// Lets go of the calls whose clients took too long.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Lost> {
        let late = |kept: &Kept| now.saturating_duration_since(kept.since) >= COMES_BACK;
        self.0
            .extract_if(.., |_, kept| late(kept))
            .map(|(_, kept)| Lost::of(kept))
            .collect()
    }

    /// Lets go of all.
    pub(crate) fn all(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.0).into_values().map(Lost::of).collect()
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
