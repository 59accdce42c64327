//! The documents of a test as one bundle, in which each is called by its number: `0.yaml`, `1.yaml`, …
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of this")]

use countersign_policy::{Problem, Snapshot};

/// What loading comes to: the snapshot with warnings, or everything that is wrong.
pub fn read<T: AsRef<str>>(documents: &[T]) -> Result<(Snapshot, Vec<Problem>), Vec<Problem>> {
    let files: Vec<(String, Vec<u8>)> = (documents.iter().enumerate())
        .map(|(at, text)| (format!("{at}.yaml"), text.as_ref().as_bytes().to_vec()))
        .collect();
    Snapshot::load(&files)
}

/// The snapshot of documents that are right.
#[track_caller]
pub fn load<T: AsRef<str>>(documents: &[T]) -> Snapshot {
    match read(documents) {
        Ok((snapshot, _)) => snapshot,
        Err(problems) => panic!("{problems:#?}"),
    }
}

/// Code and line of everything that is wrong with documents that do not load.
#[track_caller]
pub fn refused<T: AsRef<str>>(documents: &[T]) -> Vec<(&'static str, u32)> {
    match read(documents) {
        Ok(_) => panic!("the documents load"),
        Err(problems) => problems.iter().map(|problem| (problem.code, problem.line)).collect(),
    }
}
