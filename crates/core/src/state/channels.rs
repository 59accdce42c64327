//! Channels of the organization, their quiet hours, and how notices fare on them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::{Ctx, Handled, State};
use crate::event::{
    AlertRaised, ChannelKind, ChannelRegistered, ChannelRemoved, NoticeAttempted, NoticeDue, NoticeKind, NoticeResult,
    Quiet,
};
use crate::ids::{ActionId, AlertId, ApprovalId, NoticeId};
use crate::record::Draft;
use crate::refusal::Refusal;
use crate::time::Time;

/// How many channels an organization has at most.
const CHANNELS_AT_MOST: usize = 20;

/// How many notices that could not be delivered an organization keeps.
const DEAD_AT_MOST: usize = 1000;

/// A channel, as far as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What it is.
    pub kind: ChannelKind,
    /// Its quiet hours.
    pub quiet: Option<Quiet>,
    /// Where it leads, as far as that is no secret.
    pub target: String,
}

/// A notice that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingNotice {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Tries so far.
    pub attempts: u32,
    /// The channel.
    pub channel: String,
    /// It waits for a person to send it again.
    pub dead: bool,
    /// What was said last.
    pub detail: String,
    /// It waits, or has waited, for the end of quiet hours.
    pub held: bool,
    /// What is told.
    pub kind: NoticeKind,
    /// When it is tried next.
    pub next: Time,
    /// Who is told.
    pub user: Option<String>,
}

/// What is told once: what, about which step of which track, to whom.
pub(super) type Telling = (NoticeKind, Option<(u32, u32)>, Option<String>);

/// What was told about a request by one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// By what its messages can be updated, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<String>,
    pub(super) notices: BTreeSet<Telling>,
}

/// What was told about requests, by request and channel.
pub(super) type ToldAbout = BTreeMap<ApprovalId, BTreeMap<String, Told>>;

impl State {
    /// Channels by name.
    pub fn channels(&self) -> &BTreeMap<String, Channel> {
        &self.channels
    }

    /// Notices that have not arrived.
    pub fn notices(&self) -> &BTreeMap<NoticeId, PendingNotice> {
        &self.notices
    }

    /// By what the messages of a channel about a request can be updated, oldest first.
    pub fn messages_about(&self, approval: ApprovalId, channel: &str) -> &[String] {
        let told = self.told.get(&approval).and_then(|channels| channels.get(channel));
        told.map_or(&[], |told| &told.messages)
    }

    pub(super) fn register_channel(&self, channel: ChannelRegistered) -> Result<Handled, Refusal> {
        if self.channels.contains_key(&channel.channel) {
            let detail = format!("channel `{}` is registered", channel.channel);
            return Err(Refusal::conflict("already_registered", detail).hint("remove it first to change it"));
        }
        if self.channels.len() >= CHANNELS_AT_MOST {
            let detail = format!("an organization has {CHANNELS_AT_MOST} channels at most");
            return Err(Refusal::conflict("too_many_channels", detail).hint("remove one that is not used"));
        }
        if channel.quiet.as_ref().is_some_and(|quiet| Hours::of(quiet).is_none()) {
            let detail = "quiet hours have an IANA zone and two different times such as `22:00` and `07:00`";
            return Err(Refusal::invalid("invalid_quiet_hours", detail));
        }
        Handled::one(channel)
    }

    pub(super) fn remove_channel(&self, channel: String) -> Result<Handled, Refusal> {
        if !self.channels.contains_key(&channel) {
            return Err(Refusal::missing("channel", channel));
        }
        Handled::one(ChannelRemoved { channel })
    }

    pub(super) fn note_notice(&self, mut noted: NoticeAttempted, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let Some(pending) = self.notices.get(&noted.notice) else {
            return Err(Refusal::missing("notice", noted.notice));
        };
        // Two nodes may have tried at once: only the first report of a try counts.
        if noted.attempt <= pending.attempts || pending.dead {
            let detail = format!("try {} of `{}` is noted", noted.attempt, noted.notice);
            return Err(Refusal::conflict("already_noted", detail));
        }
        noted.detail = noted.detail.chars().take(300).collect();
        // One alert tells of a channel that does not work, until somebody takes note of it.
        let begins = format!("notices by channel `{}` are not delivered", pending.channel);
        let told = |alert: &super::OpenAlert| alert.name == "notice_exhausted" && alert.summary.starts_with(&begins);
        let dead = noted.result == NoticeResult::Dead && !self.alerts.values().any(told);
        let alert = dead.then(|| AlertRaised {
            action_id: Some(pending.action_id),
            agent: None,
            alert: AlertId(ctx.ids.next(ctx.now)),
            name: "notice_exhausted".into(),
            summary: format!("{begins}, the first of them `{}`: {}", noted.notice, noted.detail),
        });
        let mut events = vec![Draft::observed(noted)];
        events.extend(alert.map(Draft::observed));
        Handled::done(events)
    }

    pub(super) fn resend_notice(&self, notice: NoticeId, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        if !self.notices.contains_key(&notice) {
            return Err(Refusal::missing("notice", notice));
        }
        Handled::one(NoticeAttempted {
            attempt: 0,
            detail: "sent again by a person".into(),
            next: Some(ctx.now),
            notice,
            reference: None,
            result: NoticeResult::Resent,
        })
    }

    pub(super) fn channel_registered(&mut self, e: &ChannelRegistered) {
        let channel = Channel {
            kind: e.kind,
            quiet: e.quiet.clone(),
            target: e.target.clone(),
        };
        self.channels.insert(e.channel.clone(), channel);
    }

    pub(super) fn channel_removed(&mut self, e: &ChannelRemoved) {
        self.channels.remove(&e.channel);
        self.notices.retain(|_, pending| pending.channel != e.channel);
        self.told.retain(|_, channels| {
            channels.remove(&e.channel);
            !channels.is_empty()
        });
        let gone: Vec<_> = self.told.keys().copied().collect();
        for approval in gone {
            self.forget_told(approval);
        }
    }

    pub(super) fn notice_due(&mut self, e: &NoticeDue, now: Time) {
        let pending = PendingNotice {
            action_id: e.action_id,
            approval: e.approval,
            attempts: 0,
            channel: e.channel.clone(),
            dead: false,
            detail: String::new(),
            held: e.after.is_some(),
            kind: e.kind,
            next: e.after.unwrap_or(now),
            user: e.user.clone(),
        };
        self.notices.insert(e.notice, pending);
        let channels = self.told.entry(e.approval).or_default();
        let told = channels.entry(e.channel.clone()).or_default();
        told.notices.insert((e.kind, e.track.zip(e.step), e.user.clone()));
    }

    pub(super) fn notice_attempted(&mut self, e: &NoticeAttempted, now: Time) {
        match e.result {
            NoticeResult::Delivered | NoticeResult::Skipped => {
                let Some(pending) = self.notices.remove(&e.notice) else {
                    return;
                };
                let told = (self.told.get_mut(&pending.approval)).and_then(|told| told.get_mut(&pending.channel));
                if let Some((told, reference)) = told.zip(e.reference.as_ref()) {
                    told.messages.push(reference.clone());
                }
                self.forget_told(pending.approval);
            }
            NoticeResult::Retrying | NoticeResult::Dead | NoticeResult::Resent => {
                if let Some(pending) = self.notices.get_mut(&e.notice) {
                    pending.attempts = e.attempt;
                    pending.dead = e.result == NoticeResult::Dead;
                    pending.detail = e.detail.clone();
                    pending.next = e.next.unwrap_or(now);
                }
                if e.result == NoticeResult::Dead {
                    self.forget_dead_notice();
                }
            }
        }
    }

    /// So many notices wait for a person to send them again; beyond that the oldest is forgotten.
    fn forget_dead_notice(&mut self) {
        let dead = || self.notices.iter().filter(|(_, pending)| pending.dead);
        let oldest = dead().next().map(|(id, pending)| (*id, pending.approval));
        if let Some((id, approval)) = oldest.filter(|_| dead().count() > DEAD_AT_MOST) {
            self.notices.remove(&id);
            self.forget_told(approval);
        }
    }

    /// What was told about a request is of no use once it has ended and nothing about it is on its way.
    fn forget_told(&mut self, approval: ApprovalId) {
        let waits = || self.notices.values().any(|pending| pending.approval == approval);
        if !self.approvals.contains_key(&approval) && !waits() {
            self.told.remove(&approval);
        }
    }
}

/// Quiet hours, read.
struct Hours {
    zone: TimeZone,
    from: civil::Time,
    to: civil::Time,
}

impl Hours {
    fn of(quiet: &Quiet) -> Option<Hours> {
        let hours = Hours {
            zone: TimeZoneDatabase::bundled().get(&quiet.zone).ok()?,
            from: wall_time(&quiet.from)?,
            to: wall_time(&quiet.to)?,
        };
        (hours.from != hours.to).then_some(hours)
    }
}

/// `HH:MM`
fn wall_time(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| (digits.len() == 2).then(|| digits.parse::<i8>().ok()).flatten();
    civil::Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// When the quiet hours end that hold at `now`; `None` if none do.
pub(super) fn quiet_until(quiet: &Quiet, now: Time) -> Option<Time> {
    let hours = Hours::of(quiet)?;
    let wall = crate::schedule::wall(&hours.zone, now);
    let (date, at) = (wall.date(), wall.time());
    let over_midnight = hours.from > hours.to;
    let ends_on = if over_midnight && at >= hours.from {
        date.checked_add(1.day()).ok()?
    } else if over_midnight && at < hours.to || (hours.from..hours.to).contains(&at) {
        date
    } else {
        return None;
    };
    let end = crate::schedule::instant(&hours.zone, ends_on.to_datetime(hours.to));
    // Where a change of the clock has moved the end to before now, there is nothing to wait for.
    (end > now).then_some(end)
}
