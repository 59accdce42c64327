//! Kill switches: engaging takes effect at once and needs nobody's policy; releasing takes two people once there are two.

use std::borrow::Cow;

use countersign_policy::{Action, Snapshot, TwoPerson};

use super::{Agent, Ctx, Handled, OpenAction, State};
use crate::command::{Sealed, Submit};
use crate::event::{
    ApprovalResolved, ApprovalState, DecisionFacts, KillEngaged, KillReleaseRequested, KillReleased, Scope, Status,
};
use crate::record::{Actor, Draft};
use crate::refusal::Refusal;

/// How many requests one kill cancels in the batch that engages it; the rest end at their next vote or deadline.
const CANCEL_AT_ONCE: usize = 1000;

/// What a kill switch may hit: an action, by everything that a scope can name.
pub(super) struct Target<'a> {
    agent: &'a str,
    /// Agents for which it acts.
    chain: Vec<&'a str>,
    /// Its team when it asked.
    team: Option<&'a str>,
    tool: &'a str,
    operation: &'a str,
    /// The run, as the agent names it and as records show it.
    runs: [Option<&'a str>; 2],
    classes: Cow<'a, [String]>,
}

impl<'a> Target<'a> {
    /// An action that is asked for, by the catalogue of the live policy.
    pub(super) fn asked(
        submit: &'a Submit,
        facts: &'a DecisionFacts,
        action: &'a Action,
        live: Option<&Snapshot>,
    ) -> Target<'a> {
        Target {
            agent: &submit.agent,
            chain: facts.delegation.iter().map(|link| &*link.id).collect(),
            team: None,
            tool: action.tool.as_deref().unwrap_or(&action.action),
            operation: &action.action,
            runs: [submit.action.run.as_deref(), submit.shown.run.as_deref()],
            classes: live
                .map(|live| live.classes(action, &facts.reads))
                .unwrap_or_default()
                .into(),
        }
    }

    /// An action that was decided, by what its record says: no policy is needed to stop it.
    pub(super) fn of(action: &'a OpenAction) -> Target<'a> {
        Target {
            agent: &action.agent,
            chain: action.delegation.iter().map(|handed| &*handed.agent).collect(),
            team: action.team.as_deref(),
            tool: &action.tool,
            operation: &action.operation,
            runs: [action.run.as_deref(), None],
            classes: Cow::Borrowed(&action.classes),
        }
    }
}

impl State {
    pub(super) fn kill(&self, scope: Scope, reason: Option<Sealed>, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        // Engaging it again is not an error: whoever pulls a switch must not have to look whether it is pulled.
        if self.kills.contains_key(&scope.to_string()) {
            return Handled::done(Vec::new());
        }
        let mut events = vec![Draft::observed(KillEngaged { scope: scope.clone() }).with_payload(reason)];
        let name = scope.to_string();
        let hit = |action: &OpenAction| self.scopes(&Target::of(action)).any(|scope| scope == name);
        let why = || format!("stopped by the kill switch on {scope}");
        let open = self
            .actions
            .iter()
            .filter(|(_, action)| action.approval.is_some() && !action.redeemed && hit(action));
        for (id, action) in open.take(CANCEL_AT_ONCE) {
            let Some(approval) = action.approval else { continue };
            // Asked, or approved and not used yet; what has ended otherwise stays as it ended.
            if self.approvals.contains_key(&approval) || action.permit.is_some() {
                events.extend(self.resolve(*id, approval, ApprovalState::Cancelled, "killed", why(), ctx));
            }
        }
        Handled::done(events)
    }

    pub(super) fn release(
        &self,
        scope: Scope,
        reason: Option<Sealed>,
        actor: &Actor,
        live: Option<&Snapshot>,
    ) -> Result<Handled, Refusal> {
        let name = scope.to_string();
        let Some(kill) = self.kills.get(&name) else {
            return Err(Refusal::conflict(
                "not_killed",
                format!("no kill switch is engaged on {name}"),
            ));
        };
        if !self.takes_two(live) {
            let released = KillReleased {
                scope,
                single_person: true,
            };
            return Handled::done(vec![Draft::observed(released).with_payload(reason)]);
        }
        match &kill.release_requested_by {
            Some(first) if *first != actor.id && self.users.contains_key(first) => {
                let released = KillReleased {
                    scope,
                    single_person: false,
                };
                Handled::done(vec![Draft::observed(released).with_payload(reason)])
            }
            Some(first) if *first == actor.id => Err(Refusal::conflict(
                "second_person_needed",
                format!("`{first}` asked for the release; another admin has to confirm it"),
            )),
            Some(_) | None => {
                let requested = KillReleaseRequested {
                    by: actor.id.clone(),
                    scope,
                };
                Handled::done(vec![Draft::observed(requested).with_payload(reason)])
            }
        }
    }

    /// Whether a rule for two people applies: once there are two who could, unless the organization says otherwise.
    pub(super) fn takes_two(&self, live: Option<&Snapshot>) -> bool {
        match live
            .and_then(|live| live.organization())
            .map(|organization| organization.two_person())
        {
            Some(TwoPerson::Always) => true,
            Some(TwoPerson::Never) => false,
            Some(TwoPerson::Auto) | None => self.admins().len() >= 2,
        }
    }

    /// The engaged kill switch that hits this, if one does.
    pub(super) fn stopped_by(&self, target: &Target<'_>) -> Option<&Scope> {
        if self.kills.is_empty() {
            return None;
        }
        self.scopes(target)
            .find_map(|scope| self.kills.get(&scope))
            .map(|kill| &kill.scope)
    }

    /// Whether a kill came after the record at `seq` that hits this.
    pub(super) fn voided(&self, seq: u64, target: &Target<'_>) -> bool {
        if self.last_kill.is_empty() {
            return false;
        }
        self.scopes(target)
            .any(|scope| self.last_kill.get(&scope).is_some_and(|killed| *killed > seq))
    }

    /// Whether a kill on an agent, its team or everything is engaged, or came after the record at `seq`.
    pub(super) fn killed_since(&self, agent: &str, seq: u64) -> bool {
        if self.last_kill.is_empty() {
            return false;
        }
        let team = self.agents.get(agent).and_then(|agent| agent.team.clone());
        let scopes = [Scope::Organization, Scope::Agent(agent.to_owned())];
        let mut names = scopes
            .into_iter()
            .chain(team.map(Scope::Team))
            .map(|scope| scope.to_string());
        names
            .any(|name| self.kills.contains_key(&name) || self.last_kill.get(&name).is_some_and(|killed| *killed > seq))
    }

    /// Every scope that this lies in, as the state's maps name them; what stops an agent stops what is done for it. The agent's
    /// team is the one that it is in now, and the one that it was in when it asked: moving it elsewhere gets nothing around a
    /// kill.
    fn scopes<'t>(&self, target: &'t Target<'_>) -> impl Iterator<Item = String> + use<'t> {
        let agents = || [target.agent].into_iter().chain(target.chain.iter().copied());
        let team_now = |agent| self.agents.get(agent).and_then(|agent: &Agent| agent.team.clone());
        let now: Vec<String> = agents().filter_map(team_now).collect();
        let teams = now.into_iter().chain(target.team.map(str::to_owned)).map(Scope::Team);
        let agents = agents().map(|agent| Scope::Agent(agent.to_owned()));
        let tools = tool_names(target.tool, target.operation).map(|name| Scope::Tool(name.to_owned()));
        let runs = target.runs.into_iter().flatten().map(|run| Scope::Run(run.to_owned()));
        let classes = target.classes.iter().cloned().map(Scope::Class);
        [Scope::Organization]
            .into_iter()
            .chain(agents)
            .chain(teams)
            .chain(tools)
            .chain(runs)
            .chain(classes)
            .map(|scope| scope.to_string())
    }

    /// The events that end a request without a permit.
    pub(super) fn end_approval(
        &self,
        id: crate::ids::ApprovalId,
        state: ApprovalState,
        reason_code: &str,
        why: String,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let Some(approval) = self.approvals.get(&id) else {
            return Vec::new();
        };
        self.resolve(approval.action_id, id, state, reason_code, why, ctx)
    }

    /// The events that end a request, open or approved, without a permit.
    pub(super) fn resolve(
        &self,
        action_id: crate::ids::ActionId,
        approval: crate::ids::ApprovalId,
        state: ApprovalState,
        reason_code: &str,
        why: String,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        if self.practices.contains_key(&approval) {
            return self.practice_over(approval, None, state, &why, ctx);
        }
        let action = self.actions.get(&action_id);
        let resolved = ApprovalResolved {
            action_id,
            approval,
            break_glass: false,
            counted: Vec::new(),
            decided: if state == ApprovalState::Rejected {
                self.classes_of(action_id)
            } else {
                Vec::new()
            },
            fallback: None,
            permit: None,
            positions: Vec::new(),
            reason_code: Some(reason_code.to_owned()),
            reserved: Vec::new(),
            state,
            status: Status::Refused,
            why,
        };
        let snapshot = action.and_then(|action| action.snapshot.clone());
        let mut events = vec![Draft::observed(resolved).citing(snapshot)];
        events.extend(self.callback_due(action_id, action.and_then(|action| action.callback.as_ref()), ctx));
        events
    }
}

/// Names by which a kill switch on a tool finds an action: its tool, the last part of the tool's name, its operation.
/// An action that is called otherwise by naming another tool is still the same operation.
fn tool_names<'a>(tool: &'a str, operation: &'a str) -> [&'a str; 3] {
    [tool, tool.rsplit('/').next().unwrap_or(tool), operation]
}
