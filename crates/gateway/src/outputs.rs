//! What the result of a tool lets out, by the output rules of its action.
//!
//! Nothing that is not touched is written anew: what is replaced is a text in its place, a part of `content`, or another member
//! of the result; the bytes around it are those that came. What no two readers need read alike is not looked into, and kept
//! back where a rule replaces or withholds anything.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr as _;

use countersign_core::event::{Filtered, in_words};
use countersign_core::redact::{Kinds, Redactor};
use countersign_policy::output::Treatment;
use countersign_policy::{Decimal, Outputs, Value, json};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::Members;

/// How deep a result may be nested to be looked into.
const DEPTH: usize = 64;

/// What becomes of an answer.
pub(crate) enum Passes {
    /// It goes on as it came, or as these bytes.
    On(Option<Vec<u8>>, Filtered),
    /// It is kept back; the sentence is for the model.
    Not(String, Filtered),
}

/// What rules look for.
struct Look<'a> {
    rules: &'a Outputs,
    redact: Kinds,
    withhold: Kinds,
    flag: Kinds,
    /// Something is replaced or kept back.
    acts: bool,
    found: Filtered,
}

/// It cannot be looked into.
struct Blind;

/// Looks at the answer to a call.
pub(crate) fn look(line: &[u8], rules: &Outputs) -> Passes {
    if rules.is_empty() {
        return Passes::On(None, Filtered::default());
    }
    if let Some(all) = &rules.withheld {
        return whole(Filtered::default(), &format!("{} ({})", all.why, all.rule));
    }
    let kinds = |treatment| Kinds::only(rules.kinds_to(treatment));
    let mut look = Look {
        rules,
        redact: kinds(Treatment::Redact),
        withhold: kinds(Treatment::Withhold),
        flag: kinds(Treatment::Flag),
        acts: rules.kinds.values().any(|handled| handled.treatment > Treatment::Flag),
        found: Filtered::default(),
    };
    let length = wire_length(line);
    if let Some(most) = rules.max_bytes.as_ref().filter(|most| length > most.bytes as usize) {
        let why = format!("it has {length} bytes, and {} may leave ({})", most.bytes, most.rule);
        return whole(Filtered::default(), &why);
    }
    let written = look.message(line);
    if !look.found.withheld.is_empty() {
        let why = format!(
            "it holds {} ({})",
            in_words(&look.found.withheld),
            look.rules_of(&look.found.withheld)
        );
        return whole(look.found, &why);
    }
    match written {
        Ok(written) => Passes::On(written, look.found),
        // What is only flagged passes, looked into or not.
        Err(Blind) if !look.acts => Passes::On(None, look.found),
        Err(Blind) => whole(
            look.found,
            "it cannot be looked into, since readers may read it in different ways",
        ),
    }
}

/// How long what the tool has answered is: its result, or its error.
fn wire_length(line: &[u8]) -> usize {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(line) else {
        return line.len();
    };
    let told = members.0.iter().filter(|(key, _)| key == "result" || key == "error");
    told.map(|(_, raw)| raw.get().len()).max().unwrap_or_default()
}

fn whole(found: Filtered, why: &str) -> Passes {
    let sentence = format!(
        "Withheld by policy: the tool ran, and its result is not shown, because {why}. Do not call it again to see the same \
         result; ask for less, or go on without it."
    );
    let kept = Filtered {
        whole: true,
        withheld: found.withheld,
        ..Filtered::default()
    };
    Passes::Not(sentence, kept)
}

fn add(into: &mut BTreeMap<String, u32>, found: BTreeMap<String, u32>) {
    for (kind, count) in found {
        let sum = into.entry(kind).or_default();
        *sum = sum.saturating_add(count);
    }
}

impl Look<'_> {
    fn rules_of(&self, counts: &BTreeMap<String, u32>) -> String {
        let mut rules: Vec<&str> = (counts.keys().filter_map(|kind| self.rules.kinds.get(kind)))
            .map(|handled| handled.rule.as_str())
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules.join(", ")
    }

    /// The message with what was replaced in it; `None` if it may go on as it came.
    fn message(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Blind> {
        let members: Members<'_> = serde_json::from_slice(line).map_err(|_| Blind)?;
        let new = self.members(&members, |look, key, raw| match key {
            "result" => look.result(raw),
            "error" => look.error(raw),
            _ => Ok(None),
        })?;
        Ok(new.map(|text| {
            let mut bytes = text.into_bytes();
            bytes.push(b'\n');
            bytes
        }))
    }

    /// An object, member by member; a key that is there twice is read by nobody in one way.
    fn members(
        &mut self,
        members: &Members<'_>,
        mut of: impl FnMut(&mut Self, &str, &RawValue) -> Result<Option<String>, Blind>,
    ) -> Result<Option<String>, Blind> {
        if members.ambiguous(&[]).is_some() {
            return Err(Blind);
        }
        let mut changed = false;
        let mut text = String::from("{");
        for (at, (key, raw)) in members.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(key.as_str()).to_string());
            text.push(':');
            let new = of(self, key, raw)?;
            changed |= new.is_some();
            text.push_str(new.as_deref().unwrap_or_else(|| raw.get()));
        }
        text.push('}');
        Ok(changed.then_some(text))
    }

    fn result(&mut self, raw: &RawValue) -> Result<Option<String>, Blind> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(raw.get()) else {
            return self.value(raw);
        };
        self.members(&members, |look, key, raw| match key {
            // The client brings it back as it is, and nobody shows it.
            "requestState" | "resultType" | "isError" => Ok(None),
            "content" => look.content(raw),
            _ => look.value(raw),
        })
    }

    fn error(&mut self, raw: &RawValue) -> Result<Option<String>, Blind> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(raw.get()) else {
            return self.value(raw);
        };
        self.members(&members, |look, key, raw| match key {
            "code" => Ok(None),
            _ => look.value(raw),
        })
    }

    fn content(&mut self, raw: &RawValue) -> Result<Option<String>, Blind> {
        let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            return self.value(raw);
        };
        let mut changed = false;
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            let new = match self.acts.then(|| binary(part)).flatten() {
                Some(what) => {
                    self.found.blind = self.found.blind.saturating_add(1);
                    let text = format!("[withheld by policy: {what}, which nobody can look into]");
                    Some(serde_json::json!({ "type": "text", "text": text }).to_string())
                }
                None => self.value(part)?,
            };
            changed |= new.is_some();
            texts.push(new.unwrap_or_else(|| part.get().to_owned()));
        }
        Ok(changed.then(|| format!("[{}]", texts.join(","))))
    }

    /// Anything else, as a whole: what stands beside a text may say what it is.
    fn value(&mut self, raw: &RawValue) -> Result<Option<String>, Blind> {
        let Read(value) = serde_json::from_str(raw.get()).map_err(|_| Blind)?;
        let redactor = Redactor::standard();
        let counts = |kinds: &Kinds| redactor.find(&value, kinds).map(|found| found.found);
        add(&mut self.found.withheld, counts(&self.withhold).unwrap_or_default());
        add(&mut self.found.flagged, counts(&self.flag).unwrap_or_default());
        let Some(redacted) = redactor.find(&value, &self.redact) else {
            return Ok(None);
        };
        add(&mut self.found.redacted, redacted.found);
        let mut text = String::new();
        json::to_json(&as_texts(redacted.value), &mut text);
        Ok(Some(text))
    }
}

/// What a part of `content` is that is not made of texts.
fn binary(part: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "type")]
        kind: Option<String>,
        data: Option<serde::de::IgnoredAny>,
        resource: Option<Resource>,
    }
    #[derive(Deserialize)]
    struct Resource {
        blob: Option<serde::de::IgnoredAny>,
    }
    let part: Part = serde_json::from_str(part.get()).ok()?;
    match (part.kind.as_deref(), part.data, part.resource) {
        (Some("image"), ..) => Some("an image".to_owned()),
        (Some("audio"), ..) => Some("a sound".to_owned()),
        (_, Some(_), _) => Some("data".to_owned()),
        (.., Some(Resource { blob: Some(_) })) => Some("a file".to_owned()),
        _ => None,
    }
}

/// What is shown in place of something stays a text where a text was, so that what has a schema keeps to it.
fn as_texts(value: Value) -> Value {
    match value {
        Value::Map(map) => {
            if let Some(kind) = map.get("$redacted").and_then(Value::as_str) {
                let last4 = map.get("last4").and_then(Value::as_str);
                let last4 = last4.map(|digits| format!(":{digits}")).unwrap_or_default();
                return Value::from(format!("[redacted:{kind}{last4}]").as_str());
            }
            Value::Map(map.into_iter().map(|(key, value)| (key, as_texts(value))).collect())
        }
        Value::List(items) => Value::List(items.into_iter().map(as_texts).collect()),
        other => other,
    }
}

/// JSON as the detectors read it. A key that is there twice, and a number that is not exactly what it says, is an error.
struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk(DEPTH)).map(Read)
    }
}

struct Walk(usize);

impl Walk {
    fn deeper<E: serde::de::Error>(&self) -> Result<Walk, E> {
        self.0
            .checked_sub(1)
            .map(Walk)
            .ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Walk {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Value;
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Decimal::from_str(&number.to_string())
            .map(Value::Number)
            .map_err(E::custom)
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Map(members))
    }
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
