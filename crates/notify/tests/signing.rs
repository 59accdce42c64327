//! Signatures, secrets, messages and the schedule.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::time::Duration;

use countersign_notify::schedule::{ATTEMPTS, LONGEST_RETRY_AFTER, after};
use countersign_notify::{Ed25519Key, Keys, Message, MessageError, Secret};

/// Made with the Python package `standardwebhooks` 1.1.0.
#[test]
fn the_official_library_signs_the_same() {
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let body = r#"{"type":"approval.approved","timestamp":"2026-11-21T00:00:00Z","data":{"id":"apr_1"}}"#;
    let signature = secret.sign("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", 1_795_219_200, body.as_bytes());
    assert_eq!(signature, "v1,NA1/sLw6gKEMxExMC0CzIARfPQNCVyUJzG0wllQj+Oc=");
}

#[test]
fn a_secret_reads_back_and_does_not_show_itself() {
    let secret = Secret::from_bytes([1; 32]);
    let text = secret.reveal();
    assert_eq!(*Secret::parse(&text).unwrap().reveal(), *text);
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    for wrong in [
        "",
        "whsec_",
        "whsec_AQID",
        "whsec_!!!",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        "whpk_AQEB",
    ] {
        assert!(Secret::parse(wrong).is_err(), "{wrong}");
    }
    assert!(Secret::parse(&format!("whsec_{}", "AAAA".repeat(8))).is_ok());
    assert!(Secret::parse(&format!("whsec_{}", "AAAA".repeat(22))).is_err());
    assert!(!format!("{:?}", Ed25519Key::from_seed(&[3; 32])).contains("AwMDAwMD"));
}

#[test]
fn headers_hold_all_signatures() {
    let (secrets, key) = ([Secret::from_bytes([1; 32])], Ed25519Key::from_seed(&[2; 32]));
    let message = Message::new("msg_1", 5, "{}").unwrap();
    let [id, at, signature] = Keys {
        secrets: &secrets,
        ed25519: Some(&key),
    }
    .headers(&message);
    assert_eq!(
        (id, at),
        (
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", "5".to_owned())
        )
    );
    let wanted = format!("{} {}", secrets[0].sign("msg_1", 5, b"{}"), key.sign("msg_1", 5, b"{}"));
    assert_eq!(signature, ("webhook-signature", wanted));
}

#[test]
fn an_id_makes_the_signed_text_unambiguous() {
    for id in ["", "a.b", "a b", "a\r\nx: y", "é", &"x".repeat(129)] {
        assert_eq!(Message::new(id, 0, ""), Err(MessageError::Id));
    }
    assert_eq!(Message::new("a", -1, ""), Err(MessageError::Time));
    assert_eq!(Message::new("a", 1, "b").unwrap().at(9).timestamp_s(), 9);
}

#[test]
fn the_schedule_waits_longer_each_time_and_ends() {
    let base = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400];
    for (attempt, seconds) in (0..ATTEMPTS).zip(base) {
        for random in [0, 1, 12_345, u64::MAX / 3, u64::MAX] {
            let pause = after(attempt, random, None).unwrap();
            let (least, most) = (
                Duration::from_secs(seconds) * 4 / 5,
                Duration::from_secs(seconds) * 6 / 5,
            );
            assert!(least <= pause && pause <= most, "{attempt}: {pause:?}");
        }
    }
    assert_eq!(after(ATTEMPTS, 0, None), None);
    assert_eq!(after(u32::MAX, 0, None), None);
}

#[test]
fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
    let asked = Some(Duration::from_secs(3600));
    for random in [0, 7, u64::MAX] {
        let pause = after(1, random, asked).unwrap();
        assert!((3600..=3960).contains(&pause.as_secs()), "{pause:?}");
        assert!(after(7, random, asked).unwrap().as_secs() >= 40_320);
        assert!(after(1, random, Some(Duration::MAX)).unwrap() <= LONGEST_RETRY_AFTER * 11 / 10);
        assert_eq!(after(0, random, asked), Some(Duration::ZERO));
    }
}
