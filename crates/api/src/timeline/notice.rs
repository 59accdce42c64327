//! Sentences about who was told, and how that went.

use countersign_core::event::{Event, NoticeAttempted, NoticeDue, NoticeKind, NoticeResult};

use super::Told;
use crate::visible::{moment, named, quoted};

/// That somebody is to be told.
pub(super) fn due(e: &NoticeDue) -> String {
    let what = match e.kind {
        NoticeKind::Opened | NoticeKind::StepStarted => "that a decision is wanted",
        NoticeKind::Reminded => "that a decision is still wanted",
        NoticeKind::Escalated => "that the request was escalated",
        NoticeKind::Resolved => "that the request has ended",
        NoticeKind::GlassBroken => "that somebody let the action through at once",
    };
    let after = e.after.map(|after| format!(", after quiet hours at {}", moment(after)));
    let left_out = match e.left_out {
        0 => String::new(),
        more => format!(" {more} more people are asked and get no notice."),
    };
    format!(
        "{} is to be told {what}{}.{left_out}",
        whom(e),
        after.unwrap_or_default()
    )
}

/// How a try to tell somebody ended.
pub(super) fn attempted(e: &NoticeAttempted, told: &Told<'_>) -> Option<String> {
    let due = told.records.iter().find_map(|record| match &record.event {
        Event::NoticeDue(due) if due.notice == e.notice => Some(whom(due)),
        _other => None,
    })?;
    let detail = quoted(&e.detail);
    Some(match e.result {
        NoticeResult::Delivered => format!("{due} was told at try {}.", e.attempt),
        NoticeResult::Retrying => {
            let next = e.next.map(|next| format!("; the next try is at {}", moment(next)));
            let next = next.unwrap_or_default();
            format!("Try {} to tell {due} failed: {detail}{next}.", e.attempt)
        }
        NoticeResult::Dead => format!("Telling {due} failed for good: {detail}."),
        NoticeResult::Resent => format!("A person had {due} told again."),
        NoticeResult::Skipped => format!("{due} was not told: {detail}."),
    })
}

fn whom(e: &NoticeDue) -> String {
    match &e.user {
        Some(user) => format!("{} (by {})", named(user), named(&e.channel)),
        None => format!("Channel {}", named(&e.channel)),
    }
}
