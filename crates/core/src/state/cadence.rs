//! Cadences: drills and canaries that are asked now and again without anybody asking for one.
//!
//! Time is divided into spans of the cadence's length. In each, one moment and one action are drawn with a key of that span,
//! which is made from the organization's digest key: those who are asked cannot know when, and with the key, which the record
//! `practice.due` tells, everybody can draw again. A span that nobody lived to see, because the server was down, is left out.

use std::collections::BTreeMap;

use countersign_policy::{Cadence, Snapshot};
use serde::{Deserialize, Serialize};

use super::{Ctx, Handled, State};
use crate::command::PractiseDue;
use crate::digest::{Digest, DigestKey};
use crate::event::{PracticeDue, PracticeEnded, PracticeKind};
use crate::ids::ApprovalId;
use crate::record::{Actor, Draft};
use crate::refusal::Refusal;
use crate::schedule::is_open;
use crate::time::{Span, Time};

/// So many moments are drawn to find one within the hours; if none is, the first one has to do.
const DRAWS: u32 = 64;
/// So many cadences are remembered, those of earlier policies as well.
const REMEMBERED: usize = 64;

/// When a cadence was last due, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDue {
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// When it was.
    pub at: Time,
    /// Why nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How somebody does in drills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// When a drill in which that person was asked last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Time>,
    /// When one ended in which that person had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Time>,
    /// How many in a row went without an answer.
    pub missed: u32,
}

/// What is drawn of one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Which of the actions, from 0.
    pub action: usize,
    /// When.
    pub at: Time,
    /// When the span began.
    pub begins: Time,
    /// The key of the span.
    pub key: Digest,
    /// How many draws fell outside of the hours before.
    pub tries: u32,
}

/// Draws the moment and the action of the span that begins at `begins`.
///
/// The key is `HMAC-SHA-256(digest key, "countersign-practice-v1" ‖ 0 ‖ cadence ‖ 0 ‖ begins)`. A moment is the first eight
/// bytes of `HMAC-SHA-256(key, "countersign-practice-at-v1" ‖ 0 ‖ n)`, as a fraction of the span, with `n` from 0 in four bytes;
/// the action is the same of `"countersign-practice-action-v1"` and 0, as a fraction of their number.
pub fn draw(cadence: &Cadence, begins: Time, digest_key: &DigestKey, live: &Snapshot) -> Draw {
    let (name, begin) = (cadence.name.as_bytes(), begins.to_string());
    let key = DigestKey::new(digest_key.hmac(&[b"countersign-practice-v1\0", name, b"\0", begin.as_bytes()]));
    let fraction = |tag: &[u8], number: u32, of: u64| -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = key.hmac(&[tag, b"\0", &number.to_be_bytes()]);
        let drawn = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        u64::try_from((drawn * u128::from(of)) >> 64).unwrap_or_default()
    };
    let length = u64::try_from(cadence.every).unwrap_or_default();
    let moment = |tries: u32| {
        let after = fraction(b"countersign-practice-at-v1", tries, length);
        begins + Span(i64::try_from(after).unwrap_or_default())
    };
    let calendar = (cadence.hours.as_deref()).and_then(|name| live.organization()?.calendar(name));
    let fits = |tries: &u32| calendar.is_none_or(|calendar| is_open(calendar, moment(*tries)));
    let tries = (0..DRAWS).find(fits).unwrap_or_default();
    let number = u64::try_from(cadence.actions.len()).unwrap_or_default();
    let action = fraction(b"countersign-practice-action-v1", 0, number);
    Draw {
        action: usize::try_from(action).unwrap_or_default(),
        at: moment(tries),
        begins,
        key: Digest(*key.bytes()),
        tries,
    }
}

impl State {
    /// What came of each cadence last.
    pub fn cadences(&self) -> &BTreeMap<String, LastDue> {
        &self.cadences
    }

    /// How everybody does in drills who was asked in one.
    pub fn drilled(&self) -> &BTreeMap<String, Drilled> {
        &self.drilled
    }

    /// The cadence that is due next, and what is drawn of it; it is due now if that moment has come.
    pub fn next_practice<'l>(
        &self,
        live: Option<&'l Snapshot>,
        digest_key: &DigestKey,
        now: Time,
    ) -> Option<(&'l Cadence, Draw)> {
        let live = live.filter(|_| !self.frozen && !self.closed)?;
        let next = |cadence: &'l Cadence| (cadence, self.next_draw(cadence, live, digest_key, now));
        let all = live.organization()?.cadences().map(next);
        all.min_by_key(|(cadence, draw)| (draw.at, cadence.name.clone()))
    }

    /// What is drawn of the span that it is, or of the next one where that of this one is over.
    fn next_draw(&self, cadence: &Cadence, live: &Snapshot, digest_key: &DigestKey, now: Time) -> Draw {
        let every = cadence.every.max(1);
        let begins = Time(now.0.div_euclid(every).saturating_mul(every));
        let was_due = self.cadences.get(&*cadence.name).is_some_and(|last| last.at >= begins);
        let begins = if was_due { begins + Span(every) } else { begins };
        draw(cadence, begins, digest_key, live)
    }

    /// Asks what a cadence has due, or says why it cannot.
    pub(super) fn practise_due(&self, ask: PractiseDue, actor: &Actor, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let cadence = ctx.live.and_then(|live| live.organization()?.cadence(&ask.cadence));
        let (Some(live), Some(cadence)) = (ctx.live, cadence) else {
            return Err(Refusal::missing("cadence", &ask.cadence));
        };
        let draw = self.next_draw(cadence, live, ctx.digest_key, ctx.now);
        if self.frozen || draw.at > ctx.now || draw.action != ask.action {
            // Another node was faster, or the policy has changed meanwhile.
            return Err(Refusal::conflict("not_due", format!("`{}` is not due", ask.cadence)));
        }
        let kind = if cadence.canary {
            PracticeKind::Canary
        } else {
            PracticeKind::Drill
        };
        let asked = ask
            .submit
            .map_err(|code| Refusal::conflict(code, String::new()))
            .and_then(|submit| self.practise_in(submit, kind, None, actor, ctx));
        let mut due = PracticeDue {
            action: u32::try_from(draw.action).unwrap_or_default(),
            approval: None,
            at: draw.at,
            begins: draw.begins,
            cadence: ask.cadence,
            draw: draw.tries,
            every_s: cadence.every / 1_000_000,
            key: draw.key,
            kind,
            reason: None,
        };
        let mut events = Vec::new();
        match asked {
            Ok((approval, made)) => {
                due.approval = Some(approval);
                events = made;
                events.push(Draft::observed(due));
            }
            Err(refusal) => {
                due.reason = Some(refusal.code.to_owned());
                let summary = format!("`{}` was due, and nobody could be asked: {}", due.cadence, refusal.code);
                events.push(Draft::observed(due));
                events.extend(self.alert("practice_not_asked", summary, None, None, ctx));
            }
        }
        Handled::done(events)
    }

    /// Stores that a cadence was due.
    pub(super) fn practice_due(&mut self, now: Time, e: &PracticeDue) {
        if self.cadences.len() >= REMEMBERED && !self.cadences.contains_key(&e.cadence) {
            let oldest = self.cadences.iter().min_by_key(|(_, last)| last.at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.cadences.remove(&oldest);
            }
        }
        let last = LastDue {
            approval: e.approval,
            at: now,
            reason: e.reason.clone(),
        };
        self.cadences.insert(e.cadence.clone(), last);
    }

    /// Stores who answered in a drill that went its way, and who did not.
    pub(super) fn drill_ended(&mut self, now: Time, e: &PracticeEnded) {
        let Some(unanswered) = e.unanswered.as_ref().filter(|_| e.kind == PracticeKind::Drill) else {
            return;
        };
        for user in e.asked.iter().filter(|user| self.users.contains_key(*user)) {
            let drilled = self.drilled.entry(user.clone()).or_default();
            drilled.asked = Some(now);
            if unanswered.contains(user) {
                drilled.missed = drilled.missed.saturating_add(1);
            } else {
                drilled.answered = Some(now);
                drilled.missed = 0;
            }
        }
    }
}
