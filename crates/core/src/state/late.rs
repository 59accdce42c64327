//! Votes on requests that have ended: they are recorded and do not count, so many of them.
//!
//! What a late vote is held against was read from the ledger a moment before; many at once read the same. So the state
//! counts them as well, for a while.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{GRACE, Handled, State};
use crate::command::Vote;
use crate::event::ApprovalVoted;
use crate::ids::ApprovalId;
use crate::record::Draft;
use crate::refusal::Refusal;
use crate::time::Time;

/// How many votes of one person on a request that has ended leave a record.
const LATE_PER_PERSON: usize = 3;
/// How many votes of all people do, by the ledger, and again within a while.
const LATE_PER_REQUEST: usize = 20;
/// The word in the record of a late vote.
const LATE: &str = "late";

/// How many late votes were recorded of late, by request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LateVotes {
    requests: BTreeMap<ApprovalId, Late>,
    /// When which is forgotten, in order.
    #[serde(skip)]
    leaving: VecDeque<(Time, ApprovalId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Late {
    until: Time,
    votes: u32,
}

impl LateVotes {
    /// There were none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn of(&self, id: ApprovalId) -> usize {
        self.requests.get(&id).map_or(0, |late| late.votes as usize)
    }

    /// Stores that a late vote was recorded.
    pub(super) fn cast(&mut self, now: Time, e: &ApprovalVoted) {
        if e.not_counted.as_deref() != Some(LATE) {
            return;
        }
        let leaving = &mut self.leaving;
        let late = self.requests.entry(e.approval).or_insert_with(|| {
            let until = now + GRACE;
            leaving.push_back((until, e.approval));
            Late { until, votes: 0 }
        });
        late.votes = late.votes.saturating_add(1);
    }

    pub(super) fn leave(&mut self, now: Time) {
        while let Some((_, id)) = self.leaving.front().copied().filter(|(until, _)| *until <= now) {
            self.leaving.pop_front();
            self.requests.remove(&id);
        }
    }

    /// Makes what is never part of the state from what the state holds.
    pub(super) fn rebuild(&mut self) {
        let mut leaving: Vec<_> = self.requests.iter().map(|(id, late)| (late.until, *id)).collect();
        leaving.sort();
        self.leaving = leaving.into();
    }
}

impl State {
    /// A vote on a request that has ended is recorded and does not count.
    pub(super) fn late_vote(&self, vote: Vote) -> Result<Handled, Refusal> {
        let Some(view) = &vote.view else {
            return Err(Refusal::missing("approval", vote.approval));
        };
        let refusal = Refusal::conflict(
            "approval_closed",
            format!("`{}` has ended; the vote does not count", vote.approval),
        );
        let votes = view.approval.iter().flat_map(|approval| &approval.votes);
        let late = votes.filter(|cast| cast.vote.not_counted.as_deref() == Some(LATE));
        let (mut all, mut own) = (0, 0);
        for cast in late {
            all += 1;
            own += usize::from(cast.vote.user == vote.user);
        }
        if own >= LATE_PER_PERSON || all >= LATE_PER_REQUEST || self.late.of(vote.approval) >= LATE_PER_REQUEST {
            // It is told, and leaves no more records: a loop must not fill the disk.
            return Err(refusal);
        }
        let voted = ApprovalVoted {
            action_id: view.decision.action_id,
            approval: vote.approval,
            assertion: vote.assertion.clone(),
            batch: vote.batch,
            channel: vote.via.as_ref().map(|via| via.channel.clone()),
            claimed_until: None,
            clarify_due: None,
            counted: false,
            digest: vote.digest,
            dwell_ms: None,
            flags: Vec::new(),
            handed_as: Vec::new(),
            link: vote.via.as_ref().and_then(|via| via.link),
            not_counted: Some(LATE.into()),
            presentation: vote.presentation,
            second: false,
            self_approved: false,
            to: None,
            too_fast: false,
            user: vote.user,
            verb: vote.verb,
        };
        let draft = Draft::observed(voted)
            .with_payload(vote.comment)
            .citing(view.snapshot.clone());
        Handled::refused(vec![draft], refusal)
    }
}
