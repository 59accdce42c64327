//! Signing in and out, and what people sign in with.

use countersign_api::operations::DoneAnswer;
use countersign_api::sessions::{
    AuthenticatorsAnswer, InvitationAnswer, NewInvitationBody, NewPasskeyBody, NewSessionBody, PasskeyAnswer,
    PasswordBody, SessionAnswer,
};
use countersign_core::ActorKind;
use countersign_core::event::Passkey;
use countersign_engine::{Caller, EngineError, NewPasskey};

use super::handlers;
use crate::authorize::Visitor;
use crate::problem::Problem;
use crate::query::OfPerson;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "open_session" => Visitor open,
    "close_session" => Caller close,
    "invite" => Caller invite,
    "authenticators" => Caller authenticators,
    "add_passkey" => Caller add_passkey,
    "remove_authenticator" => Caller remove_authenticator,
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
    let known = asked.app.engine.authenticators(&asked.caller).await?;
    let passkey = |(id, passkey): (String, Passkey)| PasskeyAnswer {
        id,
        name: passkey.name,
        credential: passkey.credential,
    };
    json(&AuthenticatorsAnswer {
        password: known.password,
        passkeys: known.passkeys.into_iter().map(passkey).collect(),
        site: known.site,
        challenge: known.challenge,
    })
}

async fn add_passkey(asked: Asked<Caller>) -> Answer {
    let body: NewPasskeyBody = asked.body()?;
    let engine = &asked.app.engine;
    let new = NewPasskey {
        name: body.name.0,
        authenticator_data: body.authenticator_data.0,
        client_data: body.client_data.0,
    };
    let current = body.current.as_ref().map(|current| current.0.as_str());
    let id = engine.add_passkey(&asked.request(), new, current, asked.from()).await?;
    let known = engine.authenticators(&asked.caller).await?;
    let added = known.passkeys.into_iter().find(|(known, _)| *known == id);
    let (id, passkey) = added.ok_or_else(|| Problem::missing("authenticator", &id))?;
    let answer = PasskeyAnswer {
        id,
        name: passkey.name,
        credential: passkey.credential,
    };
    Ok(json(&answer)?.created())
}

async fn remove_authenticator(asked: Asked<Caller>) -> Answer {
    let OfPerson { user } = asked.query()?;
    let caller = &asked.caller;
    let user = user.unwrap_or_else(|| caller.actor.id.clone());
    let own = caller.actor.kind == ActorKind::User && user == caller.actor.id;
    if !own && !caller.roles.iter().any(|role| role == "admin") {
        let detail = "only an admin may take away what somebody else signs in with";
        return Err(Problem::new(403, "forbidden", detail));
    }
    asked
        .app
        .engine
        .remove_authenticator(&asked.request(), &user, asked.param())
        .await?;
    json(&DoneAnswer { done: true })
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
