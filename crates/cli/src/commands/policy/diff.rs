//! `countersign policy diff`: what is different in a policy, in sentences, and how many recorded actions it would have been
//! about.

use std::path::Path;

use clap::Args;
use countersign_api::policies::SnapshotFilesAnswer;
use countersign_client::segment;
use countersign_core::simulate::{Group, Report};
use countersign_policy::Snapshot;
use countersign_policy::diff::{Difference, Direction, differences};
use serde_json::{Value, json};

use super::simulate::{named, on_server};
use crate::connect::{About, Connection, Session};
use crate::console::{Console, visible};
use crate::failure::{Failure, Result};
use crate::policies;
use crate::span::since;

#[derive(Args)]
pub(crate) struct Diff {
    /// What was before: `live`, a stored snapshot, sha256:…, or a folder of documents
    before: String,
    /// What comes after, in the same ways
    after: String,
    /// Count the recorded actions since then that each difference is about: 7d, 12h, or a time
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// A difference with the recorded actions that it is about.
struct Counted {
    difference: Difference,
    actions: Option<Group>,
}

impl Diff {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let since = self.since.as_deref().map(since).transpose()?;
        let (before, after, report) = if since.is_none() && is_folder(&self.before) && is_folder(&self.after) {
            (folder(&self.before)?, folder(&self.after)?, None)
        } else {
            let work = async |session: &Session| {
                let before = policy(session, &self.before).await?;
                let after = policy(session, &self.after).await?;
                let Some(since) = since else {
                    return Ok((before, after, None));
                };
                if is_folder(&self.before) {
                    return Err(Failure::usage("actions are counted against what a server holds")
                        .next("name `live` or a stored snapshot as what was before, or leave --since out"));
                }
                let mut body = named(&self.after_named(&after))?;
                if let Some(fields) = body.as_object_mut() {
                    fields.insert("against".to_owned(), json!(before.hash_text()));
                    fields.insert("since".to_owned(), json!(since.to_string()));
                }
                let found = on_server(&session.client, body).await?;
                Ok((before, after, Some(found.report)))
            };
            self.connection.with(About::Organization, work).await?
        };
        let counted: Vec<Counted> = differences(&before, &after)
            .into_iter()
            .map(|difference| Counted {
                actions: report.as_ref().map(|report| actions(&difference, report)),
                difference,
            })
            .collect();
        let value = json!({
            "before": before.hash_text(), "after": after.hash_text(), "report": report,
            "differences": counted.iter().map(Counted::value).collect::<Vec<_>>(),
        });
        console.answer(&value, text(&counted, report.as_ref()));
        Ok(())
    }

    /// What comes after, as the server is asked for it: `live` is the snapshot that was read.
    fn after_named(&self, after: &Snapshot) -> String {
        if is_folder(&self.after) {
            self.after.clone()
        } else {
            after.hash_text().to_owned()
        }
    }
}

fn is_folder(text: &str) -> bool {
    text != "live" && !text.starts_with("sha256:")
}

fn folder(name: &str) -> Result<Snapshot> {
    let name = Path::new(name);
    policies::load(name, &policies::read(name)?)
}

async fn policy(session: &Session, name: &str) -> Result<Snapshot> {
    if is_folder(name) {
        return folder(name);
    }
    let hash = if name == "live" {
        let listed: Value = session.client.get("/v1/policies").await?;
        let rows = listed.get("snapshots").and_then(Value::as_array).into_iter().flatten();
        let live = rows.into_iter().find(|row| row.get("live") == Some(&Value::Bool(true)));
        let hash = live.and_then(|row| row.get("hash")).and_then(Value::as_str);
        let none = || Failure::no("no policy is live").next("name a stored snapshot or a folder");
        hash.ok_or_else(none)?.to_owned()
    } else {
        name.to_owned()
    };
    let path = format!("/v1/policies/{}", segment(&hash));
    let stored: SnapshotFilesAnswer = session.client.get(&path).await?;
    let files = stored.files.into_iter();
    let files: policies::Files = files.map(|(name, text)| (name, text.into_bytes())).collect();
    let (snapshot, _) = Snapshot::load(&files).map_err(|_problems| {
        Failure::no(format!("this version does not load snapshot `{hash}`"))
            .next("it was stored by another version; name a snapshot or a folder that loads")
    })?;
    Ok(snapshot)
}

/// The recorded actions of which the rule of a difference makes another thing: what would be less strict is told by the rule
/// as it was, everything else by the rule as it is.
fn actions(difference: &Difference, report: &Report) -> Group {
    let of = |rule: &str| report.by_rule.get(rule).copied().unwrap_or_default();
    Group {
        loosened: of(&difference.before).loosened,
        tightened: of(&difference.after).tightened,
        terms: of(&difference.after).terms,
    }
}

impl Counted {
    fn value(&self) -> Value {
        let mut value = json!(self.difference);
        if let (Some(fields), Some(actions)) = (value.as_object_mut(), self.actions) {
            fields.insert("actions".to_owned(), json!(actions));
        }
        value
    }

    fn text(&self) -> String {
        let way = match self.difference.direction {
            Direction::Looser => "looser   ",
            Direction::Stricter => "stricter ",
            Direction::Depends => "depends  ",
        };
        let actions = self
            .actions
            .filter(|actions| actions.all() > 0)
            .map_or_else(String::new, |actions| format!("; actions: {}", in_words(actions)));
        format!("{way} {}{actions}", visible(&self.difference.sentence))
    }
}

fn in_words(actions: Group) -> String {
    let parts = [
        (actions.loosened, "less strict"),
        (actions.tightened, "stricter"),
        (actions.terms, "in other terms"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    parts.join(", ")
}

fn text(counted: &[Counted], report: Option<&Report>) -> String {
    if counted.is_empty() {
        return "nothing is different".to_owned();
    }
    let mut lines: Vec<String> = counted.iter().map(Counted::text).collect();
    if let Some(report) = report {
        let changed = match report.changed.all() {
            0 => "none would be decided otherwise".to_owned(),
            _ => in_words(report.changed),
        };
        lines.push(format!(
            "\nof {} recorded actions: {changed}; of {} nobody can say",
            report.decisions, report.not_derivable
        ));
    }
    lines.join("\n")
}
