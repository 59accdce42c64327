//! What is under way behind a wrapper, by the ids of the client's requests. No two have one id, so that what answers one is
//! never taken for what came of another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tokio::task::AbortHandle;

use crate::calls::{Round, Unfinished};

/// Why two requests are not taken with one id.
pub(super) const BUSY: &str = "a request with this id is under way";
/// How many requests the server may leave without an answer.
const OPEN_AT_MOST: usize = 10_000;

/// A call that was handed on.
pub(super) struct Running {
    pub(super) round: Round,
    /// The client knows results that ask for another round.
    pub(super) modern: bool,
    pub(super) name: String,
    pub(super) since: Instant,
    pub(super) timeout: Option<AbortHandle>,
}

#[derive(Default)]
pub(super) struct Calls {
    /// Being decided, or held.
    pub(super) held: BTreeMap<String, Option<AbortHandle>>,
    /// Handed on.
    pub(super) running: BTreeMap<String, Running>,
    /// What the server asked the client to come back with.
    pub(super) unfinished: Unfinished,
    /// Other requests that the server has not answered yet, by their ids.
    pub(super) asked: BTreeSet<String>,
    /// Calls that were ended before the server answered: what it says of them yet is for nobody.
    pub(super) ended: BTreeSet<String>,
    /// Requests for lists of tools that are not answered yet, and whether their client has a session.
    pub(super) lists: BTreeMap<String, bool>,
    /// The client has hung up.
    pub(super) closed: bool,
}

impl Calls {
    /// Whether a request with this id is under way.
    pub(super) fn have(&self, key: &str) -> bool {
        self.held.contains_key(key) || self.running.contains_key(key) || self.asked.contains(key)
    }

    /// Another request goes to the server. What answers it has to be told from what answers a call.
    pub(super) fn ask(&mut self, key: String) -> Result<(), &'static str> {
        if self.have(&key) {
            return Err(BUSY);
        }
        if self.asked.len() >= OPEN_AT_MOST {
            return Err("too many requests are under way");
        }
        self.asked.insert(key);
        Ok(())
    }
}
