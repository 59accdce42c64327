//! What a candidate and the live policy said of the same actions, counted, and when that is too far apart.

use std::collections::BTreeMap;

use countersign_policy::Decision;
use serde::{Deserialize, Serialize};

use crate::event::{Bands, DecisionMade, LeftBand, Rate, SaidBeside};

/// What two policies said of the same actions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What the candidate said.
    pub candidate: Counts,
    /// Actions of which both said something.
    pub decisions: u64,
    /// Those of which they said different things: `allow to deny` and so on, what the live policy said first.
    pub flips: BTreeMap<String, u64>,
    /// What the live policy said.
    pub live: Counts,
}

/// How often a policy said what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// That people are asked.
    pub asked: u64,
    /// No.
    pub denied: u64,
    /// No, because a condition cannot be evaluated.
    pub erred: u64,
}

impl Counts {
    fn count(&mut self, decision: Decision, erred: bool) {
        match decision {
            Decision::Deny => self.denied += 1,
            Decision::RequireApproval => self.asked += 1,
            Decision::Allow | Decision::AllowWithConstraints | Decision::Remediate => {}
        }
        self.erred += u64::from(erred);
    }
}

impl Tried {
    /// Counts a decision; `by_candidate`: the candidate made it.
    pub(super) fn count(&mut self, decision: &DecisionMade, beside: &SaidBeside, by_candidate: bool) {
        let erred = decision.reasons.iter().any(|reason| reason.code == CONDITION_ERROR);
        let decided = (beside.decided, erred && beside.decided == Decision::Deny);
        let other = (beside.says, beside.erred);
        let (candidate, live) = if by_candidate {
            (decided, other)
        } else {
            (other, decided)
        };
        self.decisions += 1;
        self.candidate.count(candidate.0, candidate.1);
        self.live.count(live.0, live.1);
        if candidate.0 != live.0 {
            let flip = format!("{} to {}", live.0.as_str(), candidate.0.as_str());
            *self.flips.entry(flip).or_default() += 1;
        }
    }

    /// The first rate that is further from that of the live policy than its band allows.
    pub fn left(&self, bands: &Bands) -> Option<LeftBand> {
        if self.decisions < u64::from(bands.after) {
            return None;
        }
        let rates = [
            (Rate::Denied, self.candidate.denied, self.live.denied, bands.denied),
            (Rate::Asked, self.candidate.asked, self.live.asked, bands.asked),
            (Rate::Erred, self.candidate.erred, self.live.erred, bands.erred),
        ];
        rates.into_iter().find_map(|(rate, candidate, live, band)| {
            let apart = match rate {
                // Fewer errors are no reason to take anything back.
                Rate::Erred => candidate.saturating_sub(live),
                Rate::Asked | Rate::Denied => candidate.abs_diff(live),
            };
            let left = apart.saturating_mul(1000) > u64::from(band).saturating_mul(self.decisions);
            left.then_some(LeftBand {
                candidate,
                decisions: self.decisions,
                live,
                rate,
            })
        })
    }
}

/// The code of a reason that a condition could not be evaluated.
pub(super) const CONDITION_ERROR: &str = "condition_error";
