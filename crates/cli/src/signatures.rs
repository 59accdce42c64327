//! Checking the votes of an export that passkeys have signed, with the keys that its records tell: no server is asked.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{ApprovalRevised, ApprovalVoted, Passkey, Track, Verb};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::Assurance;
use countersign_core::signed_vote::SignedVote;
use countersign_core::{Event, Record};
use countersign_engine::signed_at;
use serde_json::{Value, json};

use crate::console::visible;

/// Findings that are listed; all are counted.
const LISTED: usize = 1000;

/// The votes of an export, and what may sign them.
#[derive(Default)]
pub(crate) struct Signatures {
    organization: String,
    /// By person and the id that the person's list shows.
    passkeys: BTreeMap<(String, String), Passkey>,
    /// What open requests ask of who approves.
    asked: BTreeMap<ApprovalId, Vec<Track>>,
    /// The first records have no bytes any more, so there may have been keys and requests that nobody knows.
    pruned: bool,
    found: Found,
}

/// How many signatures are what, and which are not.
#[derive(Default)]
pub(crate) struct Found {
    /// Over exactly the vote that the record states.
    good: u64,
    /// By the person's passkey, over an edit: what was typed is not in the record.
    edits: u64,
    /// By keys that were known before the first record that has bytes.
    unknown: u64,
    /// Where browsers were.
    places: BTreeSet<String>,
    wrong: Vec<Wrong>,
    wrongs: u64,
}

/// A vote whose signature is not as it should be.
struct Wrong {
    record: u64,
    approval: ApprovalId,
    user: String,
    why: String,
}

impl Signatures {
    /// The first record of a ledger whose first records have no bytes any more but this.
    pub(crate) fn pruned(first: Record) -> Signatures {
        let mut signatures = Signatures::default();
        signatures.record(first);
        signatures.pruned = true;
        signatures
    }

    /// Takes a record in; records come in the order of the ledger.
    pub(crate) fn record(&mut self, record: Record) {
        match record.event {
            Event::LedgerOpened(e) => self.organization = e.organization,
            Event::AuthenticatorAdded(e) => {
                if let Some(passkey) = e.passkey {
                    self.passkeys.insert((e.user, e.authenticator), passkey);
                }
            }
            Event::AuthenticatorRemoved(e) => {
                self.passkeys.remove(&(e.user, e.authenticator));
            }
            Event::UserRemoved(e) => self.passkeys.retain(|(user, _), _| *user != e.user),
            Event::ApprovalOpened(e) => {
                self.asked.insert(e.approval, e.tracks);
            }
            Event::ApprovalRevised(e) => self.revised(&e),
            Event::ApprovalVoted(e) => self.voted(record.seq, record.snapshot.as_deref().unwrap_or_default(), &e),
            Event::ApprovalResolved(e) => {
                self.asked.remove(&e.approval);
            }
            _other => {}
        }
    }

    fn revised(&mut self, e: &ApprovalRevised) {
        if let Some(tracks) = self.asked.get_mut(&e.approval) {
            e.join(tracks);
        }
    }

    fn voted(&mut self, record: u64, snapshot: &str, e: &ApprovalVoted) {
        let wrong = |why: String| Wrong {
            record,
            approval: e.approval,
            user: e.user.clone(),
            why,
        };
        let Some(assertion) = &e.assertion else {
            let approves = e.counted && e.verb.decision() == Verb::Approve;
            let tracks = self.asked.get(&e.approval).filter(|tracks| !tracks.is_empty());
            let wanted = tracks.is_some_and(|tracks| tracks.iter().all(|track| track.assurance > Assurance::Low));
            if approves && wanted {
                self.found.wrong(wrong(
                    "it approves where a signature is asked for, and has none".to_owned(),
                ));
            }
            return;
        };
        let mut own = self.passkeys.iter().filter(|((user, _), _)| *user == e.user);
        let passkey = own.find(|(_, passkey)| passkey.credential == assertion.credential);
        let Some((_, passkey)) = passkey else {
            match self.pruned {
                true => self.found.unknown += 1,
                false => self
                    .found
                    .wrong(wrong("the passkey was not the person's at the time".to_owned())),
            }
            return;
        };
        let (approval, digest) = (e.approval.to_string(), e.digest.to_string());
        let presentation = e.presentation.map(|presentation| presentation.to_string());
        let vote = SignedVote {
            action_digest: &digest,
            approval: &approval,
            organization: &self.organization,
            presentation_digest: presentation.as_deref(),
            set: None,
            snapshot,
            user: &e.user,
            verb: e.verb,
        };
        // What was typed is not in the record of an edit, so that only the passkey can be told.
        let challenge = (e.verb != Verb::Edit).then(|| vote.challenge()).transpose();
        let signed =
            challenge.and_then(|challenge| signed_at(assertion, passkey, challenge).map_err(|refusal| refusal.detail));
        match signed {
            Ok(place) => {
                self.found.places.insert(place);
                let count = match e.verb {
                    Verb::Edit => &mut self.found.edits,
                    _other => &mut self.found.good,
                };
                *count += 1;
            }
            Err(why) => self.found.wrong(wrong(why)),
        }
    }

    /// What was found.
    pub(crate) fn end(self) -> Found {
        self.found
    }
}

impl Found {
    fn wrong(&mut self, wrong: Wrong) {
        self.wrongs += 1;
        if self.wrong.len() < LISTED {
            self.wrong.push(wrong);
        }
    }

    /// Every signature is what it should be, as far as its key is known.
    pub(crate) fn all_good(&self) -> bool {
        self.wrongs == 0
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let wrong: Vec<Value> = (self.wrong.iter())
            .map(|wrong| {
                json!({
                    "record": wrong.record, "approval": wrong.approval.to_string(), "user": wrong.user, "why": wrong.why,
                })
            })
            .collect();
        json!({
            "verified": true, "good": self.good, "edits": self.edits, "unknown": self.unknown, "wrong": self.wrongs,
            "places": self.places, "findings": wrong,
        })
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<String> = (self.wrong.iter())
            .map(|wrong| {
                let (approval, user) = (wrong.approval, visible(&wrong.user));
                format!(
                    "WRONG  record {}: the vote of `{user}` on {approval}: {}",
                    wrong.record, wrong.why
                )
            })
            .collect();
        lines.push(format!(
            "{} votes are signed by the passkey of the person who gave them",
            self.good
        ));
        if self.edits > 0 {
            let edits = self.edits;
            lines.push(format!(
                "{edits} edits are signed by the person's passkey; what was typed is not in the record"
            ));
        }
        if self.unknown > 0 {
            lines.push(format!(
                "{} signatures are by keys from before the pruned records",
                self.unknown
            ));
        }
        if !self.places.is_empty() {
            let places: Vec<_> = self.places.iter().map(|place| visible(place).to_string()).collect();
            lines.push(format!("signed at {}", places.join(", ")));
        }
        lines.push(match self.wrongs {
            0 => "SIGNED: nothing contradicts a signature".to_owned(),
            wrongs => format!("WRONG: {wrongs} votes are not signed as they should be"),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
#[path = "signatures_tests.rs"]
mod tests;
