//! What an agent fails at in a row, with one operation or one step of a run: what policy asks for as `failures(n)`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::State;
use crate::event::{InARow, OutcomeStatus};
use crate::time::Time;

/// So many rows of one agent are kept; another one takes the place of the one that is the longest ago.
const ROWS_PER_AGENT: usize = 256;

/// A row of failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failing {
    /// When it failed last.
    last: Time,
    /// How often.
    times: u32,
}

impl State {
    /// How often an agent has failed at something in a row.
    pub(super) fn failures(&self, agent: &str, attempt: &str) -> u32 {
        let row = self.failing.get(agent).and_then(|rows| rows.get(attempt));
        row.map_or(0, |row| row.times)
    }

    /// What an outcome makes of the row: one more, its end, or nothing where nobody knows how it ended.
    pub(super) fn row_after(&self, agent: &Arc<str>, attempt: &Arc<str>, status: OutcomeStatus) -> Option<InARow> {
        let before = self.failures(agent, attempt);
        let failures = match status {
            OutcomeStatus::Failed => before.saturating_add(1),
            OutcomeStatus::Succeeded if before > 0 => 0,
            OutcomeStatus::Succeeded | OutcomeStatus::Unknown => return None,
        };
        Some(InARow {
            agent: agent.clone(),
            attempt: attempt.clone(),
            failures,
        })
    }

    /// Stores how often an agent has failed at something in a row.
    pub(super) fn failed_in_a_row(&mut self, now: Time, e: &InARow) {
        let rows = self.failing.entry(e.agent.clone()).or_default();
        if e.failures == 0 {
            rows.remove(&e.attempt);
        } else {
            let oldest = rows.iter().min_by_key(|(_, row)| row.last);
            let oldest = oldest.map(|(attempt, _)| attempt.clone());
            if let Some(oldest) = oldest.filter(|_| rows.len() >= ROWS_PER_AGENT && !rows.contains_key(&e.attempt)) {
                rows.remove(&oldest);
            }
            let (last, times) = (now, e.failures);
            rows.insert(e.attempt.clone(), Failing { last, times });
        }
        if rows.is_empty() {
            self.failing.remove(&e.agent);
        }
    }
}
