//! Signing in and out, and what people sign in with.

use countersign_api::operations::DoneAnswer;
use countersign_api::sessions::{
    AuthenticatorsAnswer, InvitationAnswer, NewInvitationBody, NewSessionBody, PasswordBody, SessionAnswer,
};
use countersign_engine::{Caller, EngineError};

use super::handlers;
use crate::authorize::Visitor;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "open_session" => Visitor open,
    "close_session" => Caller close,
    "invite" => Caller invite,
    "authenticators" => Caller authenticators,
    "set_password" => Caller set_password,
}

async fn open(asked: Asked<Visitor>) -> Answer {
    let body: NewSessionBody = asked.body()?;
    let engine = &asked.app.engine;
    let opened = match (body.user, body.password, body.key, body.invitation) {
        (Some(user), Some(password), None, None) => {
            let org = body.organization.as_ref().map(|org| org.0.as_str());
            engine
                .sign_in_by_password(org, &user.0, &password.0, asked.from())
                .await
        }
        (None, None, Some(key), None) => engine.sign_in_by_key(&key.0).await,
        (None, None, None, Some(invitation)) => engine.sign_in_by_invitation(&invitation.0).await,
        _ => {
            let detail = "one of `user` with `password`, `key` and `invitation` is needed, and not more";
            return Err(Problem::invalid("missing_field", detail));
        }
    };
    let opened = opened.map_err(|error| match error {
        EngineError::Unauthenticated(detail) => asked.stranger(&detail).hint("an admin can invite you anew"),
        other => other.into(),
    })?;
    let answer = SessionAnswer {
        session: opened.key.text,
        kid: opened.key.kid,
        organization: opened.org.to_string(),
        user: opened.user,
        how: opened.how.to_owned(),
        expires: opened.expires.to_string(),
    };
    Ok(json(&answer)?.created())
}

async fn close(asked: Asked<Caller>) -> Answer {
    asked.app.engine.sign_out(&asked.request()).await?;
    json(&DoneAnswer { done: true })
}

async fn invite(asked: Asked<Caller>) -> Answer {
    let body: NewInvitationBody = asked.body()?;
    let invitation = asked.app.engine.invite(&asked.request(), &body.user.0).await?;
    let answer = InvitationAnswer {
        invitation: invitation.text,
        url: invitation.url,
        expires: invitation.expires.to_string(),
    };
    Ok(json(&answer)?.created())
}

async fn authenticators(asked: Asked<Caller>) -> Answer {
    let caller = &asked.caller;
    json(&AuthenticatorsAnswer {
        password: asked
            .app
            .engine
            .signs_in_by_password(&caller.org, &caller.actor.id)
            .await?,
    })
}

async fn set_password(asked: Asked<Caller>) -> Answer {
    let body: PasswordBody = asked.body()?;
    let current = body.current.as_ref().map(|current| current.0.as_str());
    let engine = &asked.app.engine;
    engine
        .set_password(&asked.request(), &body.password.0, current, asked.from())
        .await?;
    json(&DoneAnswer { done: true })
}
