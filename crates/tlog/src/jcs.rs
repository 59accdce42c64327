//! Full RFC 8785 for parsed JSON: what a commitment to a payload or to a personal value is taken over.

use serde_json::Value;

use crate::canonical::{NotFinite, compare_keys, push_number, push_string};

/// How deep objects and arrays of foreign JSON may nest; below the 128 at which `serde_json` stops.
pub(crate) const MAX_JSON_DEPTH: usize = 100;

/// A value has no canonical form here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A number is out of the range of a double.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// It nests deeper than 100 levels.
    #[error("the value nests deeper than {MAX_JSON_DEPTH} levels")]
    Depth,
}

/// The canonical bytes of a JSON value: RFC 8785, with all keys, floats and nulls.
///
/// Numbers are doubles, as there: an integer beyond 2^53 that is not one comes out as its nearest double. A reader
/// that must refuse such input compares the result with what it read.
///
/// # Errors
/// [`JsonError`].
pub fn canonical_json(value: &Value) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(128);
    push_value(&mut out, value, 0)?;
    Ok(out)
}

fn push_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), JsonError> {
    if depth > MAX_JSON_DEPTH {
        return Err(JsonError::Depth);
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => push_number(out, number.as_f64().ok_or(NotFinite)?)?,
        Value::String(text) => push_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_value(out, item, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| compare_keys(a, b));
            out.push(b'{');
            for (index, (key, item)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_string(out, key);
                out.push(b':');
                push_value(out, item, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}
