//! SHA-256 values as records carry them, and the digest that binds a decision to one exact action.

use std::fmt;
use std::str::FromStr;

use countersign_policy::{Access, Action, Value};
use countersign_tlog::canonical;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::retention::Subject;

/// A SHA-256 value, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of the bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// SHA-256 of `tag`, a zero byte and the parts: a domain of its own for everything that we hash.
    pub fn tagged(tag: &str, parts: &[&[u8]]) -> Digest {
        Digest(countersign_tlog::tagged(tag, parts).0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 64];
        write_hex(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 value of 64 lower-case hexadecimal digits")]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        read_hex(text)
            .map(Digest)
            .ok_or_else(|| DigestError(text.chars().take(80).collect()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, str::parse)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        if let [high, low] = pair {
            *high = DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or_default();
            *low = DIGITS.get(usize::from(byte & 15)).copied().unwrap_or_default();
        }
    }
}

/// Lower-case hexadecimal digits of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = vec![0_u8; bytes.len() * 2];
    write_hex(bytes, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// `N` bytes from their lower-case hexadecimal digits.
pub fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (pair, byte) in digits.chunks_exact(2).zip(&mut bytes) {
        let [high, low] = pair else { return None };
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The secret that makes an organization's action digests unguessable; 32 bytes.
///
/// It is made ready once: a decision makes several digests with it.
#[derive(Clone)]
pub struct DigestKey {
    bytes: [u8; 32],
    keyed: Hmac<Sha256>,
}

impl DigestKey {
    /// The key of these bytes.
    pub fn new(bytes: [u8; 32]) -> DigestKey {
        // RFC 2104, 2: a shorter key is filled up with zeros to the 64 bytes of a block.
        let mut block = [0; 64];
        let (first, _) = block.split_at_mut(bytes.len());
        first.copy_from_slice(&bytes);
        DigestKey {
            bytes,
            keyed: Hmac::new(&block.into()),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// HMAC-SHA-256 of the parts, one after the other.
    pub(crate) fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whom a name means, without saying it: the first half of
    /// `HMAC-SHA-256(key, "countersign-subject-v1" ‖ 0 ‖ name)`.
    pub fn subject(&self, name: &str) -> Subject {
        Subject(mac(self, &[b"countersign-subject-v1\0", name.as_bytes()]))
    }

    /// Which step of which run of an agent it is, without saying it: SHA-256 of
    /// `HMAC-SHA-256(key, "countersign-step-v1" ‖ 0 ‖ agent ‖ 0 ‖ run ‖ 0 ‖ step)`, of which the first half is taken. None
    /// of the three may hold a zero byte.
    pub fn step(&self, agent: &str, run: Option<&str>, step: &str) -> Digest {
        let (run, end) = (run.unwrap_or_default().as_bytes(), &b"\0"[..]);
        let text = [
            b"countersign-step-v1\0",
            agent.as_bytes(),
            end,
            run,
            end,
            step.as_bytes(),
        ];
        Digest::of(&mac(self, &text))
    }

    /// What is kept of a link's secret: SHA-256 of `HMAC-SHA-256(key, "countersign-link-v1" ‖ 0 ‖ secret)`, of which the
    /// first half is taken.
    pub fn link(&self, secret: &[u8; 32]) -> Digest {
        Digest::of(&mac(self, &[b"countersign-link-v1\0", secret]))
    }
}

impl DigestKey {
    /// Which window of a limit the values of an action tell apart, without saying them: the first half of
    /// `HMAC-SHA-256(key, "countersign-window-v1" ‖ 0 ‖ limit ‖ 0 ‖ each value's length in 8 bytes and the value)`, hexadecimal.
    pub fn window(&self, limit: &str, values: &[String]) -> String {
        let mut text = limit.as_bytes().to_vec();
        text.push(0);
        for value in values {
            text.extend_from_slice(&(value.len() as u64).to_be_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        hex(&mac(self, &[b"countersign-window-v1\0", &text]))
    }
}

/// Length of a digest's salt.
pub const SALT_BYTES: usize = 16;

/// What binds a decision, an approval and a permit to one exact action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionDigest {
    /// The digest itself.
    pub digest: Digest,
    /// What whoever holds the permit needs to recompute it; the first 16 bytes of an HMAC over the same text.
    pub salt: [u8; SALT_BYTES],
}

/// The digest of `action` as `agent` of organization `org` asked for it:
///
/// `SHA-256("countersign-action-v1" ‖ 0 ‖ salt ‖ text)` where `text` is the RFC 8785 form of
/// `{access, action, agent, amount, args, currency, env, org, principal, resource, tool, tool_schema}` without what is
/// absent, and `salt` is the first half of `HMAC-SHA-256(key, text)`. Amounts stand there as the shortest decimal text
/// of their value, so `340` and `340.00` are the same action.
pub fn action_digest(
    key: &DigestKey,
    org: &str,
    agent: &str,
    action: &Action,
    tool_schema: Option<&str>,
) -> ActionDigest {
    let text = canonical_action(org, agent, action, tool_schema);
    let salt = mac(key, &[&text]);
    ActionDigest {
        digest: Digest::tagged("countersign-action-v1", &[&salt, &text]),
        salt,
    }
}

/// The digest of an action under a salt that is known: what whoever holds a permit, or a payload, can compute.
pub fn salted_action_digest(salt: &[u8; SALT_BYTES], org: &str, agent: &str, action: &Action) -> Digest {
    Digest::tagged(
        "countersign-action-v1",
        &[salt, &canonical_action(org, agent, action, None)],
    )
}

/// The first half of an HMAC. The text of an action begins with a brace, so that it is nothing else.
fn mac(key: &DigestKey, parts: &[&[u8]]) -> [u8; 16] {
    let mut salt = [0_u8; 16];
    for (to, from) in salt.iter_mut().zip(key.hmac(parts)) {
        *to = from;
    }
    salt
}

/// The canonical text that [`action_digest`] hashes.
pub fn canonical_action(org: &str, agent: &str, action: &Action, tool_schema: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut object = Object::begin(&mut out);
    let access = action.access.map(|access| match access {
        Access::Read => "read",
        Access::Write => "write",
    });
    object.text("access", access);
    object.text("action", Some(&action.action));
    object.text("agent", Some(agent));
    object.text(
        "amount",
        action.amount.map(|amount| amount.normalize().to_string()).as_deref(),
    );
    object.value("args", Some(&action.args));
    object.text("currency", action.currency.as_deref());
    object.text("env", action.env.as_deref());
    object.text("org", Some(org));
    object.text("principal", action.principal.as_deref());
    if let Some(resource) = &action.resource {
        let mut inner = Object::begin(object.key("resource"));
        inner.text("id", resource.id.as_deref());
        inner.value("labels", resource.labels.as_ref());
        inner.text("owner", resource.owner.as_deref());
        inner.text("type", resource.kind.as_deref());
        inner.end();
    }
    object.text("tool", action.tool.as_deref());
    object.text("tool_schema", tool_schema);
    object.end();
    out
}

/// Writes one canonical object; the caller adds members in the order of their names.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, first: true }
    }

    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        canonical::push_string(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            canonical::push_string(self.key(key), text);
        }
    }

    pub(crate) fn value(&mut self, key: &str, value: Option<&Value>) {
        if let Some(value) = value {
            push_value(self.key(key), value);
        }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// The RFC 8785 form of a value.
pub fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            // The parser let in only numbers that a double holds (RFC 8785 section 3.2.2.3).
            let normal = number.normalize();
            if normal.scale() == 0 && normal.mantissa().unsigned_abs() < (1 << 53) {
                out.extend_from_slice(normal.mantissa().to_string().as_bytes());
            } else {
                let double = normal.to_string().parse().unwrap_or(0.0);
                if canonical::push_number(out, double).is_err() {
                    out.push(b'0');
                }
            }
        }
        Value::String(text) => canonical::push_string(out, text),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_value(out, item);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            let mut object = Object::begin(out);
            if map.keys().all(|key| key.is_ascii()) {
                for (key, item) in map {
                    push_value(object.key(key), item);
                }
            } else {
                // RFC 8785 orders keys by UTF-16 code units, the map orders them by bytes.
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by(|(a, _), (b, _)| canonical::compare_keys(a, b));
                for (key, item) in entries {
                    push_value(object.key(key), item);
                }
            }
            object.end();
        }
        Value::Timestamp(micros) => canonical::push_string(out, &crate::time::Time(*micros).to_string()),
        Value::Duration(micros) => canonical::push_string(out, &format!("{micros}us")),
    }
}
