//! Signing in and out, and what people sign in with.

use countersign_api::convert::page_url;
use countersign_api::operations::DoneAnswer;
use countersign_api::sessions::{
    AuthenticatorsAnswer, BegunAnswer, InvitationAnswer, NewInvitationBody, NewPasskeyBody, NewSessionBody, OidcBody,
    OwnSession, PasskeyAnswer, PasswordBody, RemoveAuthenticatorBody, SessionAnswer, SessionsAnswer, WaysAnswer,
};
use countersign_core::ActorKind;
use countersign_core::event::Passkey;
use countersign_engine::{Caller, EngineError, NewPasskey};

use countersign_oidc::OidcError;

use super::handlers;
use crate::Identity;
use crate::authorize::Visitor;
use crate::body::clip;
use crate::problem::{Problem, unauthenticated};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "open_session" => Visitor open,
    "ways" => Visitor ways,
    "begin_oidc" => Visitor begin_oidc,
    "close_session" => Caller close,
    "sessions" => Caller sessions,
    "end_session" => Caller end,
    "invite" => Caller invite,
    "authenticators" => Caller authenticators,
    "add_passkey" => Caller add_passkey,
    "remove_authenticator" => Caller remove_authenticator,
    "set_password" => Caller set_password,
}

async fn open(asked: Asked<Visitor>) -> Answer {
    let body: NewSessionBody = asked.body()?;
    let engine = &asked.app.engine;
    // Asked before anything is checked: who tries too often learns nothing, right or wrong.
    let stranger = asked.stranger("this does not sign in anybody");
    if stranger.status == 429 {
        return Err(stranger);
    }
    let opened = match (body.user, body.password, body.key, body.invitation, body.oidc) {
        (Some(user), Some(password), None, None, None) => {
            let org = body.organization.as_ref().map(|org| org.0.as_str());
            engine
                .sign_in_by_password(org, &user.0, &password.0, asked.from())
                .await
        }
        (None, None, Some(key), None, None) => engine.sign_in_by_key(&key.0).await,
        (None, None, None, Some(invitation), None) => {
            let first = asked.app.settings.first_invitation.as_deref();
            match first.and_then(|first| Some((first, first.take(&invitation.0, engine.now())?))) {
                Some((first, (org, user))) => {
                    let opened = engine.sign_in_first(org, user).await;
                    opened.inspect_err(|_| first.put_back(&invitation.0))
                }
                None => engine.sign_in_by_invitation(&invitation.0).await,
            }
        }
        (None, None, None, None, Some(brought)) => {
            let user = provided(&asked, &brought).await?;
            let settings = &asked.app.settings;
            let org = settings
                .identity
                .as_ref()
                .and_then(|identity| identity.organization.as_deref());
            engine.sign_in_by_provider(org, &user).await
        }
        _ => {
            let detail = "one of `user` with `password`, `key`, `invitation` and `oidc` is needed, and not more";
            return Err(Problem::invalid("missing_field", detail));
        }
    };
    let opened = opened.map_err(|error| match error {
        EngineError::Unauthenticated(detail) => unauthenticated(detail).hint("an admin can invite you anew"),
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

/// The person whom the identity provider vouches for.
async fn provided(asked: &Asked<Visitor>, brought: &OidcBody) -> Result<String, Problem> {
    let redirect = redirect(asked);
    let answer = countersign_oidc::Answer {
        code: &brought.code.0,
        nonce: &brought.nonce.0,
        verifier: &brought.verifier.0,
        redirect: &redirect,
    };
    identity(asked)?
        .provider
        .finish(&answer)
        .await
        .map_err(|error| match error {
            OidcError::Refused(why) => unauthenticated(why),
            OidcError::Provider(why) | OidcError::Settings(why) => unavailable(&why),
        })
}

fn identity(asked: &Asked<Visitor>) -> Result<&Identity, Problem> {
    let none = || Problem::new(409, "no_provider", "no identity provider is set up here").hint("sign in another way");
    asked.app.settings.identity.as_deref().ok_or_else(none)
}

/// What the provider says of itself is for the operator.
fn unavailable(why: &str) -> Problem {
    let mut problem = Problem::new(
        503,
        "provider_unavailable",
        "the identity provider does not answer as it should",
    );
    problem.internal = Some(why.to_owned());
    problem.hint("try again in a moment, or sign in another way")
}

/// The page of the console to which the provider sends people.
fn redirect(asked: &Asked<Visitor>) -> String {
    page_url(asked.app.engine.base_url(), "/sign-in/oidc/answer")
}

async fn ways(asked: Asked<Visitor>) -> Answer {
    let identity = asked.app.settings.identity.as_deref();
    json(&WaysAnswer {
        oidc: identity.map(|identity| identity.provider.name()),
    })
}

async fn begin_oidc(asked: Asked<Visitor>) -> Answer {
    let begun = identity(&asked)?.provider.begin(&redirect(&asked)).await;
    let begun = begun.map_err(|error| unavailable(&error.to_string()))?;
    json(&BegunAnswer {
        url: begun.url,
        state: begun.state,
        nonce: begun.nonce,
        verifier: begun.verifier,
    })
}

async fn close(asked: Asked<Caller>) -> Answer {
    asked.app.engine.sign_out(&asked.request()).await?;
    json(&DoneAnswer { done: true })
}

async fn sessions(asked: Asked<Caller>) -> Answer {
    let (caller, now) = (asked.caller.clone(), asked.app.engine.now());
    let sessions = asked.app.engine.look(&asked.caller.org, move |state| {
        let mut sessions: Vec<OwnSession> = (state.keys().iter())
            .filter(|(_, key)| key.subject == caller.actor.id && !key.revoked)
            .filter_map(|(kid, key)| {
                Some(OwnSession {
                    kid: kid.to_string(),
                    how: key.session()?.to_owned(),
                    expires: key.expires.filter(|end| *end > now)?.to_string(),
                    own: caller.kid.as_deref() == Some(&**kid),
                })
            })
            .collect();
        sessions.sort_by(|a, b| (&a.expires, &a.kid).cmp(&(&b.expires, &b.kid)));
        sessions
    });
    let sessions = match asked.caller.actor.kind {
        ActorKind::User => sessions.await?,
        // A name is a person's and an agent's at once, perhaps.
        _other => Vec::new(),
    };
    json(&SessionsAnswer { sessions })
}

async fn end(asked: Asked<Caller>) -> Answer {
    let (caller, kid) = (&asked.caller, asked.param().to_owned());
    let (user, wanted) = (caller.actor.id.clone(), kid.clone());
    let is_theirs = asked.app.engine.look(&caller.org, move |state| {
        let key = state.keys().get(wanted.as_str());
        key.is_some_and(|key| key.subject == user && key.session().is_some() && !key.revoked)
    });
    if caller.actor.kind != ActorKind::User || !is_theirs.await? {
        return Err(Problem::missing("session", &clip(&kid, 64)));
    }
    asked.app.engine.revoke_key(&asked.request(), kid).await?;
    json(&DoneAnswer { done: true })
}

async fn invite(asked: Asked<Caller>) -> Answer {
    let body: NewInvitationBody = asked.body()?;
    let invitation = asked
        .app
        .engine
        .invite(&asked.request(), &body.user.0, body.reset)
        .await?;
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
    let body: RemoveAuthenticatorBody = asked.body()?;
    let caller = &asked.caller;
    if caller.actor.kind == ActorKind::Agent {
        return Err(Problem::invalid(
            "wrong_credential",
            "an agent signs in with its key alone",
        ));
    }
    let user = body.user.map_or_else(|| caller.actor.id.clone(), |user| user.0);
    let own = caller.actor.kind == ActorKind::User && user == caller.actor.id;
    if !own && !caller.roles.iter().any(|role| role == "admin") {
        let detail = "only an admin may take away what somebody else signs in with";
        return Err(Problem::new(403, "forbidden", detail));
    }
    let current = body.current.as_ref().map(|current| current.0.as_str());
    let engine = &asked.app.engine;
    engine
        .remove_authenticator(&asked.request(), &user, asked.param(), current, asked.from())
        .await?;
    json(&DoneAnswer { done: true })
}

async fn set_password(asked: Asked<Caller>) -> Answer {
    let body: PasswordBody = asked.body()?;
    if asked.param() != "password" {
        return Err(Problem::missing("authenticator that can be changed", asked.param()));
    }
    let current = body.current.as_ref().map(|current| current.0.as_str());
    let engine = &asked.app.engine;
    engine
        .set_password(&asked.request(), &body.password.0, current, asked.from())
        .await?;
    json(&DoneAnswer { done: true })
}
