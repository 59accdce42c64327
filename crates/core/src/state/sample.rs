//! The weekly sample: what is drawn, and what follows when the week is over.
//!
//! An action is drawn when its outcome is known, with the key of the week, which nobody outside the server has. Who asks
//! people to look at it waits until the week is over; then the key is told, so that everybody can draw again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::post_review::Look;
use super::{Ctx, Due, State};
use crate::event::{ActsIn, Mode, ReviewKind, SampleDrawn, SampleRevealed};
use crate::ids::ActionId;
use crate::record::Draft;
use crate::time::{Span, Time};
use crate::week::{Week, draws};

/// What was drawn in one week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    drawn: BTreeMap<ActionId, Drawn>,
    ends: Time,
    /// How many took part so far.
    of: u32,
}

/// An action that was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Drawn {
    agent: Arc<str>,
    operation: String,
    #[serde(default, skip_serializing_if = "super::is_false")]
    succeeded: bool,
    within_s: i64,
}

/// A week of which a sample is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSample {
    /// How many were drawn so far.
    pub drawn: usize,
    /// When it is over.
    pub ends: Time,
    /// How many took part so far.
    pub of: u32,
}

impl State {
    /// What was drawn so far in a week that is not over, or whose end nobody noticed yet.
    pub fn open_sample(&self, week: Week) -> Option<OpenSample> {
        self.samples.get(&week).map(|sample| OpenSample {
            drawn: sample.drawn.len(),
            ends: sample.ends,
            of: sample.of,
        })
    }

    /// The week that it is, by the wall clock of the organization.
    pub fn week(&self, now: Time) -> Week {
        Week::at(&self.zone, now)
    }

    /// When a week is over, by the wall clock of the organization.
    pub fn week_ends(&self, week: Week) -> Time {
        week.ends(&self.zone)
    }

    /// The week in whose sample an outcome takes part: where exceptions are looked at, one that is none.
    pub(super) fn takes_part(&self, acts_in: Option<&ActsIn>, well: bool, ctx: &Ctx<'_>) -> Option<Week> {
        ctx.live?.organization()?.autonomy()?;
        let acts_in = acts_in.filter(|acts_in| acts_in.share.is_some())?;
        let drawn = match acts_in.mode {
            Mode::PreAction | Mode::PostAction => false,
            Mode::ExceptionOnly => well,
            Mode::PeriodicBatch => true,
        };
        drawn.then(|| self.week(ctx.now))
    }

    /// The record that an action is drawn, if it is.
    pub(super) fn draw(&self, look: &Look<'_>, acts_in: &ActsIn, week: Week, ctx: &Ctx<'_>) -> Option<Draft> {
        let share = acts_in.share?;
        draws(&week.key(ctx.digest_key), look.action_id, share).then(|| {
            Draft::observed(SampleDrawn {
                action_id: look.action_id,
                agent: look.agent.clone(),
                operation: look.operation.to_owned(),
                share,
                succeeded: look.succeeded,
                week,
                within_s: look.within.as_seconds(),
            })
        })
    }

    /// What follows when a week is over: its key is told, and somebody is asked to look at each action that was drawn.
    pub(super) fn week_over(&self, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let (mut events, now) = (Vec::new(), ctx.now);
        for (week, sample) in self.samples.iter().filter(|(_, sample)| sample.ends <= now) {
            events.push(Draft::observed(SampleRevealed {
                drawn: u32::try_from(sample.drawn.len()).unwrap_or(u32::MAX),
                key: week.key(ctx.digest_key),
                of: sample.of,
                week: *week,
            }));
            for (id, drawn) in &sample.drawn {
                let look = Look {
                    action_id: *id,
                    agent: &drawn.agent,
                    kind: ReviewKind::Sample,
                    operation: &drawn.operation,
                    succeeded: drawn.succeeded,
                    week: Some(*week),
                    within: Span::seconds(drawn.within_s),
                };
                events.push(self.open_review(look, ctx));
            }
        }
        events
    }

    /// How many looks were drawn and not asked for yet.
    pub(super) fn looks_drawn(&self) -> usize {
        self.samples.values().map(|sample| sample.drawn.len()).sum()
    }

    /// Stores that an outcome takes part in the sample of a week.
    pub(super) fn took_part(&mut self, week: Week) {
        let ends = week.ends(&self.zone);
        let sample = self.samples.entry(week).or_insert_with(|| Sample {
            drawn: BTreeMap::new(),
            ends,
            of: 0,
        });
        sample.of = sample.of.saturating_add(1);
        self.due.insert((ends, Due::Sample));
    }

    /// Stores what was drawn.
    pub(super) fn drawn(&mut self, e: &SampleDrawn) {
        let Some(sample) = self.samples.get_mut(&e.week) else {
            return;
        };
        let drawn = Drawn {
            agent: e.agent.clone(),
            operation: e.operation.clone(),
            succeeded: e.succeeded,
            within_s: e.within_s,
        };
        if sample.drawn.insert(e.action_id, drawn).is_none() {
            *self.reviews_of_agent.entry(e.agent.clone()).or_default() += 1;
        }
    }

    /// Stores that a week is over.
    pub(super) fn revealed(&mut self, e: &SampleRevealed) {
        let Some(sample) = self.samples.remove(&e.week) else {
            return;
        };
        self.due.remove(&(sample.ends, Due::Sample));
        for drawn in sample.drawn.values() {
            self.one_look_less(&drawn.agent);
        }
    }

    pub(super) fn one_look_less(&mut self, agent: &Arc<str>) {
        if let Some(open) = self.reviews_of_agent.get_mut(agent) {
            *open = open.saturating_sub(1);
        }
    }

    /// Timers and counts of what was drawn, from what the state holds.
    pub(super) fn rebuild_samples(&mut self) {
        for sample in self.samples.values() {
            self.due.insert((sample.ends, Due::Sample));
            for drawn in sample.drawn.values() {
                *self.reviews_of_agent.entry(drawn.agent.clone()).or_default() += 1;
            }
        }
    }
}
