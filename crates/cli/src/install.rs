//! Changing a configuration that is not ours: the change is shown first, and what was there is kept beside it.

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_gateway::install;
use similar::TextDiff;

use crate::console::{note, say};
use crate::failure::{Failure, Result};

/// What every command says that changes the configuration of a client.
#[derive(Args)]
pub(crate) struct Changing {
    /// The configuration [default: where the client looks for it]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take it out again
    #[arg(long)]
    pub(crate) uninstall: bool,
    /// Write without asking
    #[arg(long, short)]
    yes: bool,
    /// Only show what would change
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// A configuration as it is.
pub(crate) struct Configuration {
    path: PathBuf,
    /// Its text; nothing where there is no file.
    pub(crate) text: Option<String>,
}

/// The home of the user.
pub(crate) fn home() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(PathBuf::from).ok_or_else(|| {
        Failure::usage("HOME does not say where the client's configuration is").next("give --config FILE")
    })
}

/// The folder of the project.
pub(crate) fn project() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Failure::io("find", Path::new("."), &error))
}

/// This program, by a path that works from everywhere.
pub(crate) fn program() -> Result<String> {
    let path = std::env::current_exe().map_err(|error| Failure::unreachable(format!("cannot find itself: {error}")))?;
    text(&path)
}

/// A path of a file that is there, so that it works from everywhere.
pub(crate) fn whole(path: &Path) -> Result<String> {
    let path = path.canonicalize().map_err(|error| Failure::io("find", path, &error))?;
    text(&path)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` is not a path that a configuration can hold",
            path.display()
        ))
    })
}

impl Configuration {
    /// Reads it.
    pub(crate) fn read(path: PathBuf) -> Result<Configuration> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::io("read", &path, &error)),
        };
        Ok(Configuration { path, text })
    }

    /// Why it cannot be changed, with its name.
    pub(crate) fn unfit(&self, unfit: &install::Unfit) -> Failure {
        Failure::usage(format!("cannot change `{}`: {}", self.path.display(), unfit.0))
            .next("give the client's configuration by --config FILE")
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Shows the change and writes it, if the person agrees; whether it was written.
    pub(crate) fn change(&self, new: &str, changing: &Changing) -> Result<bool> {
        let old = self.text.as_deref().unwrap_or_default();
        if old == new {
            say(format_args!("nothing to change in {}", self.path.display()));
            return Ok(false);
        }
        let name = self.path.display().to_string();
        let diff = TextDiff::from_lines(old, new);
        say(diff.unified_diff().context_radius(3).header(&name, &name));
        if changing.dry_run {
            return Ok(false);
        }
        if !changing.yes && !agreed()? {
            return Err(Failure::no("nothing was written"));
        }
        if changing.uninstall {
            self.restore(new)?
        } else {
            self.keep_and_write(new)?
        };
        Ok(true)
    }

    /// The file beside it that holds what was there before.
    fn before(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".before-countersign");
        self.path.with_file_name(name)
    }

    /// What was there before us, as far as it is kept.
    pub(crate) fn kept(&self) -> Option<String> {
        fs::read_to_string(self.before()).ok()
    }

    fn keep_and_write(&self, new: &str) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| Failure::io("make", folder, &error))?;
        }
        // What has nothing of ours is what was there before us; later ones hold our own changes.
        let before = self.before();
        if let Some(old) = self.text.as_deref()
            && (!before.exists() || !install::has_ours(old))
        {
            write(&before, old, &self.path)?;
            say(format_args!("kept what was there: {}", before.display()));
        }
        write(&self.path, new, &self.path)?;
        say(format_args!("wrote {}", self.path.display()));
        Ok(())
    }

    /// Where nothing else changed since, what was there comes back to the byte.
    fn restore(&self, new: &str) -> Result<()> {
        let kept = self.kept();
        match &kept {
            None if install::is_empty(new) => {
                fs::remove_file(&self.path).map_err(|error| Failure::io("remove", &self.path, &error))?;
                say(format_args!(
                    "removed {}, which was not there before",
                    self.path.display()
                ));
            }
            Some(kept) if kept == new || install::same(kept, new) => {
                write(&self.path, kept, &self.path)?;
                say(format_args!("wrote {}", self.path.display()));
                let before = self.before();
                fs::remove_file(&before).map_err(|error| Failure::io("remove", &before, &error))?;
            }
            Some(_) | None => {
                write(&self.path, new, &self.path)?;
                say(format_args!("wrote {}", self.path.display()));
                // Others may need it on their way back, or a person who changed something since.
                if kept.is_some() {
                    let before = self.before();
                    say(format_args!("kept {}: it says something else", before.display()));
                }
            }
        }
        Ok(())
    }
}

/// Writes a file in one step, with the rights of `like`: a client that reads meanwhile finds the old or the new one.
fn write(path: &Path, text: &str, like: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("write", path, &error);
    // A link stays one: what it points to is written.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let written = fs::File::create(&fresh).and_then(|mut file| {
        if let Ok(there) = fs::metadata(like) {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&fresh, path)).map_err(|error| {
        let _ = fs::remove_file(&fresh);
        failed(error)
    })
}

/// Asks the person at the terminal.
fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to agree to the change").next("look at it, then give --yes"));
    }
    note("Write this? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::unreachable(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
