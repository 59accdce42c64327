//! What has spoken so far, and how it adds up.

use std::collections::BTreeSet;

use super::{Offer, Scene, seen};
use crate::action::Action;
use crate::condition::Condition;
use crate::constraint::{Constraints, Stated};
use crate::document::RuleId;
use crate::document::mandate::Mandate;
use crate::document::rule::Approvers;
use crate::document::tests::{EVIDENCE, HANDOFF};
use crate::facts::Context;
use crate::output::Outputs;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::{Decision, Demand, PermitUse, Reason, Verdict};

/// Everything that matched. What is added in another order adds up to the same.
#[derive(Default)]
pub(super) struct Tally {
    reasons: Vec<Reason>,
    demands: BTreeSet<Demand>,
    constraints: Constraints,
    outputs: Outputs,
    /// The mandate grants, or a gate to an agent that has none.
    granted: bool,
    /// A gate grants beyond the mandate.
    beyond: bool,
    /// Something that grants wants permits checked online.
    online: bool,
    reported: BTreeSet<String>,
    evidence_required: bool,
    handoff_required: bool,
    offers: Vec<Offer>,
    alerts: BTreeSet<&'static str>,
}

/// The order of reasons: strictest first, then by document and place.
pub(super) fn sort(reasons: &mut Vec<Reason>) {
    reasons.sort_by(|a, b| {
        let key = |r: &Reason| (std::cmp::Reverse(r.decision), r.line, r.column);
        let text = |r: &Reason| (r.rule.clone(), r.code.clone(), r.message.clone());
        b.decision
            .cmp(&a.decision)
            .then_with(|| a.document.cmp(&b.document))
            .then_with(|| key(a).cmp(&key(b)))
            .then_with(|| text(a).cmp(&text(b)))
    });
    reasons.dedup();
}

/// What a rule says by default: its condition, on one line.
pub(super) fn holds(condition: Option<&Condition>) -> String {
    match condition {
        Some(condition) => format!("`{}` holds", one_line(condition.source())),
        None => "it always applies".to_owned(),
    }
}

/// At most 200 characters without line breaks.
pub(crate) fn one_line(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(200) {
        line.truncate(end);
        line.push('…');
    }
    line
}

impl Tally {
    pub(super) fn say(&mut self, id: Option<&RuleId>, code: &str, decision: Decision, message: impl Into<String>) {
        self.reasons.push(match id {
            Some(id) => id.reason(code, decision, message.into()),
            None => Reason {
                code: code.to_owned(),
                column: 0,
                decision,
                document: String::new(),
                line: 0,
                message: message.into(),
                rule: String::new(),
            },
        });
    }

    pub(super) fn deny(&mut self, id: Option<&RuleId>, code: &str, message: impl Into<String>) {
        self.say(id, code, Decision::Deny, message);
    }

    pub(super) fn demand(&mut self, id: &RuleId, approvers: &Approvers) {
        self.demands.insert(approvers.demand(id));
    }

    pub(super) fn require_evidence(&mut self) {
        self.evidence_required = true;
    }

    /// The mandate sends it to a person, and may want it handed over properly.
    pub(super) fn escalated(&mut self, mandate: &Mandate) {
        self.handoff_required |= mandate.handoff_required;
    }

    /// Something grants; `offline` says whether its permits may be checked by signature alone.
    pub(super) fn grant(&mut self, offline: bool) {
        self.granted = true;
        self.online |= !offline;
    }

    pub(super) fn grant_beyond(&mut self) {
        self.beyond = true;
        self.online = true;
    }

    /// What a grant rests on, as far as only the agent reports it.
    pub(super) fn rests_on(&mut self, paths: impl IntoIterator<Item = impl Into<String>>) {
        self.reported.extend(paths.into_iter().map(Into::into));
    }

    /// Whoever looks after the agents should hear of it.
    pub(super) fn alert(&mut self, name: &'static str) {
        self.alerts.insert(name);
    }

    pub(super) fn offer(&mut self, offer: Offer) {
        self.offers.push(offer);
    }

    /// Adds the constraints of a rule that matched, and holds them against what the action states.
    pub(super) fn constrain(&mut self, id: &RuleId, constraints: &Constraints, scene: &Scene<'_>) {
        if constraints.is_empty() {
            return;
        }
        if let Some(hidden) = scene.hidden {
            constraints.watch(scene.action, hidden);
        }
        let access = seen::access(scene.action, scene.tool);
        let stated = Stated {
            action: scene.action,
            currency: scene.ctx.currency,
            access,
        };
        for (_, message) in constraints.violations(&stated) {
            self.deny(Some(id), "constraint_violated", message);
        }
        for name in self.constraints.merge(constraints, scene.ctx.currency) {
            let message = format!("the rules that match leave nothing of `{name}`");
            self.deny(None, "constraints_conflict", message);
        }
    }

    /// Adds what an output rule asks for of the result.
    pub(super) fn let_out(&mut self, outputs: &Outputs) {
        self.outputs.merge(outputs);
    }

    /// Whether any rule has spoken.
    pub(super) fn has_spoken(&self) -> bool {
        !self.reasons.is_empty()
    }

    pub(super) fn decision(&self) -> Decision {
        self.reasons
            .iter()
            .map(|reason| reason.decision)
            .max()
            .unwrap_or(Decision::Deny)
    }

    /// The remedy, where all that matched make the same action; applied only if all of them let us.
    pub(super) fn single_offer(&self) -> Option<&Offer> {
        let mut least = self.offers.first()?;
        for offer in &self.offers {
            if offer.alternative != least.alternative {
                return None;
            }
            if (offer.apply, &offer.source) < (least.apply, &least.source) {
                least = offer;
            }
        }
        Some(least)
    }

    /// Adds what follows from all that was said: remedies that differ, and the denial where nothing grants.
    pub(super) fn settle(&mut self, scene: &Scene<'_>) {
        if !self.offers.is_empty() && self.single_offer().is_none() {
            let sources: BTreeSet<&str> = self.offers.iter().map(|offer| offer.source.as_str()).collect();
            let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("two remedies differ: {sources}");
            self.say(None, "remedies_differ", Decision::RequireApproval, message);
            self.demands.insert(Demand::of_default_route(sources));
        }
        let offered = self.single_offer().is_some() && self.decision() == Decision::Remediate;
        if !self.granted && !self.beyond && !offered {
            self.ungranted(scene);
        }
    }

    fn ungranted(&mut self, scene: &Scene<'_>) {
        if self.reasons.iter().any(|reason| reason.decision == Decision::Deny) {
            return;
        }
        let Some(mandate) = scene.mandate else {
            self.deny(None, "no_rule_allows", "no rule allows it");
            return;
        };
        match &mandate.out_of_scope {
            Some(id) => {
                self.say(
                    Some(id),
                    "out_of_scope",
                    Decision::RequireApproval,
                    "it lies outside the agent's mandate",
                );
                self.demand(id, &Approvers::default_route());
                self.escalated(mandate);
            }
            None => self.deny(
                Some(&mandate.id),
                "no_rule_allows",
                "no rule allows it: it lies outside the mandate",
            ),
        }
    }

    /// The remedy's alternative got something stricter, which stands.
    pub(super) fn outdone_by(mut self, alternative: Tally) -> Tally {
        if !self.granted && !self.beyond && alternative.decision() != Decision::Deny {
            // A person may approve the action as it is only where something grants it.
            self.deny(
                None,
                "no_rule_allows",
                "no rule allows it, and its remedy needs an approval",
            );
        }
        self.reasons.extend(alternative.reasons);
        self.demands.extend(alternative.demands);
        self.evidence_required |= alternative.evidence_required;
        self.handoff_required |= alternative.handoff_required;
        self
    }

    /// Another agent of the chain got this. What stands is what both get: the stricter decision, all demands, the narrower
    /// constraints. A permit for it is checked online, since any of them may be stopped before it is used.
    pub(super) fn narrow(&mut self, agent: &str, other: Tally, currency: &str) {
        self.online = true;
        let mut other = other;
        for reason in other.reasons.iter_mut().filter(|reason| reason.document.is_empty()) {
            reason.message = format!("{} (`{agent}`, for which it acts)", reason.message);
        }
        self.both(other, &format!("`{agent}` and the agents after it"), currency);
    }

    /// The same agent got this for the tool as content from outside raises it. What stands is what both say.
    pub(super) fn narrow_to_raised(&mut self, raised: Tally, currency: &str) {
        self.online |= raised.online;
        self.both(
            raised,
            "the tool as it is and as content from outside raises it",
            currency,
        );
    }

    fn both(&mut self, other: Tally, who: &str, currency: &str) {
        if !other.granted && !other.beyond {
            (self.granted, self.beyond) = (false, false);
        }
        self.reasons.extend(other.reasons);
        self.demands.extend(other.demands);
        self.reported.extend(other.reported);
        self.evidence_required |= other.evidence_required;
        self.handoff_required |= other.handoff_required;
        self.offers.extend(other.offers);
        self.alerts.extend(other.alerts);
        self.outputs.merge(&other.outputs);
        if !self.offers.is_empty() && self.single_offer().is_none() {
            let message = format!("the remedies that {who} get differ");
            self.deny(None, "remedies_differ", message);
        }
        for name in self.constraints.merge(&other.constraints, currency) {
            let message = format!("what {who} may do has nothing of `{name}` in common");
            self.deny(None, "constraints_conflict", message);
        }
    }

    pub(super) fn into_reasons(self) -> Vec<Reason> {
        self.reasons
    }

    pub(super) fn verdict(mut self, snapshot: &Snapshot, action: &Action, ctx: &Context<'_>) -> Verdict {
        sort(&mut self.reasons);
        let decision = self.decision();
        let denied = decision == Decision::Deny;
        let asks = decision == Decision::RequireApproval;
        let audit = snapshot.mandates.get(ctx.agent_id).map(|mandate| &mandate.audit);
        let alert = audit.filter(|_| denied).and_then(|audit| audit.attempt(&action.action));
        let wanted = self.evidence_required && asks;
        let mut parts: Vec<&str> = Vec::new();
        parts.extend(EVIDENCE.iter().filter(|_| wanted));
        parts.extend(HANDOFF.iter().filter(|_| self.handoff_required && asks));
        Verdict {
            decision,
            reasons: self.reasons,
            constraints: if denied {
                Default::default()
            } else {
                self.constraints.values()
            },
            demands: if asks {
                self.demands.into_iter().collect()
            } else {
                Vec::new()
            },
            missing_evidence: missing(&parts, action),
            evidence_required: wanted,
            outputs: if denied { Outputs::default() } else { self.outputs },
            remedy: None,
            alerts: alert
                .into_iter()
                .chain(self.alerts.into_iter().map(str::to_owned))
                .collect(),
            beyond_mandate: !denied && self.beyond && !self.granted,
            reported: if denied {
                Vec::new()
            } else {
                self.reported.into_iter().collect()
            },
            retention: audit.and_then(|audit| audit.retention.clone()),
            permit_use: if self.granted && !self.online {
                PermitUse::Offline
            } else {
                PermitUse::Redeem
            },
        }
    }
}

/// Those of these parts of evidence that are absent, empty or blank.
fn missing(parts: &[&str], action: &Action) -> Vec<String> {
    let stated = |name: &str| {
        let part = action.evidence.as_ref().and_then(|evidence| evidence.get(name));
        part.is_some_and(says_something) || (name == "confidence" && action.confidence.is_some())
    };
    let lacking = parts.iter().filter(|name| !stated(name));
    lacking.map(|name| (*name).to_owned()).collect()
}

/// The parts of evidence and of a handoff that say something: an empty text, or a list or map of nothing, does not.
pub(crate) fn complete_parts(evidence: &Value) -> Vec<String> {
    let there = |part: &&&str| evidence.get(part).is_some_and(says_something);
    let parts = EVIDENCE.iter().chain(&HANDOFF);
    parts.filter(there).map(|part| (*part).to_owned()).collect()
}

pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::List(items) => items.iter().any(says_something),
        Value::Map(map) => map.values().any(says_something),
        Value::Bool(_) | Value::Number(_) | Value::Timestamp(_) | Value::Duration(_) => true,
    }
}
