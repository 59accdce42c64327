//! `countersign approvals edit` and `revise`: less than was asked for, and something else in its place.

use clap::Args;
use countersign_api::approvals::VoteVerb;
use countersign_api::revisions::Places;
use countersign_api::{ActionBody, ApprovalAnswer};
use countersign_client::segment;
use serde_json::{Value, json};

use super::act::{Seen, tell};
use crate::connect::{About, Connection, Session};
use crate::console::Console;
use crate::failure::{Failure, Result};

/// Less than was asked for.
#[derive(Args)]
pub(super) struct Edit {
    /// What is to be where, such as /amount=300 or /args/note=short; JSON, or text as it stands
    #[arg(long, value_name = "POINTER=VALUE")]
    set: Vec<String>,
    /// A member that is to go, such as /args/scope/write
    #[arg(long, value_name = "POINTER")]
    remove: Vec<String>,
    /// What you have to say
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    seen: Seen,
}

/// Something else than was asked for.
#[derive(Args)]
pub(super) struct Revise {
    /// Its id, apr_…
    id: String,
    /// The whole action as it is wanted now, as JSON
    #[arg(long, value_name = "JSON")]
    action: String,
    #[command(flatten)]
    connection: Connection,
}

impl Edit {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let mut set = Places::new();
        for text in &self.set {
            let (pointer, value) = text.split_once('=').ok_or_else(|| {
                Failure::usage(format!("`{text}` does not say what is to be where"))
                    .next("write a place and a value, such as `--set /amount=300`")
            })?;
            set.insert(pointer.to_owned(), value_of(pointer, value));
        }
        set.extend(self.remove.iter().map(|pointer| (pointer.clone(), Value::Null)));
        if set.is_empty() {
            return Err(Failure::usage("nothing is to change".to_owned()).next("say what with `--set` or `--remove`"));
        }
        self.seen
            .vote(VoteVerb::Edit, self.comment, None, Some(set), console)
            .await
    }
}

/// JSON, or text as it stands. An amount keeps its digits: on the wire it is text.
fn value_of(pointer: &str, value: &str) -> Value {
    if pointer == "/amount" {
        return Value::from(value);
    }
    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
}

impl Revise {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let action: ActionBody = serde_json::from_str(&self.action).map_err(|error| {
            Failure::usage(format!("the action cannot be read: {error}"))
                .next("write it whole, as for `POST /v1/actions`")
        })?;
        let call = async |session: &Session| {
            let path = format!("/v1/approvals/{}/revisions", segment(&self.id));
            Ok(session
                .client
                .post::<ApprovalAnswer>(&path, &json!({ "action": action }))
                .await?)
        };
        let approval = self.connection.with(About::Organization, call).await?;
        tell(&approval, console);
        Ok(())
    }
}
