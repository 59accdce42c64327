//! `countersign demo`: everything once, for somebody who has never heard of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::console::Console;
use crate::demo;
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Demo {
    /// Decide on the request yourself instead of watching a scripted reviewer
    #[arg(long, conflicts_with = "json")]
    interactive: bool,
    /// Leave the server running afterwards, with keys to play with
    #[arg(long)]
    keep: bool,
    /// Make the data folder here instead of in a temporary place; it must not exist
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self, console: &Console) -> Result<ExitCode> {
        demo::run(
            demo::Options {
                interactive: self.interactive,
                keep: self.keep,
                data: self.data,
            },
            console,
        )
        .await
    }
}
