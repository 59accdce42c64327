//! How deep an action lies in the tree of its run, where the live policy limits that.
//!
//! An action lies one below the one that its `parent` names (by id, or by the name of its step), or below the call with which
//! it was handed on; the deeper of the two. What names neither lies at the top, which is 1. A parent that is no action of the
//! run counts as one at the top. Levels are known of runs that somebody started, and leave with them.

use std::sync::Arc;

use countersign_policy::{AtCap, Decision, Limit, Measure};

use super::{Why, no_room};
use crate::event::{DecisionMade, DepthRead, Status};
use crate::ids::ActionId;
use crate::state::guard::{Found, Objection, Stricter, Wanted};
use crate::state::{OpenRun, State};

/// Steps of one run whose level is known. A parent that is not among them then counts as the deepest one.
const KNOWN_AT_MOST: usize = 10_000;

impl State {
    /// Reads where an action lies, for its record and for the limits on depth.
    pub(super) fn read_depth(&self, wanted: &Wanted<'_>, found: &mut Found) {
        let run = wanted.action.run.as_deref();
        let limited = || {
            wanted
                .live
                .limits()
                .iter()
                .any(|limit| limit.measure() == Measure::Depth)
        };
        let Some((name, open)) = run
            .and_then(|run| self.runs.open.get_key_value(run))
            .filter(|_| limited())
        else {
            return;
        };
        // Names of steps stand in records as keyed digests, which nobody outside can make again: where a decision is derived
        // from its record, they are those that the record states.
        let stated = wanted.facts.depth.as_ref();
        let named = |step: &String| -> Arc<str> { wanted.digest_key.step("", Some(name), step).to_string().into() };
        // Only a parent is named by its id: a step that is called like one would take the place of that action.
        let key = |parent: &String| -> Arc<str> {
            match parent.parse::<ActionId>() {
                Ok(id) => id.to_string().into(),
                Err(_) => named(parent),
            }
        };
        let above = wanted.action.parent.as_ref();
        let above = above.map(|parent| {
            stated
                .and_then(|read| read.above.clone())
                .unwrap_or_else(|| key(parent))
        });
        let step = wanted.action.step.as_ref();
        let step = step.map(|step| stated.and_then(|read| read.step.clone()).unwrap_or_else(|| named(step)));
        let call = wanted.facts.delegation.last().map(|link| link.action_id.to_string());
        let level = above
            .as_deref()
            .map(|above| open.level(above).unwrap_or_else(|| open.unknown_level()));
        let handed = call.and_then(|call| open.level(&call));
        found.depth = Some(DepthRead {
            above,
            level: level.max(handed).unwrap_or_default(),
            step,
        });
    }

    /// What a limit on depth says of an action.
    pub(super) fn look_at_depth(limit: &Limit, found: &mut Found) -> Result<(), Why> {
        let (Some(read), Some(most)) = (&found.depth, limit.count()) else {
            return Ok(());
        };
        let level = read.level.saturating_add(1);
        if level <= most {
            return Ok(());
        }
        let message = format!("the action is {level} deep in its run, of at most {most}");
        match limit.at_cap() {
            AtCap::Alert => found.no_room.push(no_room(limit, &message)),
            AtCap::Ask => found.objections.push(Objection {
                reason: limit.reason("depth", Decision::RequireApproval, message),
                stricter: Stricter::Ask(limit.demand()),
            }),
            AtCap::Deny | AtCap::Pause => {
                found.no_room.push(no_room(limit, &message));
                return Err(("depth", message));
            }
        }
        Ok(())
    }

    /// Stores where an action lies. The name of a step stands for the deepest action that the agent has given it who named it
    /// first; nobody brings it up again, and no other agent brings it down.
    pub(in crate::state) fn lies_at(&mut self, e: &DecisionMade) {
        let Some(read) = e.facts.depth.as_ref().filter(|_| e.status != Status::Refused) else {
            return;
        };
        let Some(run) = e.run.as_deref().and_then(|run| self.runs.open.get_mut(run)) else {
            return;
        };
        let level = read.level.saturating_add(1);
        run.lies(e.action_id.to_string().into(), level);
        if let Some(step) = &read.step {
            if run.level(step).is_none() && run.lies(step.clone(), level) {
                run.steps.insert(step.clone(), e.agent.clone());
            } else if run.steps.get(step) == Some(&e.agent)
                && let Some(known) = run.levels.get_mut(step)
            {
                *known = level.max(*known);
            }
        }
    }
}

impl OpenRun {
    fn level(&self, name: &str) -> Option<u32> {
        self.levels.get(name).copied()
    }

    /// Notes the level of what is not known yet, if there is room.
    fn lies(&mut self, name: Arc<str>, level: u32) -> bool {
        let room = self.levels.len() < KNOWN_AT_MOST && !self.levels.contains_key(&name);
        if room {
            self.levels.insert(name, level);
        }
        room
    }

    fn unknown_level(&self) -> u32 {
        let deepest = || self.levels.values().max().copied().unwrap_or(1);
        if self.levels.len() < KNOWN_AT_MOST {
            1
        } else {
            deepest()
        }
    }
}
