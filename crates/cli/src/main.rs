//! The countersign binary: the only composition root.

mod background;
mod bundle;
mod commands;
mod config;
mod connect;
mod console;
mod cosign;
mod demo;
mod draw;
mod excerpt;
mod export;
mod failure;
mod folder;
mod governing;
mod host;
mod install;
mod instance;
mod local;
mod paint;
mod place;
mod policies;
mod progress;
mod replay;
mod sarif;
mod secret;
mod sentences;
mod signatures;
mod signer_state;
mod simulated;
mod span;
mod witnesses;

use std::process::ExitCode;

use clap::Parser as _;

use crate::commands::Cli;
use crate::console::Console;

/// A decision makes a hundred small allocations on several threads; this allocator takes about a tenth off its cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console { json: cli.json };
    match commands::run(cli, &console) {
        Ok(exit) => exit,
        Err(failure) => {
            console.failed(&failure);
            ExitCode::from(failure.exit)
        }
    }
}
