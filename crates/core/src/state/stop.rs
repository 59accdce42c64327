//! Kill switches: engaging takes effect at once and needs nobody's policy; releasing takes two people once there are two.

use countersign_policy::{Snapshot, TwoPerson};

use super::{Ctx, Handled, State};
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
        let hit = |agent: &str, tool: &str| match &scope {
            Scope::Organization => true,
            Scope::Agent(name) => name == agent,
            Scope::Tool(name) => name == tool,
        };
        let approvals = self.approvals.iter().filter(|(_, approval)| {
            self.actions
                .get(&approval.action_id)
                .is_some_and(|action| hit(&action.agent, &action.tool))
        });
        for (id, _) in approvals.take(CANCEL_AT_ONCE) {
            events.extend(self.end_approval(
                *id,
                ApprovalState::Cancelled,
                "killed",
                format!("stopped by the kill switch on {scope}"),
                ctx,
            ));
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

    /// The engaged kill switch that stops this agent or tool, if one does.
    pub(super) fn stopped_by(&self, agent: &str, tool: &str) -> Option<&Scope> {
        if self.kills.is_empty() {
            return None;
        }
        let names = [
            Scope::Organization,
            Scope::Agent(agent.to_owned()),
            Scope::Tool(tool.to_owned()),
        ];
        names
            .iter()
            .find_map(|scope| self.kills.get(&scope.to_string()))
            .map(|kill| &kill.scope)
    }

    /// Whether a kill came after the record at `seq` that concerns this agent or tool.
    pub(super) fn voided(&self, seq: u64, agent: &str, tool: &str) -> bool {
        if self.last_kill.is_empty() {
            return false;
        }
        let names = [
            Scope::Organization,
            Scope::Agent(agent.to_owned()),
            Scope::Tool(tool.to_owned()),
        ];
        names.iter().any(|scope| {
            self.last_kill
                .get(&scope.to_string())
                .is_some_and(|killed| *killed > seq)
        })
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
            permit: None,
            reason_code: Some(reason_code.to_owned()),
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
