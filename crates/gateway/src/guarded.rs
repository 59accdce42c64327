//! What local mode guards: the folder with its keys. Whoever reads one of them decides in the user's place.
//!
//! Policy sees texts. Whether a text leads to that folder is a matter of the file system, by links, by whatever name an
//! argument has. So wrapper and hook, which run where the tools run, look before they ask, and say what they saw in the
//! label `local_keys` of the action; what follows from it is policy's. It is looked at again whenever the action is asked about
//! or used, and an action with another label is another action. What changes after that, while the tool runs, nobody sees.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The label.
pub(crate) const LABEL: &str = "local_keys";
/// The longest text that is a path.
const LONGEST_PATH: usize = 4096;
/// How many texts and words of one action are looked up; where there are more, somebody is asked.
const LOOKS: usize = 2000;
/// How many links and missing parts of one path are followed.
const LINKS: usize = 1000;
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

/// A folder that no tool is to reach.
#[derive(Clone, Debug)]
pub struct Guarded {
    root: PathBuf,
    home: Option<PathBuf>,
}

/// A look at one action.
struct Look<'a> {
    guarded: &'a Guarded,
    base: PathBuf,
    /// The guarded folder, and those above it.
    chain: Vec<(u64, u64)>,
    left: usize,
    nearest: Option<Near>,
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
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
    pub(crate) fn label(&self, arguments: &Map<String, Value>) -> Option<&'static str> {
        let stated = arguments.get("cwd").and_then(Value::as_str).map(PathBuf::from);
        let stated = stated.filter(|path| path.is_absolute());
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let mut look = Look {
            guarded: self,
            base: stated.or_else(|| std::env::current_dir().ok()).unwrap_or_default(),
            // Where there is no such folder, there is nothing to guard.
            chain: (real.ancestors())
                .map_while(|path| Some(identity(&path.metadata().ok()?)))
                .collect(),
            left: LOOKS,
            nearest: None,
        };
        for (name, value) in arguments {
            // Where a host works is no folder that a tool is told to look through.
            look.value(value, name == "cwd");
        }
        look.nearest.map(Near::as_str)
    }
}

impl Look<'_> {
    fn come(&mut self, near: Near) {
        self.nearest = self.nearest.max(Some(near));
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
        for text in [text, &plain] {
            match self.leads(text) {
                Some(Near::Above) if is_place => {}
                Some(near) => self.come(near),
                None => {}
            }
        }
        // A command line, or a list of paths in one text.
        let between = |sign: char| sign.is_whitespace() || "'\"`;|&<>()=,{}".contains(sign);
        if plain.len() <= LONGEST_PATH && plain.contains(between) {
            for word in plain.split(between) {
                if self.leads(word) == Some(Near::There) {
                    self.come(Near::Mentioned);
                }
            }
        }
    }

    /// Where a text leads as a path.
    fn leads(&mut self, text: &str) -> Option<Near> {
        if text.is_empty() || text.len() > LONGEST_PATH || text.contains('\0') {
            return None;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Some(Near::Mentioned);
        };
        self.left = left;
        let path = self.base.join(self.place(text));
        let (real, whole) = existing(&path)?;
        let of = |path: &Path| Some(identity(&path.metadata().ok()?));
        let (guarded, above) = self.chain.split_first()?;
        if real.ancestors().filter_map(of).any(|one| one == *guarded) || (whole && self.is_linked(&real)) {
            return Some(Near::There);
        }
        let one = of(&real).filter(|_| whole && real.is_dir())?;
        above.contains(&one).then_some(Near::Above)
    }

    /// A text as a path: without what addresses of files begin with, and at home where it begins there.
    fn place(&self, text: &str) -> PathBuf {
        let path = text
            .strip_prefix("file://localhost")
            .or_else(|| text.strip_prefix("file://"));
        let path = path.or_else(|| text.strip_prefix("file:")).unwrap_or(text);
        let below_home = ["~/", "$HOME/", "${HOME}/"]
            .iter()
            .find_map(|start| path.strip_prefix(start));
        let below_home = below_home.or_else(|| ["~", "$HOME", "${HOME}"].contains(&path).then_some(""));
        match (below_home, &self.guarded.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) | (None, _) => PathBuf::from(path),
        }
    }

    /// Whether a file is one of the guarded ones under another name.
    fn is_linked(&self, real: &Path) -> bool {
        let Ok(meta) = real.metadata() else { return false };
        if !meta.is_file() || meta.nlink() < 2 {
            return false;
        }
        let data = self.guarded.root.join("data");
        let folders = [self.guarded.root.as_path(), &data];
        let files = folders
            .iter()
            .filter_map(|folder| folder.read_dir().ok())
            .flatten()
            .flatten();
        let mut metas = files.filter_map(|file| file.metadata().ok());
        metas.any(|file| identity(&file) == identity(&meta))
    }
}

/// What there is of a path, links followed, and whether that is all of it. A link that leads to nothing yet is followed too:
/// who writes to it makes what it leads to.
fn existing(path: &Path) -> Option<(PathBuf, bool)> {
    let mut path = path.to_owned();
    let mut whole = true;
    for _ in 0..LINKS {
        if let Ok(real) = path.canonicalize() {
            return Some((real, whole));
        }
        whole = false;
        path = match path.read_link() {
            Ok(target) => path.parent()?.join(target),
            Err(_) => path.parent()?.to_owned(),
        };
    }
    None
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    /// A home with keys in it, and links to them.
    fn home() -> PathBuf {
        let home = std::env::temp_dir().join(format!("countersign-guarded-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        let root = home.join("share/countersign/local");
        fs::create_dir_all(root.join("data")).unwrap();
        fs::create_dir_all(home.join("work/deep")).unwrap();
        fs::write(root.join("person.key"), "of a person").unwrap();
        fs::write(root.join("data/local.json"), "{}").unwrap();
        fs::write(home.join("work/notes.txt"), "mine").unwrap();
        symlink(root.join("person.key"), home.join("work/letter.txt")).unwrap();
        symlink(home.join("share"), home.join("work/pictures")).unwrap();
        symlink(root.join("policies"), home.join("work/dangling")).unwrap();
        fs::hard_link(root.join("data/local.json"), home.join("work/settings.txt")).unwrap();
        home
    }

    #[test]
    fn what_leads_to_the_keys_is_seen_whatever_it_and_its_argument_are_called() {
        let home = home();
        let guarded = Guarded {
            root: home.join("share/countersign/local"),
            home: Some(home.clone()),
        };
        let work = home.join("work");
        let label = |arguments: &Value| {
            let mut arguments = arguments.as_object().unwrap().clone();
            arguments.insert("cwd".to_owned(), work.display().to_string().into());
            guarded.label(&arguments)
        };
        let at = |rest: &str| format!("{}/{rest}", home.display());
        for there in [
            json!({ "filename": "letter.txt" }),
            json!({ "target": "deep/../letter.txt" }),
            json!({ "uri": format!("file://{}", at("work/letter.txt")) }),
            json!({ "uri": format!("file://{}", at("work/%6cetter.txt")) }),
            json!({ "x": { "y": [{ "z": "pictures/countersign/local/data" }] } }),
            json!({ "files": { "letter.txt": "what is to stand there" } }),
            json!({ "what": "~/share/countersign/local" }),
            json!({ "what": "$HOME/work/letter.txt" }),
            json!({ "out": "pictures/countersign/local/new/file" }),
            json!({ "out": "dangling" }),
            json!({ "a": "settings.txt" }),
            json!({ "a": at("share/countersign/../countersign/local/person.key") }),
        ] {
            assert_eq!(label(&there), Some("there"), "{there}");
        }
        for mentioned in [
            json!({ "line": "cat letter.txt | sort" }),
            json!({ "list": "notes.txt,letter.txt" }),
            json!({ "text": "my Person.Key is lost" }),
            json!({ "text": "person%2ekey" }),
            json!({ "many": vec!["notes.txt"; 2001] }),
        ] {
            assert_eq!(label(&mentioned), Some("mentioned"), "{mentioned}");
        }
        for above in [
            json!({ "where": "pictures" }),
            json!({ "where": ".." }),
            json!({ "where": "~" }),
        ] {
            assert_eq!(label(&above), Some("above"), "{above}");
        }
        for far in [
            json!({ "path": "notes.txt" }),
            json!({ "path": "deep/new.txt", "content": "a letter and its text", "head": 5 }),
            json!({ "path": "." }),
            json!({ "text": "100% of it, %zz and \u{0}" }),
            json!({}),
        ] {
            assert_eq!(label(&far), None, "{far}");
        }
        fs::remove_dir_all(home).unwrap();
    }
}
