//! Kill switches: engaging takes effect at once and needs nobody's policy; releasing takes two people once there are two.

use countersign_policy::{Snapshot, TwoPerson};

use super::{Ctx, Handled, OpenAction, State};
use crate::command::Sealed;
use crate::event::{ApprovalResolved, ApprovalState, KillEngaged, KillReleaseRequested, KillReleased, Scope, Status};
use crate::record::{Actor, Draft};
use crate::refusal::Refusal;

/// How many requests one kill cancels in the batch that engages it; the rest end at their next vote or deadline.
const CANCEL_AT_ONCE: usize = 1000;

impl State {
    pub(super) fn kill(&self, scope: Scope, reason: Option<Sealed>, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        // Engaging it again is not an error: whoever pulls a switch must not have to look whether it is pulled.
        if self.kills.contains_key(&scope.to_string()) {
            return Handled::done(Vec::new());
        }
        let mut events = vec![Draft::observed(KillEngaged { scope: scope.clone() }).with_payload(reason)];
        let hit = |action: &OpenAction| match &scope {
            Scope::Organization => true,
            Scope::Agent(name) => *name == *action.agent,
            Scope::Tool(name) => tool_names(&action.tool, &action.operation).contains(&name.as_str()),
        };
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

    /// The engaged kill switch that stops this agent, tool or operation, if one does.
    pub(super) fn stopped_by(&self, agent: &str, tool: &str, operation: &str) -> Option<&Scope> {
        if self.kills.is_empty() {
            return None;
        }
        scopes(agent, tool, operation)
            .find_map(|scope| self.kills.get(&scope))
            .map(|kill| &kill.scope)
    }

    /// Whether a kill came after the record at `seq` that concerns this agent, tool or operation.
    pub(super) fn voided(&self, seq: u64, agent: &str, tool: &str, operation: &str) -> bool {
        if self.last_kill.is_empty() {
            return false;
        }
        scopes(agent, tool, operation).any(|scope| self.last_kill.get(&scope).is_some_and(|killed| *killed > seq))
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
        let action = self.actions.get(&action_id);
        let resolved = ApprovalResolved {
            action_id,
            approval,
            fallback: None,
            permit: None,
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

/// Every scope that an action lies in, as the state's maps name them.
fn scopes(agent: &str, tool: &str, operation: &str) -> impl Iterator<Item = String> {
    let tools = tool_names(tool, operation).map(|name| Scope::Tool(name.to_owned()).to_string());
    [
        Scope::Organization.to_string(),
        Scope::Agent(agent.to_owned()).to_string(),
    ]
    .into_iter()
    .chain(tools)
}
