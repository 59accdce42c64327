//! Signed notes as in c2sp.org/signed-note: text, a blank line, one line per signature. Ed25519 (type 0x01) only.
//!
//! Signatures of keys that the reader does not know are carried and ignored, as the format demands: a second line,
//! say of ML-DSA, can be added without breaking anyone.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::hash::Hash;

/// The signature type of Ed25519 in key ids and key texts.
const ED25519: u8 = 1;
/// The most signature lines that a note may have; the format asks for at least 16.
const MAX_SIGNATURES: usize = 100;
const DASH: &str = "\u{2014} ";

/// A key cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has another shape.
    #[error("a verifying key has the form `name+keyid+base64`; this is something else")]
    Form,
    /// The name is empty or holds a space, a control character or `+`.
    #[error("the key name `{0}` must not be empty nor hold spaces, control characters or `+`")]
    Name(String),
    /// The key is not an Ed25519 point that signatures can be trusted under.
    #[error("the key is not a sound Ed25519 key")]
    Point,
    /// The key id is not that of name and key.
    #[error("the key id does not belong to name and key; was the text cut or mistyped?")]
    Id,
}

/// A note cannot be read, or is not signed by the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text breaks the format.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature line is of this key.
    #[error("no signature by the key `{0}`")]
    Unsigned(String),
    /// A signature of this key does not verify.
    #[error("the signature by the key `{0}` does not verify: text or signature was changed")]
    Forged(String),
}

/// A public key with its name: C2SP's `vkey`, `name+keyid+base64(0x01 ‖ key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// A key from its 32 bytes (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`KeyError::Name`]; [`KeyError::Point`] also for keys of small order and for a second spelling of a key.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name(name.chars().take(80).collect()));
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| KeyError::Point)?;
        if key.is_weak() || key.to_edwards().compress().to_bytes() != *public {
            return Err(KeyError::Point);
        }
        Ok(VerifyingKey {
            id: key_id(name, public),
            name: name.to_owned(),
            key,
        })
    }

    /// The name; for a log also the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The 32 bytes of the key.
    pub fn public(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Checks an Ed25519 signature strictly: one spelling per signature, no points of small order.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

/// Names hold no space and no `+`, as the format says, and no control character.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// The key id of an Ed25519 key.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let Hash([a, b, c, d, ..]) = Hash::of(&[name.as_bytes(), b"\n", &[ED25519], public].concat());
    [a, b, c, d]
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<VerifyingKey, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let Some((&ED25519, public)) = key.split_first() else {
            return Err(KeyError::Form);
        };
        let public: &[u8; 32] = public.try_into().map_err(|_| KeyError::Form)?;
        let key = VerifyingKey::new(name, public)?;
        if format!("{:08x}", u32::from_be_bytes(key.id)) != id {
            return Err(KeyError::Id);
        }
        Ok(key)
    }
}

/// A named Ed25519 key that signs notes. The secret is wiped from memory when this is dropped.
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: VerifyingKey,
}

impl SigningKey {
    /// A key from its 32-byte seed (RFC 8032, section 5.1.5). The caller wipes its own copy.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SigningKey, KeyError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifyingKey::new(name, &secret.verifying_key().to_bytes())?;
        Ok(SigningKey { secret, public })
    }

    /// The seed, for whoever keeps keys in files.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The public half.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The 64-byte signature of the bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }

    /// Makes a signed note of `text`.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the text does not end in a newline or holds control characters.
    pub fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        Ok(format!("{text}\n{}", self.signature_line(text)))
    }

    /// The line, with its newline, that adds this key's signature to a note of `text`.
    pub fn signature_line(&self, text: &str) -> String {
        let blob = [self.public.id.as_slice(), &self.sign(text.as_bytes())].concat();
        format!("{DASH}{} {}\n", self.public.name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The key's id.
    pub id: [u8; 4],
    /// What follows the id: 64 bytes for Ed25519.
    pub bytes: Vec<u8>,
}

/// A note as read: nothing in it may be trusted before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The signed text, with its last newline.
    pub text: &'a str,
    /// At least one.
    pub signatures: Vec<Signature<'a>>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &'a str) -> Result<Note<'a>, NoteError> {
        check_text(note)?;
        let (before, lines) = note
            .rsplit_once("\n\n")
            .ok_or(NoteError::Malformed("it has no signature"))?;
        let text = note.get(..before.len() + 1).unwrap_or_default();
        let signatures: Vec<_> = lines
            .split_terminator('\n')
            .map(Signature::parse)
            .collect::<Result<_, _>>()?;
        match signatures.len() {
            0 => Err(NoteError::Malformed("it has no signature")),
            1..=MAX_SIGNATURES => Ok(Note { text, signatures }),
            _ => Err(NoteError::Malformed("it has too many signatures")),
        }
    }

    /// The text, if `key` signed it. Each line of that name and id must verify; other keys' lines are ignored.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`]; [`NoteError::Forged`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<&'a str, NoteError> {
        let mut ours = self
            .signatures
            .iter()
            .filter(|line| line.name == key.name && line.id == key.id)
            .peekable();
        if ours.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        if ours.all(|line| key.verifies(self.text.as_bytes(), &line.bytes)) {
            Ok(self.text)
        } else {
            Err(NoteError::Forged(key.name.clone()))
        }
    }

    /// How many signatures are by other keys than this.
    pub fn others(&self, key: &VerifyingKey) -> usize {
        self.signatures
            .iter()
            .filter(|line| line.name != key.name || line.id != key.id)
            .count()
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Result<Signature<'a>, NoteError> {
        let malformed = NoteError::Malformed("a signature line has the form `\u{2014} name base64`");
        let Some((name, blob)) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')) else {
            return Err(malformed);
        };
        if !is_name(name) {
            return Err(malformed);
        }
        let Ok(blob) = STANDARD.decode(blob) else {
            return Err(malformed);
        };
        match blob.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Signature {
                name,
                id: *id,
                bytes: bytes.to_vec(),
            }),
            _ => Err(malformed),
        }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("it does not end in a newline"));
    }
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Malformed("it holds a control character"));
    }
    Ok(())
}
