//! Runs `verify.py` beside the Rust verifier, on the same files, in one Python process.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of this")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign_tlog::{VERIFY_PY, bundle};
use serde_json::{Value, json};

use crate::sample::{Bundle, key};

/// Runs in one Python process: line by line, applies a change to the sample bundle and prints the verdict.
const DRIVER: &str = r#"
import functools, json, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import verify
verify.ed25519 = functools.lru_cache(None)(verify.ed25519)   # the same few signatures, thousands of times
def hexed(files): return {name: bytes.fromhex(text) for name, text in files.items()}
base = None
for line in sys.stdin:
    case = json.loads(line)
    try:
        if "base" in case:
            base = hexed(case["base"])
        elif "record" in case:
            verify.parse_record(bytes.fromhex(case["record"]))
        elif "number" in case:
            print(verify.es6(__import__("struct").unpack(">d", bytes.fromhex(case["number"]))[0]))
            continue
        else:
            files = {name: data for name, data in base.items() if name not in case["drop"]}
            files.update(hexed(case["set"]))
            older = bytes.fromhex(case["older"]) if "older" in case else None
            verify.verify(case["vkey"], list(files), files.__getitem__, older, case["witnesses"])
        print("accepted")
    except verify.Bad as error:
        print("refused " + str(error).encode("unicode_escape").decode())
    except Exception as error:
        print("refused " + type(error).__name__)
"#;

/// A folder of its own under the target's, removed when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn with(name: &str, files: &Bundle) -> Folder {
        let folder = Folder::new(name);
        for (name, bytes) in files {
            let path = folder.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Gives `verify.py` each case, and its answers line by line.
pub fn python(name: &str, cases: &[Value]) -> Vec<String> {
    let folder = Folder::with(name, &Bundle::from([("verify.py".to_owned(), VERIFY_PY.into())]));
    let mut child = Command::new("python3")
        .args(["-c", DRIVER])
        .arg(&folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test needs `python3` on the path");
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(answers.len(), cases.len(), "python stopped early");
    answers
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn vkey() -> String {
    key().verifying_key().to_string()
}

/// A changed bundle: what was done, the files, the older checkpoint, whether it must still hold.
pub struct Case {
    pub label: String,
    pub files: Bundle,
    pub vkey: String,
    pub older: Option<String>,
    pub witnesses: Vec<String>,
    pub holds: bool,
    /// Stands in both messages.
    pub says: &'static str,
}

impl Case {
    pub fn new(label: impl Into<String>, files: Bundle, holds: bool) -> Case {
        Case {
            label: label.into(),
            files,
            vkey: vkey(),
            older: None,
            witnesses: Vec::new(),
            holds,
            says: "",
        }
    }

    pub fn older(mut self, checkpoint: String) -> Case {
        self.older = Some(checkpoint);
        self
    }

    pub fn witness(mut self, vkey: impl ToString) -> Case {
        self.witnesses.push(vkey.to_string());
        self
    }

    pub fn says(mut self, says: &'static str) -> Case {
        self.says = says;
        self
    }

    fn json(&self, base: &Bundle) -> Value {
        let changed = self
            .files
            .iter()
            .filter(|(name, bytes)| base.get(*name) != Some(*bytes));
        let set: serde_json::Map<_, _> = changed.map(|(name, bytes)| (name.clone(), json!(hex(bytes)))).collect();
        let drop: Vec<_> = base.keys().filter(|name| !self.files.contains_key(*name)).collect();
        let mut case = json!({"set": set, "drop": drop, "vkey": self.vkey, "witnesses": self.witnesses});
        if let Some(older) = &self.older {
            case["older"] = json!(hex(older.as_bytes()));
        }
        case
    }
}

/// Runs both verifiers over all cases.
pub fn compare(name: &str, base: &Bundle, cases: &[Case]) {
    let base_files: serde_json::Map<_, _> = base
        .iter()
        .map(|(name, bytes)| (name.clone(), json!(hex(bytes))))
        .collect();
    let mut lines = vec![json!({"base": base_files})];
    lines.extend(cases.iter().map(|case| case.json(base)));
    let answers = python(name, &lines);
    for (case, python) in cases.iter().zip(&answers[1..]) {
        // A slip in the script would look like a refusal.
        assert!(!python.contains("is not defined"), "{python}");
        let witnesses: Vec<&str> = case.witnesses.iter().map(String::as_str).collect();
        let rust = bundle::verify_witnessed(&case.vkey, &case.files, case.older.as_deref(), &witnesses);
        assert_eq!(rust.is_ok(), case.holds, "rust on {}: {rust:?}", case.label);
        assert_eq!(python == "accepted", case.holds, "python on {}: {python}", case.label);
        let message = rust.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message.contains(case.says) && python.contains(case.says),
            "{}: {message}; {python}",
            case.label
        );
    }
}
