//! Running a command as a step that says what it does.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A chore did not succeed; the text says which and what to do.
pub struct Failed(pub String);

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Runs a command at the root of the repository.
pub fn step(what: &str, program: &str, args: &[&str]) -> Result<(), Failed> {
    step_with(what, program, args, &[])
}

/// Runs a command with more environment.
pub fn step_with(what: &str, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<(), Failed> {
    println!("── {what}: {program} {}", args.join(" "));
    let started = Instant::now();
    let program = if program.contains('/') {
        root().join(program)
    } else {
        PathBuf::from(program)
    };
    let status = Command::new(&program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root())
        .status();
    let status = status.map_err(|error| Failed(format!("{what}: cannot run {}: {error}", program.display())))?;
    if !status.success() {
        return Err(Failed(format!("{what} failed ({status})")));
    }
    println!("── {what}: done in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

/// Runs a command as a step that shows what it prints, and gives the first line of that with these words in it.
pub fn told(what: &str, program: &str, args: &[&str], env: &[(&str, &str)], words: &str) -> Result<String, Failed> {
    println!("── {what}: {program} {}", args.join(" "));
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failed(format!("{what}: cannot run {program}: {error}")))?;
    let mut found = None;
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(|error| Failed(format!("{what}: {error}")))?;
        println!("{line}");
        if line.contains(words) {
            found.get_or_insert(line);
        }
    }
    let status = child.wait().map_err(|error| Failed(format!("{what}: {error}")))?;
    if !status.success() {
        return Err(Failed(format!("{what} failed ({status})")));
    }
    println!("── {what}: done in {:.1} s", started.elapsed().as_secs_f32());
    found.ok_or_else(|| Failed(format!("{what} did not say `{words}`")))
}

/// The output of a command, as text.
pub fn output(program: &str, args: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(args).current_dir(root()).output();
    let output = output.map_err(|error| Failed(format!("cannot run {program}: {error}")))?;
    if !output.status.success() {
        return Err(Failed(format!("{program} {} failed", args.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
