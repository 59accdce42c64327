//! Deciding an action: kill switches, standing, policy; then a permit, a request to people, or a refusal.

mod words;

use std::sync::Arc;

use countersign_policy::verdict::PermitUse;
use countersign_policy::{Action, Decision, Hidden, Snapshot, Verdict};

pub(super) use self::words::first_message;
use self::words::{audience, bounded};
pub(super) use self::words::{nobody_known, shortened};
use super::facts::Known;
use super::guard::{Names, Wanted};
use super::limit;
use super::ruling::Ruling;
use super::stop::Target;
use super::transient::TurnedAway;
use super::{Ctx, Handled, PERMIT_SPAN, REFUSAL_LIMIT, REFUSAL_SPAN, State};
use crate::command::Submit;
use crate::digest::{DigestKey, action_digest};
use crate::event::{
    AgentSighted, AlertRaised, CallbackDue, CallbackTo, DecisionFacts, DecisionMade, Mode, Permit, RemedyOffered,
    Status,
};
use crate::ids::{ActionId, AlertId, ApprovalId, DeliveryId, PermitId};
use crate::record::{Draft, Provenance};
use crate::redact::Redactor;
use crate::refusal::{Category, Refusal};
use crate::stored::{with_alternative, with_salt};
use crate::time::Time;

/// Open requests that one agent may have at once.
pub(super) const OPEN_APPROVALS_PER_AGENT: u32 = 60;
/// Agents that were sighted and never registered, of which an organization keeps track.
const SIGHTED_AT_MOST: usize = 1000;
/// How often the same alert about the same agent is raised.
const ALERT_SPAN: crate::time::Span = crate::time::Span::minutes(1);
/// Reasons that a record shows; an answer never needs more.
const REASONS_AT_MOST: usize = 12;
const TEXT_BYTES: usize = 300;

/// What a ruling goes by besides the state, the action and its facts.
pub(super) struct Beside<'a> {
    pub(super) digest_key: &'a DigestKey,
    pub(super) live: Option<&'a Snapshot>,
    pub(super) now: Time,
    pub(super) redactor: &'a Redactor,
    /// The action of which it is another form: that does not stand in its own way.
    pub(super) revises: Option<ActionId>,
}

impl State {
    pub(super) fn decide(&self, submit: Submit, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let mut known = self.known(&submit, ctx.now);
        known.facts.accept_remedy = submit.accept_remedy;
        known.facts.policy_unavailable = self.deciding_for(&submit).is_some() && ctx.live.is_none();
        self.decide_on(submit, known, None, ctx)
    }

    /// Decides on facts that are given: those of now, or those that a record states. `hidden` watches where the action is
    /// not all there.
    pub(crate) fn decide_on(
        &self,
        submit: Submit,
        known: Known,
        hidden: Option<&Hidden>,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let callback = self.receiver_for(submit.callback_url.as_deref())?;
        let beside = Beside {
            digest_key: ctx.digest_key,
            live: ctx.live,
            now: ctx.now,
            redactor: ctx.redactor,
            revises: None,
        };
        let ruling = self.rule(&submit, &known.facts, hidden, &beside);

        let action_id = ActionId(ctx.ids.next(ctx.now));
        let mut events = Vec::with_capacity(2);
        if !self.agents.contains_key(&submit.agent) && self.room_for_sighted() > 0 {
            events.push(Draft::observed(AgentSighted {
                agent: submit.agent.to_string(),
                source: None,
            }));
        }
        let mut ruling = ruling;
        // A request that nobody can be asked for is a refusal as well, so repetition is looked at after it.
        let opened = match ruling.status {
            Status::Pending => Some(self.open_approval(&submit, &ruling.demands, &ruling.missing, action_id, ctx)),
            Status::Permitted | Status::Refused => None,
        };
        let opened = match opened {
            Some(Ok(opened)) => Some(opened),
            Some(Err(why)) => {
                ruling.status = Status::Refused;
                ruling.reason_code = Some(why.code);
                ruling.alerts.push(why.code.to_owned());
                None
            }
            None => None,
        };
        self.turn_away_repetition(&submit, &ruling, ctx)?;
        let approval = opened.as_ref().map(|(opened, _)| opened.approval);
        ruling.beside = self.ask_beside(&submit, &known.facts, &ruling, ctx);
        let deciding = self.deciding_for(&submit).cloned();
        self.push_decision(&mut events, submit, ruling, known, action_id, approval, callback, ctx);
        if let Some((opened, asked)) = opened {
            if !opened.unresolved.is_empty() {
                let summary = nobody_known(&opened.unresolved);
                events.extend(self.alert(
                    "unresolved_approvers",
                    summary,
                    Some(&opened.agent),
                    Some(action_id),
                    ctx,
                ));
            }
            events.push(Draft::observed(opened).citing(deciding));
            events.extend(asked.into_iter().map(Draft::observed));
        }
        Handled::done(events)
    }

    /// How many more agents that nobody registered are kept track of. Registered ones take nobody's place.
    pub(super) fn room_for_sighted(&self) -> usize {
        let sighted = self.agents.values().filter(|agent| agent.quarantined);
        SIGHTED_AT_MOST.saturating_sub(sighted.count())
    }

    /// What would be decided. Nothing comes of it.
    pub fn preview(
        &self,
        submit: &Submit,
        live: Option<&Snapshot>,
        digest_key: &DigestKey,
        redactor: &Redactor,
        now: Time,
    ) -> Ruling {
        let beside = Beside {
            digest_key,
            live,
            now,
            redactor,
            revises: None,
        };
        self.rule(submit, &self.facts(submit, now), None, &beside)
    }

    /// What policy and the switches above it say.
    pub(super) fn rule(
        &self,
        submit: &Submit,
        facts: &DecisionFacts,
        hidden: Option<&Hidden>,
        beside: &Beside<'_>,
    ) -> Ruling {
        let (live, redactor, now) = (beside.live, beside.redactor, beside.now);
        if let Some(ruling) = self.above_policy(submit, facts, &submit.action, live) {
            return ruling;
        }
        let Some(live) = live else {
            let message = "no policy is live; upload and activate one".to_owned();
            return Ruling::deny("no_policy", "no_policy", message);
        };
        let accepts = submit.accept_remedy;
        let verdict = self.evaluate(live, &submit.agent, &submit.action, facts, accepts, now, hidden);
        let verdict = self.remedied(submit, verdict, live, redactor);
        let mut ruling = Ruling::of(verdict);
        ruling.by_policy = true;
        if ruling.status != Status::Refused {
            self.look_at(submit, facts, live, &mut ruling, beside);
        }
        // A remedy that was applied may have led to another tool.
        if let Some(remedy) = ruling.remedy.as_ref().filter(|remedy| remedy.applied) {
            return self
                .above_policy(submit, facts, &remedy.alternative, Some(live))
                .unwrap_or(ruling);
        }
        ruling
    }

    /// What stands above policy: kill switches, pauses, agents that are not active, tools that changed; for the agent, and for
    /// those for which it acts.
    fn above_policy(
        &self,
        submit: &Submit,
        facts: &DecisionFacts,
        action: &Action,
        live: Option<&Snapshot>,
    ) -> Option<Ruling> {
        if let Some(scope) = self.stopped_by(&Target::asked(submit, facts, action, live)) {
            let message = format!("a kill switch is engaged on {scope}");
            return Some(Ruling::deny("killed", "kill_switch", message));
        }
        let tool = action.tool.as_deref().unwrap_or(&action.action);
        if let Some((code, message)) = self.halted(&submit.agent, tool, &action.action, live) {
            return Some(Ruling::deny(code, code, message));
        }
        self.above_chain(facts, action, live)
            .or_else(|| self.above_run(submit, facts, live))
    }

    /// A remedy is applied for an agent that has earned to run what it leads to; otherwise it is offered, and asked for.
    fn remedied(&self, submit: &Submit, mut verdict: Verdict, live: &Snapshot, redactor: &Redactor) -> Verdict {
        if let Some(remedy) = verdict.remedy.as_mut().filter(|remedy| remedy.applied) {
            let acts_in = self.acts_in(&submit.agent, &remedy.alternative, &submit.kinds, live, redactor);
            if acts_in.is_some_and(|acts_in| acts_in.mode == Mode::PreAction) {
                remedy.applied = false;
                verdict.decision = Decision::Remediate;
            }
        }
        verdict
    }

    /// What policy grants, the guards look at; what it allows runs in the mode that the agent has earned.
    fn look_at(
        &self,
        submit: &Submit,
        facts: &DecisionFacts,
        live: &Snapshot,
        ruling: &mut Ruling,
        beside: &Beside<'_>,
    ) {
        let (redactor, now) = (beside.redactor, beside.now);
        let applied = ruling.remedy.as_ref().filter(|remedy| remedy.applied);
        let action = applied.map_or(&submit.action, |remedy| &remedy.alternative);
        if matches!(ruling.decision, Decision::Allow | Decision::AllowWithConstraints) {
            ruling.acts_in = self.acts_in(&submit.agent, action, &submit.kinds, live, redactor);
        }
        let part = |text: &str| redactor.redact_text(text, &submit.kinds).text;
        let alternative = applied.map(|_| (part(&action.action), action.tool.as_deref().map(part)));
        let (operation, tool) = match &alternative {
            Some((operation, tool)) => (operation, tool),
            None => (&submit.shown.action, &submit.shown.tool),
        };
        let wanted = Wanted {
            action,
            acts_in: ruling.acts_in.as_ref(),
            agent: &submit.agent,
            digest_key: beside.digest_key,
            facts,
            kinds: &submit.kinds,
            live,
            names: Names {
                operation,
                tool: tool.as_deref(),
            },
            now,
            redactor,
            revises: beside.revises,
        };
        let mut found = self.guarded(&wanted);
        for objection in std::mem::take(&mut found.objections) {
            ruling.tighten(objection);
        }
        if ruling.status == Status::Pending {
            // People vote on what was asked for: what they have to look at the agent asks for by itself.
            ruling.offer();
        }
        let waits = found.online || !found.reserved.is_empty() || !found.counted.is_empty();
        if waits || !found.positions.taken.is_empty() {
            // Whether the reservation still stands, and what others want by then, shows only when the permit is used here.
            ruling.permit_use = PermitUse::Redeem;
        }
        ruling.found = found;
    }

    /// The same agent with the same refused action more than ten times a minute gets no decision and no record.
    fn turn_away_repetition(&self, submit: &Submit, ruling: &Ruling, ctx: &mut Ctx<'_>) -> Result<(), Refusal> {
        let Some(code) = ruling.reason_code else { return Ok(()) };
        if self.refusals.is_empty() {
            return Ok(());
        }
        let window = self.refusals.get(&submit.digest.digest.to_string());
        let Some(window) = window.filter(|window| {
            window.code == code && window.count >= REFUSAL_LIMIT && window.start + REFUSAL_SPAN > ctx.now
        }) else {
            return Ok(());
        };
        let away = ctx
            .transient
            .turned_away
            .entry(submit.digest.digest)
            .or_insert_with(|| TurnedAway {
                agent: submit.agent.clone(),
                count: 0,
                since: ctx.now,
            });
        away.count += 1;
        let seconds = (window.start + REFUSAL_SPAN - ctx.now).as_seconds() + 1;
        Err(Refusal::new(
            Category::Throttled,
            "repeated_refusal",
            format!("this action was refused {REFUSAL_LIMIT} times within a minute with reason `{code}`"),
        )
        .hint(format!(
            "do not repeat it unchanged; it is decided again in {seconds} s"
        )))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of the record that this writes"
    )]
    fn push_decision(
        &self,
        events: &mut Vec<Draft>,
        submit: Submit,
        mut ruling: Ruling,
        known: Known,
        action_id: ActionId,
        approval: Option<ApprovalId>,
        callback: Option<CallbackTo>,
        ctx: &mut Ctx<'_>,
    ) {
        let deciding = self.deciding_for(&submit).cloned();
        let mut stored = submit.stored.clone();
        let mut offered = None;
        if let Some(remedy) = &ruling.remedy {
            let digest = action_digest(
                ctx.digest_key,
                &self.organization,
                &submit.agent,
                &remedy.alternative,
                None,
            );
            stored = with_alternative(&stored, &remedy.alternative, ctx.redactor, &submit.kinds);
            if remedy.applied {
                stored = with_salt(&stored, &digest.salt);
            }
            let name = remedy.alternative.tool.as_deref().unwrap_or(&remedy.alternative.action);
            offered = Some(RemedyOffered {
                action: ctx.redactor.redact_text(&remedy.alternative.action, &submit.kinds).text,
                applied: remedy.applied,
                changed: remedy.changed.clone(),
                digest: digest.digest,
                source: remedy.source.clone(),
                tool: ctx.redactor.redact_text(name, &submit.kinds).text,
            });
        }
        let mut found = std::mem::take(&mut ruling.found);
        let (counted, counts_later) = limit::split(&mut found, ruling.status);
        let Known { mut facts, handed } = known;
        facts.budgets = found.accounts;
        facts.circuits = found.circuits;
        facts.depth = found.depth;
        facts.windows = found.windows;
        facts.positions = found.positions.read;
        let reserved = Some(found.reserved).filter(|_| ruling.status == Status::Permitted);
        let reserved = reserved.unwrap_or_default();
        let trials = Some(found.trials).filter(|_| ruling.status == Status::Permitted);
        let trials = trials.unwrap_or_default();
        let told = self.tell_reached(&reserved, action_id, ctx);
        let permit = (ruling.status == Status::Permitted).then(|| Permit {
            audience: audience(offered.as_ref(), &submit.shown),
            expires: ctx.now + PERMIT_SPAN,
            id: PermitId::from(action_id),
            r#use: ruling.permit_use,
        });
        let reason_code = ruling.reason_code.map(str::to_owned);
        let runs = (ruling.remedy.as_ref())
            .filter(|remedy| remedy.applied)
            .map_or(&submit.action, |remedy| &remedy.alternative);
        let by_catalogue = |live: &Snapshot| (live.classes(runs, &facts.reads), live.reads(runs));
        let (classes, mut reads) = ctx.live.map(by_catalogue).unwrap_or_default();
        self.read_by_live_too(&mut reads, ruling.beside.as_ref(), runs, ctx);
        let decision = DecisionMade {
            action: submit.shown.action,
            action_id,
            acts_in: ruling.acts_in,
            agent: submit.agent.clone(),
            amount: submit.shown.amount,
            approval,
            attempt: Some(submit.attempt),
            beside: ruling.beside,
            beyond_mandate: ruling.beyond_mandate,
            callback: callback.clone(),
            classes,
            constraints: ruling.constraints,
            counted,
            counts_later,
            currency: submit.action.currency,
            decision: ruling.decision,
            digest: submit.digest.digest,
            env: submit.shown.env,
            handed_reads: handed,
            facts,
            outputs: ruling.outputs,
            permit,
            positions: found.positions.taken,
            practice: None,
            reads,
            reason_code,
            reasons: shortened(ruling.reasons, &submit.kinds, ctx),
            remedy: offered,
            reported: ruling.reported,
            reserved,
            resource_type: submit.shown.resource_type,
            retention: ruling.retention,
            run: submit.shown.run,
            // It goes with the payload, which can be erased; a record cannot.
            salt: None,
            spends: found.spends.filter(|_| ruling.status == Status::Pending),
            stated_reads: submit.shown.reads,
            status: ruling.status,
            team: (self.agents.get(&submit.agent)).and_then(|agent| agent.team.clone()),
            tool: submit.shown.tool,
            trials,
        };
        let summary = format!("{} was refused: {}", decision.action, first_message(&decision.reasons));
        events.push(Draft {
            event: decision.into(),
            payload: Some(stored),
            prov: Provenance::Reported,
            redact: submit.redact,
            snapshot: deciding,
        });
        events.extend(told);
        let refused = ruling.status == Status::Refused;
        events.extend(self.tell_no_room(&submit.agent, &found.no_room, refused, action_id, ctx));
        for why in found.positions.opposed {
            events.extend(self.alert("agents_disagree", why, Some(&submit.agent), Some(action_id), ctx));
        }
        for name in ruling.alerts {
            events.extend(self.alert(&name, summary.clone(), Some(&submit.agent), Some(action_id), ctx));
        }
        if ruling.status != Status::Pending {
            events.extend(self.callback_due(action_id, callback.as_ref(), ctx));
        }
    }

    /// The registered receiver that an action's callback address belongs to.
    fn receiver_for(&self, url: Option<&str>) -> Result<Option<CallbackTo>, Refusal> {
        let Some(url) = url else { return Ok(None) };
        let below = |base: &str| {
            url.strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || base.ends_with('/') || rest.starts_with('/'))
                && !url.split('/').any(|part| part == "..")
        };
        match self.receivers.iter().find(|(_, base)| below(base)) {
            Some((receiver, _)) => Ok(Some(CallbackTo {
                receiver: *receiver,
                url: url.to_owned(),
            })),
            None => Err(Refusal::invalid(
                "callback_not_registered",
                "`callback_url` is neither a registered receiver nor below one",
            )
            .hint("register it once with `POST /v1/callbacks`")),
        }
    }

    /// The event that sends a callback, if the action asked for one and its receiver still stands.
    pub(super) fn callback_due(
        &self,
        action_id: ActionId,
        callback: Option<&CallbackTo>,
        ctx: &mut Ctx<'_>,
    ) -> Option<Draft> {
        let callback = callback.filter(|callback| self.receivers.contains_key(&callback.receiver))?;
        Some(Draft::observed(CallbackDue {
            action_id,
            delivery: DeliveryId(ctx.ids.next(ctx.now)),
            receiver: callback.receiver,
            url: callback.url.clone(),
        }))
    }

    /// An alert, unless the same one about the same agent was raised a moment ago and nobody took note of it.
    pub(super) fn alert(
        &self,
        name: &str,
        summary: String,
        agent: Option<&Arc<str>>,
        action_id: Option<ActionId>,
        ctx: &mut Ctx<'_>,
    ) -> Option<Draft> {
        let recent = self.alerts.iter().rev().map(|(_, alert)| alert).take_while(|alert| {
            // Ids are sortable by time, so the rest is older.
            alert.raised + ALERT_SPAN > ctx.now
        });
        let mut recent = recent.filter(|alert| alert.name == name && alert.agent.as_ref() == agent);
        if recent.next().is_some() {
            return None;
        }
        Some(Draft::observed(AlertRaised {
            action_id,
            agent: agent.cloned(),
            alert: AlertId(ctx.ids.next(ctx.now)),
            name: name.to_owned(),
            summary: bounded(summary),
        }))
    }
}
