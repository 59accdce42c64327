//! What must not be kept, found in foreign values and replaced before anything is hashed, stored, logged or sent.
//!
//! The detectors read a [`Value`] tree: text in values, map keys and numbers. A string that is nothing but a hit becomes
//! `{"$redacted": kind}` (with `last4` for a card); a hit inside a longer text becomes `[redacted:kind]` in its place, so that a
//! reviewer still reads the sentence. The original is dropped: there is no hash of it, because what is found here is easy to guess.
//!
//! Always on: payment cards, US social security numbers, IBANs, keys and passwords, JSON web tokens, private keys.
//! On request (`audit.redact` in a mandate): e-mail addresses and phone numbers.
//!
//! Found in spite of: separators (space, dash, dot, `_`, `/`), zero-width and other invisible characters, combining marks,
//! full-width and other Unicode digits and letters, no-break and thin spaces, one level of percent-encoding, JSON inside a string.
//!
//! **Not found**: what is base64-, hex- or doubly encoded, compressed, spelled out in words, written with look-alike letters of
//! other scripts, split over several strings or keys, hidden in the fraction of a number, or a password in prose
//! without `:` or `=` after the word. The detectors stop accidents and simple tricks; what an agent must not know at all
//! belongs into the broker.

mod digits;
mod fold;
mod iban;
mod keys;
mod kinds;
mod scan;
mod secrets;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use countersign_policy::Value;
use rust_decimal::Decimal;

use self::keys::Role;
pub use self::kinds::{Kind, Kinds, UnknownKind};
use self::scan::Hit;

/// How deep a tree may be before the rest is dropped as `{"$redacted": "depth"}`. The API refuses more than 32 levels.
const DEPTH: usize = 64;

/// The detectors.
#[derive(Clone, Copy, Debug)]
pub struct Redactor {
    _made_by_standard: (),
}

/// A value without what must not be kept, and how much was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The value to keep.
    pub value: Value,
    /// Hits by the name of their [`Kind`]; empty when there was nothing.
    pub found: BTreeMap<String, u32>,
}

/// How often what was replaced is looked over again.
const PASSES_AT_MOST: usize = 16;

/// A text without what must not be kept, and how much was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedText {
    /// The text to keep.
    pub text: String,
    /// Hits by the name of their [`Kind`]; empty when there was nothing.
    pub found: BTreeMap<String, u32>,
}

impl Redactor {
    /// The detectors as they are shipped.
    pub const fn standard() -> Self {
        Self { _made_by_standard: () }
    }

    /// The value to keep in place of `value`. Redacting again changes nothing.
    pub fn redact(&self, value: &Value, kinds: &Kinds) -> Redacted {
        self.find(value, kinds).unwrap_or_else(|| Redacted {
            value: value.clone(),
            found: BTreeMap::new(),
        })
    }

    /// The same as [`Redactor::redact`], without the copy: `None` says that `value` itself may be kept.
    pub fn find(&self, value: &Value, kinds: &Kinds) -> Option<Redacted> {
        let mut pass = Pass {
            kinds: *kinds,
            found: BTreeMap::new(),
        };
        let mut value = pass.value(value, Role::Plain, 0)?;
        // A marker is a word as well, and may say what stands beside it: what it gives away is replaced, too.
        for _ in 0..PASSES_AT_MOST {
            match pass.value(&value, Role::Plain, 0) {
                Some(next) => value = next,
                None => break,
            }
        }
        Some(Redacted {
            value,
            found: names(pass.found),
        })
    }

    /// The text to keep in place of `text`; every hit is replaced in its place.
    pub fn redact_text(&self, text: &str, kinds: &Kinds) -> RedactedText {
        let mut pass = Pass {
            kinds: *kinds,
            found: BTreeMap::new(),
        };
        let mut kept = text.to_owned();
        for _ in 0..=PASSES_AT_MOST {
            let hits = scan::hits(&kept, pass.kinds, Role::Plain);
            if hits.is_empty() {
                break;
            }
            kept = pass.replace(&kept, &hits);
        }
        RedactedText {
            text: kept,
            found: names(pass.found),
        }
    }
}

fn names(found: BTreeMap<&'static str, u32>) -> BTreeMap<String, u32> {
    found
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect()
}

/// One walk over a tree. Its methods answer `None` for what may stay as it is, so that a clean tree costs no allocation.
struct Pass {
    kinds: Kinds,
    found: BTreeMap<&'static str, u32>,
}

impl Pass {
    fn value(&mut self, value: &Value, role: Role, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            let marker = marker("depth", None);
            if *value == marker {
                return None;
            }
            self.count("depth");
            return Some(marker);
        }
        match value {
            Value::String(text) => self.string(text, role),
            Value::Number(number) => self.number(number, role),
            Value::List(items) => self.list(items, role, depth),
            Value::Map(map) => self.map(map, depth),
            Value::Null | Value::Bool(_) | Value::Timestamp(_) | Value::Duration(_) => None,
        }
    }

    fn list(&mut self, items: &[Value], role: Role, depth: usize) -> Option<Value> {
        let mut kept: Option<Vec<Value>> = None;
        for (index, item) in items.iter().enumerate() {
            let replaced = self.value(item, role, depth + 1);
            match (&mut kept, replaced) {
                (None, None) => {}
                (None, Some(new)) => {
                    let mut list: Vec<Value> = items.iter().take(index).cloned().collect();
                    list.push(new);
                    kept = Some(list);
                }
                (Some(list), new) => list.push(new.unwrap_or_else(|| item.clone())),
            }
        }
        kept.map(Value::List)
    }

    fn map(&mut self, map: &BTreeMap<String, Value>, depth: usize) -> Option<Value> {
        let mut changed: Vec<(&str, Option<String>, Option<Value>)> = Vec::new();
        for (key, value) in map {
            let hits = scan::hits(key, self.kinds, Role::Plain);
            let new_key = if hits.is_empty() {
                None
            } else {
                Some(self.replace(key, &hits))
            };
            let new_value = self.value(value, keys::role(key), depth + 1);
            if new_key.is_some() || new_value.is_some() {
                changed.push((key, new_key, new_value));
            }
        }
        if changed.is_empty() {
            return None;
        }
        let mut kept = map.clone();
        let mut taken = BTreeMap::new();
        for (key, new_key, new_value) in changed {
            match new_key {
                None => {
                    if let Some(value) = new_value {
                        kept.insert(key.to_owned(), value);
                    }
                }
                Some(new_key) => {
                    if let Some(value) = kept.remove(key) {
                        kept.insert(free(&kept, &mut taken, new_key), new_value.unwrap_or(value));
                    }
                }
            }
        }
        Some(Value::Map(kept))
    }

    fn string(&mut self, text: &str, role: Role) -> Option<Value> {
        let hits = scan::hits(text, self.kinds, role);
        if let [hit] = hits.as_slice()
            && is_whole(text, hit)
        {
            self.count(hit.kind.name());
            return Some(marker(hit.kind.name(), hit.last4.as_deref()));
        }
        if keys::is_secret_text(role, text) {
            let kind = if hits.iter().any(|hit| hit.kind == Kind::PrivateKey) {
                Kind::PrivateKey
            } else {
                Kind::ApiKey
            };
            if self.kinds.contains(kind) {
                self.count(kind.name());
                return Some(marker(kind.name(), None));
            }
        }
        if role == Role::CardCode && self.kinds.contains(Kind::Card) && keys::is_card_code(text) {
            self.count(Kind::Card.name());
            return Some(marker(Kind::Card.name(), None));
        }
        if hits.is_empty() {
            None
        } else {
            Some(Value::String(self.replace(text, &hits)))
        }
    }

    fn number(&mut self, number: &Decimal, role: Role) -> Option<Value> {
        /// The least number of thirteen digits.
        const THIRTEEN_DIGITS: u128 = 1_000_000_000_000;
        let about_a_person = matches!(role, Role::Ssn | Role::Phone | Role::CardCode | Role::Password);
        if !about_a_person && number.mantissa().unsigned_abs() < THIRTEEN_DIGITS {
            return None;
        }
        if !number.fract().is_zero() && role != Role::Password {
            return None;
        }
        let digits = number.abs().normalize().to_string();
        match role {
            // A number has lost the zeros that it started with.
            Role::Ssn => self.string(&format!("{digits:0>9}"), role),
            _ => self.string(&digits, role),
        }
    }

    /// `text` with every hit replaced in its place, counted.
    fn replace(&mut self, text: &str, hits: &[Hit]) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut from = 0;
        for hit in hits {
            self.count(hit.kind.name());
            kept.push_str(text.get(from..hit.start).unwrap_or_default());
            kept.push_str("[redacted:");
            kept.push_str(hit.kind.name());
            if let Some(last4) = &hit.last4 {
                kept.push(':');
                kept.push_str(last4);
            }
            kept.push(']');
            from = hit.end;
        }
        kept.push_str(text.get(from..).unwrap_or_default());
        kept
    }

    fn count(&mut self, kind: &'static str) {
        let count = self.found.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
    }
}

/// What stands in a tree for a whole value: `{"$redacted": "card", "last4": "1111"}`.
fn marker(kind: &str, last4: Option<&str>) -> Value {
    let mut map = BTreeMap::from([("$redacted".to_owned(), Value::from(kind))]);
    if let Some(last4) = last4 {
        map.insert("last4".to_owned(), Value::from(last4));
    }
    Value::Map(map)
}

/// Whether a value is what redaction put in place of another, or a text of which it replaced a part.
///
/// Whoever writes such a value himself is believed: what is taken for a mark proves nothing, and passes for nothing.
pub fn is_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => is_marked(text),
        Value::Map(map) => map.contains_key("$redacted"),
        _ => false,
    }
}

/// Whether redaction replaced a part of this text or key.
pub fn is_marked(text: &str) -> bool {
    text.contains("[redacted")
}

/// Whether nothing but blanks and quotes stands around the hit.
fn is_whole(text: &str, hit: &Hit) -> bool {
    let blank = |part: &str| part.chars().all(|c| c.is_whitespace() || matches!(c, '"' | '\''));
    text.get(..hit.start).is_some_and(blank) && text.get(hit.end..).is_some_and(blank)
}

/// `key`, or `key#2`, `key#3` … where that is taken: two different secrets must not make one entry.
///
/// `taken` remembers the last number of each key, so that many equal ones do not make each look past all before it.
fn free(map: &BTreeMap<String, Value>, taken: &mut BTreeMap<String, u32>, key: String) -> String {
    if !map.contains_key(&key) {
        return key;
    }
    let last = taken.entry(key.clone()).or_insert(1);
    loop {
        *last += 1;
        let next = format!("{key}#{last}");
        if !map.contains_key(&next) {
            return next;
        }
    }
}
