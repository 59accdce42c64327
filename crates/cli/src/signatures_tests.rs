//! Votes with signatures of a device that keeps a key, as a browser would speak for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::digest::{Digest, hex};
use countersign_core::event::{ApprovalOpened, AuthenticatorAdded, AuthenticatorRemoved, LedgerOpened, UserRemoved};
use countersign_core::record::Provenance;
use countersign_core::{Actor, Time};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::de::DeserializeOwned;
use sha2::Digest as _;

use super::*;

const APPROVAL: &str = "apr_00000000000000000000000000000001";
const ACTION: &str = "act_00000000000000000000000000000001";
const SNAPSHOT: &str = "sha256:aa";
const ORIGIN: &str = "https://console.example";

struct Device(EcdsaKeyPair);

impl Device {
    fn new() -> Device {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        Device(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).expect("a key"))
    }

    fn signs(&self, challenge: Digest) -> Value {
        let client = json!({
            "type": "webauthn.get", "challenge": BASE64URL.encode(challenge.0), "origin": ORIGIN, "crossOrigin": false,
        });
        let client = client.to_string().into_bytes();
        let mut data = sha2::Sha256::digest(b"console.example").to_vec();
        data.extend_from_slice(&[5, 0, 0, 0, 1]);
        let signed = [data.as_slice(), &sha2::Sha256::digest(&client)].concat();
        let signature = self.0.sign(&SystemRandom::new(), &signed).expect("a signature");
        json!({
            "authenticator_data": BASE64URL.encode(data), "client_data": BASE64URL.encode(client),
            "credential": "key", "signature": BASE64URL.encode(signature.as_ref()),
        })
    }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is what it should be")
}

fn record(seq: u64, event: impl Into<Event>) -> Record {
    Record {
        seq,
        ts: Time(1),
        actor: Actor::system(),
        event: event.into(),
        idem: None,
        payload: None,
        prov: Provenance::Observed,
        redact: BTreeMap::new(),
        snapshot: Some(SNAPSHOT.into()),
    }
}

fn opened() -> LedgerOpened {
    read(json!({
        "currency": "USD", "epoch": 1, "organization": "acme", "permit_kid": "k", "permit_public": "00",
        "schemas": "0".repeat(64), "vkey": "v", "zone": "UTC",
    }))
}

fn added(device: &Device) -> AuthenticatorAdded {
    let passkey = json!({ "credential": "key", "name": "laptop", "public_key": hex(device.0.public_key().as_ref()) });
    read(json!({ "authenticator": "passkey-1", "passkey": passkey, "user": "dana" }))
}

fn digest() -> Digest {
    Digest::of(b"an action")
}

/// What the device signs for this vote of dana.
fn challenge(verb: Verb) -> Digest {
    let digest = digest().to_string();
    let vote = SignedVote {
        action_digest: &digest,
        approval: APPROVAL,
        organization: "acme",
        presentation_digest: None,
        set: None,
        snapshot: SNAPSHOT,
        user: "dana",
        verb,
    };
    vote.challenge().expect("a challenge")
}

fn vote(verb: &str, assertion: Option<Value>) -> ApprovalVoted {
    let mut vote = json!({
        "action_id": ACTION, "approval": APPROVAL, "counted": true, "digest": digest().to_string(), "user": "dana", "verb": verb,
    });
    if let (Value::Object(members), Some(assertion)) = (&mut vote, assertion) {
        members.insert("assertion".to_owned(), assertion);
    }
    read(vote)
}

/// What is found in a ledger of which these are the records after the first one.
fn found(events: Vec<Event>) -> Found {
    let mut signatures = Signatures::default();
    signatures.record(record(0, opened()));
    for (seq, event) in (1..).zip(events) {
        signatures.record(record(seq, event));
    }
    signatures.end()
}

fn why(found: &Found) -> Vec<&str> {
    found.wrong.iter().map(|wrong| wrong.why.as_str()).collect()
}

#[test]
fn a_vote_is_good_that_the_persons_passkey_signed_as_the_record_states_it() {
    let device = Device::new();
    let signed = vote("approve", Some(device.signs(challenge(Verb::Approve))));
    let found = found(vec![added(&device).into(), signed.into()]);
    assert_eq!((found.good, found.wrongs), (1, 0), "{:?}", why(&found));
    assert!(found.all_good());
    let text = found.text();
    assert!(text.contains("1 votes are signed") && text.contains(ORIGIN), "{text}");
}

#[test]
fn a_record_that_states_another_vote_than_was_signed_is_told() {
    let device = Device::new();
    let rejected = vote("approve", Some(device.signs(challenge(Verb::Reject))));
    let mut other = vote("approve", Some(device.signs(challenge(Verb::Approve))));
    other.digest = Digest::of(b"another action");
    let mut shown = vote("approve", Some(device.signs(challenge(Verb::Approve))));
    shown.presentation = Some(digest());
    let events = vec![added(&device).into(), rejected.into(), other.into(), shown.into()];
    let found = found(events);
    assert_eq!(why(&found), ["the browser answered to another challenge"; 3]);
    assert_eq!(found.json()["findings"][0]["record"], 2);
    assert!(!found.all_good());
}

#[test]
fn a_signature_counts_by_a_passkey_that_the_person_had_then() {
    let (device, thief) = (Device::new(), Device::new());
    let signed = || vote("approve", Some(device.signs(challenge(Verb::Approve))));
    let forged = vote("approve", Some(thief.signs(challenge(Verb::Approve))));
    assert_eq!(
        why(&found(vec![added(&device).into(), forged.into()])),
        ["the signature is not the passkey's"]
    );
    let not_yet = found(vec![signed().into(), added(&device).into()]);
    assert_eq!(why(&not_yet), ["the passkey was not the person's at the time"]);
    let taken: AuthenticatorRemoved = read(json!({ "authenticator": "passkey-1", "user": "dana" }));
    let no_more = found(vec![added(&device).into(), taken.into(), signed().into()]);
    assert_eq!(no_more.wrongs, 1);
    let gone: UserRemoved = read(json!({ "user": "dana" }));
    assert_eq!(
        found(vec![added(&device).into(), gone.into(), signed().into()]).wrongs,
        1
    );
    // What was before the records that are left nobody knows.
    let mut pruned = Signatures::pruned(record(0, opened()));
    pruned.record(record(100, signed()));
    let pruned = pruned.end();
    assert_eq!((pruned.unknown, pruned.wrongs), (1, 0));
}

#[test]
fn of_an_edit_it_is_told_that_the_passkey_signed_and_no_more() {
    let device = Device::new();
    let edit = vote("edit", Some(device.signs(Digest::of(b"what was typed"))));
    let found = found(vec![added(&device).into(), edit.into()]);
    assert_eq!((found.good, found.edits, found.wrongs), (0, 1, 0));
}

#[test]
fn an_approval_without_the_signature_that_its_route_asks_for_is_told() {
    let request = |assurance: &str| -> ApprovalOpened {
        let track = json!({
            "assurance": assurance, "clarify_rounds": 0, "clarify_s": 0, "on_exhausted": "reject", "route": "sure",
            "source": "acme#sure", "steps": [],
        });
        read(json!({
            "action_id": ACTION, "agent": "bot", "approval": APPROVAL, "deadline": Time(9).to_string(),
            "digest": digest().to_string(), "excluded": [], "missing": [], "sla_due": Time(8).to_string(), "slots": [],
            "state": "pending", "tracks": [track], "unresolved": [], "valid_for_s": 60,
        }))
    };
    let plain = |assurance: &str| found(vec![request(assurance).into(), vote("approve", None).into()]);
    assert_eq!(
        why(&plain("webauthn")),
        ["it approves where a signature is asked for, and has none"]
    );
    assert!(plain("low").all_good());
    // Whoever says no needs no key.
    assert!(found(vec![request("webauthn").into(), vote("reject", None).into()]).all_good());
}
