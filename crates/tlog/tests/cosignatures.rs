//! Cosignatures and the verdict of a witness: laws, refusals, and a second implementation.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod sample;
mod twin;

use countersign_tlog::witness::{Refusal, Submission};
use countersign_tlog::{
    Checkpoint, CheckpointError, Cosigner, Hash, KeyError, Note, NoteError, SigningKey, VerifyingKey, WitnessKey,
    consistency_proof,
};
use proptest::prelude::*;
use sample::{Log, ORIGIN, SIZE, key};
use twin::{Case, compare};

fn witness() -> Cosigner {
    Cosigner::from_seed("witness.example/w1", &[9; 32]).unwrap()
}

fn text(note: &str) -> &str {
    Note::parse(note).unwrap().text
}

/// A checkpoint with this witness's line.
fn cosigned(note: &str, by: &Cosigner, time: u64) -> String {
    format!("{note}{}", by.cosign(text(note), time).unwrap())
}

/// What a log submits to go from one size to the other.
fn submission<'a>(log: &Log, old: u64, new: u64, note: &'a str) -> Submission<'a> {
    let proof = if old == 0 || old == new {
        Vec::new()
    } else {
        consistency_proof(old, new, &|level, index| log.subtree(level, index)).unwrap()
    };
    Submission { old, proof, note }
}

fn at(log: &Log, size: u64) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: log.root(size),
    }
}

#[test]
fn a_line_has_the_parts_that_the_specification_names() {
    let (_, log) = sample::bundle("");
    let note = log.checkpoint(SIZE);
    let line = witness().cosign(text(&note), 1_679_315_147).unwrap();
    let both = format!("{note}{line}");
    let parsed = Note::parse(&both).unwrap();
    let last = parsed.signatures.last().unwrap();
    assert_eq!(last.name, "witness.example/w1");
    assert_eq!(last.bytes.len(), 8 + 64);
    assert_eq!(last.bytes[..8], 1_679_315_147_u64.to_be_bytes());
    // The plain Ed25519 key of the same bytes verifies the message as the specification writes it.
    let public = witness().witness_key().public();
    let plain = VerifyingKey::new("witness.example/w1", &public).unwrap();
    let message = format!("cosignature/v1\ntime 1679315147\n{}", text(&note));
    assert!(plain.verifies(message.as_bytes(), &last.bytes[8..]));
    let hashed = [b"witness.example/w1\n\x04".as_slice(), &public].concat();
    assert_eq!(last.id, Hash::of(&hashed).0[..4]);
    assert_ne!(last.id, plain.id(), "a log's key with the same bytes is another key");
    assert_eq!(witness().witness_key().verify(&parsed), Ok(1_679_315_147));
    assert_eq!(parsed.verify(key().verifying_key()), Ok(text(&note)));
}

#[test]
fn keys_of_logs_and_of_witnesses_are_not_taken_for_each_other() {
    let ours = witness().witness_key().to_string();
    assert_eq!(ours.parse::<WitnessKey>().unwrap(), *witness().witness_key());
    assert_eq!(ours.parse::<VerifyingKey>(), Err(KeyError::Form));
    let logs = key().verifying_key().to_string();
    assert_eq!(logs.parse::<WitnessKey>(), Err(KeyError::Form));
    assert_eq!(ours.replacen("w1", "w2", 1).parse::<WitnessKey>(), Err(KeyError::Id));
    let secret = witness().to_text();
    assert!(secret.starts_with("PRIVATE+KEY+witness.example/w1+"));
    let again = Cosigner::from_text(&secret).unwrap();
    assert_eq!(again.witness_key(), witness().witness_key());
    assert_eq!(Cosigner::from_text(&ours).unwrap_err(), KeyError::Form);
    assert_eq!(
        Cosigner::from_text(&secret.replacen("w1", "w2", 1)).unwrap_err(),
        KeyError::Id
    );
    assert!(!format!("{:?}", witness()).contains(secret.rsplit('+').next().unwrap()));
}

#[test]
fn only_checkpoints_are_cosigned_and_only_with_times_of_63_bits() {
    let (_, log) = sample::bundle("");
    let note = log.checkpoint(SIZE);
    assert!(witness().cosign(text(&note), i64::MAX as u64).is_ok());
    let too_late = witness().cosign(text(&note), i64::MAX as u64 + 1);
    assert!(matches!(too_late, Err(CheckpointError::Malformed(_))));
    assert!(witness().cosign("any text\n", 1).is_err());
}

#[test]
fn the_latest_of_several_counts_and_one_that_is_forged_spoils_all() {
    let (_, log) = sample::bundle("");
    let twice = cosigned(&cosigned(&log.checkpoint(SIZE), &witness(), 7), &witness(), 5);
    let parsed = Note::parse(&twice).unwrap();
    assert_eq!(witness().witness_key().verify(&parsed), Ok(7));
    let forged = format!("{twice}{}", witness().cosign(text(&log.checkpoint(3)), 9).unwrap());
    let parsed = Note::parse(&forged).unwrap();
    assert!(matches!(
        witness().witness_key().verify(&parsed),
        Err(NoteError::Forged(_))
    ));
    let without = log.checkpoint(SIZE);
    let parsed = Note::parse(&without).unwrap();
    assert!(matches!(
        witness().witness_key().verify(&parsed),
        Err(NoteError::Unsigned(_))
    ));
}

#[test]
fn bodies_out_of_form_are_malformed() {
    let (_, log) = sample::bundle("");
    let note = log.checkpoint(SIZE);
    let hash = log.root(1).to_base64();
    let long: String = (0..64).map(|_| format!("{hash}\n")).collect();
    for head in [
        String::new(),
        "\n".to_owned(),
        "0\n\n".to_owned(),
        "old 00\n\n".to_owned(),
        "old -1\n\n".to_owned(),
        "old  0\n\n".to_owned(),
        "old 0 \n\n".to_owned(),
        "old 18446744073709551616\n\n".to_owned(),
        "old 1\nx\n\n".to_owned(),
        format!("old 1\n{}\n\n", &hash[1..]),
        format!("old 1\r\n{hash}\n\n"),
        format!("old 1\n{long}\n"),
    ] {
        let body = format!("{head}{note}");
        assert!(
            matches!(Submission::parse(&body), Err(Refusal::Malformed(_))),
            "{head:?}"
        );
    }
    for body in ["old 0\n\n", "old 0\n\nx\n", "old 0\n\nx\n1\ny\n\n\u{2014} x AAAAAAA=\n"] {
        let judged = Submission::parse(body).and_then(|body| body.judge(&[], None));
        assert!(matches!(judged, Err(Refusal::Malformed(_))), "{body:?}");
    }
}

#[test]
fn the_verdict_is_the_one_that_the_protocol_names() {
    let (_, log) = sample::bundle("");
    let (_, other) = sample::bundle("quietly changed");
    let keys = [key().verifying_key().clone()];
    let stranger = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let known = at(&log, 13);
    let new = log.checkpoint(SIZE);
    let good = submission(&log, 13, SIZE, &new);
    assert_eq!(good.judge(&keys, Some(&known)), Ok(at(&log, SIZE)));
    assert!(matches!(good.judge(&[], Some(&known)), Err(Refusal::UnknownLog(_))));
    let unsigned = good.judge(&[stranger.verifying_key().clone()], Some(&known));
    assert!(matches!(unsigned, Err(Refusal::Unsigned(_))));
    // One key of several is enough: a log's key may have been rotated.
    let both = [stranger.verifying_key().clone(), keys[0].clone()];
    assert!(good.judge(&both, Some(&known)).is_ok());
    let beside = format!("{new}{}", stranger.signature_line("another text\n"));
    assert!(submission(&log, 13, SIZE, &beside).judge(&keys, Some(&known)).is_ok());

    let conflict = |size, forked| Err(Refusal::Conflict { size, forked });
    assert_eq!(good.judge(&keys, None), conflict(0, false));
    assert_eq!(good.judge(&keys, Some(&at(&log, 14))), conflict(14, false));
    assert!(submission(&log, 0, SIZE, &new).judge(&keys, None).is_ok());
    let smaller = log.checkpoint(5);
    let above = Submission {
        old: 13,
        proof: Vec::new(),
        note: &smaller,
    };
    assert!(matches!(above.judge(&keys, Some(&known)), Err(Refusal::Malformed(_))));
    let same = log.checkpoint(13);
    assert!(submission(&log, 13, 13, &same).judge(&keys, Some(&known)).is_ok());
    let forked = other.checkpoint(13);
    assert_eq!(
        submission(&other, 13, 13, &forked).judge(&keys, Some(&known)),
        conflict(13, true)
    );
    let grown = other.checkpoint(SIZE);
    assert_eq!(
        submission(&other, 13, SIZE, &grown).judge(&keys, Some(&known)),
        Err(Refusal::Proof)
    );
    let mut idle = submission(&log, 13, 13, &same);
    idle.proof.push(log.root(1));
    assert_eq!(idle.judge(&keys, Some(&known)), Err(Refusal::Proof));
    let empty = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: log.root(3),
    };
    let empty = empty.sign(&key()).unwrap();
    assert_eq!(submission(&log, 0, 0, &empty).judge(&keys, None), conflict(0, true));
}

#[test]
fn both_verifiers_demand_the_witnesses_that_are_named_and_pass_over_the_others() {
    let (base, log) = sample::bundle("");
    let (_, forked) = sample::bundle("quietly changed");
    let w1 = witness();
    let w2 = Cosigner::from_seed("witness.example/w2", &[10; 32]).unwrap();
    let with = |checkpoint: &str| {
        let mut files = base.clone();
        files.insert("checkpoint".to_owned(), checkpoint.as_bytes().to_vec());
        files
    };
    let early = |files: &sample::Bundle, checkpoint: &str| {
        let mut files = files.clone();
        files.insert("checkpoint.witnessed".to_owned(), checkpoint.as_bytes().to_vec());
        files
    };
    let (k1, k2) = (w1.witness_key(), w2.witness_key());
    let head = log.checkpoint(SIZE);
    let one = with(&cosigned(&head, &w1, 1_700_000_000));
    let two = with(&cosigned(&cosigned(&head, &w1, 1_700_000_000), &w2, 0));
    let mut stale = cosigned(&head, &w1, 1_700_000_000);
    stale.push_str(&w1.cosign(text(&log.checkpoint(5)), 9).unwrap());
    // A log's signature with the witness's key is no cosignature.
    let plain = SigningKey::from_seed(k1.name(), &[9; 32]).unwrap();
    let plain = with(&format!("{head}{}", plain.signature_line(text(&head))));
    let unknown = "\u{2014} pq.example AAAABv//////\n";
    let extra = with(&format!("{}{unknown}", cosigned(&head, &w1, 1_700_000_000)));
    let seen = early(&base, &cosigned(&log.checkpoint(13), &w1, 3));
    let longer = Checkpoint {
        size: SIZE + 7,
        ..at(&log, SIZE)
    }
    .sign(&key())
    .unwrap();
    let cases = [
        Case::new("demanded and there", one.clone(), true).witness(k1),
        Case::new("there and not demanded", one.clone(), true),
        Case::new("demanded twice", one.clone(), true).witness(k1).witness(k1),
        Case::new("demanded and not there", base.clone(), false)
            .witness(k1)
            .says("no cosignature by the witness `witness.example/w1`"),
        Case::new("another's is there", one.clone(), false)
            .witness(k2)
            .says("no cosignature"),
        Case::new("one of two", one.clone(), false).witness(k1).witness(k2),
        Case::new("both of two", two.clone(), true).witness(k1).witness(k2),
        Case::new("one of two is demanded", two, true).witness(k2),
        Case::new("one of another text", with(&stale), false)
            .witness(k1)
            .says("does not verify"),
        Case::new("one of another text, not demanded", with(&stale), true),
        Case::new("a log's signature", plain, false)
            .witness(k1)
            .says("no cosignature"),
        Case::new("a line of an unknown kind", extra.clone(), true).witness(k1),
        Case::new("a line of an unknown kind, nothing demanded", extra, true),
        Case::new("an earlier checkpoint", seen.clone(), true).witness(k1),
        Case::new("an earlier one, of another witness", seen.clone(), false).witness(k2),
        Case::new("an earlier one, nothing demanded", seen, true),
        Case::new(
            "an earlier one of a fork",
            early(&base, &cosigned(&forked.checkpoint(13), &w1, 3)),
            false,
        )
        .witness(k1)
        .says("history was rewritten"),
        Case::new(
            "an earlier one that is longer",
            early(&base, &cosigned(&longer, &w1, 3)),
            false,
        ),
        Case::new("one each", early(&one, &cosigned(&log.checkpoint(13), &w2, 3)), true)
            .witness(k1)
            .witness(k2),
        Case::new("a log's key", one.clone(), false).witness(key().verifying_key()),
        Case::new("no key", one, false).witness("x"),
    ];
    compare("witnesses", &base, &cases);
}

proptest! {
    #[test]
    fn every_cosignature_verifies_and_no_changed_byte_does(
        seed in any::<[u8; 32]>(), size in any::<u64>(), root in any::<[u8; 32]>(), time in 0..=i64::MAX as u64,
        at in any::<prop::sample::Index>(), mask in 1_u8..,
    ) {
        let by = Cosigner::from_seed("w", &seed).unwrap();
        let log = SigningKey::from_seed("log/1", &[1; 32]).unwrap();
        let note = Checkpoint { origin: "log/1".to_owned(), size, root: Hash(root) }.sign(&log).unwrap();
        let both = cosigned(&note, &by, time);
        prop_assert_eq!(by.witness_key().verify(&Note::parse(&both).unwrap()), Ok(time));
        let again: WitnessKey = by.witness_key().to_string().parse().unwrap();
        prop_assert_eq!(&again, by.witness_key());
        let mut bytes = both.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        if let Ok(changed) = String::from_utf8(bytes)
            && let Ok(parsed) = Note::parse(&changed)
            && by.witness_key().verify(&parsed).is_ok()
        {
            // The change was in the log's line, of which the witness says nothing.
            prop_assert_eq!(parsed.text, text(&both));
            prop_assert!(parsed.verify(log.verifying_key()).is_err());
        }
    }

}

proptest! {
    // Each case verifies dozens of signatures.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_witness_never_goes_back_nor_onto_a_fork(sizes in prop::collection::vec((1..=SIZE, any::<bool>(), 0..=SIZE), 1..20)) {
        let (_, log) = sample::bundle("");
        let (_, fork) = sample::bundle("quietly changed");
        let keys = [key().verifying_key().clone()];
        let mut known: Option<Checkpoint> = None;
        for (size, forked, old) in sizes {
            let from = if forked { &fork } else { &log };
            let note = from.checkpoint(size);
            let old = old.min(size);
            // The size that a log thinks the witness has, or the one that it has.
            for old in [old, known.as_ref().map_or(0, |known| known.size).min(size)] {
                if let Ok(next) = submission(from, old, size, &note).judge(&keys, known.as_ref()) {
                    if let Some(known) = &known {
                        prop_assert!(next.size >= known.size);
                        prop_assert_eq!(known.root, from.root(known.size), "it goes on from what was known");
                    }
                    known = Some(next);
                }
            }
        }
        prop_assert!(known.is_some(), "the first with the right size is accepted");
    }

    #[test]
    fn submissions_read_back_as_they_were_written(old in any::<u64>(), hashes in prop::collection::vec(any::<[u8; 32]>(), 0..64)) {
        let (_, log) = sample::bundle("");
        let note = log.checkpoint(SIZE);
        let submission = Submission { old, proof: hashes.into_iter().map(Hash).collect(), note: &note };
        let body = submission.to_text();
        prop_assert_eq!(Submission::parse(&body), Ok(submission));
    }
}
