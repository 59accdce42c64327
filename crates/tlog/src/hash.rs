//! SHA-256 values and the domains in which we take them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// A SHA-256 value: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// A text is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It is not 64 lower-case hexadecimal digits.
    #[error("not 64 lower-case hexadecimal digits")]
    Hex,
    /// It is not the padded standard base64 of 32 bytes.
    #[error("not the base64 of 32 bytes")]
    Base64,
}

impl Hash {
    /// SHA-256 of the bytes, without a domain: for files, and for the root of the empty tree.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// Padded standard base64 (RFC 4648, section 4), 44 characters: the form in checkpoints and proofs.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads exactly what [`Hash::to_base64`] writes; any other spelling of the same bytes is refused.
    ///
    /// # Errors
    /// [`HashError::Base64`].
    pub fn from_base64(text: &str) -> Result<Hash, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError::Base64)?;
        bytes.try_into().map(Hash).map_err(|_| HashError::Base64)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(HashError::Hex);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else {
                return Err(HashError::Hex);
            };
            *byte = high << 4 | low;
        }
        Ok(Hash(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ leaf), RFC 6962, section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962, section 2.1.
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// SHA-256(tag ‖ 0x00 ‖ parts…): the domain separation of everything that is hashed or signed outside the tree.
///
/// `tag` is ASCII without NUL, such as `countersign-commit-v1`. The parts are concatenated as they are: all but the
/// last must have a fixed length, or carry their own.
pub fn tagged(tag: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new().chain_update(tag).chain_update([0]);
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of a set of files: SHA-256 over the concatenation of the sorted raw SHA-256 values of their exact bytes.
///
/// Names and order do not enter. Policy snapshots and the set of record schemas are named by it.
pub fn file_set_hash<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    set_hash(files.into_iter().map(Hash::of).collect())
}

/// [`file_set_hash`] over hashes that were taken before.
pub(crate) fn set_hash(mut hashes: Vec<Hash>) -> Hash {
    hashes.sort_unstable();
    let mut hasher = Sha256::new();
    for hash in hashes {
        hasher.update(hash.0);
    }
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn hex_and_base64_read_only_what_they_write() {
        let hash = Hash::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), hex);
        assert_eq!(hex.parse::<Hash>().unwrap(), hash);
        assert_eq!(Hash::from_base64(&hash.to_base64()).unwrap(), hash);
        for bad in [
            hex.to_uppercase(),
            hex[1..].to_owned(),
            format!("{hex}0"),
            hex.replace('b', "g"),
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError::Hex), "{bad}");
        }
        // The last character carries two bits that mean nothing; only zeros pass.
        let loose = hash.to_base64().replace("Fa0=", "Fa1=");
        assert_ne!(loose, hash.to_base64());
        assert_eq!(Hash::from_base64(&loose), Err(HashError::Base64));
    }

    #[test]
    fn tags_and_parts_are_separated_by_a_zero_byte() {
        assert_eq!(
            tagged("countersign-x-v1", &[b"a", b"bc"]),
            Hash::of(b"countersign-x-v1\0abc")
        );
    }

    #[test]
    fn a_file_set_hash_ignores_order() {
        let sets: [[&[u8]; 2]; 2] = [[b"one", b"two"], [b"two", b"one"]];
        assert_eq!(file_set_hash(sets[0]), file_set_hash(sets[1]));
        let (one, two) = (Hash::of(b"one"), Hash::of(b"two"));
        let (low, high) = (one.min(two), one.max(two));
        assert_eq!(file_set_hash(sets[0]), Hash::of(&[low.0, high.0].concat()));
    }
}
