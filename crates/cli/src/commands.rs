//! The commands, one file each.

mod agents;
mod alerts;
mod approvals;
mod audit;
mod autonomy;
mod backup;
mod budgets;
mod channels;
mod clock;
mod config;
mod credentials;
mod demo;
mod doctor;
mod export;
mod glass;
mod hook;
mod init;
mod keys;
mod kill;
mod ledger;
mod limits;
mod local;
mod mcp;
mod org;
mod policy;
mod practice;
mod retention;
mod reviewers;
mod rota;
mod runs;
mod serve;
mod upgrade;
mod users;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::console::Console;
use crate::failure::{Failure, Result};

/// Decide what AI agents may do, before they do it.
#[derive(Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 yes or done, 1 no (denied, a check or verification failed), 2 wrong usage, 3 cannot reach.

A newcomer begins with `countersign demo`.
Commands reach a ledger by --server URL --key KEY (or COUNTERSIGN_SERVER and COUNTERSIGN_KEY), or by --data DIR.";

#[derive(Subcommand)]
enum Command {
    /// See it all at work in ten seconds: decisions, approvals, permits, callbacks, proofs
    Demo(demo::Demo),
    /// Make a data folder: an organization, its first admin, its policies
    Init(init::Init),
    /// Run the server
    Serve(Box<serve::Serve>),
    /// Check, test, upload and activate policies
    Policy(policy::Policy),
    /// Requests for a human decision: list, show, approve, reject
    Approvals(approvals::Approvals),
    /// Export the record, verify it, read it
    Audit(audit::Audit),
    /// Stop an agent, a tool or everything, at once
    Kill(kill::Kill),
    /// Release a kill switch
    Resume(kill::Resume),
    /// Alerts: list, acknowledge
    Alerts(alerts::Alerts),
    /// What agents have earned: show, grant, take away, pause; looks at what has run
    Autonomy(autonomy::Autonomy),
    /// Budgets: what is spent, reserved and left
    Budgets(budgets::Budgets),
    /// Runs: what agents did from what set them off to what came of it
    Runs(runs::Runs),
    /// Limits: how often something was done, and how often it may be
    Limits(limits::Limits),
    /// Agents: add, list
    Agents(agents::Agents),
    /// People: add, list, a fresh admin key
    Users(users::Users),
    /// API keys: add, list, revoke
    Keys(keys::Keys),
    /// Channels by which people are told about requests: add, list, remove, test
    Channels(Box<channels::Channels>),
    /// Credentials of tools, given out for permits that were used: add, list, remove
    Credentials(credentials::Credentials),
    /// Organizations: add, list, delete
    Org(org::Org),
    /// Ledgers: go on under a new name after a restored backup, prune what is old
    Ledger(ledger::Ledger),
    /// Copy the ledger, while the server runs or not
    Backup(backup::Backup),
    /// Make a data folder from a backup
    Restore(backup::Restore),
    /// Confirm the host's clock after a jump
    Clock(clock::Clock),
    /// Run an MCP server with every call of its tools decided first
    Mcp(mcp::Mcp),
    /// The server in the background for wrappers and hooks that name none: start, stop, status
    Local(local::LocalMode),
    /// Answer the hook of a coding agent
    Hook(Box<hook::Hook>),
    /// Check a configuration file
    Config(config::Config),
    /// Run a witness of logs, which cosigns what goes on from what it knows
    Witness(Box<witness::Witness>),
    /// Once every node runs this version: let ledgers have what the one before cannot read
    Upgrade(upgrade::Upgrade),
    /// Look over a data folder and say what to do
    Doctor(doctor::Doctor),
}

/// Carries out what was asked for.
pub(crate) fn run(cli: Cli, console: &Console) -> Result<ExitCode> {
    match cli.command {
        Command::Policy(policy) => policy.run(console),
        Command::Audit(audit) => audit.run(console),
        Command::Config(config) => config.run(console),
        Command::Demo(demo) => block(demo.run(console)),
        Command::Mcp(mcp) => block(mcp.run()),
        Command::Hook(hook) => block(hook.run()),
        Command::Local(local) => block(local.run(console)),
        Command::Init(init) => done(block(init.run(console))),
        Command::Serve(serve) => done(block(serve.run(console))),
        Command::Approvals(approvals) => block(approvals.run(console)),
        Command::Kill(kill) => done(block(kill.run(console))),
        Command::Resume(resume) => done(block(resume.run(console))),
        Command::Alerts(alerts) => done(block(alerts.run(console))),
        Command::Autonomy(autonomy) => done(block(autonomy.run(console))),
        Command::Budgets(budgets) => done(block(budgets.run(console))),
        Command::Runs(runs) => done(block(runs.run(console))),
        Command::Limits(limits) => done(block(limits.run(console))),
        Command::Agents(agents) => done(block(agents.run(console))),
        Command::Users(users) => done(block(users.run(console))),
        Command::Keys(keys) => done(block(keys.run(console))),
        Command::Channels(channels) => done(block(channels.run(console))),
        Command::Credentials(credentials) => done(block(credentials.run(console))),
        Command::Org(org) => done(block(org.run(console))),
        Command::Backup(backup) => done(backup.run(console)),
        Command::Restore(restore) => done(block(restore.run(console))),
        Command::Ledger(ledger) => done(block(ledger.run(console))),
        Command::Clock(clock) => done(block(clock.run(console))),
        Command::Witness(witness) => done(block(witness.run(console))),
        Command::Upgrade(upgrade) => done(block(upgrade.run(console))),
        Command::Doctor(doctor) => block(doctor.run(console)),
    }
}

/// What is well if nothing failed.
fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// Runs what waits for networks and disks.
fn block<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable(format!("cannot start threads: {error}")))?;
    runtime.block_on(work)
}
