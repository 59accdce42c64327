//! A copy of the tree that is broken, with its own target folder, so that nothing of the real one is ever touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::run::{Failed, output, root};

/// The copy.
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

/// A program of tests, as it was built.
#[derive(Clone)]
pub struct Program {
    pub path: PathBuf,
    /// The folder of its package, where it runs.
    pub folder: PathBuf,
    /// Its name, in words for a person.
    pub name: String,
}

/// What the compiler refused, at a line of a file.
pub struct Refused {
    pub file: String,
    pub line: usize,
    pub message: String,
}

impl Tree {
    /// Copies what git knows; files that are the same already keep their time, so that little is compiled again.
    pub fn copy() -> Result<Tree, Failed> {
        let tree = Tree {
            root: root().join("target/mutants/tree"),
            target: root().join("target/mutants/build"),
        };
        let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
        let files: BTreeSet<&str> = listed.lines().collect();
        for file in &files {
            // What is deleted and not yet committed is still listed.
            if root().join(file).is_file() {
                tree.restore(file)?;
            }
        }
        for folder in ["crates", "tests", "xtask"] {
            tree.clean(&tree.root.join(folder), &files)?;
        }
        Ok(tree)
    }

    /// Removes what the copy has and the tree has no more.
    fn clean(&self, folder: &Path, files: &BTreeSet<&str>) -> Result<(), Failed> {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.clean(&path, files)?;
                continue;
            }
            let name = path
                .strip_prefix(&self.root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if path.extension().is_some_and(|extension| extension == "rs") && !files.contains(name.as_str()) {
                fs::remove_file(&path).map_err(|error| Failed(format!("{name}: {error}")))?;
            }
        }
        Ok(())
    }

    /// The text of a file, as it really is.
    pub fn source(file: &str) -> Result<String, Failed> {
        fs::read_to_string(root().join(file)).map_err(|error| Failed(format!("{file}: {error}")))
    }

    /// Makes a file of the copy what it really is.
    pub fn restore(&self, file: &str) -> Result<(), Failed> {
        let text = fs::read(root().join(file)).map_err(|error| Failed(format!("{file}: {error}")))?;
        self.write(file, &text)
    }

    /// Writes a file of the copy, if it is not so already.
    pub fn write(&self, file: &str, text: &[u8]) -> Result<(), Failed> {
        let failed = |error: std::io::Error| Failed(format!("the copy's {file}: {error}"));
        let path = self.root.join(file);
        if fs::read(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        fs::create_dir_all(path.parent().unwrap_or(&self.root)).map_err(failed)?;
        fs::write(path, text).map_err(failed)
    }

    /// What the compiler refuses of a package.
    pub fn refused(&self, package: &str) -> Result<Vec<Refused>, Failed> {
        let output = self.cargo(&["check", "--package", package])?;
        let refused: Vec<Refused> = messages(&output)
            .filter_map(|message| message.get("message").cloned())
            .filter(|message| message.get("level").is_some_and(|level| level == "error"))
            .flat_map(|message| {
                let text = message
                    .get("rendered")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                let spans = message
                    .get("spans")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                spans.into_iter().filter_map(move |span| refused(&span, &text))
            })
            .collect();
        if refused.is_empty() && !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failed(format!("the copy does not build: {said}")));
        }
        Ok(refused)
    }

    /// Builds tests.
    pub fn programs(&self, tests: &[&str]) -> Result<Vec<Program>, Failed> {
        let mut arguments = vec!["test", "--no-run"];
        arguments.extend(tests);
        let output = self.cargo(&arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failed(format!("the copy's tests do not build: {said}")));
        }
        Ok(messages(&output).filter_map(|message| program(&message)).collect())
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, Failed> {
        Command::new("cargo")
            .args(arguments)
            .args(["--locked", "--message-format", "json"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_INCREMENTAL", "0")
            // A broken sum that overflows for sure is a lint; it has to be built all the same.
            .env("RUSTFLAGS", "--cap-lints=warn")
            .output()
            .map_err(|error| Failed(format!("cannot run cargo: {error}")))
    }
}

fn messages(output: &Output) -> impl Iterator<Item = Value> {
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

fn refused(span: &Value, message: &str) -> Option<Refused> {
    span.get("is_primary")?.as_bool().filter(|primary| *primary)?;
    Some(Refused {
        file: span.get("file_name")?.as_str()?.to_owned(),
        line: span.get("line_start")?.as_u64()?.try_into().ok()?,
        message: message.to_owned(),
    })
}

fn program(message: &Value) -> Option<Program> {
    let target = message.get("target")?;
    message.get("profile")?.get("test")?.as_bool().filter(|test| *test)?;
    let folder = Path::new(message.get("manifest_path")?.as_str()?)
        .parent()?
        .to_path_buf();
    Some(Program {
        path: PathBuf::from(message.get("executable")?.as_str()?),
        name: target.get("name")?.as_str()?.to_owned(),
        folder,
    })
}
