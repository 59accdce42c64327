//! Canonical JSON: the parts of RFC 8785 (JCS) that writers are built from, and the check of what they wrote.
//!
//! A record keeps to a restricted profile, so that JCS, Python's `json.dumps(sort_keys=True, separators=(",", ":"),
//! ensure_ascii=False)` and sorted `JSON.stringify` all give the same bytes: no null, no floats, integers within
//! ±(2^53−1), keys of `[a-z0-9_$]`. Foreign JSON (a *payload*) is full RFC 8785; see [`crate::canonical_json`].

use std::cmp::Ordering;

use crate::scan;

/// The longest leaf, in bytes: it fits the 16-bit length of C2SP entry bundles with room to spare.
pub const MAX_LEAF_BYTES: usize = 16_384;
/// How deep objects and arrays of a record may nest; the record itself is level 1.
pub const MAX_DEPTH: usize = 32;
/// The largest magnitude of an integer: 2^53 − 1, as in I-JSON (RFC 7493, section 2.2).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A number is infinite or not a number; JSON has no text for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number is not finite, so JSON cannot hold it")]
pub struct NotFinite;

/// Bytes are not the canonical form of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// Too long for a leaf.
    #[error("{bytes} bytes are more than a leaf may have ({MAX_LEAF_BYTES})")]
    TooLong {
        /// Their number.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("byte {at}: not UTF-8")]
    Utf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not the one spelling that the profile allows.
    #[error("byte {at}: {what}")]
    Form {
        /// Offset of the byte.
        at: usize,
        /// What is wrong, or what was expected.
        what: &'static str,
    },
}

/// Appends `text` as a JSON string, escaped as `JSON.stringify` does: RFC 8785, section 3.2.2.2.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => {
                let low = HEX.get(usize::from(byte & 0xf)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends the shortest text that reads back as `number`, as ECMAScript writes it: RFC 8785, section 3.2.2.3.
///
/// # Errors
/// [`NotFinite`]; nothing is appended then.
pub fn push_number(out: &mut Vec<u8>, number: f64) -> Result<(), NotFinite> {
    if !number.is_finite() {
        return Err(NotFinite);
    }
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
    Ok(())
}

/// The order of keys in canonical JSON, by UTF-16 code units: RFC 8785, section 3.2.3.
///
/// It differs from the order of bytes only where one side is beyond U+FFFF and the other is not.
pub fn compare_keys(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

/// Checks that `bytes` are a record's canonical form: one JSON object in the restricted profile, and nothing else.
///
/// # Errors
/// The first fault, with its offset in bytes.
pub fn is_canonical_record(bytes: &[u8]) -> Result<(), CanonicalError> {
    scan::record(bytes).map(|_| ())
}
