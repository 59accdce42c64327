//! `countersign local`: the server of local mode, started, stopped and looked at.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command as Process, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use countersign_core::ActorKind;
use countersign_core::event::AgentRegistered;
use countersign_engine::{Caller, NewOrganization, Request, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::background::{AGENT, Background, ORGANIZATION, PERSON, Turn, write_key};
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::instance::Instance;
use crate::local::Local;
use crate::signer_state;

/// The policies that local mode begins with.
const STARTER: [(&str, &str); 6] = [
    (
        "assistant.yaml",
        include_str!("../../../../examples/laptop/policies/assistant.yaml"),
    ),
    (
        "keys.yaml",
        include_str!("../../../../examples/laptop/policies/keys.yaml"),
    ),
    (
        "organization.yaml",
        include_str!("../../../../examples/laptop/policies/organization.yaml"),
    ),
    (
        "reading.yaml",
        include_str!("../../../../examples/laptop/policies/reading.yaml"),
    ),
    (
        "searching.yaml",
        include_str!("../../../../examples/laptop/policies/searching.yaml"),
    ),
    (
        "tests.yaml",
        include_str!("../../../../examples/laptop/policies/tests.yaml"),
    ),
];
/// How long a server may take to end.
const ENDS: Duration = Duration::from_secs(20);
/// The longest log that a new server goes on with.
const LOG_BYTES: u64 = 5 * 1024 * 1024;

#[derive(Args)]
pub(super) struct LocalMode {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server in the background, if it does not run; the first time with a folder of its own and cautious policies
    Start,
    /// Stop the server; what waits for you is kept
    Stop,
    /// Tell whether the server runs, and where everything is
    Status,
}

impl LocalMode {
    pub(super) async fn run(self, console: &Console) -> Result<ExitCode> {
        let background = Background::find()?;
        match self.command {
            Command::Start => start(&background, console).await,
            Command::Stop => stop(&background, console),
            Command::Status => status(&background, console),
        }
    }
}

async fn start(background: &Background, console: &Console) -> Result<ExitCode> {
    background.create()?;
    // Whoever comes second waits here, and finds the server of the first.
    let turn = background.turn()?;
    let local = match background.server(&turn)? {
        Some(local) => local,
        None => {
            prepare(background).await?;
            launch(background, &turn)?
        }
    };
    drop(turn);
    tell(background, Some(&local), console);
    Ok(ExitCode::SUCCESS)
}

fn status(background: &Background, console: &Console) -> Result<ExitCode> {
    let running = if background.data().is_dir() {
        let turn = background.turn()?;
        background.server(&turn)?
    } else {
        None
    };
    tell(background, running.as_ref(), console);
    Ok(ExitCode::from(u8::from(running.is_none())))
}

fn stop(background: &Background, console: &Console) -> Result<ExitCode> {
    if background.data().is_dir() {
        let turn = background.turn()?;
        if let Some(local) = background.server(&turn)? {
            end(background, &turn, local.pid)?;
        }
    }
    tell(background, None, console);
    Ok(ExitCode::SUCCESS)
}

/// Says what there is.
fn tell(background: &Background, running: Option<&Local>, console: &Console) {
    let path = |path: &Path| path.display().to_string();
    let value = json!({
        "running": running.is_some(),
        "address": running.map(|local| &local.address),
        "pid": running.map(|local| local.pid),
        "data": path(&background.data()),
        "policies": path(&background.policies()),
        "agent_key": path(&background.agent_key()),
        "person_key": path(&background.person_key()),
        "log": path(&background.log()),
    });
    let text = match running {
        None => "the server of local mode does not run; `countersign local start` starts it, and so does a wrapper"
            .to_owned(),
        Some(local) => format!(
            "server        {address}, process {pid}\n\
             policies      {policies}\n\
             \x20             `countersign local stop` and `start` read them again\n\
             log           {log}\n\n\
             What waits for you:  countersign approvals list",
            address = local.address,
            pid = local.pid,
            policies = background.policies().display(),
            log = background.log().display(),
        ),
    };
    console.answer(&value, text);
}

/// Makes what is missing: data, policies, keys. A start that ended halfway is gone on with.
async fn prepare(background: &Background) -> Result<()> {
    write_starter(&background.policies())?;
    let keys = [background.person_key(), background.agent_key()];
    if background.data().join("ledger.db").is_file() && keys.iter().all(|key| key.is_file()) {
        return Ok(());
    }
    let folder = Folder::new(&background.data(), None).with_signer_state(None)?;
    folder.create()?;
    let lock = folder.own()?;
    let fresh = !folder.root.join("ledger.db").exists();
    // Keys of local mode last: nobody is there to renew them.
    let settings = Settings {
        key_days: None,
        ..Settings::default()
    };
    let instance = Instance::open(&folder, lock, settings, fresh)?;
    let made = make(&instance, background).await;
    instance.stop().await;
    made
}

async fn make(instance: &Instance, background: &Background) -> Result<()> {
    let engine = &instance.engine;
    let person_key = background.person_key();
    if engine.organizations().await?.is_empty() {
        let new = NewOrganization {
            name: ORGANIZATION.to_owned(),
            instance: None,
            currency: "USD".to_owned(),
            zone: "UTC".to_owned(),
            admin: PERSON.to_owned(),
        };
        let opened = engine.create_organization(new).await?;
        write_key(&person_key, &opened.admin_key.text)?;
    } else if !person_key.is_file() {
        let key = instance.reset(ORGANIZATION, PERSON).await?;
        write_key(&person_key, &key.text)?;
    }
    if background.agent_key().is_file() {
        return Ok(());
    }
    let caller = Caller::operator(ORGANIZATION.into());
    let request = Request {
        caller: &caller,
        route: "local",
        idempotency_key: None,
        body: &[],
    };
    let known = engine
        .look(&caller.org, |state| state.agents().contains_key(AGENT))
        .await?;
    let registered = if known {
        engine.issue_key(&request, ActorKind::Agent, AGENT, &[], None).await?
    } else {
        let agent = AgentRegistered {
            agent: AGENT.to_owned(),
            labels: Default::default(),
            owner: format!("user:{PERSON}"),
            team: None,
        };
        engine.register_agent(&request, agent).await?
    };
    let key = registered
        .key
        .ok_or_else(|| Failure::unreachable("the agent got no key"))?;
    write_key(&background.agent_key(), &key.text)
}

/// Writes the starter policies, unless there are policies.
fn write_starter(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    // In a folder that takes its name once it is whole.
    let fresh = folder.with_extension("new");
    let failed = |error: std::io::Error| Failure::io("write policies to", &fresh, &error);
    fs::create_dir_all(&fresh).map_err(failed)?;
    for (name, text) in STARTER {
        fs::write(fresh.join(name), text).map_err(failed)?;
    }
    fs::rename(&fresh, folder).map_err(failed)
}

/// Starts the server, and waits until it listens.
fn launch(background: &Background, turn: &Turn) -> Result<Local> {
    let before = fs::read_to_string(background.listened()).ok();
    let before = before
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    // Where it listened before somebody else may listen now.
    let places = before.into_iter().chain(["127.0.0.1:0".to_owned()]);
    for place in places {
        if !serves(background, &place)? {
            continue;
        }
        let Some(local) = background.server(turn)? else {
            continue;
        };
        let listened = local.address.trim_start_matches("http://").to_owned();
        // If it cannot be kept, the next server listens elsewhere, which wrappers find as well.
        let _ = fs::write(background.listened(), listened);
        return Ok(local);
    }
    let log = background.log();
    let last = fs::read_to_string(&log).unwrap_or_default();
    let why = last.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let why = why.unwrap_or("it did not say why");
    Err(
        Failure::unreachable(format!("the server of local mode does not start: {why}"))
            .next(format!("see `{}`", log.display())),
    )
}

/// Runs `countersign serve` in the background. True once it says that it serves, false if it ends before.
fn serves(background: &Background, place: &str) -> Result<bool> {
    let program =
        std::env::current_exe().map_err(|error| Failure::unreachable(format!("cannot find this program: {error}")))?;
    let mut command = Process::new(&program);
    command
        .args(["serve", "--listen", place, "--log-format", "json", "--data"])
        .arg(background.data())
        .arg("--policies")
        .arg(background.policies())
        .current_dir("/");
    // Settings of the shell that happens to start it are not its settings.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy().starts_with("COUNTERSIGN_");
        if ours && name != signer_state::VARIABLE && name != "COUNTERSIGN_LOG" {
            command.env_remove(&name);
        }
    }
    if std::env::var_os("COUNTERSIGN_LOG").is_none() {
        command.env("COUNTERSIGN_LOG", "warn");
    }
    let mut child = command
        // Of no terminal's foreground: Ctrl-C there is not for it.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log(&background.log())?)
        .spawn()
        .map_err(|error| Failure::io("run", &program, &error))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        // What cannot be read is no word that it serves.
        let _ = BufReader::new(out.take(4096)).read_line(&mut line);
    }
    let serves = line.starts_with("countersign serves at ");
    if !serves {
        // It has ended, or will: it has closed what it speaks by.
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(serves)
}

/// The log, gone on with while it is short.
fn log(path: &Path) -> Result<File> {
    let long = fs::metadata(path).is_ok_and(|known| known.len() > LOG_BYTES);
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    if long {
        options.write(true).truncate(true);
    } else {
        options.append(true);
    }
    options.open(path).map_err(|error| Failure::io("write", path, &error))
}

/// Ends the server, and waits until it has.
fn end(background: &Background, turn: &Turn, pid: u32) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let told = process.map(|process| kill_process(process, Signal::TERM));
    if let Some(Err(error)) = told {
        return Err(Failure::unreachable(format!(
            "process {pid} cannot be stopped: {error}"
        )));
    }
    let until = Instant::now() + ENDS;
    // Nothing tells when the process of somebody else ends.
    while matches!(background.server(turn), Ok(Some(_)) | Err(_)) {
        if Instant::now() > until {
            return Err(
                Failure::unreachable(format!("process {pid} does not end")).next(format!(
                    "end it with `kill -9 {pid}`: nothing that was answered is lost"
                )),
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
