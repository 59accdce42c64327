//! The hooks of coding agents: what a host asks before it runs a tool, by a command or over HTTP ([`served`]), and what it
//! is told.
//!
//! Most hosts let a tool run when a hook crashes, is late, or says what they do not understand. So every way out of here is
//! an explicit answer in the host's own words, and the answer is there before the host's time is over: without a
//! decision it is a denial.

mod claude;
mod codex;
mod copilot;
mod cursor;
mod gemini;
mod normal;
pub mod served;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use countersign_core::digest::hex;
use serde_json::{Map, Value};

use crate::govern::{Governor, Ruling};
use crate::guarded::Stand;
use crate::waiting::Folder;

/// The most that a host may send.
pub const INPUT: u64 = 4 * 1024 * 1024;

/// What is left of the host's time when we answer at the latest.
pub const MARGIN: Duration = Duration::from_secs(3);

/// Whose hook it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Claude Code, and hosts that took over its shape.
    Claude,
    /// Codex.
    Codex,
    /// Copilot.
    Copilot,
    /// Cursor.
    Cursor,
    /// Gemini.
    Gemini,
}

/// What a host says.
#[derive(Debug, PartialEq)]
enum Event {
    /// A tool is about to run.
    Before(Use),
    /// A tool has run.
    After {
        /// The host's name of the use.
        id: String,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// The host is about to ask its user about a tool.
    Asking(Use),
    /// Anything else.
    Other,
}

/// A use of a tool.
#[derive(Debug, PartialEq)]
struct Use {
    /// The host's name of the event, which its answer repeats.
    event: String,
    /// The host's name of this use, if it has one.
    id: Option<String>,
    /// `server/tool`; the host's own tools are on a server with the host's name.
    tool: String,
    /// The operation; of the host's own tools the one that all hosts share, where there is one.
    action: String,
    /// Its arguments.
    arguments: Map<String, Value>,
    /// The session.
    session: Option<String>,
    /// The arguments that are there beside what the host said.
    added: Vec<normal::Added>,
    /// Where the host works, as it says itself.
    stand: Option<String>,
}

impl Use {
    /// Whether an argument is there beside what the host said.
    fn puts(&self, name: &str) -> bool {
        self.added.iter().any(|added| added.is(name))
    }
}

/// What the host is told.
#[derive(Debug)]
enum Verdict {
    /// Nothing stands against it.
    Proceed {
        /// The arguments to run with instead.
        changed: Option<Map<String, Value>>,
    },
    /// It must not run.
    Deny {
        /// Why, for the model.
        reason: String,
    },
}

/// How a hook behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose hook it is.
    pub dialect: Dialect,
    /// The environment that the host's tools act in.
    pub env: Option<String>,
    /// How long people may take before the agent is told to come back.
    pub hold: Duration,
    /// Tell the host that it need not ask its user any more.
    pub grant: bool,
}

impl Dialect {
    /// The one of this name, in small letters.
    pub fn named(name: &str) -> Option<Dialect> {
        Some(match name {
            "claude" => Dialect::Claude,
            "codex" => Dialect::Codex,
            "copilot" => Dialect::Copilot,
            "cursor" => Dialect::Cursor,
            "gemini" => Dialect::Gemini,
            _ => return None,
        })
    }

    /// How long a host waits for a hook, as it comes; then most of them go on without it.
    pub fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Dialect::Copilot => 30,
            Dialect::Gemini | Dialect::Cursor => 60,
            Dialect::Claude | Dialect::Codex => 600,
        })
    }

    fn read(self, input: &Value) -> Result<Event, String> {
        let event = match self {
            Dialect::Claude => claude::read(input, "claude"),
            Dialect::Codex => claude::read(input, "codex"),
            Dialect::Copilot => copilot::read(input),
            Dialect::Cursor => cursor::read(input),
            Dialect::Gemini => gemini::read(input),
        }?;
        let cwd = text(input, "cwd").or_else(|| text(input, "workingDirectory"));
        Ok(match event {
            Event::Before(used) => Event::Before(normal::normal(used, cwd)?),
            Event::Asking(used) => Event::Asking(normal::normal(used, cwd)?),
            other @ (Event::After { .. } | Event::Other) => other,
        })
    }

    /// The answer in the host's words: what goes to the standard output, with exit code 0. Empty where silence is how the
    /// host is told to go on.
    fn write(self, event: &str, verdict: &Verdict, grant: bool) -> String {
        match self {
            Dialect::Claude => claude::write(event, verdict, grant),
            Dialect::Codex => codex::write(event, verdict),
            Dialect::Copilot => copilot::write(event, verdict, grant),
            Dialect::Cursor => cursor::write(verdict),
            Dialect::Gemini => gemini::write(verdict),
        }
    }

    /// What lets the host go on as it would without the hook.
    pub fn go_on(self) -> String {
        self.write(self.before(), &Verdict::Proceed { changed: None }, false)
    }

    /// How the host calls the event before a tool runs.
    fn before(self) -> &'static str {
        match self {
            Dialect::Claude | Dialect::Codex => "PreToolUse",
            Dialect::Copilot | Dialect::Cursor => "preToolUse",
            Dialect::Gemini => "BeforeTool",
        }
    }

    /// The denial that is right whatever the host asked, for when its question was not understood.
    pub fn deny(self, reason: &str) -> String {
        let verdict = Verdict::Deny {
            reason: reason.to_owned(),
        };
        self.write(self.before(), &verdict, false)
    }
}

/// Answers one hook: the text for the standard output.
pub async fn answer(governor: &Governor, folder: &std::path::Path, options: &Options, input: &[u8]) -> String {
    let dialect = options.dialect;
    // Where nothing is enforced, what was not understood is noted, and the host goes on.
    let refuse = |why: &str| match governor.observer() {
        Some(observer) => {
            observer.failed(why);
            dialect.go_on()
        }
        None => dialect.deny(&format!("Not decided: {why}. Nothing was run.")),
    };
    let strict = countersign_policy::json::Limits {
        bytes: input.len(),
        depth: 64,
        ..countersign_policy::json::Limits::default()
    };
    if let Err(error) = countersign_policy::json::parse(input, &strict) {
        return refuse(&format!("the hook's input can be read in more than one way: {error}"));
    }
    let event = serde_json::from_slice(input)
        .map_err(|error| error.to_string())
        .and_then(|input| dialect.read(&input));
    let uses = Folder::new(&folder.join("uses"));
    match event {
        Ok(Event::Before(before)) => before_tool(governor, &uses, options, &before).await,
        Ok(Event::Asking(asking)) => asking_user(governor, options, &asking).await,
        Ok(Event::After { id, error }) => {
            let name = hex(id.as_bytes());
            if let Some(action) = uses.find(&name) {
                governor.report(&action, error, Duration::ZERO).await;
                uses.forget(&name, &action);
            }
            String::new()
        }
        Ok(Event::Other) => String::new(),
        Err(why) => refuse(&format!("the hook's input is not understood: {why}")),
    }
}

/// Arguments are looked at from where the host works.
fn standing(governor: &Governor, used: &Use) -> Governor {
    governor.standing(Stand {
        folder: used.stand.as_ref().map(PathBuf::from),
        puts_cwd: used.puts("cwd"),
    })
}

fn action(options: &Options, used: &Use) -> ActionBody {
    ActionBody {
        tool: Some(used.tool.clone()),
        action: Some(used.action.clone()),
        args: Some(used.arguments.clone()),
        env: options.env.clone(),
        run: used.session.clone(),
        accept_remedy: Some(true),
        ..ActionBody::default()
    }
}

async fn before_tool(governor: &Governor, uses: &Folder, options: &Options, used: &Use) -> String {
    let until = Instant::now() + options.hold;
    let governor = standing(governor, used);
    let verdict = match governor.rule(&action(options, used), used.id.as_deref(), until).await {
        Ruling::Go(go) => {
            if let Some(id) = used.id.as_ref().filter(|_| !go.id.is_empty()) {
                // Without it the outcome is not reported, and is unknown to the server after its time.
                let _ = uses.keep(&hex(id.as_bytes()), &go.id);
            }
            match go.changed {
                Some((tool, _)) if tool != used.tool && tool != used.action => Verdict::Deny {
                    reason: format!("Policy puts `{tool}` in place of this tool. Nothing was run; use that one."),
                },
                Some((_, arguments)) => match normal::back(used, arguments) {
                    Ok(arguments) => Verdict::Proceed {
                        changed: Some(arguments),
                    },
                    Err(why) => Verdict::Deny {
                        reason: format!("Policy changes this call, but {why}. Nothing was run."),
                    },
                },
                None => Verdict::Proceed { changed: None },
            }
        }
        Ruling::Refused { sentence, .. } => Verdict::Deny { reason: sentence },
        Ruling::Waiting(waiting) => Verdict::Deny {
            reason: waiting.sentence,
        },
    };
    options.dialect.write(&used.event, &verdict, options.grant)
}

/// The host asks its user about a use that is decided by itself; only a denial is said here.
async fn asking_user(governor: &Governor, options: &Options, used: &Use) -> String {
    let verdict = match standing(governor, used).would_refuse(&action(options, used)).await {
        Ok(None) => return String::new(),
        Ok(Some(reason)) => Verdict::Deny { reason },
        Err(error) => Verdict::Deny {
            reason: format!("Not decided: {error}. Nothing was run."),
        },
    };
    options.dialect.write(&used.event, &verdict, false)
}

/// A text of the input.
fn text<'a>(input: &'a Value, key: &str) -> Option<&'a str> {
    input.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn needed<'a>(input: &'a Value, key: &str) -> Result<&'a str, String> {
    text(input, key).ok_or_else(|| format!("`{key}` is missing"))
}

/// Arguments: an object, or the text of one.
fn arguments(value: Option<&Value>) -> Result<Map<String, Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err("the tool's input is not an object".to_owned()),
        },
        Some(_) => Err("the tool's input is not an object".to_owned()),
    }
}

/// `mcp__server__tool` or `mcp_server_tool` as `server/tool`; everything else is a tool of the host.
fn tool_name(host: &str, name: &str, separator: &str) -> Result<(String, String), String> {
    let prefix = format!("mcp{separator}");
    match name.strip_prefix(&prefix).and_then(|rest| rest.split_once(separator)) {
        Some((server, tool)) if !server.is_empty() && !tool.is_empty() => server_tool(server, tool),
        _ => Ok((format!("{host}/{name}"), name.to_owned())),
    }
}

/// A tool of an MCP server. One that is called like a host could pass for the host's own tools.
fn server_tool(server: &str, tool: &str) -> Result<(String, String), String> {
    let host = ["claude", "codex", "copilot", "cursor", "gemini"]
        .iter()
        .any(|host| server.eq_ignore_ascii_case(host));
    if host || server.contains('/') {
        return Err(format!(
            "an MCP server must not be called `{server}`, as the tools of a host are"
        ));
    }
    Ok((format!("{server}/{tool}"), tool.to_owned()))
}

#[cfg(test)]
mod normal_tests;
#[cfg(test)]
mod tests;
