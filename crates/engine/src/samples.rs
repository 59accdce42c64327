//! The weekly sample, as the ledger has it.

use std::collections::BTreeMap;

use countersign_core::event::{Finding, ReviewOpened, SampleRevealed};
use countersign_core::ids::ActionId;
use countersign_core::state::OpenSample;
use countersign_core::week::Week;
use countersign_core::{Event, Record};
use countersign_store::Org;

use crate::error::EngineError;
use crate::{Engine, blocking};

/// An action that was drawn, and what somebody found.
pub struct Sampled {
    /// The look that was asked for.
    pub look: ReviewOpened,
    /// What was found, and by whom.
    pub found: Option<(Finding, String)>,
}

/// The sample of a week.
pub struct WeekSample {
    /// The week.
    pub week: Week,
    /// When it is over.
    pub ends: countersign_core::Time,
    /// What there is so far, where it is not over.
    pub open: Option<OpenSample>,
    /// Its numbers and its key, once it is over.
    pub revealed: Option<SampleRevealed>,
    /// What was drawn, once it is over.
    pub sampled: BTreeMap<ActionId, Sampled>,
}

impl Engine {
    /// The sample of a week, or of the last one that is over.
    pub async fn sample(&self, org: &Org, week: Option<Week>) -> Result<WeekSample, EngineError> {
        let now = self.now();
        let look = self.look(org, move |state| {
            let week = week.unwrap_or_else(|| state.week(now - countersign_core::Span::days(7)));
            (week, state.week_ends(week), state.open_sample(week))
        });
        let (week, ends, open) = look.await?;
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let (mut revealed, mut looks) = (None, Vec::new());
            for stored in inner.store.by_subject(&org, week.subject())? {
                match Record::decode(&stored.leaf).map_err(EngineError::internal)?.0.event {
                    Event::SampleRevealed(event) => revealed = Some(*event),
                    Event::ReviewOpened(event) => looks.push(*event),
                    _drawn => {}
                }
            }
            let mut sampled = BTreeMap::new();
            for look in looks {
                let mut found = None;
                for stored in inner.store.by_subject(&org, look.review.0)? {
                    let event = Record::decode(&stored.leaf).map_err(EngineError::internal)?.0.event;
                    if let Event::ReviewClosed(event) = event {
                        found = Some((event.finding, event.user));
                    }
                }
                sampled.insert(look.action_id, Sampled { look, found });
            }
            Ok(WeekSample {
                week,
                ends,
                open,
                revealed,
                sampled,
            })
        })
        .await
    }
}
