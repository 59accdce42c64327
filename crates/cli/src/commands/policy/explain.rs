//! `countersign policy explain`: why an action, or a test of a folder, was decided as it was, and what would change that.

use std::path::PathBuf;

use clap::Args;
use countersign_api::audit::{otherwise, trace};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell};
use crate::failure::{Failure, Result};
use crate::policies;

#[derive(Args)]
pub(crate) struct Explain {
    /// The action, act_…
    #[arg(required_unless_present = "test", conflicts_with = "test")]
    action: Option<String>,
    /// A test of the folder, by its name: needs no server
    #[arg(long, value_name = "NAME", requires = "policies")]
    test: Option<String>,
    /// The folder of documents that the test is in
    #[arg(long, value_name = "DIR", requires = "test")]
    policies: Option<PathBuf>,
    /// Show the rules too that are about other actions
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Explain {
    pub(crate) async fn run(self, console: &Console) -> Result<()> {
        let value = match (&self.action, &self.test, &self.policies) {
            (_, Some(test), Some(folder)) => of_test(test, folder)?,
            (Some(action), ..) => {
                let path = format!("/v1/actions/{}/explain", segment(action));
                let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &json!({})).await?);
                self.connection.with(About::Organization, call).await?
            }
            _ => {
                return Err(Failure::usage(
                    "name an action, or a test with `--test NAME --policies DIR`",
                ));
            }
        };
        console.answer(&value, shown(&value, self.all));
        Ok(())
    }
}

fn of_test(test: &str, folder: &std::path::Path) -> Result<Value> {
    let snapshot = policies::load(folder, &policies::read(folder)?)?;
    let Some(explained) = snapshot.explain_test(test) else {
        let failure = Failure::no(format!("no test of `{}` is called `{test}`", folder.display()));
        return Err(failure.next("see their names with `countersign policy test DIR --json`"));
    };
    let rules: Vec<_> = explained.rules.into_iter().map(trace).collect();
    let found: Vec<_> = explained.otherwise.iter().map(otherwise).collect();
    Ok(json!({
        "test": test,
        "decision": explained.decision.as_str(),
        "rules": rules,
        "otherwise": found,
    }))
}

/// One line for each rule that was looked at, and one for each other answer.
fn shown(value: &Value, all: bool) -> String {
    let list = |name| value.get(name).and_then(Value::as_array).into_iter().flatten();
    let is = |rule: &Value, name| rule.get(name) == Some(&Value::Bool(true));
    let mut lines: Vec<String> = value
        .get("decision")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .into_iter()
        .collect();
    for rule in list("rules").filter(|rule| all || is(rule, "selected")) {
        let mark = if is(rule, "matched") { "+" } else { "-" };
        let place = format!(
            "{}#{}, line {}",
            cell(rule, "document"),
            cell(rule, "rule"),
            cell(rule, "line")
        );
        lines.push(format!(
            "{mark} {place}: {}: {}",
            cell(rule, "asked"),
            cell(rule, "why")
        ));
        let values = rule.get("values").and_then(Value::as_array).into_iter().flatten();
        lines.extend(values.map(|read| format!("    {} = {}", cell(read, "path"), cell(read, "value"))));
    }
    let mut others = list("otherwise").map(|found| cell(found, "sentence")).peekable();
    if others.peek().is_some() {
        lines.push("it would be".to_owned());
        lines.extend(others.map(|sentence| format!("  {sentence}")));
    }
    if is(value, "unsearched") {
        lines.push(
            "what it would take for another answer was not searched for: the server is at another; ask again"
                .to_owned(),
        );
    }
    lines.join("\n")
}
