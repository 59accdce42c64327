//! `countersign clock confirm`: take the host's clock as right after a jump.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::folder::{Folder, Taken};

#[derive(Args)]
pub(super) struct Clock {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell the server on this machine that its clock is right: timers go on from what it shows
    Confirm(Confirm),
}

#[derive(Args)]
struct Confirm {
    /// The data folder that the server has
    #[arg(long)]
    data: PathBuf,
}

impl Clock {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let Command::Confirm(Confirm { data }) = self.command;
        let folder = Folder::new(&data, None);
        folder.must_exist()?;
        let pid = match folder.lock() {
            Err(Taken::By { pid, .. }) => pid,
            Err(taken) => return Err(taken.failure(&folder.root)),
            Ok(_) => {
                return Err(
                    Failure::unreachable(format!("no server has the data folder `{}`", data.display()))
                        .next("a server takes the clock as it is when it starts: start it"),
                );
            }
        };
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or_else(|| Failure::unreachable("the server has not noted its process id yet"))?;
        kill_process(pid, Signal::USR1)
            .map_err(|error| Failure::unreachable(format!("the server could not be told: {error}")))?;
        console.answer(
            &json!({ "confirmed": true }),
            "the server was told; its log says what became of it",
        );
        Ok(())
    }
}
