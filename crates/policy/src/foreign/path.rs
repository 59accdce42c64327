//! Whether a path is below a folder, by its text alone.

use super::{Unsure, plain, unsure};

/// Whether `path` is `folder` or below it, once `.`, `..` and doubled slashes are taken out. A relative path starts from
/// `base`.
///
/// Nothing is looked up: a symbolic link may lead elsewhere, and a file system may not tell letters' cases apart.
///
/// # Errors
/// Where the place cannot be told: a relative path without a base, `~`, variables at the beginning, colons in relative paths
/// (drives, addresses), two slashes at the beginning, backslashes, control characters; or a folder or base that is not
/// absolute.
pub fn within(path: &str, folder: &str, base: Option<&str>) -> Result<bool, Unsure> {
    let folder = absolute(folder)?;
    if path.starts_with('/') {
        return Ok(absolute(path)?.starts_with(&folder));
    }
    relative(path)?;
    let Some(base) = base else {
        return unsure("it is relative, and it is not said to what");
    };
    Ok(follow(absolute(base)?, path)?.starts_with(&folder))
}

/// The parts of an absolute path.
fn absolute(path: &str) -> Result<Vec<&str>, Unsure> {
    if !path.starts_with('/') {
        return unsure("it is not an absolute path");
    }
    if path.starts_with("//") {
        return unsure("it begins with two slashes, which name another machine in some systems");
    }
    follow(Vec::new(), path)
}

/// The parts of a path that goes on from others.
fn follow<'p>(mut parts: Vec<&'p str>, path: &'p str) -> Result<Vec<&'p str>, Unsure> {
    plain(path)?;
    if path.chars().any(|c| c == '\\' || c.is_control()) {
        return unsure("it has a backslash or a control character");
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(parts)
}

/// Refuses relative paths that somebody may expand to absolute ones.
fn relative(path: &str) -> Result<(), Unsure> {
    if path.is_empty() {
        return unsure("it is empty");
    }
    if path.starts_with(['~', '$', '%', '`']) || path.contains(':') {
        return unsure("where it leads is only known where it is used");
    }
    Ok(())
}
