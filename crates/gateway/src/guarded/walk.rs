//! A walk along a path, link by link, with a bound on what all walks of one look may cost: an agent makes up the paths.
//!
//! What there is not does not end a walk: behind it the path goes on as it is written, since some tools leave out `nosuch/..`
//! before they ask the file system. Nor does a link that leads to nothing yet: who writes to it makes what it leads to.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// What makes two names names of one file.
pub(super) type Identity = (u64, u64);

/// How many links one path is led by; a system follows no more.
const LINKS: usize = 40;
/// How many bytes of a path cost as much as one question to the file system.
const BYTES: usize = 16;

pub(super) fn identity(meta: &std::fs::Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// A place in the file system, links followed, and what there is of it.
#[derive(Clone)]
pub(super) struct Spot {
    pub(super) path: PathBuf,
    /// What there is, from the top.
    chain: Vec<Identity>,
    /// How many parts there are not.
    missing: usize,
}

/// The walks cost more than they may, or this one goes in circles.
pub(super) struct TooFar;

impl Spot {
    /// The folder that everything is in.
    pub(super) fn top() -> Spot {
        let path = PathBuf::from("/");
        Spot {
            chain: path.metadata().iter().map(identity).collect(),
            path,
            missing: 0,
        }
    }

    /// Whether it is this, or in it.
    pub(super) fn is_in(&self, folder: &Identity) -> bool {
        self.chain.contains(folder)
    }

    /// What it is, if there is such a thing.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.chain.last().filter(|_| self.missing == 0)
    }

    fn up(&mut self) {
        if self.path.pop() && self.missing == 0 {
            self.chain.pop();
        }
        self.missing = self.missing.saturating_sub(1);
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    let counts = |part: &Component<'_>| !matches!(part, Component::CurDir);
    path.components()
        .rev()
        .filter(counts)
        .map(|part| part.as_os_str().to_owned())
}

/// Walks from a place along a path, as the system does. `steps` says what may still be spent.
pub(super) fn walk(from: &Spot, path: &Path, steps: &mut usize) -> Result<Spot, TooFar> {
    let cost = 1 + path.as_os_str().len() / BYTES;
    *steps = steps.checked_sub(cost).ok_or(TooFar)?;
    let (mut at, mut links) = (from.clone(), 0);
    let mut ahead: Vec<OsString> = parts(path).collect();
    while let Some(part) = ahead.pop() {
        if part == "/" {
            at = Spot::top();
        } else if part == ".." {
            at.up();
        } else if at.missing > 0 {
            at.path.push(part);
            at.missing += 1;
        } else {
            *steps = steps.checked_sub(1).ok_or(TooFar)?;
            at.path.push(part);
            match at.path.symlink_metadata() {
                Ok(meta) if meta.is_symlink() => {
                    links += 1;
                    let target = at.path.read_link().ok().filter(|_| links <= LINKS).ok_or(TooFar)?;
                    at.path.pop();
                    ahead.extend(parts(&target));
                }
                Ok(meta) => at.chain.push(identity(&meta)),
                Err(_) => at.missing = 1,
            }
        }
    }
    Ok(at)
}

/// A path without `..`, as it is written: many tools take it so, whatever links are on the way.
pub(super) fn written(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}
