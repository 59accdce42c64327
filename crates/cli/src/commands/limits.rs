//! `countersign limits`: how often something was done, and how often it may be.

use std::fmt::Write as _;

use clap::Args;
use countersign_client::api::limits::{CloseCircuitAnswer, LimitAnswer, LimitsAnswer, WindowAnswer};
use countersign_client::segment;
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table};
use crate::failure::Result;

const COLUMNS: [&str; 7] = ["LIMIT", "WITHIN", "WHOSE", "COUNTED", "SUM", "ROOM AGAIN", "AT CAP"];

#[derive(Args)]
pub(super) struct Limits {
    /// One limit, with its fullest windows
    id: Option<String>,
    /// Windows of this agent, and those that it opened
    #[arg(long)]
    agent: Option<String>,
    /// Windows of this value, where one value of the actions tells them apart: a customer, an account
    #[arg(long)]
    value: Option<String>,
    /// Close this circuit of the limit, as it is shown: what it is about is let through again
    #[arg(long, value_name = "CIRCUIT", requires_all = ["id", "reason"], conflicts_with_all = ["agent", "value"])]
    close: Option<String>,
    /// Why the circuit is closed
    #[arg(long, requires = "close")]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Limits {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        if let (Some(limit), Some(circuit), Some(reason)) = (&self.id, &self.close, &self.reason) {
            let body = json!({ "limit": limit, "circuit": circuit, "reason": reason });
            let path = "/v1/limits:close_circuit";
            let call = async |session: &Session| Ok(session.client.post::<CloseCircuitAnswer>(path, &body).await?);
            let closed = self.connection.with(About::Organization, call).await?;
            console.answer(
                &json!(closed),
                format!("closed: {} of {}", closed.circuit, closed.limit),
            );
            return Ok(());
        }
        let looked_for = [("agent", &self.agent), ("value", &self.value)];
        let asked: Vec<String> = (looked_for.iter())
            .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))))
            .collect();
        let path = match &self.id {
            Some(id) => format!("/v1/limits/{}", segment(id)),
            None => "/v1/limits".to_owned(),
        };
        let path = if asked.is_empty() {
            path
        } else {
            format!("{path}?{}", asked.join("&"))
        };
        if self.id.is_some() {
            let read = async |session: &Session| Ok(session.client.get::<LimitAnswer>(&path).await?);
            let limit = self.connection.with(About::Organization, read).await?;
            console.answer(&json!(limit), in_words(std::slice::from_ref(&limit)));
            return Ok(());
        }
        let read = async |session: &Session| Ok(session.client.get::<LimitsAnswer>(&path).await?);
        let all = self.connection.with(About::Organization, read).await?;
        let text = match (all.limits.is_empty(), asked.is_empty()) {
            (true, true) => "the live policy has no limits".to_owned(),
            (true, false) => "no limit counts anything of that".to_owned(),
            (false, _) => in_words(&all.limits),
        };
        console.answer(&json!(all), text);
        Ok(())
    }
}

fn in_words(limits: &[LimitAnswer]) -> String {
    let mut rows = Vec::new();
    let mut more = 0;
    for limit in limits {
        rows.extend(limit.windows.iter().map(|window| row(limit, Some(window))));
        if limit.windows.is_empty() {
            rows.push(row(limit, None));
        }
        more += limit.windows_in_use.saturating_sub(limit.windows.len());
    }
    let text = table(&COLUMNS, &rows) + &circuits(limits);
    match (limits.len(), more) {
        (1, more) if more > 0 => format!("{}\nand {more} more", text.trim_end()),
        _ => text,
    }
}

/// Circuits that are not closed, each in a line.
fn circuits(limits: &[LimitAnswer]) -> String {
    let mut lines = String::new();
    for limit in limits {
        for open in &limit.circuits {
            let next = match &open.trial {
                Some(trial) => format!("{trial} tries it"),
                None => format!("it may be tried from {} on", open.try_at),
            };
            let (failures, circuit) = (open.failures, &open.circuit);
            // Writing to a string does not fail.
            let _ = writeln!(
                lines,
                "{}: {failures} failures opened circuit {circuit}; {next}",
                limit.id
            );
        }
    }
    lines
}

fn row(limit: &LimitAnswer, window: Option<&WindowAnswer>) -> Vec<String> {
    let of = |held: Option<String>, most: Option<String>| match (held, most) {
        (Some(held), Some(most)) => format!("{held} of {most}"),
        (Some(held), None) => held,
        (None, _) => String::new(),
    };
    let counted = window.map_or(0, |window| window.counted);
    let unit = limit.unit.as_deref().unwrap_or_default();
    let most = limit.sum.as_ref().map(|most| format!("{most} {unit}"));
    let sum = window.and_then(|window| window.sum.clone()).filter(|_| most.is_some());
    vec![
        limit.id.clone(),
        within(limit.within_s),
        window.map_or_else(|| "nobody yet".to_owned(), |window| window.whose.clone()),
        match limit.counts.as_str() {
            "depth" => format!("up to {} deep", limit.count.unwrap_or_default()),
            _ => of(Some(counted.to_string()), limit.count.map(|most| most.to_string())),
        },
        of(sum.or_else(|| most.as_ref().map(|_| "0".to_owned())), most),
        window.and_then(|window| window.room_at.clone()).unwrap_or_default(),
        limit.at_cap.clone(),
    ]
}

/// Seconds as policy writes them: a whole number of the largest unit.
fn within(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.iter().find(|(unit, _)| seconds % unit == 0) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}
