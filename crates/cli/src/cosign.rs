//! Checkpoints of a log brought to witnesses: c2sp.org/tlog-witness from the side of whoever holds a log to its word.

use std::str::FromStr;

use countersign_api::audit::ConsistencyAnswer;
use countersign_client::{Client, ClientError, Credential};
use countersign_engine::{Caller, Engine};
use countersign_tlog::witness::Submission;
use countersign_tlog::{Checkpoint, Hash, Note, WitnessKey};

use crate::failure::{Failure, NO, Result};

/// The code of a failure that says that a witness knows another history.
pub(crate) const REFUSED: &str = "witness_refused";

/// Who has a log and can prove that it goes on.
pub(crate) trait Prover {
    /// The proof from one size to another.
    async fn proof(&self, from: u64, to: u64) -> Result<Vec<Hash>>;
}

impl Prover for Client {
    async fn proof(&self, from: u64, to: u64) -> Result<Vec<Hash>> {
        let path = format!("/v1/audit/consistency?from={from}&to={to}");
        let answer: ConsistencyAnswer = self.get(&path).await?;
        let hashes = answer.hashes.iter().map(|hash| hash.parse());
        hashes
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Failure::unreachable(format!("the proof cannot be read: {error}")))
    }
}

impl Prover for (&Engine, &Caller) {
    async fn proof(&self, from: u64, to: u64) -> Result<Vec<Hash>> {
        Ok(self.0.consistency(self.1, from, to).await?)
    }
}

/// A witness: where it is, and the key that it is known by.
#[derive(Clone, Debug)]
pub(crate) struct WitnessAt {
    url: String,
    key: WitnessKey,
}

impl FromStr for WitnessAt {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<WitnessAt, String> {
        let (url, vkey) = text
            .split_once('=')
            .ok_or("a witness is named by URL=VKEY, its address and the key that it shows at its start")?;
        let key = vkey.parse().map_err(|error| format!("`{vkey}`: {error}"))?;
        Ok(WitnessAt {
            url: url.to_owned(),
            key,
        })
    }
}

/// The checkpoint with the cosignature of each witness. `server` has the log and proves that it goes on.
pub(crate) async fn cosigned(server: &Client, checkpoint: &str, witnesses: &[WitnessAt]) -> Result<String> {
    let mut text = checkpoint.to_owned();
    for witness in witnesses {
        text.push_str(&witness.cosign(server, checkpoint).await?);
    }
    Ok(text)
}

impl WitnessAt {
    /// The name of its key.
    pub(crate) fn name(&self) -> &str {
        self.key.name()
    }

    /// The lines by which it cosigns.
    pub(crate) async fn cosign(&self, server: &impl Prover, note: &str) -> Result<String> {
        let client = Client::new(&self.url, &Credential::Nobody)?;
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::unreachable(format!("the server's checkpoint cannot be read: {error}"))
        };
        let parsed = Note::parse(note).map_err(|error| unreadable(&error))?;
        let size = Checkpoint::parse_body(parsed.text)
            .map_err(|error| unreadable(&error))?
            .size;
        // What the witness knows only it can say: the first try finds out, unless it knows nothing yet.
        let known = match self.submit(&client, server, note, 0, size).await? {
            Answered::Lines(lines) => return self.own(note, &lines),
            Answered::Knows(known) => known,
        };
        if known > size {
            return Err(self.refusal(&format!("it knows {known} records of this log, which now has {size}")));
        }
        match self.submit(&client, server, note, known, size).await? {
            Answered::Lines(lines) => self.own(note, &lines),
            Answered::Knows(now) if now == known => {
                Err(self.refusal(&format!("it knows another history of the same {known} records")))
            }
            Answered::Knows(_) => Err(Failure::unreachable(format!(
                "others brought checkpoints to the witness `{}` at the same time",
                self.key.name()
            ))
            .next("try again")),
        }
    }

    async fn submit(&self, client: &Client, server: &impl Prover, note: &str, old: u64, size: u64) -> Result<Answered> {
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            server.proof(old, size).await?
        };
        let body = Submission { old, proof, note }.to_text();
        match client.post_text("/add-checkpoint", body).await {
            Ok(lines) => Ok(Answered::Lines(lines)),
            Err(ClientError::Problem(problem)) => match (problem.status, problem.detail.trim().parse()) {
                (409, Ok(known)) => Ok(Answered::Knows(known)),
                (422, _) => Err(self.refusal(&format!("what it knows is not the first {old} records of this log"))),
                (status, _) => Err(Failure::no(format!(
                    "the witness `{}` answered {status}: {}",
                    self.key.name(),
                    problem.detail.trim()
                ))
                .next("does it watch this log? An epoch that follows is a log of its own: `countersign witness --log VKEY`")),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The lines that are this witness's, all of which verify.
    fn own(&self, note: &str, lines: &str) -> Result<String> {
        let own = |line: &&str| Note::parse(&format!("{note}{line}")).is_ok_and(|note| self.key.verify(&note).is_ok());
        let own: String = lines.split_inclusive('\n').filter(own).collect();
        if own.is_empty() {
            let what = format!(
                "the witness at {} did not sign with the key of `{}`",
                self.url,
                self.key.name()
            );
            return Err(Failure::no(what).next("compare the key with the one that the witness shows at its start"));
        }
        Ok(own)
    }

    fn refusal(&self, why: &str) -> Failure {
        Failure {
            exit: NO,
            code: REFUSED.to_owned(),
            what: format!("the witness `{}` does not cosign: {why}", self.key.name()),
            next: Some(
                "records were lost or changed, as after a restore from a backup: keep this checkpoint, and ask whoever \
                 runs the log"
                    .to_owned(),
            ),
        }
    }
}

enum Answered {
    /// Signature lines.
    Lines(String),
    /// How many records it knows.
    Knows(u64),
}
