//! Drawing the weekly samples of an export again, with the keys that its records tell: no server is asked.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::digest::Digest;
use countersign_core::event::SampleRevealed;
use countersign_core::ids::ActionId;
use countersign_core::week::{Week, draws};
use countersign_core::{Event, Record};
use serde_json::{Value, json};

/// What an export says about the sample of one week.
#[derive(Default)]
struct Told {
    drawn: BTreeSet<ActionId>,
    looked_for: BTreeSet<ActionId>,
    /// What took part, with the share that its decision states.
    of: BTreeMap<ActionId, Option<u32>>,
    revealed: Option<SampleRevealed>,
}

/// The samples of an export.
#[derive(Default)]
pub(crate) struct Samples {
    shares: BTreeMap<ActionId, u32>,
    weeks: BTreeMap<Week, Told>,
}

/// How one week's draw compares.
pub(crate) struct Drawn {
    pub(crate) week: Week,
    pub(crate) of: usize,
    pub(crate) drawn: usize,
    /// What does not agree, in words. Nothing: the draw is what the key says.
    pub(crate) wrong: Vec<String>,
    /// How many can not be drawn again, since their decisions have no bytes any more.
    pub(crate) unknown: usize,
    /// The week is not over, and its key not known.
    pub(crate) secret: bool,
}

impl Samples {
    /// Takes a record in; records come in the order of the ledger.
    pub(crate) fn record(&mut self, record: Record) {
        match record.event {
            Event::DecisionMade(e) => {
                let share = e.acts_in.as_ref().and_then(|acts_in| acts_in.share);
                self.shares.extend(share.map(|share| (e.action_id, share)));
            }
            Event::OutcomeReported(e) => {
                let share = self.shares.remove(&e.action_id);
                if let Some(week) = e.week {
                    self.week(week).of.insert(e.action_id, share);
                }
            }
            Event::SampleDrawn(e) => {
                self.week(e.week).drawn.insert(e.action_id);
            }
            Event::ReviewOpened(e) => {
                if let Some(week) = e.week {
                    self.week(week).looked_for.insert(e.action_id);
                }
            }
            Event::SampleRevealed(e) => {
                let week = e.week;
                self.week(week).revealed = Some(*e);
            }
            _other => {}
        }
    }

    fn week(&mut self, week: Week) -> &mut Told {
        self.weeks.entry(week).or_default()
    }

    /// Each week, drawn again; or only one.
    pub(crate) fn drawn_again(&self, only: Option<Week>) -> Vec<Drawn> {
        let wanted = self
            .weeks
            .iter()
            .filter(|(week, _)| only.is_none_or(|only| only == **week));
        wanted.map(|(week, told)| told.drawn_again(*week)).collect()
    }
}

impl Told {
    fn drawn_again(&self, week: Week) -> Drawn {
        let mut wrong = Vec::new();
        let unknown = self.of.values().filter(|share| share.is_none()).count();
        if let Some(revealed) = &self.revealed {
            self.compare(&revealed.key, &mut wrong);
            let counts = (revealed.of as usize, revealed.drawn as usize);
            if counts != (self.of.len(), self.drawn.len()) {
                wrong.push(format!(
                    "the record of its end says {} of {}, and the export has {} of {}",
                    revealed.drawn,
                    revealed.of,
                    self.drawn.len(),
                    self.of.len()
                ));
            }
            let missing = self.drawn.difference(&self.looked_for);
            wrong.extend(missing.map(|id| format!("{id} was drawn, and nobody is asked to look at it")));
        }
        let foreign = self.drawn.iter().filter(|id| !self.of.contains_key(id));
        wrong.extend(foreign.map(|id| format!("{id} was drawn and took no part")));
        Drawn {
            week,
            of: self.of.len(),
            drawn: self.drawn.len(),
            wrong,
            unknown,
            secret: self.revealed.is_none(),
        }
    }

    fn compare(&self, key: &Digest, wrong: &mut Vec<String>) {
        for (id, share) in &self.of {
            let Some(share) = share else { continue };
            match (draws(key, *id, *share), self.drawn.contains(id)) {
                (true, false) => wrong.push(format!("{id} is drawn by the key, and was left out")),
                (false, true) => wrong.push(format!("{id} is not drawn by the key, and was")),
                (true, true) | (false, false) => {}
            }
        }
    }
}

impl Drawn {
    pub(crate) fn json(&self) -> Value {
        json!({
            "week": self.week, "of": self.of, "drawn": self.drawn, "agrees": self.wrong.is_empty() && !self.secret,
            "key_known": !self.secret, "not_derivable": self.unknown, "wrong": self.wrong,
        })
    }

    pub(crate) fn text(&self) -> String {
        let verdict = if self.secret {
            "the week is not over, and its key is not known".to_owned()
        } else if self.wrong.is_empty() {
            "drawn again: the same".to_owned()
        } else {
            format!("NOT AS THE KEY SAYS\n  {}", self.wrong.join("\n  "))
        };
        let unknown = match self.unknown {
            0 => String::new(),
            some => format!("; {some} can not be drawn again, as their decisions are gone"),
        };
        format!("{}  {} of {}  {verdict}{unknown}", self.week, self.drawn, self.of)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use countersign_core::Span;
    use countersign_core::event::OutcomeStatus;
    use countersign_testkit::World;

    use super::*;

    /// Two hundred actions of one week, of which a tenth is drawn.
    fn world() -> World {
        let mut world = World::new();
        world.agent("bot", "team:ops");
        world.user("dana", &["reviewer"], &[], &[]);
        let rules = "organization: acme\nautonomy: { modes: [{ mode: periodic_batch, sample: 10%, within: 8d }] }\n";
        let gate = "name: gate\nrules:\n  - { decision: allow }\n";
        world.policy(&[("acme.yaml", rules), ("gate.yaml", gate)]);
        for _ in 0..200 {
            let id = world.submit("bot", r#"{"action":"score"}"#).unwrap().decision.action_id;
            world.redeem(id).unwrap();
            world.report(id, OutcomeStatus::Succeeded, None).unwrap();
        }
        world
    }

    fn drawn(records: impl IntoIterator<Item = Record>) -> Vec<Drawn> {
        let mut samples = Samples::default();
        records.into_iter().for_each(|record| samples.record(record));
        samples.drawn_again(None)
    }

    #[test]
    fn a_week_is_drawn_again_with_the_key_that_its_end_tells() {
        let mut world = world();
        let before = drawn(world.records.clone());
        assert!(before[0].secret && before[0].wrong.is_empty());
        world.pass(Span::days(7));
        let after = drawn(world.records.clone());
        assert_eq!((after.len(), after[0].of, after[0].wrong.clone()), (1, 200, Vec::new()));
        assert!(after[0].drawn > 5 && !after[0].secret, "{}", after[0].drawn);
    }

    #[test]
    fn what_was_left_out_added_or_never_looked_at_is_found() {
        let mut world = world();
        world.pass(Span::days(7));
        let is = |kind: &'static str| move |record: &&Record| record.event.kind() == kind;
        let without = |kind| {
            let gone = world.records.iter().find(is(kind)).unwrap().seq;
            drawn(world.records.iter().filter(|record| record.seq != gone).cloned())
        };
        let wrong = |weeks: Vec<Drawn>| weeks[0].wrong.join("; ");
        assert!(wrong(without("sample.drawn")).contains("is drawn by the key, and was left out"));
        assert!(wrong(without("review.opened")).contains("nobody is asked to look at it"));
        let mut records = world.records.clone();
        let mut extra = records.iter().find(is("sample.drawn")).unwrap().clone();
        let ids: BTreeSet<_> = records
            .iter()
            .filter(is("sample.drawn"))
            .map(|record| record.event.clone())
            .filter_map(drawn_id)
            .collect();
        let other = records.iter().find_map(|record| match &record.event {
            Event::OutcomeReported(e) if !ids.contains(&e.action_id) => Some(e.action_id),
            _ => None,
        });
        if let Event::SampleDrawn(e) = &mut extra.event {
            e.action_id = other.unwrap();
        }
        records.push(extra);
        assert!(wrong(drawn(records)).contains("is not drawn by the key, and was"));
    }

    fn drawn_id(event: Event) -> Option<ActionId> {
        match event {
            Event::SampleDrawn(e) => Some(e.action_id),
            _ => None,
        }
    }
}
