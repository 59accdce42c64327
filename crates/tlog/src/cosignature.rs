//! Cosignatures of Ed25519 as in c2sp.org/tlog-cosignature: what a witness says of a checkpoint.
//!
//! A cosignature states a time, and that this checkpoint was then the largest that the witness had seen of the log, and
//! consistent with every one that it had seen before. It is a line of a signed note, of the type 0x04: its key id differs
//! from that of a log's key with the same bytes, and its message is headed by words that no checkpoint begins with.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::{KeyError, Note, NoteError, SigningKey, VerifyingKey};

/// The signature type of timestamped Ed25519 cosignatures in key ids and key texts.
const COSIGNATURE: u8 = 4;
/// What the text of a witness's secret key begins with.
const SECRET: &str = "PRIVATE+KEY+";
const DASH: &str = "\u{2014} ";

/// The public key of a witness with its name: C2SP's `vkey`, `name+keyid+base64(0x04 ‖ key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    key: VerifyingKey,
    id: [u8; 4],
}

impl WitnessKey {
    /// A key from its 32 bytes (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// As [`VerifyingKey::new`].
    pub fn new(name: &str, public: &[u8; 32]) -> Result<WitnessKey, KeyError> {
        let key = VerifyingKey::new(name, public)?;
        let Hash([a, b, c, d, ..]) = Hash::of(&[name.as_bytes(), b"\n", &[COSIGNATURE], public].concat());
        Ok(WitnessKey { key, id: [a, b, c, d] })
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x04 ‖ key).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The 32 bytes of the key.
    pub fn public(&self) -> [u8; 32] {
        self.key.public()
    }

    /// When the witness cosigned this note: seconds since 1970, the latest if it did so several times. Each line of its name
    /// and id must verify; other keys' lines are ignored, the log's own among them.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`]; [`NoteError::Forged`].
    pub fn verify(&self, note: &Note<'_>) -> Result<u64, NoteError> {
        let ours = note
            .signatures
            .iter()
            .filter(|line| line.name == self.name() && line.id == self.id);
        let mut latest = None;
        for line in ours {
            let time = self.time_of(note.text, &line.bytes);
            let time = time.ok_or_else(|| NoteError::Forged(self.name().to_owned()))?;
            latest = latest.max(Some(time));
        }
        latest.ok_or_else(|| NoteError::Unsigned(self.name().to_owned()))
    }

    /// The time of a cosignature that verifies.
    fn time_of(&self, text: &str, bytes: &[u8]) -> Option<u64> {
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        (i64::try_from(time).is_ok() && self.key.verifies(message(text, time).as_bytes(), signature)).then_some(time)
    }
}

/// What is signed: two lines, then the text of the note.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[COSIGNATURE], self.key.public().as_slice()].concat());
        write!(f, "{}+{:08x}+{key}", self.name(), u32::from_be_bytes(self.id))
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Name, key id and 32 bytes of a key text of our type.
fn parts(text: &str) -> Result<(&str, &str, Zeroizing<[u8; 32]>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::Form)?);
    let Some((&COSIGNATURE, key)) = key.split_first() else {
        return Err(KeyError::Form);
    };
    let key: [u8; 32] = key.try_into().map_err(|_| KeyError::Form)?;
    Ok((name, id, Zeroizing::new(key)))
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<WitnessKey, KeyError> {
        let (name, id, public) = parts(text)?;
        let key = WitnessKey::new(name, &public)?;
        if format!("{:08x}", u32::from_be_bytes(key.id)) != id {
            return Err(KeyError::Id);
        }
        Ok(key)
    }
}

/// The key of a witness. The secret is wiped from memory when this is dropped.
pub struct Cosigner {
    secret: SigningKey,
    public: WitnessKey,
}

impl Cosigner {
    /// A key from its 32-byte seed (RFC 8032, section 5.1.5). One seed serves one name: the name is not in what is signed.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Cosigner, KeyError> {
        let secret = SigningKey::from_seed(name, seed)?;
        let public = WitnessKey::new(name, &secret.verifying_key().public())?;
        Ok(Cosigner { secret, public })
    }

    /// Reads what [`Cosigner::to_text`] wrote.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_text(text: &str) -> Result<Cosigner, KeyError> {
        let (name, id, seed) = parts(text.strip_prefix(SECRET).ok_or(KeyError::Form)?)?;
        let key = Cosigner::from_seed(name, &seed)?;
        if format!("{:08x}", u32::from_be_bytes(key.public.id)) != id {
            return Err(KeyError::Id);
        }
        Ok(key)
    }

    /// The secret key as text, `PRIVATE+KEY+name+keyid+base64(0x04 ‖ seed)`, for whoever keeps keys in files.
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = self.secret.seed();
        let key = Zeroizing::new([&[COSIGNATURE], seed.as_slice()].concat());
        let key = Zeroizing::new(STANDARD.encode(&*key));
        let (name, id) = (self.public.name(), u32::from_be_bytes(self.public.id));
        Zeroizing::new(format!("{SECRET}{name}+{id:08x}+{}", *key))
    }

    /// The public half.
    pub fn witness_key(&self) -> &WitnessKey {
        &self.public
    }

    /// The line, with its newline, that adds this witness's cosignature to a checkpoint with this text. `time` is in seconds
    /// since 1970.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] for a text that is no checkpoint, and for a time beyond 63 bits.
    pub fn cosign(&self, text: &str, time: u64) -> Result<String, CheckpointError> {
        Checkpoint::parse_body(text)?;
        if i64::try_from(time).is_err() {
            return Err(CheckpointError::Malformed("the time of a cosignature has 63 bits"));
        }
        let signature = self.secret.sign(message(text, time).as_bytes());
        let blob = [self.public.id.as_slice(), &time.to_be_bytes(), &signature].concat();
        Ok(format!("{DASH}{} {}\n", self.public.name(), STANDARD.encode(blob)))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.public)
    }
}
