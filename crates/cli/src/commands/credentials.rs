//! `countersign credentials`: what tools are reached with, given out for permits that were used.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_api::credentials::LONGEST_SECRET;
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::{Failure, Result};
use crate::secret;

#[derive(Args)]
pub(super) struct Credentials {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Store a credential, or give one another value; it is read from standard input
    Add(Add),
    /// List credentials, without their values
    List(List),
    /// Remove a credential and destroy its value
    Remove(Named),
}

#[derive(Args)]
struct Add {
    /// Its name: a-z, 0-9, `_`
    name: String,
    /// A tool that it is for, or the beginning of tools, such as `github/*`
    #[arg(long = "tool", value_name = "TOOL", required = true)]
    tools: Vec<String>,
    /// An operation that it is for [default: every operation of its tools]
    #[arg(long = "operation", value_name = "OPERATION")]
    operations: Vec<String>,
    /// An agent for whose actions it is given out [default: every agent]
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<String>,
    /// A file with the value, in place of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Named {
    /// The credential
    name: String,
    #[command(flatten)]
    connection: Connection,
}

impl Credentials {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => add.run(console).await,
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/credentials").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value.get("credentials").and_then(Value::as_array);
                let lines: Vec<Vec<String>> = rows.into_iter().flatten().map(line).collect();
                let head = [
                    "CREDENTIAL",
                    "VERSION",
                    "TOOLS",
                    "OPERATIONS",
                    "AGENTS",
                    "LAST GIVEN OUT",
                ];
                console.answer(&value, table(&head, &lines));
                Ok(())
            }
            Command::Remove(named) => {
                let path = format!("/v1/credentials/{}", segment(&named.name));
                let call = async |session: &Session| Ok(session.client.delete(&path).await?);
                named.connection.with(About::Organization, call).await?;
                let text = format!("credential {} is removed, its value destroyed", named.name);
                console.answer(&json!({ "removed": named.name }), text);
                Ok(())
            }
        }
    }
}

fn line(row: &Value) -> Vec<String> {
    let names = |key: &str| {
        let names = row.get(key).and_then(Value::as_array);
        let names: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() {
            "all".to_owned()
        } else {
            names.join(", ")
        }
    };
    let (tools, operations, agents) = (names("tools"), names("operations"), names("agents"));
    let released = cell(row, "released");
    vec![
        cell(row, "name"),
        cell(row, "version"),
        tools,
        operations,
        agents,
        released,
    ]
}

impl Add {
    async fn run(self, console: &Console) -> Result<()> {
        let body = json!({
            "name": self.name,
            "value": self.value()?,
            "tools": self.tools,
            "operations": self.operations,
            "agents": self.agents,
        });
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/credentials", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = format!("credential  {}\nversion     {}", self.name, cell(&value, "version"));
        console.answer(&value, text);
        Ok(())
    }

    /// The value: on a command line it would stand in the list of processes.
    fn value(&self) -> Result<String> {
        let value = match &self.file {
            Some(file) => secret::in_file(file)?,
            None => {
                let mut text = String::new();
                let most = u64::try_from(LONGEST_SECRET).unwrap_or(u64::MAX) + 2;
                let read = std::io::stdin().lock().take(most).read_to_string(&mut text);
                read.map_err(|error| Failure::usage(format!("cannot read the value: {error}")))?;
                secret::without_end(&text).to_owned()
            }
        };
        if value.is_empty() || value.len() > LONGEST_SECRET {
            return Err(Failure::usage(format!("a value has 1 to {LONGEST_SECRET} bytes"))
                .next("write it to standard input, or give --file FILE"));
        }
        Ok(value)
    }
}
