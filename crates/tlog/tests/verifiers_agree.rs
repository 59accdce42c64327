//! The Rust verifier and `verify.py` give the same verdict: on the original, and on everything that was tampered with.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

mod sample;
mod twin;

use std::process::{Command, Output};

use countersign_tlog::bundle;
use sample::{Bundle, Log, Numbers, SIZE};
use twin::{Case, Folder, compare, vkey};

#[test]
fn both_accept_the_original_and_refuse_each_single_changed_byte() {
    let (base, _) = sample::bundle("");
    let mut numbers = Numbers(1);
    let mut cases = vec![Case::new("the original", base.clone(), true)];
    let covered: Vec<_> = base
        .keys()
        .filter(|name| !["README.md", "verify.py"].contains(&name.as_str()))
        .collect();
    let mut flip = |name: &str, at: usize, numbers: &mut Numbers| {
        let mut files = base.clone();
        let mask = if numbers.below(4) == 0 {
            0x20
        } else {
            u8::try_from(1 + numbers.below(255)).unwrap()
        };
        files.get_mut(name).unwrap()[at] ^= mask;
        cases.push(Case::new(format!("`{name}` byte {at} xor {mask:#04x}"), files, false));
    };
    for name in &covered {
        let length = base[*name].len();
        let (first, last) = (0, length - 1);
        for at in [first, last]
            .into_iter()
            .chain((0..14).map(|_| numbers.below(length)).collect::<Vec<_>>())
        {
            flip(name, at, &mut numbers);
        }
    }
    for _ in 0..2_400 {
        let name = covered[numbers.below(covered.len())];
        let at = numbers.below(base[name].len());
        flip(name, at, &mut numbers);
    }
    assert!(cases.len() > 2_500, "{}", cases.len());
    compare("flips", &base, &cases);
}

#[test]
fn both_say_that_nothing_covers_the_readme_and_the_verifier() {
    let (mut files, _) = sample::bundle("");
    files.insert("README.md".to_owned(), b"trust me".to_vec());
    let report = bundle::verify(&vkey(), &files, None).unwrap();
    assert!(
        report.not_covered.iter().any(|line| line.starts_with("README.md")),
        "{report:?}"
    );
    assert!(
        report.not_covered.iter().any(|line| line.starts_with("verify.py")),
        "{report:?}"
    );
    let (base, _) = sample::bundle("");
    compare("readme", &base, &[Case::new("another README.md", files, true)]);
}

/// Replaces entries and lines by those of other leaves, under the old checkpoint.
fn with_leaves(base: &Bundle, leaves: Vec<Vec<u8>>) -> Bundle {
    let log = Log { leaves };
    let mut files = base.clone();
    files.insert("entries".to_owned(), log.entries());
    files.insert("records.jsonl".to_owned(), log.lines());
    files
}

#[test]
fn both_refuse_dropped_inserted_and_swapped_records() {
    let (base, log) = sample::bundle("");
    let mut cases = Vec::new();
    for at in 0..log.leaves.len() {
        let mut dropped = log.leaves.clone();
        dropped.remove(at);
        cases.push(Case::new(format!("dropped {at}"), with_leaves(&base, dropped), false));
        let mut doubled = log.leaves.clone();
        doubled.insert(at, log.leaves[at].clone());
        cases.push(Case::new(format!("doubled {at}"), with_leaves(&base, doubled), false));
        let mut swapped = log.leaves.clone();
        swapped.swap(at, (at + 1) % log.leaves.len());
        cases.push(Case::new(format!("swapped {at}"), with_leaves(&base, swapped), false));
    }
    let mut files = base.clone();
    files.insert("entries".to_owned(), [&base["entries"][..], &[0, 2], b"{}"].concat());
    cases.push(Case::new("an entry more, only in entries", files, false));
    let mut files = base.clone();
    files.get_mut("records.jsonl").unwrap().extend_from_slice(b"{}\n");
    cases.push(Case::new("a line more, only in records.jsonl", files, false));
    let mut files = base.clone();
    files.get_mut("entries").unwrap().truncate(base["entries"].len() - 1);
    cases.push(Case::new("the last byte cut off", files, false));
    compare("records", &base, &cases);
}

#[test]
fn both_refuse_a_rewritten_and_signed_history_with_an_older_checkpoint_and_only_then() {
    let (base, log) = sample::bundle("");
    let (rewritten, other) = sample::bundle("quietly changed");
    let mut mixed = rewritten.clone();
    mixed.insert("checkpoint.old".to_owned(), base["checkpoint.old"].clone());
    let mut proof = rewritten.clone();
    proof.insert("proofs/7.tlog-proof".to_owned(), base["proofs/7.tlog-proof"].clone());
    let mut cases = vec![
        Case::new("consistent in itself", rewritten.clone(), true),
        Case::new("its own older checkpoint", rewritten.clone(), true).older(other.checkpoint(17)),
        Case::new("a checkpoint before the change", rewritten.clone(), true).older(log.checkpoint(5)),
        Case::new("the empty checkpoint", base.clone(), true).older(log.checkpoint(0)),
        Case::new("an old checkpoint of before", mixed, false).says("history was rewritten"),
        Case::new("a proof of before", proof, false).says("history was rewritten"),
        Case::new("unsigned older checkpoint", base.clone(), false).older(log.checkpoint(9).replace("\n9\n", "\n8\n")),
        Case::new("garbage for an older checkpoint", base.clone(), false).older("?".to_owned()),
    ];
    for size in 0..=SIZE {
        cases.push(Case::new(format!("pinned at {size}"), base.clone(), true).older(log.checkpoint(size)));
        if size > 5 {
            cases.push(
                Case::new(format!("rewritten, pinned at {size}"), rewritten.clone(), false)
                    .older(log.checkpoint(size))
                    .says("history was rewritten"),
            );
        }
    }
    compare("rewritten", &base, &cases);
}

/// A bundle over the first records only, without the files that speak of later ones.
fn shortened(base: &Bundle, log: &Log, size: usize) -> Bundle {
    let mut files = with_leaves(base, log.leaves[..size].to_vec());
    files.insert(
        "checkpoint".to_owned(),
        log.checkpoint(u64::try_from(size).unwrap()).into(),
    );
    files.retain(|name, _| !name.starts_with("proofs/") && !name.ends_with(".old") && !name.ends_with(".txt"));
    files.remove("disclosures.jsonl");
    files
}

#[test]
fn both_agree_on_every_missing_stray_or_misplaced_file() {
    let (base, log) = sample::bundle("");
    let mut cases = Vec::new();
    for name in base.keys() {
        let mut files = base.clone();
        files.remove(name);
        let holds = ["README.md", "verify.py", "disclosures.jsonl"].contains(&name.as_str());
        cases.push(Case::new(format!("without {name}"), files, holds));
    }
    let snapshot = base.keys().find(|name| name.starts_with("snapshots/")).unwrap().clone();
    let other = snapshot.replace("snapshots/", "snapshots/x");
    for stray in [
        "x",
        "entries2",
        "proofs/x.leaf",
        "proofs/01.leaf",
        "proofs/99999999999999999999.leaf",
        "proofs/1.txt",
        "schemas/.json",
        "schemas/x.txt",
        "schemas/a/b.json",
        "schemas/.x.json",
        "snapshots/x.yaml",
        &other,
        "snapshots/aa/x.yaml",
        "Checkpoint",
        "a/README.md",
        "README.md\n",
        "schemas/\u{e9}.json",
        "",
        "/",
        "../entries",
    ] {
        let mut files = base.clone();
        files.insert(stray.to_owned(), b"{}".to_vec());
        cases.push(Case::new(format!("stray {stray}"), files, false));
    }
    for (from, to, holds) in [
        ("proofs/7", "proofs/8", false),
        ("proofs/22", "proofs/23", false),
        ("schemas/vote.cast", "schemas/vote-2", true),
        ("mandates.yaml", "other.yaml", true),
    ] {
        let files = base
            .iter()
            .map(|(name, bytes)| (name.replace(from, to), bytes.clone()))
            .collect();
        cases.push(Case::new(format!("renamed {from}"), files, holds));
    }
    let uncited = countersign_tlog::file_set_hash([b"x: 1\n".as_slice()]);
    let mut files = base.clone();
    files.insert(format!("snapshots/{uncited}/x.yaml"), b"x: 1\n".to_vec());
    cases.push(Case::new("a snapshot that no record cites", files, true));
    let mut files = base.clone();
    files.insert("schemas/more.json".to_owned(), b"{}".to_vec());
    cases.push(Case::new("a schema more", files, false));
    for size in 0..=log.leaves.len() {
        cases.push(Case::new(
            format!("export of {size}"),
            shortened(&base, &log, size),
            size > 0,
        ));
    }
    cases.push(Case::new("later pin", shortened(&base, &log, 20), false).older(log.checkpoint(21)));
    let good = vkey();
    for bad in [
        "",
        "x",
        "x+00000000+AQ==",
        &good.replace("audit/1", "audit/2"),
        &good.replacen("+a", "+b", 1),
        &good[..90],
    ] {
        cases.push(Case {
            vkey: bad.to_owned(),
            ..Case::new("bad vkey", base.clone(), false)
        });
    }
    let stranger = countersign_tlog::SigningKey::from_seed(sample::ORIGIN, &[8; 32]).unwrap();
    cases.push(Case {
        vkey: stranger.verifying_key().to_string(),
        ..Case::new("other key", base.clone(), false)
    });
    let mut files = base.clone();
    files
        .get_mut("checkpoint")
        .unwrap()
        .extend(stranger.signature_line("whatever\n").into_bytes());
    cases.push(Case::new("a signature by a stranger beside ours", files, true));
    compare("files", &base, &cases);
}

#[test]
fn both_refuse_records_that_are_signed_but_out_of_form_or_out_of_place() {
    let (base, log) = sample::bundle("");
    let mut cases = vec![Case::new("signed anew", shortened(&base, &log, log.leaves.len()), true)];
    let cited = base.keys().find_map(|name| name.strip_prefix("snapshots/")).unwrap()[..64].to_owned();
    for (at, from, to, holds) in [
        (6, "\"amount\":\"500.01\"", "\"amount\":\"500.02\"", true),
        (6, "\"seq\":6", "\"seq\":7", false),
        (6, "\"seq\":6", "\"seq\":\"6\"", false),
        (6, "\"seq\":6", "\"seq\":true", false),
        (6, "\"seq\":6,", "", false),
        (1, "\"seq\":1", "\"seq\":true", false),
        (6, "audit/1", "audit/2", false),
        (6, "\"log\"", "\"logs\"", false),
        (6, "\"log\":\"c", "\"log\":\"\\u0063", false),
        (6, "\"amount\":\"500.01\"", "\"amount\":500.01", false),
        (6, "\"amount\":\"500.01\"", "\"amount\":null", false),
        (6, "\"amount\":\"500.01\"", "\"amount\": \"500.01\"", false),
        (6, "\"verified\":true", "\"verified\":true,\"verified\":true", false),
        (6, "\"verified\":true", "\"verified\":false", true),
        (6, "\"snapshot\":\"sha256:", "\"snapshot\":\"sha512:", false),
        (6, "\"snapshot\":\"sha256:", "\"snapshot\":\"sha256:0", false),
        (6, "\"type\"", "\"snapshots\":1,\"type\"", false),
        (2, "\"ts\"", "\"snapshot\":1,\"ts\"", false),
        (2, "\"ts\"", &format!("\"snapshot\":\"sha256:{cited}\",\"ts\""), true),
        (
            2,
            "\"ts\"",
            &format!("\"snapshot\":\"sha256:{}\",\"ts\"", "0".repeat(64)),
            false,
        ),
        (2, "\"ts\"", "\"snapshot\":\"sha256:00\",\"ts\"", false),
        (0, "\"schemas\":\"", "\"schemas\":\"0", false),
        (0, "\"schemas\"", "\"schema\"", false),
        (0, "{\"schemas\"", "[\"schemas\"", false),
    ] {
        let mut leaves = log.leaves.clone();
        let text = String::from_utf8(leaves[at].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        leaves[at] = changed.into_bytes();
        let other = Log { leaves };
        let files = shortened(&base, &other, other.leaves.len());
        cases.push(Case::new(format!("record {at}: {from} -> {to}"), files, holds));
    }
    for (depth, holds) in [(100, true), (102, false)] {
        let mut files = base.clone();
        files.insert(
            "schemas/vote.cast.json".to_owned(),
            [b"[".repeat(depth), b"]".repeat(depth)].concat(),
        );
        let set = |files: &Bundle| {
            let schemas = files.iter().filter(|(name, _)| name.starts_with("schemas/"));
            countersign_tlog::file_set_hash(schemas.map(|(_, bytes)| bytes.as_slice())).to_string()
        };
        let mut leaves = log.leaves.clone();
        leaves[0] = String::from_utf8(leaves[0].clone())
            .unwrap()
            .replace(&set(&base), &set(&files))
            .into_bytes();
        let other = Log { leaves };
        let files = shortened(&files, &other, other.leaves.len());
        cases.push(Case::new(format!("a schema {depth} deep"), files, holds));
    }
    compare("signed", &base, &cases);
}

fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command
        .arg(folder.0.join("verify.py"))
        .arg(vkey())
        .arg(&folder.0)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_script_in_an_export_runs_from_the_command_line() {
    let (base, log) = sample::bundle("");
    let folder = Folder::with("script", &base);
    let output = run(&folder, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.ends_with("OK\n") && text.contains("not covered  verify.py"),
        "{text}"
    );

    let aside = Folder::new("aside");
    let pinned = aside.0.join("pinned");
    std::fs::write(&pinned, log.checkpoint(11)).unwrap();
    assert!(run(&folder, &["--older", pinned.to_str().unwrap()]).status.success());
    let (rewritten, _) = sample::bundle("quietly changed");
    let other = Folder::with("script-rewritten", &rewritten);
    assert!(run(&other, &[]).status.success());
    let output = run(&other, &["--older", pinned.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("history was rewritten") && text.lines().count() == 1,
        "{text}"
    );
}
