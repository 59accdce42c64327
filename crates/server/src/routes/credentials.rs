//! Credentials of tools: stored by people, given out to gateways for permits that were used.

use countersign_api::bounded::Text;
use countersign_api::credentials::{
    CredentialAnswer, CredentialsAnswer, NewCredentialBody, ReleaseCredentialBody, ReleasedCredentialAnswer,
    SecretText, StoredCredential,
};
use countersign_api::operations::DoneAnswer;
use countersign_engine::{Caller, NewCredential};

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "store_credential" => Caller store,
    "credentials" => Caller credentials,
    "remove_credential" => Caller remove,
    "release_credential" => Caller release,
}

/// How many tools, operations or agents one credential names.
const PATTERNS_AT_MOST: usize = 32;

async fn store(asked: Asked<Caller>) -> Answer {
    let body: NewCredentialBody = asked.body()?;
    let SecretText(value) = body.value;
    let name = body.name.0;
    let new = NewCredential {
        name: name.clone(),
        value: value.into(),
        tools: patterns(body.tools)?,
        operations: patterns(body.operations)?,
        agents: patterns(body.agents)?,
    };
    let (version, replayed) = asked.app.engine.store_credential(&asked.request(), new).await?;
    Ok(json(&StoredCredential { name, version })?.created().replayed(replayed))
}

fn patterns(texts: Vec<Text<128>>) -> Result<Vec<String>, Problem> {
    if texts.len() > PATTERNS_AT_MOST {
        let detail = format!("a credential names {PATTERNS_AT_MOST} tools, operations and agents each at most");
        return Err(Problem::invalid("invalid_pattern", detail));
    }
    let mut patterns: Vec<String> = texts.into_iter().map(|Text(text)| text).collect();
    patterns.sort();
    patterns.dedup();
    Ok(patterns)
}

async fn credentials(asked: Asked<Caller>) -> Answer {
    let credentials = asked.app.engine.look(&asked.caller.org, |state| {
        let credentials = state.credentials().iter().map(|(name, credential)| CredentialAnswer {
            name: name.clone(),
            version: credential.version,
            since: credential.since.to_string(),
            released: credential.released.map(|at| at.to_string()),
            tools: credential.tools.clone(),
            operations: credential.operations.clone(),
            agents: credential.agents.clone(),
        });
        credentials.collect()
    });
    json(&CredentialsAnswer {
        credentials: credentials.await?,
    })
}

async fn remove(asked: Asked<Caller>) -> Answer {
    let name = asked.param();
    asked.app.engine.remove_credential(&asked.request(), name).await?;
    json(&DoneAnswer { done: true })
}

async fn release(asked: Asked<Caller>) -> Answer {
    let body: ReleaseCredentialBody = asked.body()?;
    let credential = body.credential.map(|name| name.0);
    let engine = &asked.app.engine;
    let released = engine
        .release_credential(&asked.request(), &body.permit.0, credential)
        .await?;
    json(&ReleasedCredentialAnswer {
        name: released.release.credential,
        version: released.release.version,
        value: SecretText(released.value.to_string()),
        action_id: released.release.action_id.to_string(),
        agent: released.release.agent.to_string(),
    })
}
