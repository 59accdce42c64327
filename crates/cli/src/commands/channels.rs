//! `countersign channels`: how people are told about requests.

use clap::{Args, Subcommand};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::{Failure, Result};
use crate::secret;

#[derive(Args)]
pub(super) struct Channels {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Register a channel: mail, Slack or a webhook
    Add(Add),
    /// List channels, without their secrets
    List(List),
    /// Remove a channel; what was on its way through it is dropped
    Remove(Named),
    /// Send a notice that means nothing over a channel: by mail to yourself
    Test(Named),
}

#[derive(Args)]
struct Add {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Mail to each person who is asked and has an address
    Email(Email),
    /// A conversation in Slack
    Slack(Slack),
    /// A receiver of signed webhooks
    Webhook(Webhook),
}

#[derive(Args)]
struct Common {
    /// Its name: a-z, 0-9, `_`
    name: String,
    /// Hours in which what is not urgent waits: FROM-TO ZONE, such as "22:00-07:00 Europe/Berlin"
    #[arg(long, value_name = "HOURS")]
    quiet: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Email {
    /// A file with the server's URL: smtps://user:password@host, or smtp://user:password@host:587
    #[arg(long, value_name = "FILE")]
    url_file: std::path::PathBuf,
    /// Who it comes from, such as "Countersign <countersign@example.com>"
    #[arg(long)]
    from: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Slack {
    /// A file with the bot's token: xoxb-…
    #[arg(
        long,
        value_name = "FILE",
        requires = "channel",
        required_unless_present = "webhook_url_file"
    )]
    token_file: Option<std::path::PathBuf>,
    /// Id of the conversation, such as C0123456789
    #[arg(long, requires = "token_file")]
    channel: Option<String>,
    /// A file with the app's signing secret: with it messages have a button to approve
    #[arg(long, value_name = "FILE", requires = "token_file")]
    signing_secret_file: Option<std::path::PathBuf>,
    /// Where the methods of the API lie, if not at <https://slack.com/api>
    #[arg(long, value_name = "URL", requires = "token_file")]
    api_url: Option<String>,
    /// A file with the URL of an incoming webhook, in place of a bot
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    webhook_url_file: Option<std::path::PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Webhook {
    /// Where to
    #[arg(long)]
    url: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Named {
    /// The channel
    name: String,
    #[command(flatten)]
    connection: Connection,
}

impl Channels {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => add.run(console).await,
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/channels").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value
                    .get("channels")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| {
                        let quiet = row.get("quiet").filter(|quiet| !quiet.is_null());
                        let quiet = quiet.map(|quiet| {
                            format!("{}-{} {}", cell(quiet, "from"), cell(quiet, "to"), cell(quiet, "zone"))
                        });
                        vec![
                            cell(row, "name"),
                            cell(row, "kind"),
                            cell(row, "target"),
                            quiet.unwrap_or_default(),
                        ]
                    })
                    .collect();
                console.answer(&value, table(&["CHANNEL", "KIND", "LEADS TO", "QUIET"], &lines));
                Ok(())
            }
            Command::Remove(named) => {
                let path = format!("/v1/channels/{}", segment(&named.name));
                let call = async |session: &Session| Ok(session.client.delete(&path).await?);
                named.connection.with(About::Organization, call).await?;
                let text = format!("channel {} is removed", named.name);
                console.answer(&json!({ "removed": named.name }), text);
                Ok(())
            }
            Command::Test(named) => named.test(console).await,
        }
    }
}

impl Named {
    async fn test(self, console: &Console) -> Result<()> {
        let path = format!("/v1/channels/{}/test", segment(&self.name));
        let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &json!({})).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let detail = cell(&value, "detail");
        if value.get("delivered") != Some(&Value::Bool(true)) {
            let what = format!("channel `{}` did not take the notice: {detail}", self.name);
            return Err(Failure::no(what).next("correct it: remove the channel and add it again"));
        }
        console.answer(&value, format!("channel {} works: {detail}", self.name));
        Ok(())
    }
}

impl Add {
    async fn run(self, console: &Console) -> Result<()> {
        let (mut body, common) = match self.kind {
            Kind::Email(email) => (
                json!({ "email": { "url": secret::in_file(&email.url_file)?, "from": email.from } }),
                email.common,
            ),
            Kind::Slack(slack) => {
                let read = |file: &Option<std::path::PathBuf>| file.as_deref().map(secret::in_file).transpose();
                let body = json!({ "slack": {
                    "token": read(&slack.token_file)?,
                    "channel": slack.channel,
                    "signing_secret": read(&slack.signing_secret_file)?,
                    "api_url": slack.api_url,
                    "webhook_url": read(&slack.webhook_url_file)?,
                } });
                (body, slack.common)
            }
            Kind::Webhook(webhook) => (json!({ "webhook": { "url": webhook.url } }), webhook.common),
        };
        for part in body.as_object_mut().into_iter().flat_map(|body| body.values_mut()) {
            if let Some(fields) = part.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
        }
        body["name"] = json!(common.name);
        if let Some(hours) = &common.quiet {
            body["quiet"] = quiet(hours)?;
        }
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/channels", &body).await?);
        let value = common.connection.with(About::Organization, call).await?;
        let mut text = format!("channel  {}", common.name);
        if let Some(secret) = value.get("secret").and_then(Value::as_str) {
            text += &format!("\nsecret   {secret}\n\nThe secret is shown this once.");
        }
        text += &format!("\n\nTry it: countersign channels test {}", common.name);
        console.answer(&value, text);
        Ok(())
    }
}

fn quiet(hours: &str) -> Result<Value> {
    let parts = hours.split_once(' ').and_then(|(times, zone)| {
        let (from, to) = times.split_once('-')?;
        Some(json!({ "from": from.trim(), "to": to.trim(), "zone": zone.trim() }))
    });
    parts.ok_or_else(|| {
        let what = format!("`{hours}` are no quiet hours");
        Failure::usage(what).next("write them as \"22:00-07:00 Europe/Berlin\"")
    })
}
