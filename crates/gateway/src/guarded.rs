//! What local mode guards: the folder with its keys. Whoever reads one of them decides in the user's place.
//!
//! Policy sees texts. Whether a text leads to that folder is a matter of the file system, by links, by whatever name an
//! argument has. So wrapper and hook, which run where the tools run, look before they ask, and say what they saw in the
//! label `local_keys` of the action; what follows from it is policy's. It is looked at again whenever the action is asked about
//! or used, and an action with another label is another action. What changes after that, while the tool runs, nobody sees.
//!
//! Tools read one text in several ways (`..` as the system does or as it is written, addresses with and without escapes):
//! the reading that comes nearest counts.

mod walk;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use self::walk::{Identity, Spot, TooFar, identity, walk, written};

/// The label.
pub(crate) const LABEL: &str = "local_keys";
/// The longest text that is looked at as paths. A longer one in a single line is asked about.
const LONGEST: usize = 64 * 1024;
/// The longest folder to work in.
const LONGEST_FOLDER: usize = 4096;
/// How many steps in the file system the texts and words of one action are worth; where there are more, somebody is asked.
const STEPS: usize = 100_000;
/// What only texts about the keys have in them.
const TELLING: [&str; 5] = [
    "countersign/local",
    "person.key",
    "agent.key",
    "instance.key",
    "local.json",
];

/// How near a text comes, the nearest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    /// It is a folder that the guarded one is in.
    Above,
    /// It has something in it that leads there, or is about it.
    Mentioned,
    /// It leads there.
    There,
}

impl Near {
    fn as_str(self) -> &'static str {
        match self {
            Near::Above => "above",
            Near::Mentioned => "mentioned",
            Near::There => "there",
        }
    }
}

/// What is said of an action that could not be looked at.
pub(crate) fn unseen() -> &'static str {
    Near::Mentioned.as_str()
}

/// Where a host works, as the host says and never the agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stand {
    /// The folder; where the host says none, the one that this process runs in.
    pub(crate) folder: Option<PathBuf>,
    /// The argument `cwd` was put there by us. The agent named no folder by it.
    pub(crate) puts_cwd: bool,
}

/// A folder that no tool is to reach.
#[derive(Clone, Debug)]
pub struct Guarded {
    root: PathBuf,
    home: Option<PathBuf>,
}

/// A folder that texts are read from: as it is written, and where that is.
struct Base {
    written: PathBuf,
    spot: Spot,
}

/// A look at one action.
struct Look<'a> {
    guarded: &'a Guarded,
    bases: Vec<Base>,
    /// The guarded folder, and those above it.
    chain: Vec<Identity>,
    /// The files in it, once they were asked for.
    files: Option<BTreeSet<Identity>>,
    steps: usize,
    nearest: Option<Near>,
}

impl Guarded {
    /// Guards a folder and everything below it.
    pub fn new(root: &Path) -> Guarded {
        Guarded {
            root: root.to_owned(),
            home: std::env::var_os("HOME").map(PathBuf::from),
        }
    }

    /// What the label says of an action with these arguments; nothing if they come nowhere near.
    pub(crate) fn label(&self, arguments: &Map<String, Value>, stand: &Stand) -> Option<&'static str> {
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let mut look = Look {
            guarded: self,
            bases: Vec::new(),
            // Where there is no such folder, there is nothing to guard.
            chain: (real.ancestors())
                .map_while(|path| Some(identity(&path.metadata().ok()?)))
                .collect(),
            files: None,
            steps: STEPS,
            nearest: None,
        };
        let mut here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        if let Some(folder) = &stand.folder {
            here.push(folder);
        }
        look.stand(here.clone());
        // Some tools read paths from there, whoever said it.
        for said in arguments
            .get("cwd")
            .and_then(Value::as_str)
            .iter()
            .flat_map(|said| self.readings(said))
        {
            let folder = here.join(said);
            look.stand(written(&folder));
            look.stand(folder);
        }
        for (name, value) in arguments {
            look.text(name, false);
            // Where a host works is no folder that a tool is told to look through.
            look.value(value, name == "cwd" && stand.puts_cwd);
        }
        look.nearest.map(Near::as_str)
    }

    /// What paths a text may be: without what addresses of files begin with and end in, without their escapes, and at home
    /// where it begins there.
    fn readings(&self, text: &str) -> Vec<PathBuf> {
        let mut readings = vec![text];
        let scheme = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
        if let Some(rest) = text.get(5..).filter(|_| scheme) {
            let plain = rest.strip_prefix("//").unwrap_or(rest);
            // What stands before the path is a host, whatever it is called.
            let behind = plain.find('/').and_then(|at| plain.get(at..));
            let whole: Vec<&str> = [Some(plain), behind].into_iter().flatten().collect();
            readings = whole.iter().filter_map(|path| path.split(['#', '?']).next()).collect();
            readings.extend(whole);
        }
        let plain = readings.iter().map(|path| unescaped(path));
        let mut all: Vec<String> = plain.chain(readings.iter().map(|path| (*path).to_owned())).collect();
        all.sort();
        all.dedup();
        all.into_iter().map(|path| self.at_home(path)).collect()
    }

    fn at_home(&self, path: String) -> PathBuf {
        let below = ["~/", "$HOME/", "${HOME}/"]
            .iter()
            .find_map(|start| path.strip_prefix(start));
        let below = below.or_else(|| ["~", "$HOME", "${HOME}"].contains(&path.as_str()).then_some(""));
        match (below, &self.home) {
            // More slashes lead to the same, and not to the top.
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
            (Some(_), None) | (None, _) => PathBuf::from(path),
        }
    }

    /// The files that are guarded by name.
    fn files(&self) -> BTreeSet<Identity> {
        let data = self.root.join("data");
        let folders = [self.root.as_path(), &data];
        let files = folders.iter().filter_map(|folder| folder.read_dir().ok());
        files
            .flatten()
            .flatten()
            .filter_map(|file| Some(identity(&file.metadata().ok()?)))
            .collect()
    }
}

impl Look<'_> {
    fn come(&mut self, near: Near) {
        self.nearest = self.nearest.max(Some(near));
    }

    /// Texts are read from this folder too.
    fn stand(&mut self, folder: PathBuf) {
        if self.bases.iter().any(|base| base.written == folder) {
            return;
        }
        let short = folder.as_os_str().len() <= LONGEST_FOLDER;
        match walk(&Spot::top(), &folder, &mut self.steps) {
            Ok(spot) if short => self.bases.push(Base { written: folder, spot }),
            Ok(_) | Err(TooFar) => self.come(Near::Mentioned),
        }
    }

    /// Keys of objects are texts like others: some tools take files by their names there.
    fn value(&mut self, value: &Value, is_place: bool) {
        match value {
            Value::String(text) => self.text(text, is_place),
            Value::Array(list) => list.iter().for_each(|value| self.value(value, is_place)),
            Value::Object(members) => {
                for (key, value) in members {
                    self.text(key, false);
                    self.value(value, is_place);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, is_place: bool) {
        let plain = unescaped(text);
        let low = plain.to_ascii_lowercase();
        if TELLING.iter().any(|part| low.contains(part)) {
            self.come(Near::Mentioned);
        }
        if text.len() > LONGEST {
            // What is written to files is long and has lines; a path has none.
            if !text.contains('\n') {
                self.come(Near::Mentioned);
            }
            return;
        }
        for path in self.guarded.readings(text) {
            match self.leads(&path) {
                Some(Near::Above) if is_place => {}
                Some(near) => self.come(near),
                None => {}
            }
        }
        // A command line, or a list of paths in one text.
        let between = |sign: char| sign.is_whitespace() || "'\"`;|&<>()=,{}".contains(sign);
        if !plain.contains(between) {
            return;
        }
        let escaped = if plain == text { "" } else { text };
        for word in plain.split(between).chain(escaped.split(between)) {
            for path in self.guarded.readings(word) {
                if self.leads(&path).is_some_and(|near| near > Near::Above) {
                    self.come(Near::Mentioned);
                }
            }
        }
    }

    /// Where a path leads: as the system takes it, and as it is written.
    fn leads(&mut self, path: &Path) -> Option<Near> {
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return None;
        }
        let turns = path.components().any(|part| part == Component::ParentDir);
        let mut ends = Vec::new();
        for base in self.bases.iter().take(if path.is_absolute() { 1 } else { usize::MAX }) {
            ends.push(walk(&base.spot, path, &mut self.steps));
            if turns {
                let plain = written(&base.written.join(path));
                ends.push(walk(&Spot::top(), &plain, &mut self.steps));
            }
        }
        ends.into_iter().filter_map(|end| self.near(end)).max()
    }

    fn near(&mut self, end: Result<Spot, TooFar>) -> Option<Near> {
        let (guarded, above) = self.chain.split_first()?;
        let Ok(spot) = end else { return Some(Near::Mentioned) };
        if spot.is_in(guarded) {
            return Some(Near::There);
        }
        if above.contains(spot.identity()?) {
            return Some(Near::Above);
        }
        self.is_linked(&spot).then_some(Near::There)
    }

    /// Whether a file is one of the guarded ones under another name.
    fn is_linked(&mut self, spot: &Spot) -> bool {
        let Ok(meta) = spot.path.metadata() else { return false };
        meta.is_file() && meta.nlink() > 1 && {
            let guarded = self.guarded;
            let files = self.files.get_or_insert_with(|| guarded.files());
            files.contains(&identity(&meta))
        }
    }
}

/// A text without the escapes of addresses (`%2e`).
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = match code {
            Some(_) => behind.get(2..).unwrap_or_default(),
            None => behind,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[path = "guarded_tests.rs"]
mod tests;
