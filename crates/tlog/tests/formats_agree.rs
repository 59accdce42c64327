//! The Rust verifier and `verify.py` read the same formats: checkpoints, keys, proofs, disclosures, canonical records.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

mod sample;
mod twin;

use countersign_tlog::canonical::push_number;
use countersign_tlog::{Hash, canonical_json, is_canonical_record};
use sample::{Numbers, SIZE, key};
use serde_json::json;
use twin::{Case, compare, hex, python, vkey};

#[test]
fn both_agree_on_what_a_checkpoint_and_a_key_are() {
    let (base, log) = sample::bundle("");
    let (origin, root, key) = (sample::ORIGIN, log.root(9).to_base64(), key());
    let pinned = |text: String, holds| Case::new(format!("{text:?}"), base.clone(), holds).older(text);
    let mut cases = Vec::new();
    for (body, holds) in [
        (format!("{origin}\n9\n{root}\n"), true),
        (format!("{origin}\n9\n{root}\nan extension\nanother \u{1f600}\n"), true),
        (format!("{origin}\n9\n{root}\n\nafter a blank line\n"), false),
        (format!("{origin}\n09\n{root}\n"), false),
        (format!("{origin}\n+9\n{root}\n"), false),
        (format!("{origin}\n\u{669}\n{root}\n"), false),
        (format!("{origin}\n9 \n{root}\n"), false),
        (format!("{origin}\n18446744073709551615\n{root}\n"), false),
        (format!("{origin}\n18446744073709551616\n{root}\n"), false),
        (format!("{origin}\n9\n{root}AAAA\n"), false),
        (format!("{origin}\n9\n{}\n", root.trim_end_matches('=')), false),
        (format!("{origin}\n9\n{}\n", Hash::of(b"").to_base64()), false),
        (format!("{origin}/\n9\n{root}\n"), false),
        (format!("{origin}\n9\n"), false),
        ("\n".to_owned(), false),
    ] {
        cases.push(pinned(key.sign_note(&body).unwrap(), holds));
    }
    let good = log.checkpoint(9);
    let line = &good[good.find('\u{2014}').unwrap()..];
    let name = |name: &str| good.clone() + "\u{2014} " + name + " AAAAAAA=\n";
    for (text, holds) in [
        (good.clone() + line, true),
        (good.clone() + &line.repeat(99), true),
        (good.clone() + &line.repeat(100), false),
        (name("other"), true),
        (name(origin), true),
        (name("other+more"), false),
        (name("other\u{2003}more"), false),
        (name("other\u{85}more"), false),
        (name("other\u{7f}"), false),
        (name(""), false),
        (good.clone() + "\u{2014} other AAAA\n", false),
        (good.clone() + "\u{2014} other AAAAAA==\n", false),
        (good.clone() + "\u{2014} other AAAAAAB=\n", false),
        (good.clone() + "\u{2014} other AAAAAAA= \n", false),
        (good.clone() + "\n", false),
        (good.trim_end().to_owned(), false),
        (good.replace('\n', "\r\n"), false),
        (good[..good.find('\u{2014}').unwrap()].to_owned(), false),
    ] {
        cases.push(pinned(text, holds));
    }
    let mut second = [0xff; 33];
    (second[0], second[1], second[32]) = (1, 0xee, 0x7f);
    let mut negative_zero = [0; 33];
    (negative_zero[0], negative_zero[1], negative_zero[32]) = (1, 1, 0x80);
    let mut one = [0; 33];
    (one[0], one[1]) = (1, 1);
    for public in [second, negative_zero, one, [1; 33]] {
        let id = &Hash::of(&[b"x\n".as_slice(), &public].concat()).to_string()[..8];
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, public);
        cases.push(Case {
            vkey: format!("x+{id}+{text}"),
            ..Case::new("a key unfit for trust", base.clone(), false)
        });
    }
    cases.push(Case {
        vkey: vkey() + "\n",
        ..Case::new("a key with its newline", base.clone(), true)
    });
    compare("checkpoints", &base, &cases);
}

#[test]
fn both_agree_on_proofs_that_are_too_long_or_too_short() {
    let (base, log) = sample::bundle("");
    let more = Hash::of(b"more").to_base64() + "\n";
    let mut cases = Vec::new();
    for old in 0..=SIZE {
        let mut files = base.clone();
        files.insert("checkpoint.old".to_owned(), log.checkpoint(old).into());
        let proof = log.consistency(old, SIZE);
        let mut case = |label: &str, proof: &str, holds| {
            let mut files = files.clone();
            files.insert("consistency.txt".to_owned(), proof.into());
            cases.push(Case::new(format!("consistency of {old}, {label}"), files, holds));
        };
        case("as it is", &proof, true);
        case("with a hash after it", &(proof.clone() + &more), false);
        case("with a hash before it", &(more.clone() + &proof), false);
        case("with a blank line", &(proof.clone() + "\n"), false);
        if let Some((first, rest)) = proof.split_once('\n') {
            case("without the first hash", rest, false);
            case("without the last hash", &proof[..proof.len() - first.len() - 1], false);
        }
    }
    for index in 0..SIZE {
        let text = log.proof(index, SIZE);
        let head = format!("index {index}\n");
        let (start, hashes) = text.split_once(&head).unwrap();
        let mut case = |label: &str, text: String, holds| {
            let mut files = base.clone();
            files.insert(format!("proofs/{index}.tlog-proof"), text.into());
            files.insert(
                format!("proofs/{index}.leaf"),
                log.leaves[usize::try_from(index).unwrap()].clone(),
            );
            cases.push(Case::new(format!("proof of {index}, {label}"), files, holds));
        };
        case("as it is", text.clone(), true);
        case(
            "with a hash before it",
            text.replace(&head, &(head.clone() + &more)),
            false,
        );
        case(
            "with a hash after it",
            text.replacen("\n\n", &format!("\n{more}\n"), 1),
            false,
        );
        case(
            "without the first hash",
            format!("{start}{head}{}", hashes.split_once('\n').unwrap().1),
            false,
        );
        case(
            "with an extra line",
            text.replace(&head, &format!("extra AA==\n{head}")),
            false,
        );
        case(
            "of the next index",
            text.replace(&head, &format!("index {}\n", index + 1)),
            false,
        );
    }
    compare("proofs", &base, &cases);
}

#[test]
fn both_agree_on_disclosures() {
    let (base, _) = sample::bundle("");
    let good = String::from_utf8(base["disclosures.jsonl"].clone()).unwrap();
    let mut cases = Vec::new();
    let mut case = |label: &str, text: String, holds| {
        let mut files = base.clone();
        files.insert("disclosures.jsonl".to_owned(), text.into_bytes());
        cases.push(Case::new(label, files, holds));
    };
    case("none", String::new(), true);
    case("blank", "\n".to_owned(), false);
    case(
        "one twice",
        good.clone() + good.split_inclusive('\n').next().unwrap(),
        true,
    );
    case("no newline", good.trim_end().to_owned(), false);
    for (from, to) in [
        ("Müller", "Mueller"),
        ("\"index\":4", "\"index\":5"),
        ("\"index\":4", "\"index\":4.0"),
        ("\"index\":4", "\"index\":-4"),
        // Python counts negative indices from the end: this would be record 4.
        ("\"index\":4", "\"index\":-19"),
        ("\"index\":4", "\"index\":999"),
        ("\"index\":4", "\"index\":true"),
        ("data.subject", "data.note"),
        ("data.subject", "data"),
        ("data.subject", ""),
        ("data.subject", "data..subject"),
        ("data.parts.1", "data.parts.01"),
        ("data.parts.1", "data.parts.0"),
        ("data.parts.1", "data.parts.-1"),
        ("data.parts.1", "data.parts.9"),
        ("data.parts.1", "data.amount.1"),
        ("0404", "0405"),
        ("0e0e", "0E0E"),
        ("{\"index\":4", "{ \"index\":4"),
        ("{\"index\":4", "{\"extra\":1,\"index\":4"),
        ("{\"index\":4", "{\"index\":4,\"index\":4"),
        ("333333333.3333333", "333333333.33333330"),
        ("333333333.3333333", "3.333333333333333e8"),
        ("333333333.3333333", "333333333.3333334"),
        ("333333333.3333333", "1e999"),
        ("333333333.3333333", "NaN"),
        ("333333333.3333333", "9007199254740993"),
        ("1e+21", "1000000000000000000000"),
        ("null", "nul"),
        ("\"salt\"", "\"Salt\""),
        ("\"value\":\"", "\"value\":\"\\ud800"),
        ("\"value\":\"Ł", "\"value\":\"\\u0141"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        case(&format!("{from} -> {to}"), text, false);
    }
    compare("disclosures", &base, &cases);
}

#[test]
fn both_agree_on_numbers_and_on_what_a_canonical_record_is() {
    let mut numbers = Numbers(2);
    let mut doubles: Vec<u64> = (0..3_000)
        .map(|_| numbers.next())
        .filter(|bits| f64::from_bits(*bits).is_finite())
        .collect();
    for power in -30_i32..30 {
        let text = format!("1e{power}").parse::<f64>().unwrap().to_bits();
        doubles.extend([text - 1, text, text + 1, text | 1 << 63]);
    }
    doubles.extend(
        (0..1_000)
            .map(|_| numbers.next() >> 40)
            .map(|n| f64::from(u32::try_from(n).unwrap()).to_bits()),
    );
    let cases: Vec<_> = doubles
        .iter()
        .map(|bits| json!({"number": format!("{bits:016x}")}))
        .collect();
    for (bits, python) in doubles.iter().zip(python("numbers", &cases)) {
        let mut ours = Vec::new();
        push_number(&mut ours, f64::from_bits(*bits)).unwrap();
        assert_eq!(String::from_utf8(ours).unwrap(), python, "{bits:016x}");
    }

    let (_, log) = sample::bundle("");
    let mut records: Vec<Vec<u8>> = Vec::new();
    let alphabet = b"{}[]\",:\\unrt0123-.eE abAf_$\x00\x0a\x1f\x7f\xc3\xa9\xff";
    for leaf in &log.leaves {
        records.push(leaf.clone());
        for _ in 0..120 {
            let mut changed = leaf.clone();
            let at = numbers.below(changed.len());
            let byte = alphabet[numbers.below(alphabet.len())];
            match numbers.below(3) {
                0 => changed[at] = byte,
                1 => changed.insert(at, byte),
                _ => drop(changed.remove(at)),
            }
            records.push(changed);
        }
    }
    for text in [
        "{}",
        "[]",
        "{\"a\":-0}",
        "{\"a\":1e1}",
        "{\"a\":1.5}",
        "{\"a\":null}",
        "{\"a\":NaN}",
        "{\"a\":-Infinity}",
        "{\"a\":9007199254740991}",
        "{\"a\":9007199254740992}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\u001F\"}",
        "{\"a\":\"\\u007f\"}",
    ] {
        records.push(text.into());
    }
    let nested = |depth: usize| [b"{\"a\":".repeat(depth - 1), b"{}".to_vec(), b"}".repeat(depth - 1)].concat();
    records.extend([nested(32), nested(33), nested(5_000 / 3), b"{\"a\":1}\n".to_vec()]);
    records.push(canonical_json(&json!({"a": "x".repeat(16_384 - 8)})).unwrap());
    records.push(canonical_json(&json!({"a": "x".repeat(16_384 - 7)})).unwrap());
    let cases: Vec<_> = records.iter().map(|record| json!({"record": hex(record)})).collect();
    for (record, python) in records.iter().zip(python("canonical", &cases)) {
        let rust = is_canonical_record(record);
        assert_eq!(
            rust.is_ok(),
            python == "accepted",
            "{}: {rust:?}, {python}",
            String::from_utf8_lossy(record)
        );
    }
}
