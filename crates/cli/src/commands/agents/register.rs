//! `countersign agents register`: workflows, tools, data sources, owners and action classes, as a table or as CSV.

use clap::Args;
use clap::builder::PossibleValuesParser;
use countersign_api::inventory::RegisterAnswer;
use serde_json::json;

use super::inventory::field;
use crate::connect::{About, Connection, Session};
use crate::console::{Console, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Register {
    /// Which
    #[arg(value_parser = PossibleValuesParser::new(["classes", "data_sources", "owners", "tools", "workflows"]))]
    register: String,
    /// Write it as CSV
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Register {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let path = format!("/v1/registers/{}", self.register);
        let read = async |session: &Session| Ok(session.client.get::<RegisterAnswer>(&path).await?);
        let register = self.connection.with(About::Organization, read).await?;
        let rows = lines(&register);
        let text = if self.csv {
            csv(&register, &rows)
        } else {
            let heads: Vec<String> = heads(&register)
                .map(|head| head.to_uppercase().replace('_', " "))
                .collect();
            table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
        };
        console.answer(&json!(register), text);
        Ok(())
    }
}

fn heads(register: &RegisterAnswer) -> impl Iterator<Item = &str> {
    std::iter::once("name").chain(register.columns.iter().map(String::as_str))
}

fn lines(register: &RegisterAnswer) -> Vec<Vec<String>> {
    let line = |entry: &countersign_api::inventory::RegisterEntry| {
        let said = |column: &String| entry.about.get(column).map(|said| said.join("; ")).unwrap_or_default();
        std::iter::once(entry.name.clone())
            .chain(register.columns.iter().map(said))
            .collect()
    };
    register.entries.iter().map(line).collect()
}

fn csv(register: &RegisterAnswer, rows: &[Vec<String>]) -> String {
    let mut text = heads(register).collect::<Vec<_>>().join(",");
    for row in rows {
        text.push('\n');
        text.push_str(&row.iter().map(|text| field(text)).collect::<Vec<_>>().join(","));
    }
    text
}
