//! Key figures, told from what the state counts.

mod figures;
mod times;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_api::kpis::{KpiClass, KpiRequests, KpiTimes, KpisAnswer};
use countersign_core::policy::Snapshot;
use countersign_core::state::{BOUNDS_S, ClassCount, Requests};
use countersign_core::{Span, State, Time};
use countersign_engine::Caller;

use self::figures::{Sums, figures};
use super::handlers;
use crate::problem::Problem;
use crate::query::{Days, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "kpis" => Caller kpis,
}

/// Of so many days at most the window before is counted too.
const WEEK: usize = 7;
/// Classes that one answer names at most.
const CLASSES: usize = 20;
/// Policies of which it is known at once how much of them tests try.
const KNOWN: usize = 64;

/// How much of policies their own tests try, by hash: a snapshot never changes.
#[derive(Default)]
pub(crate) struct Tested(Mutex<BTreeMap<String, (u64, u64)>>);

impl Tested {
    /// How many rules of a policy a test shows at work, and how many rules it has.
    async fn of(&self, policy: Arc<Snapshot>) -> Result<(u64, u64), Problem> {
        let hash = policy.hash_text().to_owned();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tested) = known().get(&hash) {
            return Ok(*tested);
        }
        let look = tokio::task::spawn_blocking(move || {
            let rules = policy.coverage();
            let tried = rules.iter().filter(|rule| rule.is_tried()).count();
            (tried as u64, rules.len() as u64)
        });
        let tested = look.await.map_err(Problem::internal)?;
        let mut known = known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(hash, tested);
        Ok(tested)
    }
}

/// What the live policy says that figures hang on.
#[derive(Clone, Copy)]
struct Policy {
    /// How many rules a test shows at work, and how many there are.
    tested: (u64, u64),
    /// It says how long reading takes.
    has_theatre: bool,
}

async fn kpis(asked: Asked<Caller>) -> Answer {
    let days: Days = asked.query()?;
    let days = within("days", days.days, WEEK, 14)?;
    let span = Span::days(i64::try_from(days).unwrap_or(14));
    let engine = &asked.app.engine;
    let policy = match engine.live_policy(&asked.caller).await? {
        None => Policy {
            tested: (0, 0),
            has_theatre: false,
        },
        Some(live) => Policy {
            has_theatre: live.organization().is_some_and(|of| of.theatre().is_some()),
            tested: asked.app.tested.of(live).await?,
        },
    };
    let now = engine.now();
    let has_before = days <= WEEK;
    let look = engine.look(&asked.caller.org, move |state| of(state, now, span, has_before, policy));
    json(&look.await?)
}

fn of(state: &State, now: Time, span: Span, has_before: bool, policy: Policy) -> KpisAnswer {
    let since = now - span;
    let here = Sums::of(state, now, since, now);
    let before = has_before.then(|| Sums::of(state, now, since - span, since));
    KpisAnswer {
        from: here.from.to_string(),
        to: now.to_string(),
        as_of_seq: state.next_seq(),
        kpis: figures(state, now, policy, &here, before.as_ref()),
        times: bounds(&here),
        requests: (state.measures().hours(since))
            .filter(|(_, hour)| hour.requests.opened > 0)
            .map(|(from, hour)| requests(from, &hour.requests))
            .collect(),
        classes: (state.measures().classes(since).iter())
            .take(CLASSES)
            .map(class)
            .collect(),
    }
}

fn bounds(sums: &Sums) -> Vec<KpiTimes> {
    let bounds = BOUNDS_S.iter().map(|bound| u64::try_from(*bound).ok()).chain([None]);
    let count = |times: &countersign_core::state::Times, place: u8| times.get(&place).copied().unwrap_or(0);
    (0..)
        .zip(bounds)
        .map(|(place, up_to_s)| KpiTimes {
            up_to_s,
            answered: count(&sums.requests.answered, place),
            unanswered: count(&sums.requests.unanswered, place),
            seen: count(&sums.requests.seen, place),
        })
        .collect()
}

fn requests(from: Time, requests: &Requests) -> KpiRequests {
    KpiRequests {
        from: from.to_string(),
        opened: requests.opened,
        approved: requests.approved.saturating_sub(requests.edited),
        edited: requests.edited,
        rejected: requests.rejected,
        expired: requests.expired,
        broken_glass: requests.broken_glass,
        withdrawn: requests.withdrawn,
    }
}

fn class(counted: &ClassCount) -> KpiClass {
    KpiClass {
        class: counted.class.to_string(),
        approved: counted.approved,
        edited: counted.edited,
        rejected: counted.rejected,
    }
}
