//! What a passkey signs when somebody votes: the vote itself, so that the signature says no more and no less.
//!
//! The challenge of WebAuthn is a hash of the vote. Whoever has the record, what the person was shown and the public key can
//! check for ever that this person, on a device of theirs, decided exactly this.

use countersign_tlog::canonical_json;
use serde::Serialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::event::Verb;

/// A vote, as it is signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignedVote<'a> {
    /// The digest that was shown.
    pub action_digest: &'a str,
    /// The request.
    pub approval: &'a str,
    /// The organization.
    pub organization: &'a str,
    /// The hash of all that was shown, where the vote names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presentation_digest: Option<&'a str>,
    /// Of an edit, what is to be at which place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<Value>,
    /// The snapshot that was shown.
    pub snapshot: &'a str,
    /// Who.
    pub user: &'a str,
    /// What.
    pub verb: Verb,
}

impl SignedVote<'_> {
    /// The challenge: SHA-256 of `countersign-vote-v1`, a zero byte and the vote as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// `set` has a number that JSON cannot carry.
    pub fn challenge(&self) -> Result<Digest, String> {
        let value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let canonical = canonical_json(&value).map_err(|error| error.to_string())?;
        Ok(Digest::tagged("countersign-vote-v1", &[&canonical]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_vote_has_another_challenge() {
        let vote = SignedVote {
            action_digest: "aa",
            approval: "apr_1",
            organization: "acme",
            presentation_digest: None,
            set: None,
            snapshot: "sha256:bb",
            user: "dana",
            verb: Verb::Approve,
        };
        let challenge = |vote: &SignedVote<'_>| vote.challenge().expect("a challenge");
        let first = challenge(&vote);
        let others = [
            SignedVote {
                action_digest: "ab",
                ..vote.clone()
            },
            SignedVote {
                approval: "apr_2",
                ..vote.clone()
            },
            SignedVote {
                organization: "other",
                ..vote.clone()
            },
            SignedVote {
                presentation_digest: Some("cc"),
                ..vote.clone()
            },
            SignedVote {
                set: Some(serde_json::json!({"/amount": "3"})),
                ..vote.clone()
            },
            SignedVote {
                snapshot: "sha256:bc",
                ..vote.clone()
            },
            SignedVote {
                user: "eli",
                ..vote.clone()
            },
            SignedVote {
                verb: Verb::Edit,
                ..vote.clone()
            },
        ];
        for other in &others {
            assert_ne!(challenge(other), first, "{other:?}");
        }
    }
}
