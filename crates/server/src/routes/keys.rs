//! Credentials.

use countersign_api::convert::word;
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::{IssuedKey, KeyAnswer, KeysAnswer, NewKeyBody, SCOPES_AT_MOST};
use countersign_core::ActorKind;
use countersign_engine::Caller;

use super::handlers;
use crate::body::clip;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "issue_key" => Caller issue,
    "keys" => Caller keys,
    "revoke_key" => Caller revoke,
}

/// Whoever hands out people's keys can become anybody, so only admins do.
fn check_person(caller: &Caller) -> Result<(), Problem> {
    if caller.roles.iter().any(|role| role == "admin") {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "forbidden",
        "only an admin may do this with a person's key",
    ))
}

async fn issue(asked: Asked<Caller>) -> Answer {
    let body: NewKeyBody = asked.body()?;
    let (kind, subject) = match (body.agent, body.user) {
        (Some(agent), None) => (ActorKind::Agent, agent.0),
        (None, Some(user)) => {
            check_person(&asked.caller)?;
            (ActorKind::User, user.0)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::invalid(
                "missing_field",
                "one of `agent` and `user` is needed, and not both",
            ));
        }
    };
    let days = body.expires_days.and_then(|days| u32::try_from(days.0).ok());
    if body.scopes.len() > SCOPES_AT_MOST {
        return Err(Problem::invalid(
            "invalid_value",
            format!("a key has at most {SCOPES_AT_MOST} scopes"),
        ));
    }
    let scopes: Vec<String> = body.scopes.into_iter().map(|scope| scope.0).collect();
    let issued = asked
        .app
        .engine
        .issue_key(&asked.request(), kind, &subject, &scopes, days)
        .await?;
    let (kid, key) = issued.key.map(|key| (key.kid, key.text)).unzip();
    Ok(json(&IssuedKey { kid, key })?.created().replayed(issued.replayed))
}

async fn keys(asked: Asked<Caller>) -> Answer {
    let keys = asked.app.engine.look(&asked.caller.org, |state| {
        let on_the_wire = |(kid, key): (&std::sync::Arc<str>, &countersign_core::state::Key)| KeyAnswer {
            kid: kid.to_string(),
            kind: word(&key.kind),
            subject: key.subject.clone(),
            scopes: key.scopes.clone(),
            expires: key.expires.map(|end| end.to_string()),
            revoked: key.revoked,
        };
        state.keys().iter().map(on_the_wire).collect()
    });
    json(&KeysAnswer { keys: keys.await? })
}

async fn revoke(asked: Asked<Caller>) -> Answer {
    let kid = asked.param().to_owned();
    let wanted = kid.clone();
    let key = asked.app.engine.look(&asked.caller.org, move |state| {
        state.keys().get(wanted.as_str()).cloned()
    });
    let key = key.await?.ok_or_else(|| Problem::missing("key", &clip(&kid, 64)))?;
    if key.kind != ActorKind::Agent && key.subject != asked.caller.actor.id {
        check_person(&asked.caller)?;
    }
    // To want it twice is fine.
    if !key.revoked {
        asked.app.engine.revoke_key(&asked.request(), kid).await?;
    }
    json(&DoneAnswer { done: true })
}
