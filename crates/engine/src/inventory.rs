//! What the inventory knows of agents, tools that change, and leases of gateways.

use countersign_core::event::{AgentDescribed, Description, ToolApproved, ToolRegistered};
use countersign_core::policy::Action;
use countersign_core::state::{Access, Entries, NewLease, Readiness, Register};
use countersign_core::{Command, Refusal, Time};

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

/// Whether an agent can be made active.
pub struct AgentReadiness {
    /// What has to be known, in the order of a form.
    pub items: Vec<Readiness>,
    /// Since when it is active.
    pub activated: Option<Time>,
    /// The organization denies agents that are not.
    pub required: bool,
}

impl Engine {
    /// Says what is known of an agent. Answers whether that repeats an earlier answer.
    pub async fn describe_agent(&self, request: &Request<'_>, described: AgentDescribed) -> Result<bool, EngineError> {
        self.check_description(&described.description)?;
        self.carry_out(request, Command::DescribeAgent(Box::new(described)))
            .await
    }

    /// Makes an agent active. Answers whether that repeats an earlier answer.
    pub async fn activate_agent(&self, request: &Request<'_>, agent: &str) -> Result<bool, EngineError> {
        self.carry_out(request, Command::ActivateAgent(agent.into())).await
    }

    /// Says how a tool looks. Answers whether that repeats an earlier answer.
    pub async fn register_tool(&self, request: &Request<'_>, tool: ToolRegistered) -> Result<bool, EngineError> {
        self.check_words([tool.tool.as_str()].into_iter(), "invalid_id", "the tool's name")?;
        self.carry_out(request, Command::RegisterTool(Box::new(tool))).await
    }

    /// Approves a tool that changed. Answers whether that repeats an earlier answer.
    pub async fn approve_tool(&self, request: &Request<'_>, approved: ToolApproved) -> Result<bool, EngineError> {
        self.carry_out(request, Command::ApproveTool(Box::new(approved))).await
    }

    /// Takes or renews a gateway's lease. What came of it stands in the state; a late copy of a renewal renews again, so an
    /// idempotency key means nothing here.
    pub async fn take_lease(&self, request: &Request<'_>, ask: NewLease) -> Result<(), EngineError> {
        for guard in &ask.guards {
            self.check_scope(guard)?;
        }
        let names = ask.guards.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.check_words(names.iter().map(String::as_str), "invalid_id", "what it guards")?;
        let mut envelope = request.envelope(Command::TakeLease(Box::new(ask)));
        envelope.idem = None;
        self.perform(Lane::Urgent, &request.caller.org, envelope, Beside::default())
            .await
            .map(drop)
    }

    /// Gives a gateway's lease back.
    pub async fn give_back_lease(&self, request: &Request<'_>, gateway: &str) -> Result<bool, EngineError> {
        self.carry_out(request, Command::GiveBackLease(gateway.to_owned()))
            .await
    }

    /// Whether an agent can be made active.
    pub async fn readiness(&self, request: &Request<'_>, agent: &str) -> Result<AgentReadiness, EngineError> {
        let live = self.live_policy(request.caller).await?;
        let (id, now) = (agent.to_owned(), self.inner.clock.read().now);
        let found = self.look(&request.caller.org, move |state| {
            let items = state.readiness(&id, live.as_deref(), now)?;
            let required = (live.as_deref())
                .and_then(|live| live.organization())
                .is_some_and(|organization| organization.requires_readiness());
            Some(AgentReadiness {
                items,
                activated: state.agents().get(id.as_str()).and_then(|known| known.activated),
                required,
            })
        });
        let found = found.await?;
        found.ok_or_else(|| Refusal::missing("registered agent", agent).into())
    }

    /// A register as it is now.
    pub async fn register_of(&self, caller: &Caller, register: Register) -> Result<Entries, EngineError> {
        let live = self.live_policy(caller).await?;
        self.look(&caller.org, move |state| state.register(register, live.as_deref()))
            .await
    }

    /// What an agent's mandate grants, and when it used it.
    pub async fn access_review(&self, request: &Request<'_>, agent: &str) -> Result<Vec<Access>, EngineError> {
        let live = self.live_policy(request.caller).await?;
        let (id, now) = (agent.to_owned(), self.inner.clock.read().now);
        let found = self.look(&request.caller.org, move |state| {
            state.access_review(&id, live.as_deref(), now)
        });
        let found = found.await?;
        found.ok_or_else(|| Refusal::missing("agent", agent).into())
    }

    /// Which operations the live policy denies to an agent whatever else it says, and the hash of that policy; nothing where
    /// none is live. A gateway names the agent. Of the actions only tool, operation and environment are looked at.
    pub async fn always_denied(
        &self,
        caller: &Caller,
        agent: Option<String>,
        operations: &[Action],
    ) -> Result<Option<(String, Vec<bool>)>, EngineError> {
        let (agent, _) = self.acting_agent(caller, agent)?;
        let live = self.live_policy(caller).await?;
        Ok(live.map(|live| {
            let denied = operations.iter().map(|operation| live.always_denies(&agent, operation));
            (live.hash_text().to_owned(), denied.collect())
        }))
    }

    /// Carries a command out. Answers whether that repeats an earlier answer.
    async fn carry_out(&self, request: &Request<'_>, command: Command) -> Result<bool, EngineError> {
        let envelope = request.envelope(command);
        self.perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await
            .map(|done| done.replayed.is_some())
    }

    /// Descriptions are facts of the ledger, which cannot be erased: nothing personal may be in one.
    fn check_description(&self, description: &Description) -> Result<(), Refusal> {
        let boundary = &description.boundary;
        let words = [
            &description.fallback_owner,
            &description.model,
            &description.prompt,
            &description.purpose,
            &description.reviewer,
            &description.system,
            &description.technical_owner,
            &boundary.owning_team,
            &boundary.process,
        ];
        let lists = [
            &description.data,
            &description.environments,
            &description.tools,
            &boundary.always_approve,
            &boundary.never_access,
            &boundary.reads,
            &boundary.without_approval,
            &boundary.writes,
        ];
        let all = words.into_iter().flatten().chain(lists.into_iter().flatten());
        self.check_words(all.map(String::as_str), "invalid_label", "what is known of an agent")
    }

    pub(crate) fn check_words<'w>(
        &self,
        mut words: impl Iterator<Item = &'w str>,
        code: &'static str,
        what: &str,
    ) -> Result<(), Refusal> {
        let kept = |word: &&str| {
            !self
                .inner
                .redactor
                .redact_text(word, &Default::default())
                .found
                .is_empty()
        };
        match words.find(kept) {
            Some(_) => Err(Refusal::invalid(
                code,
                format!("{what} looks like personal or secret data, and is kept for ever"),
            )),
            None => Ok(()),
        }
    }
}
