//! Running the tests on a mutant, until one of them notices it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::tree::Program;
use crate::run::Failed;

/// How much longer than on the sound tree a test may take before it counts as one that never ends: times, and beyond that.
const LONGER: (u32, Duration) = (5, Duration::from_secs(20));
/// How often it is looked whether a program ended.
const GLANCE: Duration = Duration::from_millis(5);

/// The tests, the quickest first, with what each may take.
pub struct Trial {
    programs: Vec<(Program, Duration)>,
}

/// How a mutant ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A test failed.
    Caught,
    /// A test did not end.
    Timeout,
    /// Every test passed.
    Survived,
}

impl Trial {
    /// Looks that the tests pass without a mutant, and how long they take.
    pub fn of(programs: Vec<Program>) -> Result<Trial, Failed> {
        let mut timed = Vec::new();
        for program in programs {
            let started = Instant::now();
            if run(&program, None, Duration::from_secs(600)) != End::Survived {
                return Err(Failed(format!(
                    "the tests `{}` fail without any mutant: mend them first",
                    program.name
                )));
            }
            timed.push((started.elapsed(), program));
        }
        timed.sort_by_key(|(took, _)| *took);
        let may = |took: Duration| took * LONGER.0 + LONGER.1;
        Ok(Trial {
            programs: timed.into_iter().map(|(took, program)| (program, may(took))).collect(),
        })
    }

    /// Tests that were built with a mutant in its place; how long they take is not known.
    pub fn untimed(programs: Vec<Program>) -> Trial {
        let may = Duration::from_secs(300);
        Trial {
            programs: programs.into_iter().map(|program| (program, may)).collect(),
        }
    }

    /// How long all the tests take on the sound tree, about.
    pub fn took(&self) -> Duration {
        self.programs.iter().map(|(_, may)| (*may - LONGER.1) / LONGER.0).sum()
    }

    /// Tries one mutant; `None` where the tests were built with the mutant in its place.
    pub fn one(&self, id: Option<usize>) -> End {
        let ends = self.programs.iter().map(|(program, may)| run(program, id, *may));
        ends.into_iter()
            .find(|end| *end != End::Survived)
            .unwrap_or(End::Survived)
    }

    /// Tries many, as many at once as there are cores. Each end is told as it comes, with how many there are by then.
    pub fn all(&self, ids: &[usize], told: impl Fn(usize, usize, End) + Sync) -> Vec<(usize, End)> {
        let next = AtomicUsize::new(0);
        let ended = Mutex::new(Vec::new());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let end = self.one(Some(*id));
                        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                        ended.push((*id, end));
                        told(ended.len(), *id, end);
                    }
                });
            }
        });
        let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        ended.sort_unstable_by_key(|(id, _)| *id);
        ended
    }
}

/// Runs a program of tests in a process group of its own, so that what it started ends with it.
fn run(program: &Program, id: Option<usize>, may: Duration) -> End {
    let mut command = Command::new(&program.path);
    if let Some(id) = id {
        command.env("MUTANT", id.to_string());
    }
    let child = command
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        // Functions with many mutants have large frames.
        .env("RUST_MIN_STACK", "67108864")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let Ok(mut child) = child else { return End::Caught };
    let started = Instant::now();
    let end = loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break End::Survived,
            Ok(Some(_)) | Err(_) => break End::Caught,
            Ok(None) if started.elapsed() > may => break End::Timeout,
            Ok(None) => thread::sleep(GLANCE),
        }
    };
    if end != End::Survived {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = child.wait();
    }
    end
}
