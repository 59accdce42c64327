//! The signer's mark: the newest checkpoint of each log that this signer made final, kept **outside** the data folder.
//!
//! A restored backup brings its own data folder, and with it a ledger that has forgotten its end. A signer that went on
//! from there would sign a second history. So the mark lies elsewhere, one file for each log, and holds the signed
//! checkpoint itself. It follows the *committed* head: within a second by itself, and at once before a checkpoint leaves
//! the process, so that nothing was ever released that the mark does not know.
//!
//! A ledger ahead of its mark is normal after a crash. A ledger behind its mark, or with another root at the mark's size, is
//! not the one that was signed for: nothing is signed on it before an operator opens a new epoch.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use countersign_core::digest::hex;
use countersign_tlog::{Checkpoint, Hash, Note};

/// The largest file that is read as a mark; a checkpoint with a hundred signatures is smaller.
const MARK_AT_MOST: u64 = 64 * 1024;

/// The folder of marks. Several instances may share it.
#[derive(Clone, Debug)]
pub struct Marks {
    folder: PathBuf,
}

/// The mark of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What the log was at.
    pub checkpoint: Checkpoint,
    /// The signed checkpoint, as it was released.
    pub signed: String,
}

/// A mark cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the signer's mark `{path}` cannot be used: {why}")]
pub struct MarkError {
    /// The file or folder.
    pub path: String,
    /// Why not.
    pub why: String,
}

impl MarkError {
    fn new(path: &Path, why: impl std::fmt::Display) -> MarkError {
        MarkError {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }
}

/// An origin, `<instance>/t/<organization>/audit/<epoch>`, as the log that goes through all epochs, and the epoch. An origin of
/// another shape is a log with one epoch.
pub fn split_origin(origin: &str) -> (&str, u64) {
    let parts = origin.rsplit_once('/').and_then(|(log, epoch)| {
        let plain = !epoch.starts_with('0') && epoch.bytes().all(|byte| byte.is_ascii_digit());
        Some((log, epoch.parse().ok().filter(|_| plain)?))
    });
    parts.unwrap_or((origin, 0))
}

impl Mark {
    /// The mark that a signed checkpoint makes.
    pub fn of(signed: &str) -> Result<Mark, String> {
        let note = Note::parse(signed).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse_body(note.text).map_err(|error| error.to_string())?;
        Ok(Mark {
            checkpoint,
            signed: signed.to_owned(),
        })
    }

    /// Where it stands: a later epoch is after every size of an earlier one.
    pub fn place(&self) -> (u64, u64) {
        (split_origin(&self.checkpoint.origin).1, self.checkpoint.size)
    }
}

impl Marks {
    /// The marks in `folder`, which is made for its owner only where it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: &Path) -> Result<Marks, MarkError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| MarkError::new(folder, error))?;
        Ok(Marks {
            folder: folder.to_owned(),
        })
    }

    /// The file that holds the mark of the log with this origin, whatever its epoch.
    pub fn file(&self, origin: &str) -> PathBuf {
        let (log, _) = split_origin(origin);
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let readable: String = log.chars().take(100).map(safe).collect();
        let Hash(hash) = Hash::of(log.as_bytes());
        self.folder.join(format!("{readable}.{}.mark", hex(&hash[..8])))
    }

    /// The mark of a log; `None` where there is none yet.
    ///
    /// # Errors
    /// If the file is there and cannot be read, or is not a mark of this log.
    pub fn read(&self, origin: &str) -> Result<Option<Mark>, MarkError> {
        let path = self.file(origin);
        let fault = |why: &dyn std::fmt::Display| MarkError::new(&path, why);
        match fs::metadata(&path) {
            Ok(found) if found.len() > MARK_AT_MOST => return Err(fault(&"it is too long for a mark")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(&error)),
        }
        let text = fs::read_to_string(&path).map_err(|error| fault(&error))?;
        let mark = Mark::of(&text).map_err(|error| fault(&error))?;
        if split_origin(&mark.checkpoint.origin).0 != split_origin(origin).0 {
            return Err(fault(&format!("it is of the log `{}`", mark.checkpoint.origin)));
        }
        Ok(Some(mark))
    }

    /// When the mark of a log last moved, as its file says; `None` where there is none or nobody knows.
    pub fn moved(&self, origin: &str) -> Option<SystemTime> {
        fs::metadata(self.file(origin)).and_then(|found| found.modified()).ok()
    }

    /// Makes `mark` durable, unless there is a later one: a mark never goes back. Gives the one that is there now.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn advance(&self, mark: Mark) -> Result<Mark, MarkError> {
        let path = self.file(&mark.checkpoint.origin);
        // Two nodes on one machine share the folder; the lock ends with the value.
        let _lock = self.lock()?;
        if let Some(there) = self.read(&mark.checkpoint.origin)?
            && there.place() >= mark.place()
        {
            return Ok(there);
        }
        self.write(&path, &mark.signed)
            .map_err(|error| MarkError::new(&path, error))?;
        Ok(mark)
    }

    /// What witnesses cosigned last of a log, as [`Marks::keep_witnessed`] wrote it, and when it was written.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn witnessed(&self, origin: &str) -> Result<Option<(String, SystemTime)>, MarkError> {
        let path = self.file(origin).with_extension("witnessed");
        let fault = |error: io::Error| MarkError::new(&path, error);
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        if found.len() > MARK_AT_MOST {
            return Err(MarkError::new(&path, "it is too long for a checkpoint"));
        }
        let at = found.modified().map_err(fault)?;
        Ok(Some((fs::read_to_string(&path).map_err(fault)?, at)))
    }

    /// Keeps a cosigned checkpoint beside the mark of its log.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_witnessed(&self, origin: &str, text: &str) -> Result<(), MarkError> {
        let path = self.file(origin).with_extension("witnessed");
        let _lock = self.lock()?;
        self.write(&path, text).map_err(|error| MarkError::new(&path, error))
    }

    fn lock(&self) -> Result<File, MarkError> {
        let path = self.folder.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|error| MarkError::new(&path, error))?;
        file.lock().map_err(|error| MarkError::new(&path, error))?;
        Ok(file)
    }

    /// Whole or not at all, and on stable storage when it returns. The caller has the lock.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let next = path.with_extension("next");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails loudly")]

    use countersign_tlog::SigningKey;

    use super::*;

    /// A folder that goes with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!(
                "countersign-mark-{}-{:?}",
                std::process::id(),
                std::thread::current().id()
            );
            Folder(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn mark(origin: &str, size: u64) -> Mark {
        let key = SigningKey::from_seed(origin, &[7; 32]).unwrap();
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size,
            root: Hash::of(&size.to_be_bytes()),
        };
        Mark::of(&checkpoint.sign(&key).unwrap()).unwrap()
    }

    #[test]
    fn a_mark_never_goes_back_and_a_new_epoch_is_ahead_of_every_size() {
        let folder = Folder::new();
        let marks = Marks::open(&folder.0).unwrap();
        assert_eq!(marks.read("a/t/1/audit/1").unwrap(), None);
        assert_eq!(marks.moved("a/t/1/audit/1"), None);
        let hundred = mark("a/t/1/audit/1", 100);
        assert_eq!(marks.advance(hundred.clone()).unwrap(), hundred);
        let moved = marks.moved("a/t/1/audit/1");
        assert!(moved.is_some());
        assert_eq!(marks.advance(mark("a/t/1/audit/1", 99)).unwrap(), hundred);
        assert_eq!(marks.moved("a/t/1/audit/1"), moved, "what does not move is not written");
        let second = mark("a/t/1/audit/2", 91);
        assert_eq!(marks.advance(second.clone()).unwrap(), second);
        assert_eq!(marks.advance(mark("a/t/1/audit/1", 500)).unwrap(), second);
        assert_eq!(
            Marks::open(&folder.0).unwrap().read("a/t/1/audit/1").unwrap(),
            Some(second)
        );
    }

    #[test]
    fn logs_with_like_names_have_files_of_their_own_inside_the_folder() {
        let folder = Folder::new();
        let marks = Marks::open(&folder.0).unwrap();
        let origins = ["a/b/1", "a_b/1", "../../a/b/1", "a/b/../1", "a\u{e9}/b/1"];
        let files: std::collections::BTreeSet<PathBuf> = origins.iter().map(|origin| marks.file(origin)).collect();
        assert_eq!(files.len(), origins.len());
        assert!(files.iter().all(|file| file.parent() == Some(folder.0.as_path())));
    }

    #[test]
    fn a_damaged_mark_is_an_error_and_not_a_missing_one() {
        let folder = Folder::new();
        let marks = Marks::open(&folder.0).unwrap();
        let good = mark("a/t/1/audit/1", 3);
        for bad in [
            "",
            "a/t/1/audit/1\n3\n",
            &good.signed[..good.signed.len() - 9],
            &mark("b/1", 3).signed,
        ] {
            fs::write(marks.file("a/t/1/audit/1"), bad).unwrap();
            assert!(marks.read("a/t/1/audit/1").is_err(), "{bad:?}");
            assert!(marks.advance(good.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origins_split_into_log_and_epoch() {
        assert_eq!(split_origin("i/t/0a/audit/12"), ("i/t/0a/audit", 12));
        for odd in ["i/t/0a/audit/012", "i/t/0a/audit/x", "plain", "i/"] {
            assert_eq!(split_origin(odd), (odd, 0));
        }
    }
}
