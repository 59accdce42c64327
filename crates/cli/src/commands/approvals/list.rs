//! What waits, the nearest deadline first.

use clap::Args;
use countersign_api::ApprovalAnswer;
use countersign_api::approvals::ApprovalsAnswer;
use countersign_api::registry::WhoamiAnswer;
use countersign_core::{Span, Time};
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, one_line, table};
use crate::failure::Result;
use crate::paint::{Paint, Tone};

/// Pages of the queue that are read at once: more than anybody looks through.
const PAGES_AT_MOST: usize = 10;

#[derive(Args)]
pub(super) struct List {
    /// Requests that others decide as well
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

impl List {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let read = async |session: &Session| waiting(session, self.all).await;
        let answer = self.connection.with(About::Organization, read).await?;
        let mut text = page(&answer.approvals, now(), Paint::of_output());
        if answer.next_cursor.is_some() {
            text += &format!(
                "\nThese are the {} with the nearest deadlines; more wait.",
                answer.approvals.len()
            );
        }
        console.answer(&json!(answer), text);
        Ok(())
    }
}

/// Requests that wait: for whoever holds the key, or for anybody. The operator at the machine decides nothing and sees all.
pub(super) async fn waiting(session: &Session, all: bool) -> Result<ApprovalsAnswer> {
    let holder: WhoamiAnswer = session.client.get("/v1/whoami").await?;
    let mine = !all && holder.kind == "user";
    let path = format!("/v1/approvals?mine={mine}");
    let mut all: ApprovalsAnswer = session.client.get(&path).await?;
    for _ in 1..PAGES_AT_MOST {
        let Some(cursor) = all.next_cursor.take() else { break };
        let page: ApprovalsAnswer = session.client.get(&format!("{path}&cursor={cursor}")).await?;
        all.approvals.extend(page.approvals);
        all.next_cursor = page.next_cursor;
    }
    Ok(all)
}

/// The host's time; it only says how much is left.
pub(super) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.map(|since| since.as_micros()).unwrap_or_default();
    Time(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn page(approvals: &[ApprovalAnswer], now: Time, paint: Paint) -> String {
    const HEADS: [&str; 8] = ["REQUEST", "LEFT", "AMOUNT", "AGENT", "ACTION", "STEP", "ON IT", "STATE"];
    let lines: Vec<Vec<String>> = approvals.iter().map(|approval| cells(approval, now)).collect();
    let text = table(&HEADS, &lines);
    let tones = approvals.iter().map(|approval| tone(approval, now));
    // Tones come last: they have no width, and a cell is padded by its characters.
    let tones = std::iter::once(Some(Tone::Head)).chain(tones);
    let rows = text.lines().zip(tones).map(|(row, tone)| match tone {
        Some(tone) => paint.tone(tone, row),
        None => row.to_owned(),
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn cells(approval: &ApprovalAnswer, now: Time) -> Vec<String> {
    let text = |field: &str| approval.stored.get(field).and_then(serde_json::Value::as_str);
    let amount = match (text("amount"), text("currency")) {
        (Some(amount), Some(currency)) => format!("{amount} {currency}"),
        (Some(amount), None) => amount.to_owned(),
        (None, _) => "-".to_owned(),
    };
    let asked = (approval.steps.iter()).rfind(|step| !step.slots.is_empty());
    let step = asked.map_or("-".to_owned(), |asked| format!("{} of {}", asked.step, asked.route));
    let on_it = approval.claimed_by.clone().filter(|_| is_claimed(approval, now));
    let cells = [
        approval.id.clone(),
        left(&approval.deadline, now),
        amount,
        approval.action.agent.clone(),
        approval.action.action.clone(),
        step,
        on_it.unwrap_or_else(|| "-".to_owned()),
        approval.state.clone(),
    ];
    cells.iter().map(|cell| one_line(cell)).collect()
}

fn is_claimed(approval: &ApprovalAnswer, now: Time) -> bool {
    let until = approval
        .claimed_until
        .as_deref()
        .and_then(|until| until.parse::<Time>().ok());
    until.is_some_and(|until| until > now)
}

fn tone(approval: &ApprovalAnswer, now: Time) -> Option<Tone> {
    let deadline: Option<Time> = approval.deadline.parse().ok();
    let soon = deadline.is_some_and(|deadline| deadline - now < Span::minutes(5));
    match (soon, approval.overdue) {
        (true, _) => Some(Tone::Urgent),
        (false, true) => Some(Tone::Soon),
        (false, false) => None,
    }
}

/// How much time is left until then, in its two largest units.
pub(super) fn left(until: &str, now: Time) -> String {
    let Ok(until) = until.parse::<Time>() else {
        return until.to_owned();
    };
    let seconds = (until - now).0 / 1_000_000;
    match seconds {
        ..=0 => "over".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_told_in_its_two_largest_units() {
        let now: Time = "2026-03-01T12:00:00Z".parse().expect("a time");
        for (until, said) in [
            ("2026-03-01T11:59:59Z", "over"),
            ("2026-03-01T12:00:00Z", "over"),
            ("2026-03-01T12:00:59Z", "59s"),
            ("2026-03-01T12:01:00Z", "1m 00s"),
            ("2026-03-01T13:59:59Z", "1h 59m"),
            ("2026-03-03T13:00:00Z", "2d 01h"),
            ("soon", "soon"),
        ] {
            assert_eq!(left(until, now), said, "{until}");
        }
    }
}
