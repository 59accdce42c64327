//! The inventory of agents: what has to be known of one before it may act, and whether somebody looks at it again in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::Snapshot;

use super::{Agent, Ctx, Handled, NamedDue, State};
use crate::event::{AgentActivated, AgentDescribed, AgentReviewOverdue, Description, PermitRedeemed};
use crate::record::Draft;
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// How long a grant may go unused before a review of access names it.
pub const UNUSED_SPAN: Span = Span::hours(30 * 24);
/// Pairs of tool and operation that are remembered of one agent; the one that was used longest ago goes first.
const USES_AT_MOST: usize = 256;

/// When an agent last used what: by tool, then by operation.
pub type Uses = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Time>>;

/// Something that has to be known of an agent, and whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Its name, such as `boundary.process`.
    pub field: &'static str,
    /// It is known.
    pub ready: bool,
}

/// A grant of a mandate, and when it was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The tools that it is about, as the mandate writes them.
    pub tool: Option<String>,
    /// The operations that it is about, as the mandate writes them.
    pub action: Option<String>,
    /// File of the mandate.
    pub file: String,
    /// Line of the grant.
    pub line: u32,
    /// When something that it covers was last used.
    pub last_used: Option<Time>,
    /// It was there and not used for [`UNUSED_SPAN`].
    pub unused: bool,
}

fn said(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn listed(list: &[String]) -> bool {
    list.iter().any(|item| !item.trim().is_empty())
}

impl Agent {
    /// An agent of which nothing is known but that it was seen.
    pub(super) fn first_known(now: Time) -> Agent {
        Agent {
            activated: None,
            description: None,
            labels: BTreeMap::new(),
            owner: String::new(),
            paused: None,
            quarantined: true,
            review_overdue: false,
            since: now,
            source: None,
            team: None,
            uses: Uses::new(),
        }
    }
}

impl State {
    /// What has to be known of a registered agent before it is made active, in the order of a form.
    pub fn readiness(&self, agent: &str, live: Option<&Snapshot>, now: Time) -> Option<Vec<Readiness>> {
        let known = self.agents.get(agent).filter(|known| !known.quarantined)?;
        let blank = Description::default();
        let about = known.description.as_deref().unwrap_or(&blank);
        let boundary = &about.boundary;
        let fields = [
            ("owner", !known.owner.is_empty()),
            ("technical_owner", said(about.technical_owner.as_ref())),
            ("reviewer", said(about.reviewer.as_ref())),
            ("fallback_owner", said(about.fallback_owner.as_ref())),
            ("purpose", said(about.purpose.as_ref())),
            ("system", said(about.system.as_ref())),
            ("model", said(about.model.as_ref())),
            ("prompt", said(about.prompt.as_ref())),
            ("environments", listed(&about.environments)),
            ("tools", listed(&about.tools)),
            ("data", listed(&about.data)),
            ("boundary.process", said(boundary.process.as_ref())),
            ("boundary.reads", listed(&boundary.reads)),
            ("boundary.writes", listed(&boundary.writes)),
            ("boundary.without_approval", listed(&boundary.without_approval)),
            ("boundary.always_approve", listed(&boundary.always_approve)),
            ("boundary.never_access", listed(&boundary.never_access)),
            ("boundary.owning_team", said(boundary.owning_team.as_ref())),
            ("review_by", about.review_by.is_some_and(|review_by| review_by > now)),
            ("mandate", live.is_some_and(|live| live.mandate(agent).is_some())),
        ];
        Some(fields.map(|(field, ready)| Readiness { field, ready }).to_vec())
    }

    pub(super) fn describe_agent(&self, described: AgentDescribed, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let known = self.registered(&described.agent)?;
        if known.description.as_deref() == Some(&described.description) {
            return Handled::done(Vec::new());
        }
        if known.activated.is_some() && requires_readiness(ctx.live) {
            // What an active agent has to say of itself is not taken back.
            let mut after = State {
                agents: BTreeMap::from([(described.agent.clone(), known.clone())]),
                ..State::default()
            };
            after.described(&described);
            after.check_ready(&described.agent, ctx)?;
        }
        Handled::one(described)
    }

    pub(super) fn activate_agent(&self, agent: Arc<str>, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let known = self.registered(&agent)?;
        self.check_ready(&agent, ctx)?;
        if known.activated.is_some() {
            return Handled::done(Vec::new());
        }
        Handled::one(AgentActivated { agent })
    }

    fn registered(&self, agent: &str) -> Result<&Agent, Refusal> {
        let known = self.agents.get(agent).filter(|known| !known.quarantined);
        known.ok_or_else(|| Refusal::missing("registered agent", agent).hint("register it with `POST /v1/agents`"))
    }

    fn check_ready(&self, agent: &str, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let readiness = self.readiness(agent, ctx.live, ctx.now).unwrap_or_default();
        let blank: Vec<&str> = (readiness.iter())
            .filter(|item| !item.ready)
            .map(|item| item.field)
            .collect();
        match blank.as_slice() {
            [] => Ok(()),
            [first, rest @ ..] => {
                let detail = match rest.len() {
                    0 => format!("`{first}` of agent `{agent}` is blank or over"),
                    more => format!("`{first}` and {more} more of agent `{agent}` are blank or over"),
                };
                let hint = format!("say these with `PUT /v1/descriptions/{{id}}`: {}", blank.join(", "));
                Err(Refusal::invalid("not_ready", detail).hint(hint))
            }
        }
    }

    /// Why nothing is permitted to an agent with a tool whatever policy says, as code and sentence.
    pub(super) fn halted(
        &self,
        agent: &str,
        tool: &str,
        operation: &str,
        live: Option<&Snapshot>,
    ) -> Option<(&'static str, String)> {
        let known = self.agents.get(agent);
        if let Some(why) = known.and_then(|known| known.paused.as_ref()) {
            let message = format!("the agent is paused ({why}); a person resumes it");
            return Some(("agent_paused", message));
        }
        if self.not_active(agent, live) {
            let message = "the agent is not active: the organization requires readiness, and nobody activated it";
            return Some(("agent_not_active", message.to_owned()));
        }
        let (changed, _) = self.change_of(tool, operation).filter(|(_, open)| *open)?;
        let message = format!("tool `{changed}` has changed, and nobody approved it since");
        Some(("tool_changed", message))
    }

    /// Whether an agent uses no permit: unknown, in quarantine, paused, or never made active where that is required.
    pub(super) fn is_inactive(&self, agent: &str, live: Option<&Snapshot>) -> bool {
        let known = self.agents.get(agent);
        known.is_none_or(|known| known.quarantined || known.paused.is_some()) || self.not_active(agent, live)
    }

    /// Whether the organization wants agents to be made active, and nobody did so with this one.
    pub(super) fn not_active(&self, agent: &str, live: Option<&Snapshot>) -> bool {
        let known = self.agents.get(agent);
        requires_readiness(live) && known.is_some_and(|known| !known.quarantined && known.activated.is_none())
    }

    /// Nobody looked at what is known of an agent in time.
    pub(super) fn agent_review_overdue(&self, agent: &Arc<str>, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let due = self.agents.get(agent).and_then(review_due);
        let Some(review_by) = due else { return Vec::new() };
        let overdue = AgentReviewOverdue {
            agent: agent.clone(),
            review_by,
        };
        let summary = format!("agent `{agent}` was to be looked at by {review_by}");
        let alert = self.alert("agent_review_overdue", summary, Some(agent), None, ctx);
        std::iter::once(Draft::observed(overdue)).chain(alert).collect()
    }

    /// What the agent's mandate grants, and when it used it.
    pub fn access_review(&self, agent: &str, live: Option<&Snapshot>, now: Time) -> Option<Vec<Access>> {
        let known = self.agents.get(agent)?;
        let mandate = live.and_then(|live| live.mandate(agent));
        let grants = mandate
            .map(|mandate| mandate.grants().collect::<Vec<_>>())
            .unwrap_or_default();
        let reviewed = grants.into_iter().map(|grant| {
            let uses = known
                .uses
                .iter()
                .flat_map(|(tool, operations)| operations.iter().map(move |(operation, at)| (tool, operation, *at)));
            let last_used = uses
                .filter(|(tool, operation, _)| grant.covers(operation, tool))
                .map(|(_, _, at)| at)
                .max();
            Access {
                tool: grant.tool(),
                action: grant.action(),
                file: grant.place().0.to_owned(),
                line: grant.place().1,
                last_used,
                unused: last_used.unwrap_or(known.since) + UNUSED_SPAN <= now,
            }
        });
        Some(reviewed.collect())
    }

    pub(super) fn described(&mut self, e: &AgentDescribed) {
        let Some(agent) = self.agents.get_mut(&e.agent) else {
            return;
        };
        if let Some(due) = review_due(agent) {
            self.named_due.remove(&(due, NamedDue::AgentReview(e.agent.clone())));
        }
        agent.review_overdue = false;
        agent.description = Some(Box::new(e.description.clone()));
        if let Some(due) = review_due(agent) {
            self.named_due.insert((due, NamedDue::AgentReview(e.agent.clone())));
        }
    }

    pub(super) fn not_looked_at(&mut self, e: &AgentReviewOverdue) {
        self.named_due
            .remove(&(e.review_by, NamedDue::AgentReview(e.agent.clone())));
        if let Some(agent) = self.agents.get_mut(&e.agent) {
            agent.review_overdue = true;
        }
    }

    /// Remembers what an agent used of what it was granted. Records of earlier versions do not say it.
    pub(super) fn used(&mut self, e: &PermitRedeemed, now: Time) {
        let (Some(operation), Some(tool)) = (&e.operation, &e.tool) else {
            return;
        };
        let agent = self.actions.get(&e.action_id).map(|action| action.agent.clone());
        let Some(agent) = agent.and_then(|agent| self.agents.get_mut(&agent)) else {
            return;
        };
        let operations = agent.uses.entry(tool.clone()).or_default();
        operations.insert(operation.clone(), now);
        if agent.uses.values().map(BTreeMap::len).sum::<usize>() > USES_AT_MOST {
            forget_the_oldest(&mut agent.uses);
        }
    }
}

fn forget_the_oldest(uses: &mut Uses) {
    let all = uses
        .iter()
        .flat_map(|(tool, operations)| operations.iter().map(move |(operation, at)| (*at, tool, operation)));
    let Some((tool, operation)) = all.min().map(|(_, tool, operation)| (tool.clone(), operation.clone())) else {
        return;
    };
    if let Some(operations) = uses.get_mut(&tool) {
        operations.remove(&operation);
        if operations.is_empty() {
            uses.remove(&tool);
        }
    }
}

fn requires_readiness(live: Option<&Snapshot>) -> bool {
    live.and_then(Snapshot::organization)
        .is_some_and(|organization| organization.requires_readiness())
}

/// When an agent is to be looked at, unless that was told already.
pub(super) fn review_due(agent: &Agent) -> Option<Time> {
    let review_by = agent.description.as_ref()?.review_by?;
    (!agent.review_overdue).then_some(review_by)
}
