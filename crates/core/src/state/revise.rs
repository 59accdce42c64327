//! Revisions: a request goes on about another action, which a reviewer narrowed or the agent changed.
//!
//! Policy is asked anew, as it is now. What denies wins; what demands more is demanded as well; what demands less loosens
//! nothing, since people were asked. The deadline stays where it was.

use countersign_policy::{Action, Hidden};

use super::decide::{Beside, first_message};
use super::guard::NoRoom;
use super::limit::split;
use super::review::default_route;
use super::route::{Asking, Cause};
use super::track::Taken;
use super::viewed::HIGH;
use super::{Ctx, Handled, OpenAction, OpenApproval, State};
use crate::command::{Revise, Submit, Vote};
use crate::digest::salted_action_digest;
use crate::event::{ApprovalRevised, ApprovalStepStarted, DecisionFacts, Raised, Slot, Status, Track, Verb};
use crate::ids::{ActionId, ApprovalId};
use crate::narrow::{changes, narrowed};
use crate::record::{Draft, Provenance};
use crate::refusal::{Category, Refusal};
use crate::stored::stored_action;

/// How often the agent may change what a request is about.
const REVISIONS_OF_AGENT: u32 = 5;
/// How often reviewers may narrow it.
const EDITS: u32 = 20;
/// Where the agent may change it. Whatever else is other than before is another action.
const REVISABLE: [&str; 8] = [
    "/amount",
    "/args",
    "/confidence",
    "/conflicts",
    "/currency",
    "/estimated_cost",
    "/evidence",
    "/resource",
];

/// A request after a change, and the records that make it so.
pub(crate) struct Revision {
    pub(crate) revised: ApprovalRevised,
    pub(super) approval: OpenApproval,
    pub(super) action: OpenAction,
    /// Steps that are asked, of routes that are new or begin again.
    pub(super) started: Vec<ApprovalStepStarted>,
    told: Told,
}

/// What people are told of a change besides that there was one.
#[derive(Default)]
struct Told {
    /// Alerts of rules, and what they say.
    alerts: Vec<String>,
    summary: String,
    no_room: Vec<NoRoom>,
    /// Who wants the opposite.
    opposed: Vec<String>,
}

/// Why there is no request about the changed action.
pub(crate) struct NotRevised {
    pub(crate) refusal: Refusal,
    told: Told,
}

impl From<Refusal> for Box<NotRevised> {
    fn from(refusal: Refusal) -> Self {
        Box::new(NotRevised {
            refusal,
            told: Told::default(),
        })
    }
}

/// What a request is to be about, by whom, and what was read for the evaluation.
pub(crate) struct Changed<'a> {
    pub(crate) id: ApprovalId,
    pub(crate) submit: &'a Submit,
    /// The reviewer who narrowed it.
    pub(crate) edited_by: Option<&'a str>,
    pub(crate) changed: Vec<String>,
    /// Parts of evidence that the request lacked at first.
    pub(crate) completed: Vec<String>,
    pub(crate) facts: DecisionFacts,
    pub(crate) hidden: Option<&'a Hidden>,
}

impl State {
    /// What a vote makes of the action, where it is an edit: only less, and only where a rule or route lets it be edited.
    pub(super) fn edited(&self, vote: &mut Vote, ctx: &Ctx<'_>) -> Result<Option<(Revision, Submit)>, Refusal> {
        if vote.verb != Verb::Edit {
            return Ok(None);
        }
        let (approval, action) = self.open_request(vote.approval)?;
        if action.redacted {
            let detail = "parts of the action were not kept, so nobody can say what it would be";
            return Err(Refusal::conflict("not_editable", detail)
                .hint("reject it and say what would be right; the agent can revise its own request"));
        }
        let (Some(edit), Some(before)) = (vote.edit.take(), vote.action.as_deref()) else {
            return Err(gone());
        };
        let mut submit = edit.submit;
        let digest_of = |salt, action: &Action| salted_action_digest(salt, self.organization(), &submit.agent, action);
        let stands = digest_of(&edit.salt, before) == action.digest;
        if !stands || digest_of(&submit.digest.salt, &submit.action) != submit.digest.digest {
            return Err(
                Refusal::conflict("digest_mismatch", "the edit is of another action than this one")
                    .hint("read the request again and edit what it shows"),
            );
        }
        let nothing = Default::default();
        let editable = approval
            .editable
            .as_ref()
            .map_or(&nothing, |editable| &editable.pointers);
        let changed = narrowed(before, &submit.action, editable)?;
        if approval.edits >= EDITS {
            let detail = format!("it was narrowed {EDITS} times");
            return Err(Refusal::new(Category::Throttled, "too_many_revisions", detail).hint("approve or reject it"));
        }
        self.as_asked(action, &mut submit);
        let change = Changed {
            id: vote.approval,
            submit: &submit,
            edited_by: Some(&vote.user),
            changed,
            completed: edit.completed,
            facts: self.facts_of_revision(action, &submit),
            hidden: None,
        };
        match self.revision(change, ctx) {
            Ok(revision) => Ok(Some((revision, submit))),
            Err(not) => Err(not.refusal),
        }
    }

    /// The agent wants something else than what waits for people.
    pub(super) fn revise(&self, ask: Revise, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let approval = self.approval_of_agent(ask.approval, &ask.submit.agent)?;
        if self.practices.contains_key(&ask.approval) {
            return Err(Refusal::missing("open approval", ask.approval));
        }
        let (_, action) = self.open_request(ask.approval)?;
        if approval.deadline <= ctx.now {
            let detail = format!("`{}` has expired", ask.approval);
            return Err(Refusal::new(Category::Gone, "expired", detail));
        }
        if approval.evidence_due.is_some() {
            return Err(
                Refusal::conflict("needs_evidence", "nobody is asked before the evidence is complete")
                    .hint("complete it first, or cancel the request and ask anew"),
            );
        }
        if approval.revisions_of_agent() >= REVISIONS_OF_AGENT {
            let detail = format!("`{}` was changed {REVISIONS_OF_AGENT} times", ask.approval);
            return Err(
                Refusal::new(Category::Throttled, "too_many_revisions", detail).hint("cancel the request and ask anew")
            );
        }
        let mut submit = ask.submit;
        if submit.digest.digest == action.digest {
            return Err(Refusal::invalid("nothing_changed", "the action is the same as before"));
        }
        let changed = revisable(ask.before.as_deref(), &submit)?;
        self.as_asked(action, &mut submit);
        let change = Changed {
            id: ask.approval,
            submit: &submit,
            edited_by: None,
            changed,
            completed: ask.completed,
            facts: self.facts_of_revision(action, &submit),
            hidden: None,
        };
        let revision = match self.revision(change, ctx) {
            Ok(revision) => revision,
            // An agent does not find out for nothing what it would not get.
            Err(not) => {
                let told = self.tell(&not.told, &submit, true, approval.action_id, ctx);
                return Handled::refused(told, not.refusal);
            }
        };
        let mut events = self.records_of(&revision, &submit, ctx);
        if let Some(draft) = events.first_mut() {
            draft.prov = Provenance::Reported;
        }
        Handled::done(events)
    }

    fn open_request(&self, id: ApprovalId) -> Result<(&OpenApproval, &OpenAction), Refusal> {
        let approval = self.approvals.get(&id);
        approval
            .and_then(|approval| Some((approval, self.actions.get(&approval.action_id)?)))
            .ok_or_else(|| Refusal::missing("open approval", id))
    }

    /// A revision is asked for by whoever asked first, known as then.
    pub(crate) fn as_asked(&self, action: &OpenAction, submit: &mut Submit) {
        submit.verified = action.identity == "verified";
        submit.person = action.requester.clone();
        submit.attempt = action.attempt.clone().unwrap_or_default();
        submit.accept_remedy = false;
    }

    /// What the evaluation of a revision reads outside the action.
    pub(crate) fn facts_of_revision(&self, action: &OpenAction, submit: &Submit) -> DecisionFacts {
        let pii = submit.redact.keys().cloned().collect();
        self.facts_of_open(action, pii, &submit.shown.reads)
    }

    /// The request about the changed action, if policy lets it go on.
    pub(crate) fn revision(&self, change: Changed<'_>, ctx: &Ctx<'_>) -> Result<Revision, Box<NotRevised>> {
        let (approval, action) = self.open_request(change.id)?;
        let submit = change.submit;
        let beside = Beside {
            digest_key: ctx.digest_key,
            live: ctx.live,
            now: ctx.now,
            redactor: ctx.redactor,
            revises: Some(approval.action_id),
        };
        let mut ruling = self.rule(submit, &change.facts, change.hidden, &beside);
        let mut told = Told {
            alerts: std::mem::take(&mut ruling.alerts),
            summary: String::new(),
            no_room: std::mem::take(&mut ruling.found.no_room),
            opposed: std::mem::take(&mut ruling.found.positions.opposed),
        };
        if ruling.status == Status::Refused {
            let why = ruling.reasons.first().map(|reason| reason.message.as_str());
            let detail = format!(
                "policy says {} of what it would be: {}",
                ruling.decision.as_str(),
                ctx.redactor.redact_text(why.unwrap_or_default(), &submit.kinds).text
            );
            told.summary.clone_from(&detail);
            let refusal = Refusal::conflict("revision_refused", detail).hint("the request stands as it was");
            return Err(Box::new(NotRevised { refusal, told }));
        }
        let wanted = ruling.missing.iter().filter(|part| !change.completed.contains(part));
        let wanted: Vec<&str> = wanted.map(String::as_str).collect();
        if !wanted.is_empty() {
            let detail = format!("what it would be takes more evidence: {}", wanted.join(", "));
            let refusal = Refusal::conflict("needs_evidence", detail);
            return Err(refusal.hint("the agent says so in a revision of its own").into());
        }
        let joined = self.joined(approval, &ruling.demands, submit, ctx)?;
        if let Some(editor) = change.edited_by
            && joined.excluded.iter().any(|out| out.user == editor)
        {
            let detail = format!("`{editor}` may not decide on what it would be");
            let refusal = Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide");
            return Err(refusal.into());
        }
        let editable = approval.editable.as_ref().filter(|_| change.edited_by.is_some());
        let risk = ctx.live.and_then(|live| live.risk(&action.tool));
        let is_high = risk.is_some_and(|risk| HIGH.contains(&risk));
        let mut facts = change.facts;
        // People were asked, whatever policy says of it now.
        let (counted, counts_later) = split(&mut ruling.found, Status::Pending);
        facts.budgets = ruling.found.accounts;
        facts.circuits = ruling.found.circuits;
        facts.depth = ruling.found.depth;
        facts.windows = ruling.found.windows;
        facts.positions = ruling.found.positions.read;
        let revised = ApprovalRevised {
            action_id: approval.action_id,
            amount: submit.shown.amount.clone(),
            approval: change.id,
            changed: change.changed,
            classes: (ctx.live)
                .map(|live| live.classes(&submit.action, &facts.reads))
                .unwrap_or_default(),
            constraints: ruling.constraints,
            counted,
            counts_later,
            currency: submit.action.currency.clone(),
            decision: ruling.decision,
            digest: submit.digest.digest,
            edited_by: change.edited_by.map(str::to_owned),
            excluded: joined.excluded,
            facts,
            // On a route that wants to know people surely, what nobody signed is no approval.
            keeps_votes: editable.is_some_and(|editable| editable.keeps_votes)
                && joined.raised.is_empty()
                && joined.tracks.iter().all(|track| track.assurance.is_low()),
            outputs: ruling.outputs,
            positions: ruling.found.positions.taken,
            previous: action.digest,
            raised: joined.raised,
            reasons: super::decide::shortened(ruling.reasons, &submit.kinds, ctx),
            reported: ruling.reported,
            revision: approval.revisions + 2,
            second: editable.is_some_and(|editable| editable.second.unwrap_or(is_high)),
            slots: joined.slots,
            spends: ruling.found.spends,
            tracks: joined.tracks,
            unresolved: joined.unresolved,
            valid_for_s: approval.valid_for_s.min(joined.valid_for_s),
        };
        told.summary = format!(
            "what `{}` wants was changed: {}",
            submit.agent,
            first_message(&revised.reasons)
        );
        let redacted = !submit.redact.is_empty();
        let revision = self.with_revision(revised, approval, action, redacted, ctx)?;
        Ok(Revision { told, ..revision })
    }

    /// The request as it stands after the record, with the first steps asked of routes that are new or begin again.
    fn with_revision(
        &self,
        revised: ApprovalRevised,
        approval: &OpenApproval,
        action: &OpenAction,
        redacted: bool,
        ctx: &Ctx<'_>,
    ) -> Result<Revision, Refusal> {
        let (mut after, mut action) = (approval.clone(), action.clone());
        let before = approval.tracks.len();
        after.revise(ctx.now, &revised);
        let deciding = self.deciding_of(&action).cloned();
        action.revise(&revised, deciding, redacted);
        let asking = Asking {
            action_id: revised.action_id,
            approval: revised.approval,
            deadline: approval.deadline,
            excluded: &revised.excluded,
            requester: self.requester_of(revised.action_id),
        };
        let mut started = Vec::new();
        for (place, track) in after.tracks.iter_mut().enumerate() {
            let cause = if place >= before { Cause::OPENED } else { Cause::REVISED };
            if !track.asked.is_empty() {
                continue;
            }
            let index = u32::try_from(place).unwrap_or(u32::MAX);
            let asked = self.start_step(asking, index, &track.rules, 0, cause, ctx);
            let asked = asked.ok_or_else(unroutable)?;
            track.started(&asked);
            started.push(asked);
        }
        Ok(Revision {
            revised,
            approval: after,
            action,
            started,
            told: Told::default(),
        })
    }

    /// Who has to approve: those from before, and whoever is wanted besides.
    fn joined(
        &self,
        approval: &OpenApproval,
        demands: &[countersign_policy::Demand],
        submit: &Submit,
        ctx: &Ctx<'_>,
    ) -> Result<Joined, Refusal> {
        let requester = self.requester_of(approval.action_id);
        let mut taken = Taken::of(demands, ctx.live);
        let (wanted, unresolved) = self.slots(
            &taken.plain,
            default_route(ctx.live).map_or(&[][..], |route| &route.to),
            requester,
            ctx,
        );
        let mut slots = approval.slots.clone();
        for slot in wanted {
            let known = |old: &&mut Slot| old.names == slot.names && old.quorum == slot.quorum;
            if slots.iter_mut().find(known).is_none() {
                slots.push(slot);
            }
        }
        let mut old: Vec<Track> = approval.tracks.iter().map(|track| track.rules.clone()).collect();
        let (mut raised, mut tracks) = (Vec::new(), Vec::new());
        for wanted in &taken.tracks {
            if old.iter().any(|old| old.stands_for(wanted)) {
                continue;
            }
            // The same people are not asked twice: they are known more surely.
            let same = (0..).zip(&mut old).find(|(_, old)| old.asks_the_same(wanted));
            match same {
                Some((track, old)) => {
                    let assurance = wanted.assurance;
                    old.assurance = assurance;
                    raised.push(Raised { assurance, track });
                }
                None => tracks.push(wanted.clone()),
            }
        }
        taken
            .separation
            .extend(old.iter().flat_map(|track| track.separation.iter().copied()));
        taken.tracks = old.into_iter().chain(tracks.iter().cloned()).collect();
        let mut excluded = approval.excluded.clone();
        for out in self.excluded(submit, &slots, &taken, requester, ctx)? {
            if !excluded.iter().any(|old| old.user == out.user) {
                excluded.push(out);
            }
        }
        if !self.could_decide(&slots, &taken, &excluded, requester, ctx) {
            return Err(unroutable());
        }
        Ok(Joined {
            excluded,
            raised,
            slots,
            tracks,
            unresolved: unresolved.into_iter().collect(),
            valid_for_s: taken.valid_for.map_or(i64::MAX, crate::time::Span::as_seconds),
        })
    }

    /// The records of a revision: that it is one, and the steps that are asked because of it.
    pub(super) fn records_of(&self, revision: &Revision, submit: &Submit, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let revised = &revision.revised;
        let mut draft = Draft::observed(revised.clone())
            .with_payload(Some(submit.stored.clone()))
            .citing(revision.action.snapshot.clone());
        draft.redact = submit.redact.clone();
        let mut events = vec![draft];
        events.extend(revision.started.iter().cloned().map(Draft::observed));
        if !revised.unresolved.is_empty() {
            let summary = super::decide::nobody_known(&revised.unresolved);
            let about = Some(revised.action_id);
            events.extend(self.alert("unresolved_approvers", summary, Some(&submit.agent), about, ctx));
        }
        events.extend(self.tell(&revision.told, submit, false, revised.action_id, ctx));
        events
    }

    fn tell(&self, told: &Told, submit: &Submit, refused: bool, id: ActionId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let mut events = self.tell_no_room(&submit.agent, &told.no_room, refused, id, ctx);
        for why in &told.opposed {
            events.extend(self.alert("agents_disagree", why.clone(), Some(&submit.agent), Some(id), ctx));
        }
        for name in &told.alerts {
            events.extend(self.alert(name, told.summary.clone(), Some(&submit.agent), Some(id), ctx));
        }
        events
    }
}

/// Whom a revised action wants.
struct Joined {
    excluded: Vec<crate::event::Excluded>,
    raised: Vec<Raised>,
    slots: Vec<Slot>,
    tracks: Vec<Track>,
    unresolved: Vec<String>,
    valid_for_s: i64,
}

fn unroutable() -> Refusal {
    Refusal::conflict("unroutable", "nobody who may decide on what it would be is left")
        .hint("the request stands as it was")
}

fn gone() -> Refusal {
    Refusal::conflict("action_gone", "what was asked for is not kept any more").hint("cancel the request and ask anew")
}

/// What the agent changed, of what it may change.
fn revisable(before: Option<&Action>, submit: &Submit) -> Result<Vec<String>, Refusal> {
    let (Some(before), Some(after)) = (before, stored_action(&submit.stored.0.body)) else {
        return Err(gone());
    };
    let changed = changes(before, &after);
    let may = |place: &String| {
        let within =
            |root: &str| (place.strip_prefix(root)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        REVISABLE.iter().any(|root| within(root))
    };
    match changed.iter().find(|place| !may(place)) {
        Some(place) => {
            let place: String = place.chars().take(80).collect();
            let detail = format!("with another `{}` it is another action", place.escape_debug());
            Err(Refusal::conflict("another_action", detail).hint(format!(
                "a revision changes {}; for anything else cancel the request and ask anew",
                REVISABLE.join(", ")
            )))
        }
        None => Ok(changed),
    }
}
