//! Verification of an export of many records: `records COUNT` verifies one that is written
//! for that and removed, `records COUNT FOLDER` writes one for `verify.py`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use countersign_tlog::bundle::{Files, entries_frame, verify};
use countersign_tlog::{Checkpoint, Edge, SigningKey, VERIFY_PY, file_set_hash, leaf_hash};

const ORIGIN: &str = "bench.example/t/0/audit/1";
const SCHEMA: &str = "{\"title\":\"decision.made\"}\n";
const SCHEMA_FILE: &str = "schemas/decision.made.json";

/// A record like those that a decision leaves, about 900 bytes.
fn leaf(seq: u64) -> Vec<u8> {
    let head = r#"{"actor":{"auth":"key:k3ZQ9xWp","id":"customer_support","kind":"agent","verified":true},"data":"#;
    let data = if seq == 0 {
        format!(r#"{{"schemas":"{}"}}"#, file_set_hash([SCHEMA.as_bytes()]))
    } else {
        format!(
            concat!(
                r#"{{"action":"update","action_id":"act_{seq:032x}","agent":"customer_support","decision":"allow","#,
                r#""digest":"{digest}","facts":{{"agent":{{"identity":"verified","owner":"team:support"}},"standing":"active"}},"#,
                r#""permit":{{"audience":"tool-07","expires":"2026-11-21T01:11:14.000123Z","id":"prm_{seq:032x}","use":"redeem"}},"#,
                r#""reasons":[{{"code":"rule","column":3,"decision":"allow","document":"gate-07","line":5,"message":"allows it","rule":"1"}}],"#,
                r#""salt":"b17e7d8ac141ab364602c1110d0e51c5","status":"permitted"}}"#,
            ),
            seq = seq,
            digest = leaf_hash(&seq.to_be_bytes()),
        )
    };
    format!(
        concat!(
            r#"{}{},"log":"{}","payload":{{"$commit":"f3a1b3db8185d9d8a1cf2320204b99cd31da022809f714b57c28eec974653667","class":"default","size":212}},"#,
            r#""prov":"reported","seq":{},"ts":"2026-11-21T01:06:14.000123Z","type":"decision.made","v":1}}"#,
        ),
        head, data, ORIGIN, seq
    )
    .into_bytes()
}

/// A bundle in a folder, read a part at a time, as the command line does.
struct Folder(PathBuf);

impl Files for Folder {
    fn names(&self) -> Vec<String> {
        ["checkpoint", "entries", "records.jsonl", SCHEMA_FILE].map(str::to_owned).into()
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, String> {
        std::fs::read(self.0.join(name)).map(Cow::Owned).map_err(|error| error.to_string())
    }

    fn part(&self, name: &str, at: u64, most: usize) -> Result<Cow<'_, [u8]>, String> {
        let read = || {
            let mut file = File::open(self.0.join(name))?;
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::with_capacity(most);
            file.take(most as u64).read_to_end(&mut bytes)?;
            Ok(Cow::Owned(bytes))
        };
        read().map_err(|error: std::io::Error| error.to_string())
    }
}

/// Writes the bundle; gives the verifying key.
fn write(folder: &Path, count: u64) -> String {
    std::fs::create_dir_all(folder.join("schemas")).expect("a folder");
    let create = |name: &str| BufWriter::new(File::create(folder.join(name)).expect("a file"));
    let (mut edge, mut entries, mut lines) = (Edge::new(), create("entries"), create("records.jsonl"));
    let mut frame = Vec::new();
    for seq in 0..count {
        let leaf = leaf(seq);
        edge.push(leaf_hash(&leaf));
        frame.clear();
        entries_frame(&leaf, &mut frame).expect("a leaf of ordinary size");
        entries.write_all(&frame).expect("written");
        lines.write_all(&leaf).and_then(|()| lines.write_all(b"\n")).expect("written");
    }
    entries.flush().and_then(|()| lines.flush()).expect("written");
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).expect("a key");
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: count,
        root: edge.root(),
    };
    let checkpoint = checkpoint.sign(&key).expect("signed");
    std::fs::write(folder.join("checkpoint"), checkpoint).expect("written");
    std::fs::write(folder.join(SCHEMA_FILE), SCHEMA).expect("written");
    key.verifying_key().to_string()
}

/// The most memory that this process had, KiB: what Linux says.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let count: u64 = args
        .next()
        .and_then(|text| text.parse().ok())
        .expect("usage: records COUNT [FOLDER]");
    let kept = args.next().map(PathBuf::from);
    let folder = kept.clone().unwrap_or_else(|| {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        target.join(format!("bench-records-{}", std::process::id()))
    });
    let vkey = write(&folder, count);
    let size = std::fs::metadata(folder.join("entries")).expect("it was written").len();
    println!("bytes {size}");
    println!("vkey {vkey}");
    if kept.is_some() {
        std::fs::write(folder.join("verify.py"), VERIFY_PY).expect("written");
        std::fs::write(folder.join("README.md"), "# written by bench/\n").expect("written");
        return;
    }
    let begin = Instant::now();
    let verdict = verify(&vkey, &Folder(folder.clone()), None);
    let took = begin.elapsed().as_millis();
    std::fs::remove_dir_all(&folder).expect("removed");
    let report = verdict.unwrap_or_else(|error| panic!("{error}"));
    println!("verified {} {took} with at most {}", report.size, peak());
}
