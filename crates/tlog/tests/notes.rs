//! Signed notes, checkpoints and proof files: C2SP's vectors, an independent implementation, and refusals.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod sample;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_tlog::{
    Checkpoint, CheckpointError, Hash, KeyError, Note, NoteError, ProofFile, SigningKey, VerifyingKey, leaf_hash,
};
use proptest::prelude::*;
use signed_note::Verifier as _;

const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn peter() -> SigningKey {
    let seed: [u8; 32] = STANDARD.decode(SEED).unwrap().split_off(1).try_into().unwrap();
    SigningKey::from_seed("PeterNeumann", &seed).unwrap()
}

#[test]
fn the_published_note_verifies_and_is_signed_to_the_same_bytes() {
    let key: VerifyingKey = VKEY.parse().unwrap();
    assert_eq!(key.to_string(), VKEY);
    assert_eq!(peter().verifying_key(), &key);
    let note = peter().sign_note(TEXT).unwrap();
    assert_eq!(note, format!("{TEXT}\n{LINE}"));
    assert_eq!(Note::parse(&note).unwrap().verify(&key), Ok(TEXT));
}

#[test]
fn unknown_signatures_are_ignored_and_known_ones_must_verify() {
    let key: VerifyingKey = VKEY.parse().unwrap();
    let other = SigningKey::from_seed("example.com/foo", &[3; 32]).unwrap();
    let foreign = other.signature_line(TEXT);
    let note = format!("{TEXT}\n{foreign}{LINE}");
    let parsed = Note::parse(&note).unwrap();
    assert_eq!(parsed.verify(&key), Ok(TEXT));
    assert_eq!(parsed.verify(other.verifying_key()), Ok(TEXT));
    assert_eq!(parsed.others(&key), 1);
    let unsigned = format!("{TEXT}\n{foreign}");
    assert_eq!(
        Note::parse(&unsigned).unwrap().verify(&key),
        Err(NoteError::Unsigned("PeterNeumann".to_owned()))
    );
    // A second line of the same key that does not verify spoils the note, though the first would do.
    let forged = peter().signature_line("other text\n");
    let note = format!("{TEXT}\n{LINE}{forged}");
    assert_eq!(
        Note::parse(&note).unwrap().verify(&key),
        Err(NoteError::Forged("PeterNeumann".to_owned()))
    );
}

#[test]
fn text_may_hold_blank_lines_and_the_last_one_separates() {
    let text = "a\n\nb\n\n\nc\n";
    let note = peter().sign_note(text).unwrap();
    assert_eq!(Note::parse(&note).unwrap().verify(peter().verifying_key()), Ok(text));
}

#[test]
fn malformed_notes_are_refused() {
    let good = format!("{TEXT}\n{LINE}");
    let many = format!("{TEXT}\n{}", LINE.repeat(101));
    let bad = [
        String::new(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace('\u{2014}', "-"),
        good.replace("Neumann x08", "Neumann  x08"),
        good.replace("PeterNeumann", ""),
        good.replace("Peter", "Peter+"),
        good.replace("answer", "ans\twer"),
        good.replace("\n\n", "\r\n\r\n"),
        good.replace("AM=", "AN="),
        good.replace("AM=", "AM"),
        many,
    ];
    for note in bad {
        assert!(matches!(Note::parse(&note), Err(NoteError::Malformed(_))), "{note}");
    }
    assert!(peter().sign_note("no newline").is_err());
    assert!(peter().sign_note("tab\t\n").is_err());
}

#[test]
fn keys_in_any_other_form_are_refused() {
    let key = |text: &str| text.parse::<VerifyingKey>();
    assert_eq!(key("PeterNeumann"), Err(KeyError::Form));
    assert_eq!(key("PeterNeumann+c74f20a3"), Err(KeyError::Form));
    assert_eq!(key(&VKEY.replace("c74f20a3", "C74F20A3")), Err(KeyError::Id));
    assert_eq!(key(&VKEY.replace("c74f20a3", "c74f20a4")), Err(KeyError::Id));
    assert_eq!(key(&VKEY.replace("Peter", "Paul")), Err(KeyError::Id));
    assert_eq!(key(&VKEY.replace("+AR", "+BB")), Err(KeyError::Form));
    assert_eq!(key(&format!("{VKEY}=")), Err(KeyError::Form));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{7f}"] {
        assert!(
            matches!(SigningKey::from_seed(name, &[1; 32]), Err(KeyError::Name(_))),
            "{name:?}"
        );
    }
    // The neutral element and its second spelling y = p + 1, and a y that is on no point.
    let mut second = [0xff; 32];
    second[0] = 0xee;
    second[31] = 0x7f;
    let mut one = [0; 32];
    one[0] = 1;
    let mut off = [0; 32];
    off[0] = 2;
    for public in [one, second, off] {
        assert_eq!(VerifyingKey::new("a", &public), Err(KeyError::Point));
    }
}

#[test]
fn a_secret_is_not_in_the_debug_output() {
    let text = format!("{:?}", peter());
    assert!(!text.contains(&SEED[2..]) && text.contains("PeterNeumann"), "{text}");
}

#[test]
fn checkpoints_round_trip_and_are_read_by_tlog_tiles() {
    let (_, log) = sample::bundle("");
    let text = log.checkpoint(sample::SIZE);
    let key = sample::key();
    let opened = Checkpoint::open(key.verifying_key(), &text).unwrap();
    assert_eq!((opened.size, opened.root), (sample::SIZE, log.root(sample::SIZE)));
    let theirs = tlog_tiles::Checkpoint::from_bytes(opened.body().as_bytes()).unwrap();
    assert_eq!(
        (theirs.origin(), theirs.size(), theirs.hash().0),
        (sample::ORIGIN, sample::SIZE, opened.root.0)
    );
}

#[test]
fn a_checkpoint_of_another_log_is_refused_and_extension_lines_are_tolerated() {
    let key = sample::key();
    let root = Hash::of(b"").to_base64();
    let open = |body: &str| Checkpoint::open(key.verifying_key(), &key.sign_note(body).unwrap());
    let origin = sample::ORIGIN;
    assert_eq!(open(&format!("{origin}\n0\n{root}\nextension\n")).unwrap().size, 0);
    assert!(matches!(
        open(&format!("other\n0\n{root}\n")),
        Err(CheckpointError::Origin { .. })
    ));
    let other = Checkpoint {
        origin: "other".to_owned(),
        size: 0,
        root: Hash::of(b""),
    };
    assert!(matches!(other.sign(&key), Err(CheckpointError::Origin { .. })));
    for body in [
        format!("{origin}\n0\n"),
        format!("{origin}\n00\n{root}\n"),
        format!("{origin}\n+1\n{root}\n"),
        format!("{origin}\n\u{663}\n{root}\n"),
        format!("{origin}\n18446744073709551616\n{root}\n"),
        format!("{origin}\n0\n{root}=\n"),
        format!("\n0\n{root}\n"),
    ] {
        assert!(matches!(open(&body), Err(CheckpointError::Malformed(_))), "{body}");
    }
}

#[test]
fn proof_files_round_trip_and_prove_only_their_leaf() {
    let (_, log) = sample::bundle("");
    let (text, key) = (log.proof(7, 17), sample::key());
    let file = ProofFile::parse(&text).unwrap();
    assert_eq!(file.to_text(), text);
    let vkey = key.verifying_key();
    let leaf = log.leaves.get(7).unwrap();
    assert_eq!(file.verify(vkey, leaf).unwrap().size, 17);
    assert!(file.verify(vkey, log.leaves.get(8).unwrap()).is_err());
    assert!(
        ProofFile {
            index: 8,
            ..file.clone()
        }
        .verify(vkey, leaf)
        .is_err()
    );
    assert!(
        ProofFile {
            index: 17,
            ..file.clone()
        }
        .verify(vkey, leaf)
        .is_err()
    );
    assert_ne!(leaf_hash(leaf), Hash::of(leaf));

    let extra = ProofFile {
        extra: Some(b"more".to_vec()),
        ..file
    };
    assert!(
        extra
            .to_text()
            .starts_with("c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 7\n")
    );
    assert_eq!(ProofFile::parse(&extra.to_text()).unwrap(), extra);

    for bad in [
        text.replace("@v1", "@v2"),
        text.replace("index 7", "index 07"),
        text.replace("index 7", "index -7"),
        text.replace("index 7", "index  7"),
        text.replace("index 7\n", ""),
        text.replace("index 7\n", "index 7\nx\n"),
        text.replace("\n\n", "\n"),
        text.replace(
            "index 7\n",
            &format!(
                "index 7\n{}",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".repeat(65)
            ),
        ),
    ] {
        assert!(ProofFile::parse(&bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signatures_are_those_of_the_signed_note_crate(seed in any::<[u8; 32]>(), text in "[ -~\n\u{e9}\u{1f600}]{0,40}") {
        let key = SigningKey::from_seed("example.com/foo", &seed).unwrap();
        let theirs = signed_note::StandardVerifier::new(&key.verifying_key().to_string()).unwrap();
        let text = format!("{text}\n");
        let line = key.signature_line(&text);
        let signature = signed_note::Signature::from_bytes(line.trim_end().as_bytes()).unwrap();
        prop_assert_eq!(signature.id().to_be_bytes(), key.verifying_key().id());
        prop_assert!(theirs.verify(text.as_bytes(), signature.signature()));
        let note = key.sign_note(&text).unwrap();
        let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        prop_assert_eq!(read.text(), text.as_bytes());
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = (Note::parse(&text), ProofFile::parse(&text), Checkpoint::parse_body(&text), text.parse::<VerifyingKey>());
    }
}
