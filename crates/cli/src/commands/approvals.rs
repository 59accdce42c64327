//! `countersign approvals`: what waits for a person, and the person's answer.

mod act;
mod edit;
mod list;
mod several;
mod show;
mod watch;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_api::approvals::{VoteVerb, VotesVerb};

use super::glass::BreakGlass;
use crate::console::Console;
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Approvals {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List requests that wait for you, the nearest deadline first
    List(list::List),
    /// Show one request: what is wanted, what stopped it, who is asked, and what was said
    Show(show::Show),
    /// Print requests as they begin to wait for you, until Ctrl-C
    Watch(watch::Watch),
    /// Say yes to exactly what the request shows now, or to several of one kind; needs a person's key
    Approve(several::Votes),
    /// Say yes to less than was asked for; needs a person's key
    Edit(edit::Edit),
    /// Say no; needs a person's key and a comment
    Reject(several::Votes),
    /// Ask the agent something; needs a person's key
    Ask(act::Ask),
    /// Give your place to a colleague who was asked as the same as you
    HandOver(act::HandOver),
    /// Be on it: nobody else decides for ten minutes
    Claim(act::Vote),
    /// Be no longer on it
    Release(act::Vote),
    /// Say something that is no vote
    Comment(act::Remark),
    /// Let the action through at once, in place of those who are asked; needs the key of a person who may
    BreakGlass(BreakGlass),
    /// Answer a person's question; needs the agent's key
    Answer(act::Reply),
    /// Change what is asked for; needs the agent's key
    Revise(edit::Revise),
}

impl Approvals {
    pub(super) async fn run(self, console: &Console) -> Result<ExitCode> {
        match self.command {
            Command::Approve(votes) => return votes.cast(VotesVerb::Approve, console).await,
            Command::Reject(votes) => return votes.cast(VotesVerb::Reject, console).await,
            Command::List(list) => list.run(console).await?,
            Command::Show(show) => show.run(console).await?,
            Command::Watch(watch) => watch.run(console).await?,
            Command::Edit(edit) => edit.run(console).await?,
            Command::Ask(ask) => ask.run(console).await?,
            Command::HandOver(hand_over) => hand_over.run(console).await?,
            Command::Claim(vote) => vote.cast(VoteVerb::Claim, console).await?,
            Command::Release(vote) => vote.cast(VoteVerb::Release, console).await?,
            Command::Comment(remark) => remark.run(console).await?,
            Command::BreakGlass(broken) => broken.run(console).await?,
            Command::Answer(reply) => reply.run(console).await?,
            Command::Revise(revise) => revise.run(console).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
