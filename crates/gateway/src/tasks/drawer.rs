//! Tasks on disk: what a client was given a task for is found again after a restart, by the task's id.
//!
//! The file holds the call, which may say what nobody else is to read. So it is sealed under the task's id, which only its
//! client has: the name of the file and the key are two hashes of it. Whoever reads the folder alone learns nothing but
//! that something waits. A lock beside the file makes that one process at a time goes on with a task; it ends with the process.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use countersign_core::digest::hex;
use sha2::{Digest as _, Sha256};

use super::Kept;

/// How long a task is kept that nothing has come of.
pub(super) const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long it is kept what came of a task.
pub(super) const OVER_LASTS: Duration = Duration::from_secs(24 * 3600);
/// How many tasks an agent has.
const AT_MOST: usize = 1000;
/// How the name of a task ends that is over.
const OVER: &str = "over";
/// How the name of a lock ends.
const LOCK: &str = "lock";
const NONCE_BYTES: usize = 24;

/// The tasks of one agent at one server that decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Drawer {
    path: PathBuf,
}

/// Keeps every other process from going on with a task, until it is dropped.
pub(super) struct Claim {
    // The lock ends with the file.
    _lock: File,
}

/// What the name of a file, or the key that it is sealed with, is made of.
fn derived(what: &str, id: &str) -> [u8; 32] {
    Sha256::digest(format!("countersign task {what}\n{id}").as_bytes()).into()
}

fn cipher(id: &str) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(derived("key", id)))
}

impl Drawer {
    /// The tasks beside what else waits in a folder.
    pub(crate) fn new(folder: &Path) -> Drawer {
        Drawer {
            path: folder.join("tasks"),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.path
            .join(hex(&derived("name", id)).chars().take(32).collect::<String>())
    }

    /// Keeps a task of this server, on the disk when it returns.
    ///
    /// # Errors
    /// If it cannot be written: then it is as it was.
    pub(super) fn put(&self, id: &str, server: &str, kept: &Kept) -> std::io::Result<()> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
        let text = serde_json::to_vec(kept).map_err(std::io::Error::other)?;
        let message = Payload {
            msg: &text,
            aad: server.as_bytes(),
        };
        let sealed = cipher(id).encrypt(&XNonce::from(nonce), message);
        let sealed = sealed.map_err(|_| std::io::Error::other("the task is too long to be sealed"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let file = self.file(id);
        let over = file.with_extension(OVER);
        let target = if kept.stage.is_over() { &over } else { &file };
        let fresh = file.with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        let mut written = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        written.write_all(&nonce)?;
        written.write_all(&sealed)?;
        written.sync_all()?;
        fs::rename(&fresh, target)?;
        File::open(&self.path)?.sync_all()?;
        if kept.stage.is_over() {
            // What is over counts, whatever else is there.
            let _ = fs::remove_file(&file);
            // Whoever takes it from here on sees that it is over.
            let _ = fs::remove_file(file.with_extension(LOCK));
        }
        Ok(())
    }

    /// A task of this server, if there is one with this id.
    pub(super) fn find(&self, id: &str, server: &str) -> Option<Kept> {
        let file = self.file(id);
        let bytes = fs::read(file.with_extension(OVER)).or_else(|_| fs::read(&file)).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let message = Payload {
            msg: sealed,
            aad: server.as_bytes(),
        };
        let text = cipher(id).decrypt(&XNonce::from(*nonce), message).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Takes a task for this process; nothing if another one, or another question here, has it.
    pub(super) fn claim(&self, id: &str) -> Option<Claim> {
        let path = self.file(id).with_extension(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).ok()?;
        file.try_lock().ok()?;
        Some(Claim { _lock: file })
    }

    /// Whether there is room for one more, after what has lasted too long is gone, and the oldest of what is over.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_of(AT_MOST)
    }

    fn has_room_of(&self, at_most: usize) -> bool {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return true;
        };
        let (mut waiting, mut over) = (0, Vec::new());
        for entry in entries.flatten() {
            let path = entry.path();
            let age = entry.metadata().and_then(|meta| meta.modified());
            let age = age.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            match path.extension().and_then(|end| end.to_str()) {
                None if age < LASTS => waiting += 1,
                Some(OVER) if age < OVER_LASTS => over.push((age, path)),
                // As old as the task, and perhaps held for one that runs long.
                Some(LOCK) if path.with_extension("").exists() || is_held(&path) => {}
                None | Some(OVER) => remove(&path),
                _ if age < Duration::from_secs(60) => {}
                _ => drop(fs::remove_file(&path)),
            }
        }
        over.sort();
        while waiting + over.len() >= at_most {
            let Some((_, oldest)) = over.pop() else { return false };
            remove(&oldest);
        }
        true
    }
}

/// Removes a task, and its lock unless somebody goes on with it.
fn remove(task: &Path) {
    let _ = fs::remove_file(task);
    let lock = task.with_extension(LOCK);
    if !is_held(&lock) {
        let _ = fs::remove_file(lock);
    }
}

fn is_held(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| file.try_lock().is_err())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::super::Stage;
    use super::*;

    fn drawer(name: &str) -> Drawer {
        let path = std::env::temp_dir().join(format!("countersign-tasks-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Drawer::new(&path)
    }

    fn kept(stage: Stage) -> Kept {
        Kept {
            action: "act_1".to_owned(),
            labels: None,
            line: r#"{"method":"tools/call","params":{"name":"pay","arguments":{"card":"4111"}}}"#.to_owned(),
            created: super::super::now(),
            changed: super::super::now(),
            stage,
        }
    }

    #[test]
    fn a_task_is_found_by_its_id_at_its_own_server_and_nobody_reads_the_file_without_it() {
        let drawer = drawer("found");
        let waiting = kept(Stage::Waiting("for people".to_owned()));
        drawer.put("countersign-aa", "shop", &waiting).unwrap();
        assert_eq!(drawer.find("countersign-aa", "shop").unwrap().line, waiting.line);
        assert!(drawer.find("countersign-aa", "bank").is_none());
        assert!(drawer.find("countersign-ab", "shop").is_none());
        for entry in fs::read_dir(&drawer.path).unwrap() {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(4).any(|part| part == b"4111" || part == b"act_"));
            assert!(
                !entry.file_name().to_string_lossy().contains("aa"),
                "the name says the id"
            );
        }
        // What is over stays over.
        drawer.put("countersign-aa", "shop", &kept(Stage::Cancelled)).unwrap();
        drawer.put("countersign-aa", "shop", &waiting).unwrap();
        assert!(drawer.find("countersign-aa", "shop").unwrap().stage.is_over());
        fs::remove_dir_all(&drawer.path).unwrap();
    }

    #[test]
    fn one_process_at_a_time_goes_on_with_a_task() {
        let drawer = drawer("claimed");
        let waiting = kept(Stage::Waiting(String::new()));
        drawer.put("countersign-cc", "shop", &waiting).unwrap();
        let claim = drawer.claim("countersign-cc").unwrap();
        assert!(drawer.claim("countersign-cc").is_none());
        drop(claim);
        assert!(drawer.claim("countersign-cc").is_some());
        fs::remove_dir_all(&drawer.path).unwrap();
    }

    #[test]
    fn what_is_over_makes_room_the_oldest_first_and_leaves_nothing_behind() {
        let drawer = drawer("room");
        for id in ["countersign-1", "countersign-2", "countersign-3"] {
            drawer.put(id, "shop", &kept(Stage::Waiting(String::new()))).unwrap();
            drop(drawer.claim(id).unwrap());
        }
        assert!(!drawer.has_room_of(3), "what waits keeps its place");
        for (id, hours) in [("countersign-2", 1), ("countersign-1", 2)] {
            drawer.put(id, "shop", &kept(Stage::Cancelled)).unwrap();
            let file = File::open(drawer.file(id).with_extension(OVER)).unwrap();
            let at = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
            file.set_modified(at).unwrap();
        }
        assert!(drawer.has_room_of(3));
        assert!(drawer.find("countersign-1", "shop").is_none());
        assert!(drawer.find("countersign-2", "shop").is_some());
        assert!(drawer.find("countersign-3", "shop").is_some());
        assert!(drawer.has_room_of(2));
        assert!(!drawer.has_room_of(1));
        // The task that waits, and its lock.
        assert_eq!(fs::read_dir(&drawer.path).unwrap().count(), 2);
        fs::remove_dir_all(&drawer.path).unwrap();
    }
}
