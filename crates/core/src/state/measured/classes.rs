//! What people said of which class of tools, by the day on which they said it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::observed::day_of;
use super::{Measures, add_if};
use crate::event::{ApprovalResolved, ApprovalState};
use crate::time::Time;

/// So many classes of a day are counted by name; another takes the place of the one of which least was decided.
const CLASSES_AT_MOST: usize = 40;

/// What people decided of one class of tools within one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Approved.
    pub approved: u64,
    /// The class; the tool where the catalogue gives it none.
    pub class: Arc<str>,
    /// Those of the approved that were narrowed before.
    pub edited: u64,
    /// Rejected.
    pub rejected: u64,
}

impl ClassCount {
    fn of(class: &Arc<str>) -> ClassCount {
        ClassCount {
            approved: 0,
            class: class.clone(),
            edited: 0,
            rejected: 0,
        }
    }

    /// Requests that people answered.
    pub fn decided(&self) -> u64 {
        self.approved.saturating_add(self.rejected)
    }
}

impl Measures {
    /// What people decided in the days since that of a moment, the class of which most was decided first.
    pub fn classes(&self, since: Time) -> Vec<ClassCount> {
        let mut all = BTreeMap::<Arc<str>, ClassCount>::new();
        for counted in self.classes.range(day_of(since)..).flat_map(|(_, classes)| classes) {
            let sum = all
                .entry(counted.class.clone())
                .or_insert_with(|| ClassCount::of(&counted.class));
            sum.approved = sum.approved.saturating_add(counted.approved);
            sum.edited = sum.edited.saturating_add(counted.edited);
            sum.rejected = sum.rejected.saturating_add(counted.rejected);
        }
        let mut all: Vec<ClassCount> = all.into_values().collect();
        all.sort_by_key(|class| std::cmp::Reverse(class.decided()));
        all
    }

    pub(super) fn decided_on(&mut self, now: Time, e: &ApprovalResolved, is_edited: bool) {
        // Makes room for the new day as for the new hour.
        self.hour(now);
        let is_approved = e.state == ApprovalState::Approved;
        for class in &e.decided {
            let classes = self.classes.entry(day_of(now)).or_default();
            let place = place_of(classes, class);
            if let Some(counted) = classes.get_mut(place) {
                add_if(&mut counted.approved, is_approved);
                add_if(&mut counted.edited, is_approved && is_edited);
                add_if(&mut counted.rejected, !is_approved);
            }
        }
    }
}

/// Where a class is counted, with room made for it.
fn place_of(classes: &mut Vec<ClassCount>, class: &Arc<str>) -> usize {
    if let Some(place) = classes.iter().position(|counted| counted.class == *class) {
        return place;
    }
    if classes.len() >= CLASSES_AT_MOST {
        let least = classes.iter().enumerate().min_by_key(|(_, counted)| counted.decided());
        let least = least.map_or(0, |(place, _)| place);
        classes.remove(least);
    }
    classes.push(ClassCount::of(class));
    classes.len() - 1
}
