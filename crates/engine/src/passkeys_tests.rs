//! A device that keeps a key, as a browser would speak for it.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::*;

const ORIGIN: &str = "http://localhost:7878";

struct Device {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Device {
    fn new() -> Device {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).expect("a key");
        Device { key, random }
    }

    fn passkey(&self) -> Passkey {
        Passkey {
            credential: BASE64URL.encode(b"credential"),
            name: "laptop".into(),
            public_key: hex(self.key.public_key().as_ref()),
        }
    }

    fn data(site: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(site.as_bytes()).to_vec();
        data.extend_from_slice(&[flags, 0, 0, 0, 7]);
        data
    }

    fn asserts(&self, challenge: Digest, origin: &str, site: &str, flags: u8) -> Assertion {
        let client = said("webauthn.get", challenge, origin);
        let data = Device::data(site, flags);
        let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&self.random, &signed).expect("a signature");
        Assertion {
            authenticator_data: BASE64URL.encode(data),
            client_data: BASE64URL.encode(client),
            credential: BASE64URL.encode(b"credential"),
            signature: BASE64URL.encode(signature.as_ref()),
        }
    }
}

fn said(kind: &str, challenge: Digest, origin: &str) -> Vec<u8> {
    let challenge = BASE64URL.encode(challenge.0);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#).into_bytes()
}

fn challenge() -> Digest {
    Digest::of(b"a vote")
}

#[test]
fn a_signature_of_the_passkey_over_this_vote_at_this_address_is_good() {
    let device = Device::new();
    let assertion = device.asserts(challenge(), ORIGIN, "localhost", 0x05);
    verify(&assertion, &device.passkey(), challenge(), ORIGIN).expect("it is good");
}

#[test]
fn whatever_else_was_signed_is_not() {
    let device = Device::new();
    let other = Digest::of(b"another vote");
    for (what, assertion) in [
        ("another vote", device.asserts(other, ORIGIN, "localhost", 0x05)),
        (
            "another address",
            device.asserts(challenge(), "http://evil.example", "localhost", 0x05),
        ),
        (
            "another name",
            device.asserts(challenge(), ORIGIN, "evil.example", 0x05),
        ),
        (
            "nobody was verified",
            device.asserts(challenge(), ORIGIN, "localhost", 0x01),
        ),
        (
            "another device",
            Device::new().asserts(challenge(), ORIGIN, "localhost", 0x05),
        ),
    ] {
        let refused = verify(&assertion, &device.passkey(), challenge(), ORIGIN);
        assert!(refused.is_err(), "{what}");
    }
    let good = device.asserts(challenge(), ORIGIN, "localhost", 0x05);
    let made = Assertion {
        client_data: BASE64URL.encode(said("webauthn.create", challenge(), ORIGIN)),
        ..good.clone()
    };
    assert!(verify(&made, &device.passkey(), challenge(), ORIGIN).is_err());
    for at in 0..good.signature.len() - 1 {
        let mut signature = good.signature.clone().into_bytes();
        signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
        let changed = Assertion {
            signature: String::from_utf8(signature).expect("text"),
            ..good.clone()
        };
        assert!(
            verify(&changed, &device.passkey(), challenge(), ORIGIN).is_err(),
            "{at}"
        );
    }
}

#[test]
fn a_new_passkey_is_read_from_what_it_says_of_itself() {
    let device = Device::new();
    let point = device.key.public_key().as_ref().to_vec();
    let mut data = Device::data("localhost", 0x45);
    data.extend_from_slice(&[0; 16]);
    data.extend_from_slice(&10_u16.to_be_bytes());
    data.extend_from_slice(b"credential");
    data.extend_from_slice(COSE_X);
    data.extend_from_slice(&point[1..33]);
    data.extend_from_slice(COSE_Y);
    data.extend_from_slice(&point[33..]);
    let (credential, read) = made(&data).expect("it is read");
    assert_eq!(
        (credential, read.as_slice()),
        (b"credential".as_slice(), point.as_slice())
    );
    for cut in 0..data.len() {
        assert_eq!(made(&data[..cut]), None, "{cut}");
    }
}
