//! Packages of PyPI and npm that tests drive us with, installed below `target/` once and kept while their list is the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::repository;

/// Python with what `list` names, a file below `tests/`; in `target/NAME`.
pub(crate) fn python(name: &str, list: &str) -> PathBuf {
    let place = repository().join("target").join(name);
    let wanted = repository().join("tests").join(list);
    let python = place.join("venv/bin/python");
    once(&place, &wanted, || {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(place.join("venv")));
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ];
        run(Command::new(&python).args(install).arg(&wanted));
    });
    python
}

/// A folder with the packages that `list` names, a `package.json` below `tests/`; in `target/NAME`.
pub(crate) fn npm(name: &str, list: &str) -> PathBuf {
    let place = repository().join("target").join(name);
    let wanted = repository().join("tests").join(list);
    once(&place, &wanted, || {
        std::fs::copy(&wanted, place.join("package.json")).expect("a copy of the list");
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(Command::new("npm").args(install).current_dir(&place));
    });
    place
}

/// A folder with the contents of the packages of npm that `list` names, each in a folder of its name without `@` and with `-`
/// for `/`; what they depend on is not there. In `target/NAME`.
pub(crate) fn tarballs(name: &str, list: &str) -> PathBuf {
    let place = repository().join("target").join(name);
    let wanted = repository().join("tests").join(list);
    once(&place, &wanted, || {
        for package in std::fs::read_to_string(&wanted).expect("a list").lines() {
            let (name, version) = package.rsplit_once('@').expect("a name and a version");
            let plain = name.trim_start_matches('@').replace('/', "-");
            run(Command::new("npm")
                .args(["pack", "--silent", package])
                .current_dir(&place));
            let folder = place.join(&plain);
            std::fs::create_dir_all(&folder).expect("a folder");
            let file = place.join(format!("{plain}-{version}.tgz"));
            run(Command::new("tar")
                .args(["--strip-components=1", "-xzf"])
                .arg(file)
                .arg("-C")
                .arg(folder));
        }
    });
    place
}

#[expect(clippy::print_stdout, reason = "what is installed is said")]
fn once(place: &Path, wanted: &Path, install: impl FnOnce()) {
    std::fs::create_dir_all(place).expect("a folder");
    let lock = std::fs::File::create(place.join("lock")).expect("a lock");
    lock.lock().expect("one at a time");
    let (list, note) = (std::fs::read(wanted).expect("a list"), place.join("installed"));
    if std::fs::read(&note).is_ok_and(|installed| installed == list) {
        return;
    }
    println!("installing what {} names into {}", wanted.display(), place.display());
    install();
    std::fs::write(&note, &list).expect("a note");
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; python3-venv, node and npm have to be there"));
    assert!(status.success(), "{command:?}");
}
