//! `countersign upgrade`: once every node runs this version, let ledgers have what the one before cannot read.

use clap::Args;
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Upgrade {
    /// Only say which organizations are kept readable for an older version
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Upgrade {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let work = async |session: &Session| self.each(session).await;
        let rows = self.connection.with(About::Instance, work).await?;
        let waits = rows.iter().any(is_behind);
        let lines = rows.iter().map(|row| {
            let state = match (is_behind(row), cell(row, "before") == cell(row, "least")) {
                (true, _) => "can still be read by the version before",
                (false, true) => "nothing to do",
                (false, false) => "raised: older versions do not serve it any more",
            };
            vec![
                cell(row, "organization"),
                cell(row, "least"),
                cell(row, "own"),
                state.to_owned(),
            ]
        });
        let mut text = table(&["organization", "reader", "this version", ""], &Vec::from_iter(lines));
        if waits {
            text.push_str("\nWhen every node runs this version, and none has to go back: countersign upgrade");
        }
        console.answer(&json!({ "ledgers": rows }), text);
        Ok(())
    }

    /// Looks at every organization that is meant, and raises it unless only a look was asked for.
    async fn each(&self, session: &Session) -> Result<Vec<Value>> {
        let known: Value = session.client.get("/v1/organizations").await?;
        let named = self.connection.org.as_deref();
        let names = known
            .get("organizations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let names = names.filter_map(|known| known.get("organization")?.as_str());
        let mut rows = Vec::new();
        for name in names.filter(|name| named.is_none_or(|named| named == *name)) {
            let path = format!("/v1/readers/{}", segment(name));
            let before: Value = session.client.get(&path).await?;
            let after: Value = if self.check || !is_behind(&before) {
                before.clone()
            } else {
                session.client.post(&path, &json!({})).await?
            };
            rows.push(json!({
                "organization": name, "before": before.get("least"),
                "least": after.get("least"), "own": after.get("own"),
            }));
        }
        Ok(rows)
    }
}

/// Its records are kept to what an older version knows.
fn is_behind(row: &Value) -> bool {
    let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    number("least") < number("own")
}
