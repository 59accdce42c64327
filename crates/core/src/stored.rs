//! Stored forms: what is kept of foreign JSON, with everything replaced that must not be kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::{Action, Value, json};

use crate::action::{receive, to_value};
use crate::command::Sealed;
use crate::digest::{ActionDigest, Digest, SALT_BYTES, hex, push_value, read_hex};
use crate::record::Payload;
use crate::redact::{Kinds, Redactor};
use crate::retention::Subject;

/// What a payload may hold: an action of the largest body one level deeper, with its marks and its alternative.
pub(crate) const LIMITS: json::Limits = json::Limits {
    depth: 40,
    bytes: 4 * 1024 * 1024,
    values: 400_000,
};

/// The stored form of an action, and the words of it that its record shows.
pub struct StoredAction {
    /// The record's payload.
    pub sealed: Sealed,
    /// What redaction replaced, by kind.
    pub redact: BTreeMap<String, u32>,
    /// The words that the record itself shows.
    pub shown: Shown,
}

/// Words of an action that its record shows, after redaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The operation.
    pub action: String,
    /// The money that moves; none where its digits are something that must not be kept.
    pub amount: Option<String>,
    /// The environment.
    pub env: Option<String>,
    /// Labels of what the agent has read, as it says.
    pub reads: Vec<String>,
    /// The resource's kind.
    pub resource_type: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// The tool.
    pub tool: Option<String>,
}

/// Makes the stored form of an action, with the salt of its digest. `salt` is fresh randomness; `class` is the retention
/// class.
pub fn store_action(
    action: &Action,
    digest: &ActionDigest,
    redactor: &Redactor,
    kinds: &Kinds,
    salt: [u8; 32],
    class: &str,
) -> StoredAction {
    let redacted = redactor.redact(&to_value(action), kinds);
    StoredAction {
        sealed: sealed_action(&redacted.value, Some(&digest.salt), salt, class),
        shown: shown(&redacted.value),
        redact: redacted.found,
    }
}

/// The payload of an action that was redacted. Earlier versions kept no salt of the digest in it.
pub(crate) fn sealed_action(
    redacted: &Value,
    digest_salt: Option<&[u8; SALT_BYTES]>,
    salt: [u8; 32],
    class: &str,
) -> Sealed {
    let mut body = Vec::with_capacity(512);
    body.extend_from_slice(b"{\"action\":");
    push_value(&mut body, redacted);
    close(&mut body, digest_salt);
    seal(body, salt, class)
}

/// What comes before the digits of a digest's salt.
const SALT: &[u8] = b",\"salt\":\"";

/// Ends a stored form. The salt is its last member in canonical order.
fn close(body: &mut Vec<u8>, digest_salt: Option<&[u8; SALT_BYTES]>) {
    if let Some(salt) = digest_salt {
        body.extend_from_slice(SALT);
        body.extend_from_slice(hex(salt).as_bytes());
        body.push(b'"');
    }
    body.push(b'}');
}

/// A stored form up to what [`close`] added, and the salt that it ends with. A form without one ends with two brackets,
/// the action's or alternative's and its own, so that nothing in it can be taken for a salt.
fn open(body: &[u8]) -> Option<(&[u8], Option<[u8; SALT_BYTES]>)> {
    let inner = body.strip_suffix(b"}")?;
    let Some(quoted) = inner.strip_suffix(b"\"") else {
        return Some((inner, None));
    };
    let (rest, digits) = quoted.split_at_checked(quoted.len().checked_sub(SALT_BYTES * 2)?)?;
    let salt = read_hex(std::str::from_utf8(digits).ok()?)?;
    Some((rest.strip_suffix(SALT)?, Some(salt)))
}

/// The salt of the digest in a stored form: of the alternative's digest where that was applied. `None` in one of an
/// earlier version, whose record holds it.
pub fn stored_salt(payload: &[u8]) -> Option<[u8; SALT_BYTES]> {
    open(payload)?.1
}

/// The same payload with this salt of the digest, if it holds one.
pub(crate) fn with_salt(stored: &Sealed, digest_salt: &[u8; SALT_BYTES]) -> Sealed {
    match open(&stored.0.body) {
        Some((rest, Some(salt))) if salt != *digest_salt => {
            let mut body = rest.to_vec();
            close(&mut body, Some(digest_salt));
            same_but(stored, body)
        }
        Some(_) | None => stored.clone(),
    }
}

/// The words that a record shows of an action that was redacted.
pub(crate) fn shown(redacted: &Value) -> Shown {
    let word = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        // A whole name that must not be kept was replaced by a marker.
        Some(_) => Some("[redacted]".to_owned()),
        None => None,
    };
    Shown {
        action: word(redacted.get("action")).unwrap_or_default(),
        amount: redacted.get("amount").and_then(Value::as_str).map(str::to_owned),
        env: word(redacted.get("env")),
        reads: match redacted.get("reads") {
            Some(Value::List(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(_) | None => Vec::new(),
        },
        resource_type: word(redacted.get("resource").and_then(|resource| resource.get("type"))),
        run: word(redacted.get("run")),
        tool: word(redacted.get("tool")),
    }
}

/// What a failure of an action counts for: its operation, with the tool and environment, and the step of the run where it
/// names one.
pub fn attempt(shown: &Shown, step: Option<Digest>) -> Arc<str> {
    let tool = shown.tool.as_ref().map(|tool| format!("{tool}:")).unwrap_or_default();
    let env = shown.env.as_ref().map(|env| format!("@{env}")).unwrap_or_default();
    let step = step.map(|step| format!("#{step}")).unwrap_or_default();
    format!("{tool}{}{env}{step}", shown.action).into()
}

/// The same payload with the alternative that policy offers beside the action.
pub fn with_alternative(stored: &Sealed, alternative: &Action, redactor: &Redactor, kinds: &Kinds) -> Sealed {
    let redacted = redactor.redact(&to_value(alternative), kinds);
    let (rest, digest_salt) = open(&stored.0.body).unwrap_or_default();
    let mut body = rest.to_vec();
    body.extend_from_slice(b",\"alternative\":");
    push_value(&mut body, &redacted.value);
    close(&mut body, digest_salt.as_ref());
    same_but(stored, body)
}

/// A payload with another text.
fn same_but(stored: &Sealed, body: Vec<u8>) -> Sealed {
    let sealed = seal(body, stored.0.salt, &stored.0.class);
    match stored.0.about {
        Some(subject) => about(sealed, subject),
        None => sealed,
    }
}

/// The same payload, known to be about `subject`.
pub fn about(mut sealed: Sealed, subject: Subject) -> Sealed {
    Arc::make_mut(&mut sealed).0.about = Some(subject);
    sealed
}

/// Makes the stored form of any foreign value.
pub fn store_value(
    value: &Value,
    redactor: &Redactor,
    kinds: &Kinds,
    salt: [u8; 32],
    class: &str,
) -> (Sealed, BTreeMap<String, u32>) {
    let redacted = redactor.redact(value, kinds);
    let mut body = Vec::new();
    push_value(&mut body, &redacted.value);
    (seal(body, salt, class), redacted.found)
}

fn seal(body: Vec<u8>, salt: [u8; 32], class: &str) -> Sealed {
    let payload = Payload {
        body,
        salt,
        class: class.to_owned(),
        about: None,
    };
    let commitment = payload.commitment();
    Arc::new((payload, commitment))
}

/// The action in a stored form, for evaluating it again. `None` if the bytes are not one.
pub fn stored_action(payload: &[u8]) -> Option<Action> {
    parsed(stored_member(payload, "action")?)
}

/// The alternative in a stored form.
pub fn stored_alternative(payload: &[u8]) -> Option<Action> {
    parsed(stored_member(payload, "alternative")?)
}

/// A member of a stored form as it is kept, which may be no action any more after redaction.
pub fn stored_member(payload: &[u8], name: &str) -> Option<Value> {
    let Value::Map(mut members) = json::parse(payload, &LIMITS).ok()? else {
        return None;
    };
    members.remove(name)
}

fn parsed(kept: Value) -> Option<Action> {
    receive(kept).ok().map(|received| received.action)
}
