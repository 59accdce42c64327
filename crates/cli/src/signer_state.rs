//! Where the signer's marks lie: outside of every data folder, since a restored backup brings its own data folder along.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The variable that names the folder.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_SIGNER_STATE";

/// The folder that is meant: the named one, else the one of the environment, else the service's or the user's own.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_path_buf());
    }
    let root = rustix::process::geteuid().is_root();
    usual(&|name| std::env::var_os(name), root).ok_or_else(|| {
        Failure::usage("there is no place for the signer's state: neither HOME nor XDG_STATE_HOME is set").next(
            format!("name a folder outside of the data folder with --signer-state DIR or {VARIABLE}"),
        )
    })
}

fn usual(variable: &dyn Fn(&str) -> Option<OsString>, root: bool) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = set(VARIABLE) {
        return Some(own);
    }
    // The specification has relative paths ignored.
    if let Some(state) = set("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
        return Some(state.join("countersign"));
    }
    if root {
        return Some("/var/lib/countersign-signer".into());
    }
    set("HOME").map(|home| home.join(".local/state/countersign"))
}

/// Fails where the marks would be restored along with the data.
pub(crate) fn must_be_outside(state: &Path, data: &Path) -> Result<()> {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        // As far as it exists, links are followed.
        let known = path.ancestors().find_map(|at| Some((at, at.canonicalize().ok()?)));
        match known {
            Some((at, real)) => path.strip_prefix(at).map_or(real.clone(), |rest| real.join(rest)),
            None => path,
        }
    };
    if !absolute(state).starts_with(absolute(data)) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the signer's state `{}` lies in the data folder",
        state.display()
    ))
    .next("keep it elsewhere: a backup that is restored would bring its own along, and nothing would be noticed"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails loudly")]

    use super::*;

    #[test]
    fn the_environment_comes_before_the_usual_places() {
        let with = |set: &[(&str, &str)], root| {
            usual(
                &|name| {
                    set.iter()
                        .find(|(known, _)| *known == name)
                        .map(|(_, value)| OsString::from(value))
                },
                root,
            )
        };
        let home = ("HOME", "/home/a");
        assert_eq!(with(&[(VARIABLE, "x"), home], true).unwrap(), Path::new("x"));
        assert_eq!(
            with(&[("XDG_STATE_HOME", "/s"), home], true).unwrap(),
            Path::new("/s/countersign")
        );
        assert_eq!(with(&[home], true).unwrap(), Path::new("/var/lib/countersign-signer"));
        let own = Path::new("/home/a/.local/state/countersign");
        assert_eq!(
            with(&[("XDG_STATE_HOME", "s"), (VARIABLE, ""), ("HOME", "/home/a")], false).unwrap(),
            own
        );
        assert_eq!(with(&[], false), None);
    }

    #[test]
    fn a_folder_inside_the_data_folder_is_refused() {
        assert!(must_be_outside(Path::new("/nowhere/data/signer"), Path::new("/nowhere/data")).is_err());
        assert!(must_be_outside(Path::new("data"), Path::new("./data")).is_err());
        assert!(must_be_outside(Path::new("/nowhere/data-signer"), Path::new("/nowhere/data")).is_ok());
    }
}
