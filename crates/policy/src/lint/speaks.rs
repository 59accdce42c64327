//! When a rule speaks, as far as that can be told without an action.

use super::Ground;
use crate::condition::Condition;
use crate::condition::reach::{Outlook, part};
use crate::condition::region::{Cases, Region};
use crate::constraint::Constraints;
use crate::document::RuleId;
use crate::document::gate::{self, Gate};
use crate::document::mandate::{Mandate, Permission};
use crate::document::output::OutputRule;
use crate::document::selector::{Pattern, Selector};
use crate::facts::Root;
use crate::verdict::Decision;

/// The tool that an action names. What conditions see as `tool` may also be found by the operation.
const NAMED_TOOL: &str = "tool as named";
/// Who acts.
const ACTOR: &str = "agent as known";

/// A rule, and when it speaks.
pub(super) struct Speaks<'a> {
    pub(super) id: &'a RuleId,
    pub(super) decision: Decision,
    pub(super) condition: Option<&'a Condition>,
    pub(super) constraints: Option<&'a Constraints>,
    /// The agent whose mandate it is in.
    pub(super) agent: Option<&'a str>,
    /// It is a permission that allows something.
    pub(super) permits: bool,
    /// It is in a gate, and grants what mandates do not.
    pub(super) beyond: bool,
    /// Its gate denies where its rules say different things.
    pub(super) unanimous: bool,
    /// What it is about.
    pub(super) selects: Cases,
    /// It is about the action, and its condition holds.
    pub(super) holds: Cases,
    /// It is about the action, and its condition cannot be evaluated: it denies.
    pub(super) fails: Cases,
    /// It is not about the action, or its condition does not hold.
    pub(super) silent: Cases,
}

fn region(pattern: &Pattern, within: bool) -> Region {
    match pattern {
        Pattern::Exact(name) => Region::text_of([name.clone()], within),
        Pattern::Prefix(prefix) => Region::starting(prefix.clone(), within),
    }
}

/// Something that every action has.
fn always(name: &str, pattern: Option<&Pattern>) -> (Cases, Cases) {
    match pattern {
        None => (Cases::maybe(), Cases::never()),
        Some(pattern) => (
            Cases::of(name, region(pattern, true)),
            Cases::of(name, region(pattern, false)),
        ),
    }
}

/// Something that an action may leave out; then it is not selected.
fn sometimes(name: &str, pattern: Option<&Pattern>) -> (Cases, Cases) {
    match pattern {
        None => (Cases::maybe(), Cases::never()),
        Some(pattern) => (
            Cases::of(name, region(pattern, true)),
            Cases::of(name, region(pattern, false).or_absent()),
        ),
    }
}

fn both(left: (Cases, Cases), right: (Cases, Cases), ground: &Ground) -> (Cases, Cases) {
    (left.0.and(&right.0, &ground.effort), left.1.or(right.1))
}

fn tool(pattern: Option<&Pattern>, ground: &Ground) -> (Cases, Cases) {
    let (yes, no) = sometimes(NAMED_TOOL, pattern);
    let (id, _) = sometimes(&part(Root::Tool, &["id"]), pattern);
    (yes.and(&id, &ground.effort), no)
}

fn agent(pattern: Option<&Pattern>, ground: &Ground) -> (Cases, Cases) {
    let (yes, no) = always(ACTOR, pattern);
    let (id, _) = always(&part(Root::Agent, &["id"]), pattern);
    (yes.and(&id, &ground.effort), no)
}

fn selector(selector: &Selector, ground: &Ground) -> (Cases, Cases) {
    let parts = [
        agent(selector.agent.as_ref(), ground),
        always(&part(Root::Action, &[]), selector.action.as_ref()),
        tool(selector.tool.as_ref(), ground),
        sometimes(&part(Root::Env, &[]), selector.env.as_ref()),
        sometimes(&part(Root::Resource, &["type"]), selector.resource.as_ref()),
        sometimes(&part(Root::Tool, &["class"]), selector.class.as_ref()),
    ];
    let all = (Cases::maybe(), Cases::never());
    parts.into_iter().fold(all, |all, part| both(all, part, ground))
}

fn on(entries: &[Selector], ground: &Ground) -> (Cases, Cases) {
    if entries.is_empty() {
        return (Cases::maybe(), Cases::never());
    }
    let entries = entries.iter().map(|entry| selector(entry, ground));
    entries.fold((Cases::never(), Cases::maybe()), |(yes, no), entry| {
        (yes.or(entry.0), no.and(&entry.1, &ground.effort))
    })
}

fn outlook(condition: Option<&Condition>, ground: &Ground) -> Outlook {
    match condition {
        Some(condition) => condition.outlook(&ground.effort),
        None => Outlook {
            yes: Cases::maybe(),
            no: Cases::never(),
            error: Cases::never(),
        },
    }
}

impl<'a> Speaks<'a> {
    fn new(
        id: &'a RuleId,
        decision: Decision,
        (selects, passes): (Cases, Cases),
        condition: Option<&'a Condition>,
        ground: &Ground,
    ) -> Self {
        let Outlook { yes, no, error } = outlook(condition, ground);
        let selects = selects.within(&ground.world);
        Speaks {
            id,
            decision,
            condition,
            constraints: None,
            agent: None,
            permits: false,
            beyond: false,
            unanimous: false,
            holds: selects.and(&yes, &ground.effort).within(&ground.world),
            fails: selects.and(&error, &ground.effort).within(&ground.world),
            silent: passes.or(no).within(&ground.world),
            selects,
        }
    }

    /// The rules of a gate.
    pub(super) fn of_gate(gate: &'a Gate, ground: &Ground) -> impl Iterator<Item = Speaks<'a>> {
        let selects = on(&gate.on, ground);
        gate.rules.iter().map(move |rule: &gate::Rule| Speaks {
            constraints: Some(&rule.constraints),
            beyond: rule.beyond_mandate,
            unanimous: gate.unanimous.is_some(),
            ..Speaks::new(
                &rule.id,
                rule.decision,
                selects.clone(),
                rule.condition.as_ref(),
                ground,
            )
        })
    }

    /// An output rule.
    pub(super) fn of_output(rule: &'a OutputRule, ground: &Ground) -> Speaks<'a> {
        let selects = on(&rule.on, ground);
        let condition = rule.condition.as_ref();
        Speaks::new(&rule.id, Decision::AllowWithConstraints, selects, condition, ground)
    }

    /// The permissions of a mandate, and what sends an action to a person.
    pub(super) fn of_mandate(mandate: &'a Mandate, ground: &Ground) -> Vec<Speaks<'a>> {
        let own = Pattern::Exact(mandate.agent().to_owned());
        let agent = Some(mandate.agent());
        let permissions = mandate.permissions.iter().map(|permission| Speaks {
            constraints: Some(&permission.constraints),
            agent,
            permits: permission.allowed,
            ..Speaks::new(
                &permission.id,
                permission.decision(),
                both(self::agent(Some(&own), ground), about(permission, ground), ground),
                permission.condition.as_ref(),
                ground,
            )
        });
        let escalations = mandate.escalations.iter().filter_map(|escalation| {
            let condition = escalation.trigger.condition()?;
            let of = self::agent(Some(&own), ground);
            let decision = Decision::RequireApproval;
            Some(Speaks {
                agent,
                ..Speaks::new(&escalation.id, decision, of, Some(condition), ground)
            })
        });
        permissions.chain(escalations).collect()
    }
}

fn about(permission: &Permission, ground: &Ground) -> (Cases, Cases) {
    let (yes, no) = always(&part(Root::Action, &[]), permission.action.as_ref());
    // A denial hears its action's name in the tool's as well.
    let yes = if permission.allowed { yes } else { Cases::maybe() };
    both((yes, no), tool(permission.tool.as_ref(), ground), ground)
}
