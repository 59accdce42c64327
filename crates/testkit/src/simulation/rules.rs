//! The invariants that a single record can break, each under its number in the list of the design, held against every
//! record at the moment it is seen.

use std::collections::BTreeSet;

use countersign_core::digest::Digest;
use countersign_core::event::{ApprovalState, DecisionMade, Event, OutcomeStatus, Status, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decision;
use countersign_core::policy::verdict::Quorum;
use countersign_core::{ActorKind, Record, Span};

use super::scene;
use super::trail::Trail;

/// How far the clock of records may lag behind the true one: what the engine takes for a small correction, and a second.
const TOLERANCE: Span = Span::seconds(61);

type Rule = fn(&Trail, &Record) -> Result<(), String>;

/// Every rule with its number and sentence.
const RULES: [(&str, Rule); 16] = [
    (
        "1: nothing runs without a decision that allows it or an approval that does",
        nothing_runs_without_a_grant,
    ),
    ("2: a permit is used once at most", a_permit_is_used_once),
    ("3: what runs has the digest that was decided", what_runs_was_decided),
    ("4: nothing but people's votes approves", only_votes_approve),
    ("5: what has ended stays ended", what_has_ended_stays_ended),
    (
        "6: an approval has the votes of enough distinct people who may vote",
        enough_people_approved,
    ),
    ("12: records follow each other without a gap", records_have_no_gap),
    (
        "28: what is done for another agent was handed on by it, and both may",
        a_chain_is_proven,
    ),
    (
        "17: after a kill nothing of its scope is permitted or used",
        what_is_killed_gets_nothing,
    ),
    (
        "17: a permit from before a kill stays void",
        permits_from_before_a_kill_are_void,
    ),
    (
        "19: a decision cites the snapshot that was live",
        decisions_cite_what_is_live,
    ),
    (
        "20: nothing is permitted that no policy permits",
        nothing_is_permitted_that_no_policy_permits,
    ),
    (
        "6: a request is handed over by whoever has a place to somebody else",
        hand_overs_have_a_receiver,
    ),
    ("25: the times of records rise", times_rise),
    ("25: no permit is used after its end", no_permit_outlives_its_end),
    (
        "25: a clock that jumps makes no permit live longer",
        a_jump_extends_no_permit,
    ),
];

/// Holds a record that follows `trail` against every rule.
///
/// # Errors
/// The rule that it breaks, and how.
pub fn hold(trail: &Trail, record: &Record) -> Result<(), String> {
    for (name, rule) in RULES {
        rule(trail, record).map_err(|why| {
            let (seq, kind) = (record.seq, record.event.kind());
            format!("invariant {name}: record {seq} `{kind}` of `{}`: {why}", trail.org)
        })?;
    }
    Ok(())
}

fn demand(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// The digest of what a decision grants: of the alternative, where one is applied.
pub fn granted(decision: &DecisionMade) -> Digest {
    match &decision.remedy {
        Some(remedy) if remedy.applied => remedy.digest,
        Some(_) | None => decision.digest,
    }
}

fn nothing_runs_without_a_grant(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::DecisionMade(e) => {
            let applied = e.remedy.as_ref().is_some_and(|remedy| remedy.applied);
            let grants = match e.decision {
                Decision::Allow | Decision::AllowWithConstraints => true,
                Decision::Remediate => applied,
                Decision::RequireApproval | Decision::Deny => false,
            };
            demand(e.permit.is_none() || grants, || {
                format!("a permit comes with {:?}", e.decision)
            })
        }
        Event::PermitRedeemed(e) => demand(trail.issued.contains_key(&e.action_id), || {
            "the permit was never issued".into()
        }),
        Event::OutcomeReported(e) if e.status == OutcomeStatus::Succeeded => {
            let asked = trail
                .decisions
                .get(&e.action_id)
                .is_some_and(|(_, d, _)| d.approval.is_some());
            let redeemed = trail.redeemed.contains(&e.action_id);
            let issued = trail.issued.contains_key(&e.action_id);
            demand(issued && (redeemed || !asked), || "it was never permitted".into())
        }
        _other => Ok(()),
    }
}

fn a_permit_is_used_once(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::PermitRedeemed(e) => demand(!trail.redeemed.contains(&e.action_id), || {
            format!("`{}` was used before", e.permit)
        }),
        _other => Ok(()),
    }
}

fn what_runs_was_decided(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::PermitRedeemed(e) => {
            let decided = trail.issued.get(&e.action_id).map(|issued| issued.digest);
            demand(decided == Some(e.digest), || {
                format!("{} runs, {decided:?} was decided", e.digest)
            })
        }
        _other => Ok(()),
    }
}

fn only_votes_approve(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::ApprovalResolved(e) if e.permit.is_some() || e.state == ApprovalState::Approved => {
            // Between the vote and the end stands only that steps of a route have passed.
            let passed =
                |event: &Event| matches!(event, Event::ApprovalStepPassed(step) if step.approval == e.approval);
            let last = trail.records.iter().rev().find(|last| !passed(&last.event));
            let voted = last.is_some_and(|last| match &last.event {
                Event::ApprovalVoted(vote) => vote.approval == e.approval && vote.counted,
                _other => false,
            });
            let by_a_person = record.actor.kind == ActorKind::User;
            demand(voted && by_a_person, || "it is approved, and not by a vote".into())
        }
        Event::DecisionMade(e) => demand(
            e.status != Status::Permitted || record.actor.kind == ActorKind::Agent,
            || "it is permitted, and no agent asked".into(),
        ),
        _other => Ok(()),
    }
}

fn what_has_ended_stays_ended(trail: &Trail, record: &Record) -> Result<(), String> {
    let ended = |approval| trail.ended.get(approval).copied();
    match &record.event {
        Event::ApprovalResolved(e) => match ended(&e.approval) {
            None => Ok(()),
            Some(ApprovalState::Approved) => demand(e.permit.is_none(), || "it is approved twice".into()),
            Some(state) => Err(format!("it had ended as {}", state.as_str())),
        },
        Event::ApprovalVoted(e) => demand(!e.counted || ended(&e.approval).is_none(), || {
            "a late vote is counted".into()
        }),
        Event::ApprovalAnswered(e) => demand(ended(&e.approval).is_none(), || "it had ended".into()),
        Event::PermitRedeemed(e) => match e.approval.as_ref().and_then(ended) {
            None => demand(e.approval.is_none(), || "its request had not ended".into()),
            Some(state) => demand(state == ApprovalState::Approved, || {
                format!("its request had ended as {}", state.as_str())
            }),
        },
        _other => Ok(()),
    }
}

fn enough_people_approved(trail: &Trail, record: &Record) -> Result<(), String> {
    let Event::ApprovalResolved(e) = &record.event else {
        return Ok(());
    };
    if e.state != ApprovalState::Approved {
        return Ok(());
    }
    let opened = trail.opened.get(&e.approval).ok_or("it was never opened")?;
    let none = BTreeSet::new();
    let approvers = trail.approvers.get(&e.approval).unwrap_or(&none);
    let places: usize = (opened.slots.iter())
        .map(|slot| match slot.quorum {
            Quorum::Any(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Quorum::All => slot.names.len(),
        })
        .sum();
    let out = opened.excluded.iter().find(|out| approvers.contains(&out.user));
    demand(approvers.len() >= places.max(1) && out.is_none(), || {
        format!("{approvers:?} approved for {places} places; excluded: {out:?}")
    })
}

fn records_have_no_gap(trail: &Trail, record: &Record) -> Result<(), String> {
    demand(record.seq == trail.size(), || format!("{} comes next", trail.size()))
}

/// Scopes of kill switches that an action lies in.
fn scopes(trail: &Trail, id: ActionId) -> Vec<String> {
    let Some((_, decision, _)) = trail.decisions.get(&id) else {
        return Vec::new();
    };
    scopes_of(decision)
}

fn scopes_of(decision: &DecisionMade) -> Vec<String> {
    let mut scopes = vec!["organization".to_owned(), format!("agent:{}", decision.agent)];
    scopes.push(format!("tool:{}", decision.action));
    scopes.extend(decision.tool.iter().map(|tool| format!("tool:{tool}")));
    scopes.extend(decision.run.iter().map(|run| format!("run:{run}")));
    scopes.extend(decision.classes.iter().map(|class| format!("class:{class}")));
    scopes.extend(decision.team.iter().map(|team| format!("team:{team}")));
    // What is done for an agent stops when that agent is stopped.
    let chain = decision.facts.delegation.iter();
    scopes.extend(chain.map(|link| format!("agent:{}", link.id)));
    scopes
}

fn what_is_killed_gets_nothing(trail: &Trail, record: &Record) -> Result<(), String> {
    let scopes = match &record.event {
        Event::DecisionMade(e) if e.permit.is_some() => scopes_of(e),
        Event::ApprovalResolved(e) if e.permit.is_some() => scopes(trail, e.action_id),
        Event::PermitRedeemed(e) => scopes(trail, e.action_id),
        _other => return Ok(()),
    };
    let killed = scopes.iter().find(|scope| trail.kills.contains(*scope));
    demand(killed.is_none(), || format!("a kill switch is engaged on {killed:?}"))
}

fn permits_from_before_a_kill_are_void(trail: &Trail, record: &Record) -> Result<(), String> {
    let Event::PermitRedeemed(e) = &record.event else {
        return Ok(());
    };
    let issued = trail.issued.get(&e.action_id).map_or(0, |issued| issued.seq);
    let voided = scopes(trail, e.action_id)
        .into_iter()
        .find(|scope| trail.last_kill.get(scope).is_some_and(|kill| *kill > issued));
    demand(voided.is_none(), || {
        format!("it was issued before a kill of {voided:?}")
    })
}

fn decisions_cite_what_is_live(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::DecisionMade(_) => demand(record.snapshot == trail.live, || {
            format!("it cites {:?}, {:?} is live", record.snapshot, trail.live)
        }),
        Event::PermitRedeemed(e) => {
            let cited = trail
                .decisions
                .get(&e.action_id)
                .and_then(|(_, _, cited)| cited.clone());
            let evaluated = e.reevaluated.clone().or(cited);
            demand(evaluated == trail.live, || {
                format!("{evaluated:?} was asked, {:?} is live", trail.live)
            })
        }
        _other => Ok(()),
    }
}

fn nothing_is_permitted_that_no_policy_permits(_: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::DecisionMade(e) => {
            let snapshot = record.snapshot.as_deref();
            demand(e.permit.is_none() || scene::may_permit(snapshot, e), || {
                format!("`{}` is permitted under {snapshot:?}", e.action)
            })
        }
        _other => Ok(()),
    }
}

/// Every agent of a chain has an open, permitted call of the next one.
fn a_chain_is_proven(trail: &Trail, record: &Record) -> Result<(), String> {
    let Event::DecisionMade(e) = &record.event else {
        return Ok(());
    };
    if e.permit.is_none() {
        return Ok(());
    }
    demand(&*e.agent != "helper" || !e.facts.delegation.is_empty(), || {
        "`helper` does nothing unless it is called".into()
    })?;
    let called = e.facts.delegation.iter().skip(1).map(|link| &*link.id);
    for (link, next) in e.facts.delegation.iter().zip(called.chain([&*e.agent])) {
        let call = trail.decisions.get(&link.action_id).map(|(_, call, _)| call);
        let calls = call.is_some_and(|call| {
            call.agent == link.id && call.tool.as_deref() == Some(format!("agent/{next}").as_str())
        });
        let open = trail.issued.contains_key(&link.action_id) && !trail.reported.contains(&link.action_id);
        demand(calls && open, || {
            format!("`{}` did not call `{next}` by `{}`", link.id, link.action_id)
        })?;
    }
    Ok(())
}

fn hand_overs_have_a_receiver(trail: &Trail, record: &Record) -> Result<(), String> {
    match &record.event {
        Event::ApprovalVoted(e) if e.counted && e.verb == Verb::HandOver => {
            let opened = trail.opened.get(&e.approval).ok_or("it was never opened")?;
            let out = opened.excluded.iter().any(|out| Some(&out.user) == e.to.as_ref());
            demand(e.to.is_some() && e.to.as_ref() != Some(&e.user) && !out, || {
                format!("`{}` hands over to {:?}", e.user, e.to)
            })
        }
        _other => Ok(()),
    }
}

fn times_rise(trail: &Trail, record: &Record) -> Result<(), String> {
    let last = trail.records.last().map(|last| last.ts);
    demand(last.is_none_or(|last| last < record.ts), || {
        format!("{} does not follow {last:?}", record.ts)
    })
}

fn no_permit_outlives_its_end(trail: &Trail, record: &Record) -> Result<(), String> {
    let Event::PermitRedeemed(e) = &record.event else {
        return Ok(());
    };
    let expires = trail.issued.get(&e.action_id).map(|issued| issued.expires);
    demand(expires.is_some_and(|end| record.ts < end), || {
        format!("it ended at {expires:?}")
    })
}

/// Between a permit's issue and its use, records' time has passed at least as long as the true time in between.
fn a_jump_extends_no_permit(trail: &Trail, record: &Record) -> Result<(), String> {
    let Event::PermitRedeemed(e) = &record.event else {
        return Ok(());
    };
    let key = record.idem.map(|idem| countersign_core::digest::hex(&idem.key.0));
    let arrived = key.and_then(|key| trail.arrived.get(&key));
    let (Some(issued), Some(arrived)) = (trail.issued.get(&e.action_id), arrived) else {
        return Ok(());
    };
    let (truly, as_recorded) = (*arrived - issued.seen, record.ts - issued.ts);
    demand(
        !trail.clocks_are_known || as_recorded.0 >= truly.0 - TOLERANCE.0,
        || format!("{truly:?} had passed, the records say {as_recorded:?}"),
    )
}
