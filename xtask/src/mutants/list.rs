//! Which changes there are to try: `cargo-mutants` finds them, and says where each stands.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{Failed, root, step};

/// The version that results are compared by.
const VERSION: &str = "27.1.0";

/// One change of the code: what stands at `span` becomes `replacement`.
pub struct Mutant {
    /// File, line and change, in words.
    pub name: String,
    /// Path from the root of the repository.
    pub file: String,
    /// What is replaced.
    pub span: Span,
    /// The function around it, with its comments; nothing in a constant.
    pub function: Option<Span>,
    /// What stands there instead.
    pub replacement: String,
}

/// A part of a file, from its first place up to before its last; lines and columns (in characters) count from 1.
#[derive(Clone, Copy)]
pub struct Span {
    pub start: (usize, usize),
    pub end: (usize, usize),
}

/// `cargo-mutants`, compiled on first use.
pub fn tool() -> Result<PathBuf, Failed> {
    let tools = root().join("target/tools");
    let tool = tools.join("bin/cargo-mutants");
    if !tool.exists() {
        println!("── cargo-mutants {VERSION} is not there: compiling it into target/tools, which takes some minutes");
        let tools = tools.to_string_lossy().into_owned();
        let arguments = [
            "install",
            "cargo-mutants",
            "--version",
            VERSION,
            "--locked",
            "--root",
            &tools,
        ];
        step("a tool", "cargo", &arguments)?;
    }
    Ok(tool)
}

/// The mutants that `arguments` choose.
pub fn list(tool: &Path, arguments: &[String]) -> Result<Vec<Mutant>, Failed> {
    let output = Command::new(tool)
        .args(["mutants", "--list", "--json", "--no-shuffle", "--colors", "never"])
        .args(arguments)
        .current_dir(root())
        .output()
        .map_err(|error| Failed(format!("cannot run cargo-mutants: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failed(format!("cargo-mutants cannot list what there is: {said}")));
    }
    if output.stdout.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failed(format!("the list of cargo-mutants is no JSON: {error}")))?;
    let read = found.iter().map(mutant).collect::<Option<_>>();
    read.ok_or_else(|| Failed(format!("the list of cargo-mutants is not as in version {VERSION}")))
}

fn mutant(found: &Value) -> Option<Mutant> {
    Some(Mutant {
        name: found.get("name")?.as_str()?.to_owned(),
        file: found.get("file")?.as_str()?.to_owned(),
        span: span(found.get("span")?)?,
        function: found.get("function").and_then(|function| span(function.get("span")?)),
        replacement: found.get("replacement")?.as_str()?.to_owned(),
    })
}

fn span(found: &Value) -> Option<Span> {
    let place = |which: &str| {
        let place = found.get(which)?;
        let number = |name: &str| place.get(name)?.as_u64()?.try_into().ok();
        Some((number("line")?, number("column")?))
    };
    Some(Span {
        start: place("start")?,
        end: place("end")?,
    })
}
