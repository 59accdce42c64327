//! The same vote on several requests: only where they are of one kind, and never on one that stands out.

use std::collections::BTreeSet;

use countersign_api::ApprovalAnswer;
use countersign_core::batch::{VOTES_AT_MOST, name, odd_one_out, outliers};
use countersign_core::digest::Digest;
use countersign_core::event::Verb;
use countersign_core::ids::ApprovalId;
use countersign_core::money::parse_decimal;
use countersign_core::{ActionView, Refusal};

use crate::Engine;
use crate::approvals::VoteRequest;
use crate::error::EngineError;
use crate::intake::Request;

/// What is done with which requests.
pub struct VotesRequest {
    /// What: `Approve`, `Reject` or `Abstain`.
    pub verb: Verb,
    /// What the person says of all of them.
    pub comment: Option<String>,
    /// The requests, each with the digest, the snapshot and the hash of what the person saw.
    pub items: Vec<(ApprovalId, Digest, String, Option<Digest>)>,
}

/// What came of it.
pub struct Decided {
    /// What the votes' records name.
    pub batch: Digest,
    /// One for each item.
    pub results: Vec<Result<ApprovalAnswer, EngineError>>,
    /// It repeats an earlier answer.
    pub replayed: bool,
}

/// Risks of tools whose actions are looked at one by one.
const HIGH: [&str; 2] = ["R3", "R4"];

impl Engine {
    /// Casts one vote on each of these requests.
    pub async fn votes(&self, request: &Request<'_>, votes: VotesRequest) -> Result<Decided, EngineError> {
        check(&votes)?;
        let caller = request.caller;
        let mut views = Vec::with_capacity(votes.items.len());
        for (id, ..) in &votes.items {
            views.push(self.view_of_approval(&caller.org, *id).await?);
        }
        self.check_kind(request, &votes, &views)?;
        let alone = standing_out(&views);
        let given: Vec<(ApprovalId, Digest)> = (votes.items.iter().enumerate())
            .filter(|(place, _)| !alone.contains(place))
            .map(|(_, (id, digest, ..))| (*id, *digest))
            .collect();
        let batch = name(&caller.actor.id, votes.verb, &given);
        let mut decided = Decided {
            batch,
            results: Vec::with_capacity(views.len()),
            replayed: false,
        };
        for (place, ((id, digest, snapshot, presentation), view)) in votes.items.into_iter().zip(views).enumerate() {
            if alone.contains(&place) {
                decided.results.push(Err(single_review(id)));
                continue;
            }
            let vote = VoteRequest {
                verb: votes.verb,
                comment: votes.comment.clone(),
                to: None,
                digest,
                snapshot,
                presentation,
                set: None,
                via: None,
                assertion: None,
            };
            let cast = self.cast(request, id, vote, view, Some(batch), place as u64 + 1).await;
            decided.results.push(cast.map(|(answer, replayed)| {
                decided.replayed |= replayed;
                answer
            }));
        }
        Ok(decided)
    }

    /// All of one kind, and of one that is not risky.
    fn check_kind(&self, request: &Request<'_>, votes: &VotesRequest, views: &[ActionView]) -> Result<(), EngineError> {
        if let Some((place, what)) = odd_one_out(views)
            && let Some((id, ..)) = votes.items.get(place)
        {
            let detail = format!("`{id}` is of another {what} than the first request");
            return Err(Refusal::invalid("mixed_batch", detail)
                .hint("decide together only on requests of the same rules, route, tool and currency")
                .into());
        }
        let live = self.inner.org(&request.caller.org)?.live();
        let Some(decision) = views.first().map(|view| &view.decision) else {
            return Ok(());
        };
        let tool = decision.tool.as_deref().unwrap_or(&decision.action);
        match live.as_ref().and_then(|live| live.risk(tool)) {
            Some(risk) if HIGH.contains(&risk) => {
                let detail = format!("`{tool}` is of risk {risk}, and such actions are decided one by one");
                Err(Refusal::invalid("high_risk", detail)
                    .hint("vote on each request alone")
                    .into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What can be said of the votes alone.
fn check(votes: &VotesRequest) -> Result<(), Refusal> {
    let count = votes.items.len();
    if !(1..=VOTES_AT_MOST).contains(&count) {
        let detail = format!("1 to {VOTES_AT_MOST} requests are decided at once, not {count}");
        return Err(Refusal::invalid("batch_size", detail));
    }
    let mut seen = BTreeSet::new();
    if let Some((id, ..)) = votes.items.iter().find(|(id, ..)| !seen.insert(*id)) {
        return Err(Refusal::invalid("repeated_item", format!("`{id}` is named twice")));
    }
    let silent = votes.comment.as_ref().is_none_or(|comment| comment.trim().is_empty());
    if votes.verb == Verb::Reject && silent {
        return Err(Refusal::invalid(
            "reason_required",
            "a rejection needs a comment that says why",
        ));
    }
    Ok(())
}

/// The places of those whose amount is far from the others.
fn standing_out(views: &[ActionView]) -> BTreeSet<usize> {
    let amount = |view: &ActionView| parse_decimal(view.amount().0?).ok();
    outliers(&views.iter().map(amount).collect::<Vec<_>>())
}

fn single_review(id: ApprovalId) -> EngineError {
    let detail = format!("the amount of `{id}` is far from those of the others");
    Refusal::conflict("single_review", detail)
        .hint("look at it, and vote on it alone")
        .into()
}
