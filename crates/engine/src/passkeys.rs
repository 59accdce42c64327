//! Passkeys (WebAuthn Level 3): keys that a person's device keeps, which sign votes.
//!
//! What is checked is what the specification asks of a relying party (sections 7.1 and 7.2), for ES256 and without attestation:
//! no list of makers is kept, so what an authenticator says of its maker proves nothing here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign_api::convert::page_url;
use countersign_core::digest::{Digest, hex, read_hex};
use countersign_core::event::{Assertion, AuthenticatorAdded, AuthenticatorRemoved, Passkey};
use countersign_core::record::ActorKind;
use countersign_core::signed_vote::SignedVote;
use countersign_core::{Command, Refusal};
use countersign_store::Org;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

/// The user was there, and proved to the device who they are.
const PRESENT_AND_VERIFIED: u8 = 0x01 | 0x04;
/// The key that was made is in the data.
const HAS_CREDENTIAL: u8 = 0x40;
/// Before what was made: hash of the name (32), flags (1), counter (4).
const HEAD_BYTES: usize = 37;
/// What comes before the two coordinates of a COSE key for ES256 in its canonical form (RFC 9053, 7.1.1; CTAP 2.1, 6).
const COSE_X: &[u8] = &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
const COSE_Y: &[u8] = &[0x22, 0x58, 0x20];

/// What a person signs in with, and what a browser needs to make another passkey.
pub struct Authenticators {
    /// There is a password.
    pub password: bool,
    /// Passkeys, by their ids.
    pub passkeys: Vec<(String, Passkey)>,
    /// The name that passkeys are made for.
    pub site: String,
    /// What a browser answers when it makes one.
    pub challenge: String,
}

/// A passkey as a browser made it, base64url without padding.
pub struct NewPasskey {
    /// What the person calls it.
    pub name: String,
    /// `authenticatorData` of the response.
    pub authenticator_data: String,
    /// `clientDataJSON` of the response.
    pub client_data: String,
}

/// What the browser says that was asked (section 5.8.1).
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

fn refused(why: &str) -> Refusal {
    Refusal::invalid("invalid_passkey", why).hint("try again in the browser that you are signed in with")
}

fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64URL
        .decode(text)
        .map_err(|_| refused("what the browser sent is not base64url"))
}

/// Checks what a browser was asked, and gives back the bytes that are signed and the address at which it was.
fn client_data(text: &str, kind: &str, challenge: Option<Digest>) -> Result<(Vec<u8>, String), Refusal> {
    let raw = bytes(text)?;
    let said: ClientData = serde_json::from_slice(&raw).map_err(|_| refused("the browser's data cannot be read"))?;
    if said.kind != kind {
        return Err(refused("the browser was asked for something else"));
    }
    if challenge.is_some_and(|challenge| said.challenge != BASE64URL.encode(challenge.0)) {
        return Err(refused("the browser answered to another challenge"));
    }
    if said.cross_origin {
        return Err(elsewhere());
    }
    Ok((raw, said.origin))
}

fn elsewhere() -> Refusal {
    refused("the browser was at another address")
}

/// Checks for which name an authenticator spoke, and that its user was there and known to it.
fn authenticator_data(raw: &[u8], site: &str) -> Result<(), Refusal> {
    let (Some(name), Some(flags)) = (raw.get(..32), raw.get(32)) else {
        return Err(refused("the authenticator's data is too short"));
    };
    if name != Sha256::digest(site.as_bytes()).as_slice() {
        return Err(refused("the passkey is for another name"));
    }
    if flags & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED {
        return Err(refused("the device did not ask who is there"));
    }
    Ok(())
}

/// The credential's id and its public key as an uncompressed point, from what a new passkey says of itself (section 6.5.1).
fn made(raw: &[u8]) -> Option<(&[u8], [u8; 65])> {
    if raw.get(32)? & HAS_CREDENTIAL == 0 {
        return None;
    }
    // After the head: the authenticator's model (16), the id's length (2), the id, the key.
    let rest = raw.get(HEAD_BYTES + 16..)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (x, rest) = key.strip_prefix(COSE_X)?.split_first_chunk::<32>()?;
    let (y, _) = rest.strip_prefix(COSE_Y)?.split_first_chunk::<32>()?;
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    (!id.is_empty() && id.len() <= 1023).then_some((id, point))
}

/// The address at which a passkey signed this challenge; any challenge where none is named.
///
/// # Errors
/// It did not: the sentence says what else was signed, or that the signature is not the passkey's.
pub fn signed_at(assertion: &Assertion, passkey: &Passkey, challenge: Option<Digest>) -> Result<String, Refusal> {
    let (client, origin) = client_data(&assertion.client_data, "webauthn.get", challenge)?;
    let mut signed = bytes(&assertion.authenticator_data)?;
    authenticator_data(&signed, site_of(&origin))?;
    signed.extend_from_slice(&Sha256::digest(&client));
    let point = read_hex::<65>(&passkey.public_key).ok_or_else(|| refused("the passkey's key cannot be read"))?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    let signature = bytes(&assertion.signature)?;
    key.verify(&signed, &signature)
        .map_err(|_| refused("the signature is not the passkey's"))?;
    Ok(origin)
}

/// Whether a passkey signed this challenge at this address.
fn verify(assertion: &Assertion, passkey: &Passkey, challenge: Digest, origin: &str) -> Result<(), Refusal> {
    match signed_at(assertion, passkey, Some(challenge))? == origin {
        true => Ok(()),
        false => Err(elsewhere()),
    }
}

/// The host of an origin.
fn site_of(origin: &str) -> &str {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    host.split_once(':').map_or(host, |(name, _)| name)
}

impl Engine {
    /// The address of the console's pages.
    fn origin_of_pages(&self) -> String {
        page_url(&self.inner.settings.base_url, "")
    }

    /// What whoever asks signs in with.
    pub async fn authenticators(&self, caller: &Caller) -> Result<Authenticators, EngineError> {
        let user = caller.actor.id.clone();
        let known = self.look(&caller.org, move |state| {
            let all = state.authenticators_of(&user);
            all.map(|(id, passkey)| (id.to_owned(), passkey.cloned()))
                .collect::<Vec<_>>()
        });
        let known = known.await?;
        Ok(Authenticators {
            password: known.iter().any(|(_, passkey)| passkey.is_none()),
            passkeys: known
                .into_iter()
                .filter_map(|(id, passkey)| Some((id, passkey?)))
                .collect(),
            site: site_of(&self.origin_of_pages()).to_owned(),
            challenge: BASE64URL.encode(registering(caller).0),
        })
    }

    /// Takes a passkey of whoever asks.
    pub async fn add_passkey(
        &self,
        request: &Request<'_>,
        new: NewPasskey,
        current: Option<&str>,
        from: std::net::IpAddr,
    ) -> Result<String, EngineError> {
        let caller = request.caller;
        self.may_change_sign_in(caller, current, from).await?;
        let origin = self.origin_of_pages();
        let (_, at) = client_data(&new.client_data, "webauthn.create", Some(registering(caller)))?;
        if at != origin {
            return Err(elsewhere().into());
        }
        let raw = bytes(&new.authenticator_data)?;
        authenticator_data(&raw, site_of(&origin))?;
        let (credential, point) =
            made(&raw).ok_or_else(|| refused("the passkey is of a kind that is not known: ES256 is"))?;
        let credential = BASE64URL.encode(credential);
        let digest = Digest::tagged("countersign-passkey-id-v1", &[credential.as_bytes()]).to_string();
        let id: String = "passkey-".chars().chain(digest.chars().take(12)).collect();
        let added = AuthenticatorAdded {
            authenticator: id.clone(),
            passkey: Some(Passkey {
                credential,
                name: new.name,
                public_key: hex(&point),
            }),
            user: caller.actor.id.clone(),
        };
        let envelope = request.envelope(Command::AddAuthenticator(Box::new(added)));
        self.perform(Lane::Urgent, &caller.org, envelope, Beside::default())
            .await?;
        Ok(id)
    }

    /// Takes something away that a person signs in with: one's own, as one may change it, or as an admin somebody's.
    pub async fn remove_authenticator(
        &self,
        request: &Request<'_>,
        user: &str,
        id: &str,
        current: Option<&str>,
        from: std::net::IpAddr,
    ) -> Result<(), EngineError> {
        let caller = request.caller;
        if caller.actor.kind == ActorKind::User && caller.actor.id == user {
            self.may_change_sign_in(caller, current, from).await?;
        }
        let removed = AuthenticatorRemoved {
            authenticator: id.to_owned(),
            user: user.to_owned(),
        };
        let envelope = request.envelope(Command::RemoveAuthenticator(removed));
        let org = &caller.org;
        self.perform(Lane::Urgent, org, envelope, Beside::default())
            .await
            .map(drop)
    }

    /// Whether an assertion is a signature of this person over this vote.
    pub(crate) async fn check_assertion(
        &self,
        org: &Org,
        vote: &SignedVote<'_>,
        assertion: &Assertion,
    ) -> Result<(), EngineError> {
        let (user, credential) = (vote.user.to_owned(), assertion.credential.clone());
        let found = self.look(org, move |state| {
            let mut all = state.authenticators_of(&user).filter_map(|(_, passkey)| passkey);
            all.find(|passkey| passkey.credential == credential).cloned()
        });
        let passkey = found
            .await?
            .ok_or_else(|| refused("this passkey is not yours, or not any more"))?;
        let challenge = vote.challenge().map_err(|why| refused(&why))?;
        Ok(verify(assertion, &passkey, challenge, &self.origin_of_pages())?)
    }
}

/// What a browser answers when it makes a passkey: for this person and this session, nobody else's.
fn registering(caller: &Caller) -> Digest {
    let session = caller.kid.as_deref().unwrap_or_default();
    let whose = format!("{}\0{}\0{session}", caller.org, caller.actor.id);
    Digest::tagged("countersign-passkey-v1", &[whose.as_bytes()])
}

#[cfg(test)]
#[path = "passkeys_tests.rs"]
mod tests;
