//! What the documents say is tried: policies load, commands run, JSON parses, links lead somewhere.
//!
//! Marks in the first line of a fenced block:
//!
//! - `yaml policy`: the document loads and its tests hold. Blocks with one `bundle=NAME` in one file are loaded
//!   together; a block with `wrong=CODE` must be refused with that code.
//! - `sh run`: carried out by bash, all blocks of a file one after the other, in a folder of their own, with the
//!   binary at hand.
//! - `file=NAME`: written to that folder before the commands that follow.
//! - `json`: parses.
//!
//! In commands `$PORT` is a free port and `$DATABASE_URL` an empty PostgreSQL database.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_policy::{Severity, Snapshot};
use countersign_testkit_postgres::Postgres;

/// Longest line of a document, in characters; rows of tables cannot be broken.
const LONGEST_LINE: usize = 130;
/// Longest time that the commands of one document may take.
const TIME_S: &str = "300";

/// A Markdown file of this repository.
struct Document {
    /// Relative to the root.
    name: String,
    text: String,
}

/// A fenced block.
struct Block<'a> {
    /// Where it begins, from 1.
    line: usize,
    /// The words behind the fence.
    marks: Vec<&'a str>,
    text: String,
}

impl Block<'_> {
    fn has(&self, mark: &str) -> bool {
        self.marks.contains(&mark)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.marks
            .iter()
            .find_map(|mark| mark.strip_prefix(name)?.strip_prefix('='))
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

fn documents() -> Vec<Document> {
    let root = root();
    let mut paths: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the root can be read")
        .flatten()
        .map(|e| e.path())
        .collect();
    paths.retain(|path| path.is_file());
    gather(&root.join("docs"), &mut paths);
    gather(&root.join("examples"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let read = |path: &PathBuf| Document {
        name: path
            .strip_prefix(&root)
            .expect("it is below the root")
            .display()
            .to_string(),
        text: fs::read_to_string(path).expect("a document can be read"),
    };
    paths.iter().map(read).collect()
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, paths)
        } else {
            paths.push(path)
        }
    }
}

impl Document {
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut open: Option<usize> = None;
        for (at, line) in self.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            match (open, line.trim_start().strip_prefix("```")) {
                (None, Some(marks)) => {
                    open = Some(indent);
                    blocks.push(Block {
                        line: at + 1,
                        marks: marks.split_whitespace().collect(),
                        text: String::new(),
                    });
                }
                (Some(_), Some("")) => open = None,
                (Some(indent), _) => {
                    let block = blocks.last_mut().expect("an open block");
                    block.text.push_str(line.get(indent..).unwrap_or(line.trim_start()));
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fenced block has no end", self.name);
        blocks
    }

    /// The text outside of fenced blocks, with the number of each line.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        self.text.lines().enumerate().filter_map(move |(at, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            (!inside && !fence).then_some((at + 1, line))
        })
    }
}

#[test]
fn every_policy_in_the_documents_loads_and_its_tests_hold() {
    let mut count = 0;
    for document in documents() {
        let mut bundles: BTreeMap<String, Vec<(String, Vec<u8>)>> = BTreeMap::new();
        for block in document.blocks().into_iter().filter(|block| block.has("policy")) {
            count += 1;
            let name = format!("{}-line-{}.yaml", document.name, block.line);
            let bundle = block.value("bundle").map_or_else(|| name.clone(), str::to_owned);
            match block.value("wrong") {
                Some(code) => must_be_refused(&name, &block.text, code),
                None => bundles.entry(bundle).or_default().push((name, block.text.into_bytes())),
            }
        }
        for files in bundles.values() {
            must_load(files);
        }
    }
    assert!(count > 0, "no document shows a policy");
}

#[test]
fn every_example_and_the_starter_load_and_their_tests_hold() {
    let mut folders = vec![root().join("crates/cli/starter")];
    for entry in fs::read_dir(root().join("examples"))
        .expect("there are examples")
        .flatten()
    {
        folders.push(entry.path().join("policies"));
    }
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        let mut paths = Vec::new();
        gather(&folder, &mut paths);
        let read = |path: PathBuf| {
            (
                path.display().to_string(),
                fs::read(&path).expect("a policy can be read"),
            )
        };
        must_load(&paths.into_iter().map(read).collect::<Vec<_>>());
    }
}

fn must_load(files: &[(String, Vec<u8>)]) {
    let snapshot = match Snapshot::load(files) {
        Ok((snapshot, _)) => snapshot,
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            let text = |p: &countersign_policy::Problem| {
                format!("{}: its line {}: {} ({})", p.file, p.line, p.message, p.code)
            };
            panic!("{}", errors.map(text).collect::<Vec<_>>().join("\n"));
        }
    };
    let failed: Vec<String> = snapshot
        .run_tests()
        .iter()
        .filter(|test| !test.passed())
        .map(|test| format!("{}: `{}`: {}", test.file, test.name, test.failures.join("; ")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn must_be_refused(name: &str, text: &str, code: &str) {
    match Snapshot::load(&[(name.to_owned(), text.as_bytes().to_vec())]) {
        Ok(_) => panic!("{name} loads, and is said to be refused with `{code}`"),
        Err(problems) => {
            let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
            assert!(
                codes.contains(&code),
                "{name} is refused with {codes:?} instead of `{code}`"
            );
        }
    }
}

#[test]
fn every_json_in_the_documents_parses() {
    for document in documents() {
        for block in document.blocks().iter().filter(|block| block.has("json")) {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&block.text) {
                panic!("{}, line {}: {error}", document.name, block.line);
            }
        }
    }
}

#[test]
fn the_commands_in_the_documents_work_as_they_stand() {
    let mut tried = Vec::new();
    for document in documents() {
        if document
            .blocks()
            .iter()
            .any(|block| block.has("sh") && block.has("run"))
        {
            carry_out(&document);
            tried.push(document.name);
        }
    }
    for wanted in ["README.md", "docs/authoring.md", "examples/procurement/README.md"] {
        let found = tried.iter().any(|name| name == wanted);
        assert!(found, "{wanted} shows no commands: {tried:?}");
    }
}

/// Runs the commands of one document in a folder of its own.
fn carry_out(document: &Document) {
    let name: String = document
        .name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    let folder = std::env::temp_dir().join(format!("countersign-docs-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the commands");
    // What runs in the background ends with the commands, however they end.
    let mut script = String::from("set -euo pipefail\ntrap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT\n");
    for block in document.blocks() {
        if let Some(file) = block.value("file") {
            assert!(
                !file.contains(['/', '\'']),
                "{}: `{file}` is a plain name",
                document.name
            );
            let _ = write!(
                script,
                "cat > '{file}' <<'END-OF-THE-BLOCK'\n{}END-OF-THE-BLOCK\n",
                block.text
            );
        }
        if block.has("sh") && block.has("run") {
            let _ = writeln!(
                script,
                "echo '# {} line {}' >&2\n{}",
                document.name, block.line, block.text
            );
        }
    }
    let script_file = folder.join("commands.sh");
    fs::write(&script_file, &script).expect("the commands can be written");
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign"))
        .parent()
        .expect("the binary lies in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", TIME_S, "bash"])
        .arg(&script_file)
        .current_dir(&folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("COUNTERSIGN_SIGNER_STATE", folder.join("signer"))
        .env("PORT", free_port().to_string());
    if blocks_name_a_database(document) {
        command.env("DATABASE_URL", Postgres::shared().database());
    }
    let output = command.output().expect("bash runs");
    assert!(
        output.status.success(),
        "the commands of {} end with {}\n--- output\n{}\n--- errors\n{}\n--- they are kept in {}",
        document.name,
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        folder.display(),
    );
    // A folder that stays behind is no failure of what was tried.
    let _ = fs::remove_dir_all(&folder);
}

/// Whether a document has commands for a database of one's own: `$DATABASE_URL` in them is an empty one.
fn blocks_name_a_database(document: &Document) -> bool {
    document.text.contains("$DATABASE_URL")
}

/// A port that is free, and the next one with it: below those that the system gives out by itself, so that nobody else gets
/// one of the two in between.
fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = std::iter::repeat_with(|| {
        let number = std::process::id().wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % 5000;
        20_000 + 2 * u16::try_from(number).expect("it is below 5,000")
    });
    let port = ports.by_ref().take(5000).find(|port| free(*port) && free(port + 1));
    port.expect("two ports side by side are free")
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let root = root();
    let all = documents();
    let anchors: BTreeMap<&str, BTreeSet<String>> = all
        .iter()
        .map(|document| (document.name.as_str(), anchors(document)))
        .collect();
    for document in &all {
        for (line, target) in links(document) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target
                .split_once('#')
                .map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let folder = root.join(&document.name).parent().expect("a folder").to_path_buf();
            let found = if path.is_empty() {
                root.join(&document.name)
            } else {
                folder.join(path)
            };
            let found = found.canonicalize();
            let place = format!("{}, line {line}: `{target}`", document.name);
            let found = found.unwrap_or_else(|_| panic!("{place} is not there"));
            if let Some(anchor) = anchor.filter(|_| found.extension().is_some_and(|extension| extension == "md")) {
                let name = found.strip_prefix(&root).expect("below the root").display().to_string();
                assert!(
                    anchors[name.as_str()].contains(anchor),
                    "{place}: no heading is called that"
                );
            }
        }
    }
}

/// Targets of `[…](…)`, of images, and of `src="…"`.
fn links(document: &Document) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in document.prose() {
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for part in text.split(open).skip(1) {
                if let Some((target, _)) = part.split_once(close) {
                    found.push((line, target));
                }
            }
        }
    }
    found
}

/// Headings as GitHub names them in addresses.
fn anchors(document: &Document) -> BTreeSet<String> {
    let headings = document
        .prose()
        .filter_map(|(_, line)| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|text| {
            text.to_lowercase()
                .chars()
                .filter(kept)
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn every_file_and_test_that_the_documents_name_exists() {
    let root = root();
    let mut sources = Vec::new();
    gather(&root.join("crates"), &mut sources);
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let code: String = sources
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source can be read"))
        .collect();
    for document in documents() {
        for (line, text) in document.prose() {
            // What stands between backticks is every second part.
            for word in text.split('`').skip(1).step_by(2) {
                let place = format!("{}, line {line}: `{word}`", document.name);
                if word.contains('/')
                    && (word.ends_with(".rs") || word.ends_with(".yaml"))
                    && !word.contains(['*', '<'])
                {
                    let there = root.join(word).exists() || root.join("crates").join(word).exists();
                    assert!(there, "{place} is not there");
                }
                let sentence = !word.starts_with("countersign_")
                    && word.split('_').count() > 4
                    && word
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                assert!(
                    !sentence || code.contains(&format!("fn {word}(")),
                    "{place} is not a test"
                );
            }
        }
    }
}

#[test]
fn lines_of_documents_fit_a_window() {
    for document in documents() {
        for (at, line) in document
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.starts_with('|'))
        {
            let length = line.chars().count();
            assert!(
                length <= LONGEST_LINE,
                "{}, line {}: {length} characters",
                document.name,
                at + 1
            );
        }
    }
}

#[test]
fn the_licence_is_complete() {
    let text = fs::read_to_string(root().join("LICENSE")).expect("there is a licence");
    assert!(text.contains("Apache License") && text.contains("END OF TERMS AND CONDITIONS"));
}
