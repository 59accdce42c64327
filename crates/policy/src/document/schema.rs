//! The part of JSON Schema that argument checks enforce.
//!
//! `type`, `required`, `properties`, `additionalProperties` (a truth value), `enum`, `minimum`, `maximum`, `minLength`, `maxLength`
//! (in characters), and the annotations `title` and `description`. Everything else is refused, since it would not be checked.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::field::Reader;
use crate::hidden::Hidden;
use crate::value::Value;
use crate::yaml::{Kind, Node};

/// A checked schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    types: Option<Vec<String>>,
    required: Vec<String>,
    properties: BTreeMap<String, Schema>,
    closed: bool,
    allowed: Option<Vec<Value>>,
    minimum: Option<Decimal>,
    maximum: Option<Decimal>,
    min_length: Option<usize>,
    max_length: Option<usize>,
}

const TYPES: [(&str, ()); 7] = [
    ("array", ()),
    ("boolean", ()),
    ("integer", ()),
    ("null", ()),
    ("number", ()),
    ("object", ()),
    ("string", ()),
];

impl Schema {
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Schema> {
        let mut fields = reader.fields(node, "a schema")?;
        let mut schema = Schema::default();
        fields.refuse(
            reader,
            &[
                "pattern",
                "format",
                "items",
                "oneOf",
                "anyOf",
                "allOf",
                "not",
                "$ref",
                "if",
                "multipleOf",
                "maxItems",
            ],
        );
        for name in ["title", "description"] {
            if let Some(node) = fields.get(name) {
                reader.text(node);
            }
        }
        if let Some(node) = fields.get("type") {
            let items = reader.list_or_one(node)?;
            let known = items.iter().filter(|item| reader.word(item, &TYPES).is_some());
            schema.types = Some(known.filter_map(|item| Some(item.text()?.to_owned())).collect());
        }
        schema.required = fields
            .get("required")
            .and_then(|node| reader.names(node))
            .unwrap_or_default();
        if let Some(node) = fields.get("properties") {
            let Kind::Map(entries) = &node.kind else {
                reader.fields(node, "properties");
                return None;
            };
            for (key, value) in entries {
                let read = Schema::read(reader, value)?;
                schema.properties.insert(key.text()?.to_owned(), read);
            }
        }
        schema.closed = match fields.get("additionalProperties") {
            Some(node) => !reader.bool(node)?,
            None => false,
        };
        if let Some(node) = fields.get("enum") {
            let values: Result<Vec<_>, _> = reader.list(node)?.iter().map(Node::value).collect();
            match values {
                Ok(values) => schema.allowed = Some(values),
                Err(bad) => {
                    let help = "write a decimal number, or put it into quotes";
                    reader.error(
                        "invalid_value",
                        bad.span.clone(),
                        "this number has no exact value",
                        help,
                    );
                }
            }
        }
        let mut bound = |reader: &mut Reader<'_>, name| {
            let node = fields.get(name)?;
            let number = node.number();
            if number.is_none() {
                let message = format!("`{name}` is a number");
                reader.error("wrong_type", node.span.clone(), message, "write a decimal number");
            }
            number
        };
        schema.minimum = bound(reader, "minimum");
        schema.maximum = bound(reader, "maximum");
        let length = |number: Option<Decimal>| number.and_then(|number| usize::try_from(number).ok());
        schema.min_length = length(bound(reader, "minLength"));
        schema.max_length = length(bound(reader, "maxLength"));
        fields.finish(reader);
        Some(schema)
    }

    /// Notes what [`Schema::check`] looks at: whatever this says something about.
    pub(crate) fn watch(&self, value: &Value, path: &str, hidden: &Hidden) {
        if *self != Schema::default() {
            hidden.see(value, || path.to_owned());
        }
        let Value::Map(map) = value else {
            if self.allowed.is_some() {
                hidden.see_all(value, || path.to_owned());
            }
            return;
        };
        if self.allowed.is_some() {
            hidden.see_all(value, || path.to_owned());
        }
        if self.closed || !self.required.is_empty() || !self.properties.is_empty() {
            hidden.see_keys(map, || path.to_owned());
        }
        if hidden.is_mark(value) {
            return;
        }
        for (name, schema) in &self.properties {
            if let Some(value) = map.get(name) {
                schema.watch(value, &format!("{path}.{name}"), hidden);
            }
        }
    }

    /// What is wrong with `value`: the path and a sentence without the value.
    pub(crate) fn check(&self, value: &Value, path: &str) -> Option<String> {
        if let Some(types) = &self.types
            && !types.iter().any(|kind| is_a(value, kind))
        {
            return Some(format!("`{path}` is not of type {}", types.join(" or ")));
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(value)) {
            return Some(format!("`{path}` is not one of the allowed values"));
        }
        match value {
            Value::Number(number) => {
                if let Some(minimum) = self.minimum.filter(|minimum| number < minimum) {
                    return Some(format!("`{path}` is below {minimum}"));
                }
                let maximum = self.maximum.filter(|maximum| number > maximum);
                maximum.map(|maximum| format!("`{path}` is above {maximum}"))
            }
            Value::String(text) => {
                let length = text.chars().count();
                if let Some(least) = self.min_length.filter(|least| length < *least) {
                    return Some(format!("`{path}` is shorter than {least}"));
                }
                let most = self.max_length.filter(|most| length > *most);
                most.map(|most| format!("`{path}` is longer than {most}"))
            }
            Value::Map(map) => {
                if let Some(name) = self.required.iter().find(|name| !map.contains_key(name.as_str())) {
                    return Some(format!("`{path}.{name}` is missing"));
                }
                if self.closed && map.keys().any(|key| !self.properties.contains_key(key)) {
                    return Some(format!("`{path}` has a member that the schema does not name"));
                }
                let wrong =
                    |(name, schema): (&String, &Schema)| schema.check(map.get(name)?, &format!("{path}.{name}"));
                self.properties.iter().find_map(wrong)
            }
            _ => None,
        }
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match (kind, value) {
        ("integer", Value::Number(number)) => number.fract().is_zero(),
        ("number", Value::Number(_))
        | ("object", Value::Map(_))
        | ("array", Value::List(_))
        | ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("null", Value::Null) => true,
        _ => false,
    }
}
