//! MCP servers in the configuration of a client: each that is started by a command is started behind the wrapper.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Unfit, json, toml};

/// A client of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Claude Code's `.mcp.json` of a project.
    Claude,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Codex, whose configuration is TOML.
    Codex,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    Gemini,
    /// VS Code's `.vscode/mcp.json` of a project.
    Vscode,
}

/// How servers are wrapped.
#[derive(Clone, Debug)]
pub struct Wrapper {
    /// The program: an absolute path, since a client may have no search path of its own.
    pub program: String,
    /// What follows `mcp wrap --server NAME`: where the server is, and the key.
    pub options: Vec<String>,
    /// Only these servers; all of them where it is empty.
    pub only: Vec<String>,
    /// How long a call may be held for people: a client that waits less by itself has to wait longer.
    pub hold: Duration,
}

/// What became of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is wrapped; `tools` is the name of its tools in policy.
    Wrapped {
        /// The name of the server in policy.
        tools: String,
    },
    /// It is as it was before.
    Unwrapped,
    /// It stays as it is.
    Left(&'static str),
}

/// A changed configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The new text.
    pub text: String,
    /// What became of each server, by its name in the configuration.
    pub changes: BTreeMap<String, Change>,
}

/// A server as a configuration names it.
pub(super) struct Entry {
    pub(super) name: String,
    /// What starts it; nothing where it is reached by an address.
    pub(super) command: Option<String>,
    /// Its arguments; nothing where they are not a list of texts.
    pub(super) args: Option<Vec<String>>,
    /// How long the client waits for a call, if the configuration says it.
    pub(super) patience: Option<Duration>,
}

/// What an entry becomes.
pub(super) struct Start {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    /// How long the client has to wait for a call, where that is longer than it would.
    pub(super) patience: Option<Duration>,
}

/// The wrapper's options that installing says, each time anew.
const SAID: [&str; 6] = ["--server", "--at", "--agent-key", "--env", "--state", "--hold"];

const BY_ADDRESS: &str = "it is reached by an address, not started by a command";
const NO_TEXTS: &str = "its arguments are not a list of texts";
const NOT_WRAPPED: &str = "it is not wrapped";
const WRAPPED_SO: &str = "it is wrapped so already";
const NOT_CHOSEN: &str = "it was not chosen";

impl Client {
    /// Where the configuration lies: below the home of the user, or below the project for clients that have one there.
    pub fn place(self, home: &Path, project: &Path) -> std::path::PathBuf {
        match self {
            Client::Claude => project.join(".mcp.json"),
            Client::ClaudeDesktop if cfg!(target_os = "macos") => {
                home.join("Library/Application Support/Claude/claude_desktop_config.json")
            }
            Client::ClaudeDesktop => home.join(".config/Claude/claude_desktop_config.json"),
            Client::Codex => home.join(".codex/config.toml"),
            Client::Cursor => home.join(".cursor/mcp.json"),
            Client::Gemini => home.join(".gemini/settings.json"),
            Client::Vscode => project.join(".vscode/mcp.json"),
        }
    }

    /// Puts the wrapper before every server of the configuration that is started by a command.
    ///
    /// # Errors
    /// The text is no configuration of this client, a chosen server is not in it, or two servers would have one name in policy.
    pub fn install(self, text: &str, wrapper: &Wrapper) -> Result<Installed, Unfit> {
        let mut names = BTreeMap::new();
        let installed = self.edit(text, |entry| self.wrap(entry, wrapper, &mut names))?;
        let missing = wrapper.only.iter().find(|name| !installed.changes.contains_key(*name));
        if let Some(name) = missing {
            return Err(Unfit(format!("there is no server `{name}` in it")));
        }
        for change in installed.changes.values() {
            let Change::Wrapped { tools } = change else { continue };
            if let Some([first, second, ..]) = names.get(tools).map(Vec::as_slice) {
                return Err(Unfit(format!(
                    "the servers `{first}` and `{second}` would both be `{tools}` in policy: rename one of them"
                )));
            }
        }
        Ok(installed)
    }

    /// Makes every wrapped server what it was. What installing changed besides its command comes back from `before`, the
    /// configuration before that, where the rest of the server is as it was there.
    ///
    /// # Errors
    /// The text is no configuration of this client.
    pub fn uninstall(self, text: &str, only: &[String], before: Option<&str>) -> Result<Installed, Unfit> {
        let mut edited = self.edit(text, |entry| {
            if !is_chosen(only, &entry.name) {
                return Err(Change::Left(NOT_CHOSEN));
            }
            let inner = entry.inner().ok_or(Change::Left(NOT_WRAPPED))?;
            Ok((inner, Change::Unwrapped))
        })?;
        let unwrapped = edited
            .changes
            .iter()
            .filter(|(_, change)| **change == Change::Unwrapped);
        let names: Vec<&str> = unwrapped.map(|(name, _)| name.as_str()).collect();
        let restored = before.and_then(|before| match self {
            Client::Codex => toml::restore_servers(&edited.text, before, &names),
            Client::Vscode => json::restore_servers(&edited.text, before, "servers", &names),
            Client::Claude | Client::ClaudeDesktop | Client::Cursor | Client::Gemini => {
                json::restore_servers(&edited.text, before, "mcpServers", &names)
            }
        });
        if let Some(text) = restored {
            edited.text = text;
        }
        Ok(edited)
    }

    fn edit(self, text: &str, turn: impl FnMut(&Entry) -> Result<(Start, Change), Change>) -> Result<Installed, Unfit> {
        match self {
            Client::Codex => toml::edit_servers(text, turn),
            Client::Vscode => json::edit_servers(text, "servers", turn),
            Client::Claude | Client::ClaudeDesktop | Client::Cursor | Client::Gemini => {
                json::edit_servers(text, "mcpServers", turn)
            }
        }
    }

    fn wrap(
        self,
        entry: &Entry,
        wrapper: &Wrapper,
        names: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<(Start, Change), Change> {
        if !is_chosen(&wrapper.only, &entry.name) {
            return Err(Change::Left(NOT_CHOSEN));
        }
        let inner = match entry.inner() {
            Some(inner) => inner,
            None => Start {
                command: entry.command.clone().ok_or(Change::Left(BY_ADDRESS))?,
                args: entry.args.clone().ok_or(Change::Left(NO_TEXTS))?,
                patience: None,
            },
        };
        let tools = in_policy(&entry.name);
        names.entry(tools.clone()).or_default().push(entry.name.clone());
        let mut args = ["mcp", "wrap", "--server", &tools].map(str::to_owned).to_vec();
        args.extend(wrapper.options.iter().cloned());
        args.extend(entry.added());
        args.extend(["--".to_owned(), inner.command]);
        args.extend(inner.args);
        if entry.command.as_deref() == Some(&wrapper.program) && entry.args.as_ref() == Some(&args) {
            return Err(Change::Left(WRAPPED_SO));
        }
        let start = Start {
            command: wrapper.program.clone(),
            args,
            patience: self.longer(entry, wrapper.hold),
        };
        Ok((start, Change::Wrapped { tools }))
    }

    /// How long the client has to wait for a call, if what it would wait is too short for people.
    fn longer(self, entry: &Entry, hold: Duration) -> Option<Duration> {
        let by_itself = match self {
            Client::Codex => Duration::from_secs(60),
            Client::Gemini => Duration::from_secs(600),
            // These have no such word for a server.
            Client::Claude | Client::ClaudeDesktop | Client::Cursor | Client::Vscode => return None,
        };
        let needed = hold + Duration::from_secs(15);
        (entry.patience.unwrap_or(by_itself) < needed).then_some(needed)
    }
}

impl Entry {
    /// What a wrapped server was before; nothing if it is not wrapped.
    fn inner(&self) -> Option<Start> {
        let (_, inner) = wrapped(self.command.as_deref()?, self.args.as_ref()?)?;
        let (command, args) = inner.split_first()?;
        Some(Start {
            command: command.clone(),
            args: args.to_vec(),
            patience: None,
        })
    }

    /// What somebody added to the wrapper's options, such as a credential: installing does not say it, so it stays.
    fn added(&self) -> Vec<String> {
        let command = self.command.as_deref().unwrap_or_default();
        let Some((mut options, _)) = wrapped(command, self.args.as_deref().unwrap_or_default()) else {
            return Vec::new();
        };
        let mut added = Vec::new();
        while let Some((option, rest)) = options.split_first() {
            let has_value = !option.contains('=') && rest.first().is_some_and(|next| !next.starts_with("--"));
            let (value, rest) = rest.split_at(usize::from(has_value));
            let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name);
            if !SAID.contains(&name) {
                added.push(option.clone());
                added.extend(value.iter().cloned());
            }
            options = rest;
        }
        added
    }
}

/// The wrapper's options and the command that it wraps, if a command is the wrapper.
pub(super) fn wrapped<'a>(command: &str, args: &'a [String]) -> Option<(&'a [String], &'a [String])> {
    let (wraps, rest) = (args.get(..2)?, args.get(2..)?);
    if Path::new(command).file_stem()? != "countersign" || wraps != ["mcp", "wrap"] {
        return None;
    }
    let at = rest.iter().position(|argument| argument == "--")?;
    let inner = rest.get(at + 1..).filter(|inner| !inner.is_empty())?;
    Some((rest.get(..at)?, inner))
}

fn is_chosen(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|chosen| chosen == name)
}

/// The name of a server in policy: small letters, digits, `-`, `_` and `.`; every other character is a `-`.
fn in_policy(name: &str) -> String {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '-' | '_' | '.') => letter,
        _ => '-',
    };
    name.chars().map(plain).take(64).collect()
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
