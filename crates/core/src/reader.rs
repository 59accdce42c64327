//! Which program can read which records.
//!
//! Programs that know the same types of record are one *reader*, counted from 1. A type that is added after a release
//! belongs to the next reader, and so does a field that is added to an older type. No ledger gets one before an operator has
//! said, by the record `ledger.min_reader`, that everybody who reads it is at least that reader. Until then a program of before
//! can be put back, and runs beside a newer one. A program never guesses at a record that it does not know, nor at a field: it
//! stops serving the organization.

use serde_json::Value;

use crate::record::Record;
use crate::{Event, Refusal};

/// The reader that this program is.
pub const READER: u32 = 1;

/// Types of record that came after reader 1, each with the first reader that knows it.
const NEWER: &[(&str, u32)] = &[];

/// Fields that came after reader 1 to types that were there before: the type, the place in its data as a path (`facts.run`, or
/// `slots.*.people` for that of each item of a list), and the first reader that knows it. To leave a field out would be to fold
/// another state, so no program reads a record with one that it does not know.
const NEWER_FIELDS: &[NewerField] = &[];

/// A type of record, a path in its data, and the first reader that knows it.
pub type NewerField = (&'static str, &'static str, u32);

/// What a program can read: itself, and the first reader of each type of record and of each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    own: u32,
    newer: &'static [(&'static str, u32)],
    fields: &'static [NewerField],
}

impl Default for Readers {
    fn default() -> Readers {
        Readers {
            own: READER,
            newer: NEWER,
            fields: NEWER_FIELDS,
        }
    }
}

impl Readers {
    /// A program that is reader `own`, where these types came later than reader 1: what a test takes for the program of
    /// before, or of later.
    pub const fn of_program(own: u32, newer: &'static [(&'static str, u32)]) -> Readers {
        Readers {
            own,
            newer,
            fields: &[],
        }
    }

    /// The same, where these fields came later than the types that have them.
    pub const fn and_fields(self, fields: &'static [NewerField]) -> Readers {
        Readers { fields, ..self }
    }

    /// The reader that the program is.
    pub fn own(&self) -> u32 {
        self.own
    }

    /// The first reader that knows a type of record.
    pub fn of(&self, kind: &str) -> u32 {
        let newer = self.newer.iter().find(|(name, _)| *name == kind);
        newer.map_or(1, |(_, reader)| *reader)
    }

    /// Whether the program may fold a record, and what follows it.
    ///
    /// # Errors
    /// If it is of a later reader, or says that what follows is.
    pub fn may_fold(&self, record: &Record) -> Result<(), TooNew> {
        let said = match &record.event {
            Event::MinReaderRaised(raised) => raised.reader,
            other => self.of(other.kind()),
        };
        if said > self.own {
            return Err(TooNew {
                needed: said,
                own: self.own,
                seq: record.seq,
            });
        }
        Ok(())
    }

    /// Whether an event may be recorded where everybody is at least reader `least`.
    ///
    /// # Errors
    /// If some of them could not read it.
    pub fn may_record(&self, event: &Event, least: u32) -> Result<(), Refusal> {
        let kind = event.kind();
        let (what, needed) = match self.newest_field(event, least) {
            Some((path, reader)) => (format!("`{path}` of `{kind}`"), reader),
            None => (format!("`{kind}`"), self.of(kind)),
        };
        if needed <= least {
            return Ok(());
        }
        let why =
            format!("{what} is read by programs from reader {needed} on, and this ledger is kept for reader {least}");
        Err(Refusal::conflict("not_upgraded", why).hint(
            "when every node runs this version, run `countersign upgrade`; then there is no way back to the one before",
        ))
    }

    /// The field of an event that the latest of readers knows, where not everybody does.
    fn newest_field(&self, event: &Event, least: u32) -> Option<(&'static str, u32)> {
        let of_kind = |field: &&NewerField| field.0 == event.kind() && field.2 > least;
        let mut fields = self.fields.iter().filter(of_kind).peekable();
        fields.peek()?;
        let data = serde_json::to_value(event).unwrap_or_default();
        let there = fields.filter(|field| has(&data, field.1));
        there.map(|field| (field.1, field.2)).max_by_key(|field| field.1)
    }
}

/// Whether there is something at a path.
fn has(data: &Value, path: &str) -> bool {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let below = |value: &Value| rest.is_none_or(|rest| has(value, rest));
    match data {
        Value::Array(items) if first == "*" => items.iter().any(below),
        Value::Object(members) if first == "*" => members.values().any(below),
        Value::Object(members) => members.get(first).is_some_and(below),
        _plain => false,
    }
}

/// A ledger is for later programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} is for programs from reader {needed} on, and this one is reader {own}; upgrade Countersign")]
pub struct TooNew {
    needed: u32,
    own: u32,
    seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_came_later_is_a_type_and_this_program_reads_it() {
        for (kind, reader) in NEWER {
            assert!(Event::KINDS.contains(kind), "{kind}");
            assert!(*reader > 1, "{kind} {reader}");
            assert!(*reader <= READER, "{kind} {reader}");
        }
    }

    #[test]
    fn every_field_that_came_later_is_one_of_its_type_and_this_program_reads_it() {
        let schemas = crate::event::schemas();
        for (kind, path, reader) in NEWER_FIELDS {
            assert!(*reader > 1, "{kind} {path} {reader}");
            assert!(*reader <= READER, "{kind} {path} {reader}");
            let last = path.rsplit('.').next().unwrap_or_default();
            assert!(
                schemas.get(kind).is_some_and(|schema| schema.contains(last)),
                "{kind} {path}"
            );
        }
    }

    #[test]
    fn a_path_leads_through_maps_and_every_item_of_a_list() {
        let data = serde_json::json!({ "facts": { "run": {} }, "slots": [{ "names": [] }, { "people": ["a"] }] });
        for (path, there) in [
            ("facts", true),
            ("facts.run", true),
            ("facts.reads", false),
            ("slots.*.people", true),
            ("slots.*.count", false),
            ("slots.people", false),
            ("facts.run.x", false),
        ] {
            assert_eq!(has(&data, path), there, "{path}");
        }
    }

    #[test]
    fn no_part_of_a_record_takes_a_field_that_it_does_not_know() {
        fn open(schema: &Value, path: &str, found: &mut Vec<String>) {
            if let Value::Object(members) = schema {
                if members.contains_key("properties")
                    && members.get("additionalProperties") != Some(&Value::Bool(false))
                {
                    found.push(path.to_owned());
                }
                for (name, value) in members {
                    open(value, &format!("{path}/{name}"), found);
                }
            }
            if let Value::Array(items) = schema {
                for (place, value) in items.iter().enumerate() {
                    open(value, &format!("{path}/{place}"), found);
                }
            }
        }
        let mut found = Vec::new();
        for (kind, schema) in crate::event::schemas() {
            let schema: Value = serde_json::from_str(&schema).unwrap_or_default();
            open(&schema, kind, &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_record_with_something_that_came_later_is_not_read_wherever_it_stands() {
        let record = Record {
            seq: 7,
            ts: crate::Time(1),
            actor: crate::Actor::system(),
            event: Event::from(crate::event::RequestNoted { command: "tick".into() }),
            idem: None,
            payload: None,
            prov: crate::record::Provenance::Observed,
            redact: Default::default(),
            snapshot: None,
        };
        let text = String::from_utf8(record.encode("log").unwrap_or_default()).unwrap_or_default();
        assert!(Record::decode(text.as_bytes()).is_ok());
        let said = |from: &str, to: &str| {
            let later = text.replacen(from, to, 1);
            assert_ne!(later, text);
            match Record::decode(later.as_bytes()) {
                Err(error) => error.to_string(),
                Ok(_) => String::new(),
            }
        };
        let field = said("\"command\":", "\"by\":\"x\",\"command\":");
        let words =
            "record 7 (`request.noted`) holds what this version does not know: unknown field `by`; upgrade Countersign";
        assert_eq!(field, words);
        for (from, to) in [("{\"actor\"", "{\"a\":1,\"actor\""), ("\"auth\":", "\"a\":1,\"auth\":")] {
            let envelope = said(from, to);
            assert!(envelope.contains("unknown field `a`"), "{envelope}");
        }
    }

    #[test]
    fn a_stored_state_that_holds_more_than_this_version_knows_is_not_taken_for_less() {
        let state = crate::State::default();
        let with = |value: Value| {
            let mut stored: Value = serde_json::from_slice(&state.to_bytes()).unwrap_or_default();
            if let Value::Object(members) = &mut stored {
                members.insert("later".into(), value);
            }
            crate::State::from_bytes(&serde_json::to_vec(&stored).unwrap_or_default())
        };
        let refused = with(serde_json::json!({ "x": [1] }))
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            refused.as_deref(),
            Some("it has the field `later`, which this version does not know")
        );
        // What says nothing may be left out.
        assert!(with(serde_json::json!([])).is_ok());
    }

    #[test]
    fn what_says_who_may_read_is_read_by_everybody() {
        assert_eq!(Readers::default().of("ledger.min_reader"), 1);
    }
}
