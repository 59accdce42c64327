//! What waits for a person, on disk: which action an identical later call belongs to.
//!
//! An agent that is told "pending" calls again, perhaps from another process. The file is a hint alone: whether the
//! permit is still there to be used is known to the server, which gives it out once.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use countersign_api::ActionBody;
use countersign_core::digest::hex;
use sha2::{Digest as _, Sha256};

/// A folder with one file for each action that waits.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The action that waits under this name.
    pub(crate) fn find(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.path.join(name)).ok()?;
        let id = text.trim();
        (id.starts_with("act_") && id.len() <= 64).then(|| id.to_owned())
    }

    /// Keeps an action under a name. What cannot be written is asked for anew by the next call; nothing runs by it.
    pub(crate) fn keep(&self, name: &str, action_id: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.path)?;
        let fresh = self.path.join(format!("{name}.{}", std::process::id()));
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(action_id.as_bytes())?;
        std::fs::rename(&fresh, self.path.join(name))
    }

    /// Forgets it, if it still is this action.
    pub(crate) fn forget(&self, name: &str, action_id: &str) {
        if self.find(name).is_some_and(|kept| kept == action_id) {
            let _ = std::fs::remove_file(self.path.join(name));
        }
    }
}

/// A folder below `state` that no other agent and no other server has.
pub fn place(state: &Path, server: &str, key: &str) -> PathBuf {
    let name = hex(&Sha256::digest(format!("{server}\n{key}").as_bytes()));
    state.join(name.chars().take(32).collect::<String>())
}

/// The name of an action: the same for the same tool, arguments and environment, in whatever run and session it is
/// asked for, and whatever is said about it.
///
/// `serde_json` sorts keys, so equal arguments have equal text; numbers that two readers see differently were refused
/// before.
pub(crate) fn fingerprint(action: &ActionBody) -> String {
    let action = ActionBody {
        run: None,
        evidence: None,
        ..action.clone()
    };
    let text = serde_json::to_vec(&serde_json::to_value(&action).unwrap_or_default()).unwrap_or_default();
    hex(&Sha256::digest(&text))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn action(text: &str) -> ActionBody {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_order_of_arguments_makes_no_other_call_but_a_value_does() {
        let one = action(r#"{"tool":"fs/write","args":{"path":"a","text":"b"}}"#);
        let same = action(r#"{"tool":"fs/write","args":{"text":"b","path":"a"}}"#);
        let other = action(r#"{"tool":"fs/write","args":{"text":"c","path":"a"}}"#);
        assert_eq!(fingerprint(&one), fingerprint(&same));
        assert_ne!(fingerprint(&one), fingerprint(&other));
        let later = action(r#"{"tool":"fs/write","run":"mcp-2","args":{"path":"a","text":"b"}}"#);
        assert_eq!(fingerprint(&one), fingerprint(&later));
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten_and_only_by_its_own_action() {
        let path = std::env::temp_dir().join(format!("countersign-waiting-{}", std::process::id()));
        let folder = Folder::new(&path);
        assert_eq!(folder.find("a"), None);
        folder.keep("a", "act_1").unwrap();
        folder.forget("a", "act_2");
        assert_eq!(folder.find("a").as_deref(), Some("act_1"));
        folder.forget("a", "act_1");
        assert_eq!(folder.find("a"), None);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
