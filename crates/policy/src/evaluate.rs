//! What a snapshot says of an action: every document whose selector matches, every rule whose condition holds, the strictest wins.

use crate::action::Action;
use crate::condition::Fuel;
use crate::document::remedy::Alternative;
use crate::document::tools::Tool;
use crate::document::{Mandate, RuleId, selector};
use crate::facts::{Context, Facts, OUTSIDE, Standing};
use crate::hidden::Hidden;
use crate::snapshot::Snapshot;
use crate::verdict::{Decision, Remedy, Verdict};

pub(crate) mod always;
mod chain;
pub(crate) mod counter;
pub(crate) mod coverage;
mod data;
pub(crate) mod explain;
mod gate;
pub(crate) mod index;
pub(crate) mod lookalike;
mod mandate;
mod output;
mod seen;
mod tally;
pub(crate) mod tests;
mod trigger;

use seen::Seen;
use tally::Tally;
pub(crate) use tally::one_line;

/// One action, and everything that speaks about it is looked at through this.
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) action: &'a Action,
    pub(crate) ctx: &'a Context<'a>,
    pub(crate) mandate: Option<&'a Mandate>,
    pub(crate) tool: Option<&'a Tool>,
    pub(crate) facts: &'a Facts<'a>,
    /// Watches what is read of an action that is not all there.
    pub(crate) hidden: Option<&'a Hidden>,
}

impl<'a> Scene<'a> {
    pub(crate) fn subject(&self) -> selector::Subject<'a> {
        selector::Subject {
            agent: self.ctx.agent_id,
            action: &self.action.action,
            tool: self.action.tool.as_deref(),
            env: self.action.env.as_deref(),
            resource: self
                .action
                .resource
                .as_ref()
                .and_then(|resource| resource.kind.as_deref()),
            class: self.tool.and_then(|tool| tool.class.as_deref()),
        }
    }
}

/// Whether a condition's path is something that only the agent says.
pub(crate) fn reported(path: &str, principal_verified: bool) -> bool {
    let root = path.split(['.', '[']).next().unwrap_or_default();
    match root {
        "principal" => !principal_verified,
        "run" => !matches!(path, "run.started_by" | "run.trigger"),
        "amount" | "confidence" | "conflicts" | "currency" | "delegation" | "env" | "estimated_cost" | "evidence"
        | "labels" | "model" | "resource" => true,
        _ => false,
    }
}

pub(crate) fn reads_only(snapshot: &Snapshot, action: &Action) -> bool {
    let tool = catalogued(snapshot, action);
    // A word such as `read` says nothing about a tool that nobody has described.
    let described = action.tool.is_none() || tool.is_some_and(|tool| tool.access == Some(crate::action::Access::Read));
    described && seen::access(action, tool) == Some(crate::action::Access::Read)
}

/// The catalogue's entry for what the action uses.
fn catalogued<'s>(snapshot: &'s Snapshot, action: &Action) -> Option<&'s Tool> {
    snapshot.tools.get(action.tool.as_deref().unwrap_or(&action.action))
}

/// What the catalogue's entry of a tool counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// What it is.
    AsItIs,
    /// What it is raised to, since the agent has read something from outside.
    Raised,
}

impl Counts {
    /// The most that it counts as for this agent.
    fn most(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>) -> Counts {
        let tainted = ctx.reads.iter().chain(&action.reads).any(|label| label == OUTSIDE);
        let raised = || catalogued(snapshot, action).is_some_and(|tool| tool.tainted.is_some());
        if tainted && raised() {
            Counts::Raised
        } else {
            Counts::AsItIs
        }
    }
}

/// Runs `work` on an action with its facts.
pub(crate) fn with_scene<T>(
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    counts: Counts,
    hidden: Option<&Hidden>,
    work: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let tool = catalogued(snapshot, action).map(|tool| match (counts, &tool.tainted) {
        (Counts::Raised, Some(raised)) => raised,
        (Counts::Raised, None) | (Counts::AsItIs, _) => tool,
    });
    let seen = Seen::new(action, tool, snapshot.open_at(ctx.now), ctx);
    let mut facts = seen.facts(action, tool, ctx);
    facts.watch(hidden);
    let mandate = snapshot.mandates.get(ctx.agent_id);
    work(&Scene {
        snapshot,
        action,
        ctx,
        mandate,
        tool,
        facts: &facts,
        hidden,
    })
}

pub(crate) fn evaluate(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>, hidden: Option<&Hidden>) -> Verdict {
    evaluate_with(snapshot, action, ctx, hidden, &mut Fuel::default())
}

/// The same, for whoever wants to know what it took.
fn evaluate_with(
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Verdict {
    let tally = judge(snapshot, action, ctx, Remedies::Offered, hidden, fuel);
    let offer = match tally.single_offer() {
        Some(offer) if tally.decision() == Decision::Remediate => offer,
        _ => return tally.verdict(snapshot, action, ctx),
    };
    let inner = judge(snapshot, &offer.alternative, ctx, Remedies::Off, hidden, fuel);
    let decision = inner.decision();
    if decision > Decision::AllowWithConstraints {
        return tally.outdone_by(inner).verdict(snapshot, action, ctx);
    }
    let mut verdict = inner.verdict(snapshot, &offer.alternative, ctx);
    let applied = offer.apply && ctx.accept_remedy;
    let (source, changed) = (offer.source.clone(), offer.changed.clone());
    let alternative = offer.alternative.clone();
    verdict.reasons.extend(tally.into_reasons());
    tally::sort(&mut verdict.reasons);
    verdict.decision = if applied { decision } else { Decision::Remediate };
    verdict.remedy = Some(Remedy {
        alternative,
        decision,
        applied,
        source,
        changed,
    });
    verdict
}

/// What a rule that remediates does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedies {
    /// It offers its alternative.
    Offered,
    /// The action is such an alternative: a rule that would change it again sends it to a person.
    Off,
}

/// A remedy that matched.
struct Offer {
    alternative: Action,
    apply: bool,
    source: String,
    changed: Vec<String>,
}

fn offer(id: &RuleId, remedy: &Alternative, scene: &Scene<'_>) -> Result<Option<Offer>, String> {
    let action = scene.action;
    if let Some(hidden) = scene.hidden {
        remedy.watch(action, hidden);
    }
    let alternative = remedy.of(action)?;
    // An action that already is as the rule wants it is not remediated: else no alternative could ever be sent.
    if alternative == *action {
        return Ok(None);
    }
    Ok(Some(Offer {
        alternative,
        apply: remedy.apply,
        source: id.source(),
        changed: remedy.pointers(),
    }))
}

fn judge(
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    remedies: Remedies,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Tally {
    let links = chain::links(snapshot, action, ctx);
    let mut tally = judge_one(links, snapshot, action, ctx, remedies, hidden, fuel);
    for member in ctx.chain {
        let theirs = Context {
            agent_id: member.id,
            standing: member.standing,
            agent: member.agent,
            chain: &[],
            ..*ctx
        };
        let other = judge_one(Tally::default(), snapshot, action, &theirs, remedies, hidden, fuel);
        tally.narrow(member.id, other, ctx.currency);
    }
    tally
}

/// What is said of the action to the agent of `ctx`, whoever handed it on, on top of what was said already. A tool that is
/// raised is looked at as it is and as it is raised to: what stands is what both get, so that it is never less strict.
fn judge_one(
    tally: Tally,
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    remedies: Remedies,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Tally {
    let mut tally = judge_as(tally, snapshot, action, ctx, Counts::AsItIs, remedies, hidden, fuel);
    let counts = Counts::most(snapshot, action, ctx);
    if counts == Counts::Raised {
        let raised = judge_as(Tally::default(), snapshot, action, ctx, counts, remedies, hidden, fuel);
        tally.narrow_to_raised(raised, ctx.currency);
    }
    tally
}

#[expect(clippy::too_many_arguments, reason = "each is one input of the evaluation")]
fn judge_as(
    mut tally: Tally,
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    counts: Counts,
    remedies: Remedies,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Tally {
    match ctx.standing {
        Standing::Unregistered => {
            tally.deny(None, "unregistered", "the agent is not registered");
            return tally;
        }
        Standing::Quarantined => {
            tally.deny(
                None,
                "quarantined",
                "the agent is in quarantine: somebody has to admit it",
            );
            return tally;
        }
        Standing::Active => {}
    }
    with_scene(snapshot, action, ctx, counts, hidden, |scene| {
        general(scene, &mut tally);
        if let Some(mandate) = scene.mandate {
            mandate::weigh(scene, mandate, fuel, &mut tally);
        }
        gate::weigh(scene, remedies, fuel, &mut tally);
        tally.settle(scene);
        // Of what is denied there is no result.
        if tally.decision() != Decision::Deny {
            output::weigh(scene, fuel, &mut tally);
        }
    });
    tally
}

/// What holds whatever the documents say, and the switches of the organization.
fn general(scene: &Scene<'_>, tally: &mut Tally) {
    let action = scene.action;
    let negative = |number: Option<rust_decimal::Decimal>| number.is_some_and(|n| n.is_sign_negative() && !n.is_zero());
    if negative(action.amount) {
        tally.deny(None, "negative_amount", "the amount is negative");
    }
    if negative(action.estimated_cost) {
        tally.deny(None, "negative_amount", "the estimated cost is negative");
    }
    by_name(scene, tally);
    if let Some(tool) = scene.tool {
        let wrong = tool.schema.as_ref().and_then(|schema| {
            if let Some(hidden) = scene.hidden {
                schema.watch(&action.args, "args", hidden);
            }
            schema.check(&action.args, "args")
        });
        if let Some(wrong) = wrong {
            tally.deny(Some(&tool.id), "schema", wrong);
        }
    }
}

/// What the names of the action alone settle.
fn by_name(scene: &Scene<'_>, tally: &mut Tally) {
    let action = scene.action;
    let names = [
        ("action", Some(action.action.as_str())),
        ("tool", action.tool.as_deref()),
    ];
    for (what, name) in names {
        let built_in = name.is_some_and(|name| seen::built_in(name).is_some());
        if let Some(known) = name
            .filter(|_| !built_in)
            .and_then(|name| scene.snapshot.known.mistaken(name))
        {
            let message = format!("the {what} can be mistaken for `{known}` and is not it");
            tally.deny(None, "lookalike", message);
        }
    }
    if let Some((tool, wanted)) = scene.tool.and_then(|tool| Some((tool, tool.clearance?))) {
        let cleared = scene.mandate.and_then(|mandate| mandate.clearance).unwrap_or(0);
        if cleared < wanted {
            let message = format!("the tool needs clearance {wanted}, the agent has {cleared}");
            tally.deny(Some(&tool.id), "clearance", message);
        }
    }
    let Some(organization) = &scene.snapshot.organization else {
        return;
    };
    if organization.require_mandate && scene.mandate.is_none() {
        tally.deny(
            Some(&organization.id),
            "no_mandate",
            "the agent has no mandate, and the organization requires one",
        );
    }
    let operation = action.tool.is_none() && seen::built_in(&action.action).is_some();
    if organization.require_tools.is_some() && scene.tool.is_none() && !operation {
        tally.deny(
            Some(&organization.id),
            "unknown_tool",
            "the tool catalogue does not list it",
        );
    }
}

/// The parts of evidence and of a handoff that say something, in the canonical order.
pub fn complete_evidence(evidence: &crate::value::Value) -> Vec<String> {
    tally::complete_parts(evidence)
}
