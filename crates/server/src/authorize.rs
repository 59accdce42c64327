//! Who calls, and whether they may: asked once, from the table of calls, before any handler runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use countersign_api::calls::{Permission, Role};
use countersign_core::ActorKind;
use countersign_engine::{Caller, Credential, EngineError};

use crate::App;
use crate::problem::{Problem, unauthenticated};

/// The operator at the machine, for what belongs to no organization.
pub(crate) struct Operator {
    _private: (),
}

/// Somebody of whom nothing is known.
pub(crate) struct Visitor {
    _private: (),
}

/// Who may go on.
pub(crate) enum Admitted {
    Visitor(Visitor),
    Operator(Operator),
    Caller(Caller),
}

impl Admitted {
    /// The organization, for the log.
    pub(crate) fn org(&self) -> Option<Arc<str>> {
        match self {
            Admitted::Caller(caller) => Some(caller.org.clone()),
            Admitted::Visitor(_) | Admitted::Operator(_) => None,
        }
    }
}

/// Whether whoever sent these headers may make a call with this permission.
pub(crate) async fn admit(
    app: &App,
    permission: &Permission,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Admitted, Problem> {
    if matches!(permission, Permission::Anyone | Permission::Slack | Permission::Link) {
        return Ok(Admitted::Visitor(Visitor { _private: () }));
    }
    let Some(credential) = credential(headers) else {
        return Err(stranger(app, client, "there is no API key"));
    };
    if app
        .settings
        .local_token
        .as_deref()
        .is_some_and(|token| same(token.as_bytes(), credential.as_bytes()))
    {
        return operator(app, permission, headers).await;
    }
    if *permission == Permission::LocalOperator {
        // Looks like nothing is there, unless the key is good: then it says who may.
        return match app.engine.authenticate(Credential(credential)).await {
            Ok(_) => Err(forbidden("only the operator at the machine may do this")),
            Err(error) => Err(failed(app, client, error)),
        };
    }
    let caller = app
        .engine
        .authenticate(Credential(credential))
        .await
        .map_err(|error| failed(app, client, error))?;
    may(&caller, permission)?;
    Ok(Admitted::Caller(caller))
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (scheme, credential) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

/// Compares without telling by its duration how much agrees.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    !a.is_empty() && a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn failed(app: &App, client: IpAddr, error: EngineError) -> Problem {
    match error {
        EngineError::Unauthenticated(detail) => stranger(app, client, &detail),
        other => other.into(),
    }
}

/// A request without a good credential.
pub(crate) fn stranger(app: &App, client: IpAddr, detail: &str) -> Problem {
    match app.throttle.take(client, Instant::now()) {
        Ok(()) => unauthenticated(detail),
        Err(wait) => {
            let detail = "too many requests without a good key came from this address";
            let mut problem = Problem::new(429, "too_many_failures", detail);
            problem.retry_after_s = u32::try_from(wait.as_secs() + 1).ok();
            problem
        }
    }
}

async fn operator(app: &App, permission: &Permission, headers: &HeaderMap) -> Result<Admitted, Problem> {
    if *permission == Permission::LocalOperator {
        return Ok(Admitted::Operator(Operator { _private: () }));
    }
    let name = headers
        .get("countersign-organization")
        .and_then(|name| name.to_str().ok());
    let Some(name) = name else {
        let detail = "the operator at the machine has to name an organization";
        return Err(Problem::new(400, "organization_required", detail).hint("send `Countersign-Organization: NAME`"));
    };
    let org: Arc<str> = name.into();
    // Only an organization that is there has a scope.
    let (engine, known) = (app.engine.clone(), org.clone());
    tokio::task::spawn_blocking(move || engine.origin(&known))
        .await
        .map_err(Problem::internal)??;
    let caller = Caller::operator(org);
    may(&caller, permission)?;
    Ok(Admitted::Caller(caller))
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(403, "forbidden", detail)
}

fn has_role(caller: &Caller, roles: &[Role]) -> bool {
    roles
        .iter()
        .any(|role| caller.roles.iter().any(|held| held == role.as_str()))
}

/// Whether this caller may make a call with this permission.
fn may(caller: &Caller, permission: &Permission) -> Result<(), Problem> {
    match permission {
        Permission::Anyone | Permission::Slack | Permission::Link | Permission::Holder => Ok(()),
        Permission::LocalOperator => Err(forbidden("only the operator at the machine may do this")),
        Permission::Voter => may_vote(caller),
        Permission::Those { agents, roles, scope } => {
            let is_agent = caller.actor.kind == ActorKind::Agent;
            let scoped = scope.is_some_and(|scope| match scope.strip_suffix(':') {
                Some(_) => caller.scopes.iter().any(|held| held.starts_with(scope)),
                None => caller.has_scope(scope),
            });
            if (*agents && is_agent) || (!is_agent && has_role(caller, roles)) || scoped {
                return Ok(());
            }
            let who = if is_agent { "an agent's key" } else { "this key" };
            Err(forbidden(format!("{who} may not do this")).hint(format!("it is for {permission}")))
        }
    }
}

fn may_vote(caller: &Caller) -> Result<(), Problem> {
    match caller.actor.kind {
        ActorKind::Agent => {
            let problem = Problem::new(403, "agents_cannot_vote", "an agent's key never votes");
            Err(problem.hint("a person who may decide votes with a key of their own"))
        }
        ActorKind::Operator | ActorKind::System => {
            let detail = "the operator at the machine is nobody in particular and cannot vote";
            Err(Problem::new(403, "operator_cannot_vote", detail).hint("vote with a person's key"))
        }
        ActorKind::User if has_role(caller, &[Role::Reviewer, Role::Admin]) => Ok(()),
        ActorKind::User => Err(forbidden("this key may not vote").hint(format!("it is for {}", Permission::Voter))),
    }
}
