//! Calls by which people sign in, and by which whoever listens is told what is new.

use Method::{Delete, Get, Post, Put};
use Permission::{Anyone, Holder};
use Role::Admin;

use serde_json::json;

use super::params::{path, word};
use super::table::{READERS, people};
use super::{Call, Method, Permission, Role};
use crate::operations::DoneAnswer;
use crate::registry::{OwnProfileBody, PersonAnswer};
use crate::sessions::{
    AuthenticatorsAnswer, BegunAnswer, InvitationAnswer, NewInvitationBody, NewPasskeyBody, NewSessionBody,
    PasskeyAnswer, PasswordBody, RemoveAuthenticatorBody, SessionAnswer, SessionsAnswer, WaysAnswer,
};

pub(super) static CALLS: &[Call] = &[
    Call::new("open_session", Post, "/v1/sessions", Anyone)
        .about("Signs a person in: by password, by a key of theirs, by an invitation that is good once, or by what the identity provider brought back. The session ends after twelve hours.")
        .takes::<NewSessionBody>(r#"{"user": "dana", "password": "correct horse battery staple"}"#)
        .creates::<SessionAnswer>()
        .problems(&[(401, "unauthenticated"), (422, "organization_required"), (422, "wrong_credential"), (429, "too_many_tries")]),
    Call::new("ways", Get, "/v1/sessions/ways", Anyone).about("Says how people sign in here.").answers::<WaysAnswer>(),
    Call::new("begin_oidc", Post, "/v1/sessions:oidc", Anyone)
        .about("Begins a sign-in by the identity provider (authorization code with PKCE), which comes back to `/sign-in/oidc/answer` of the console.")
        .answers::<BegunAnswer>()
        .problems(&[(409, "no_provider"), (503, "provider_unavailable")]),
    Call::new("close_session", Delete, "/v1/sessions", Holder)
        .about("Ends the session that asks for it.")
        .answers::<DoneAnswer>()
        .problems(&[(422, "wrong_credential")]),
    Call::new("sessions", Get, "/v1/sessions", Holder)
        .about("Lists sessions of whoever asks.")
        .answers::<SessionsAnswer>(),
    Call::new("end_session", Delete, "/v1/sessions/{kid}", Holder)
        .about("Ends a session of whoever asks.")
        .with(&[path("kid", "What the session is known by.", || json!({ "type": "string", "pattern": "^[0-9A-Za-z]{8}$" }))])
        .answers::<DoneAnswer>()
        .problems(&[(404, "not_found")]),
    Call::new("invite", Post, "/v1/invitations", people(&[Admin]))
        .about("Invites a person to sign in, once, within a day.")
        .takes::<NewInvitationBody>(r#"{"user": "dana"}"#)
        .creates::<InvitationAnswer>()
        .problems(&[(404, "not_found"), (409, "own_account")]),
    Call::new("authenticators", Get, "/v1/authenticators", Holder)
        .about("Says what whoever asks signs in with.")
        .answers::<AuthenticatorsAnswer>(),
    Call::new("set_password", Put, "/v1/authenticators/{id}", Holder)
        .about("Gives whoever asks another password. Every other session of theirs ends.")
        .with(&[path("id", "`password`: a passkey is made anew, not changed.", word)])
        .takes::<PasswordBody>(r#"{"password": "correct horse battery staple"}"#)
        .answers::<DoneAnswer>()
        .problems(&[(422, "weak_password"), (403, "has_authenticators"), (403, "stale_session"), (403, "wrong_credential"), (404, "not_found"), (422, "wrong_password"), (429, "too_many_tries")]),
    Call::new("add_passkey", Post, "/v1/authenticators", Holder)
        .about("Takes a passkey of whoever asks, as a browser made it. It signs votes on routes with `assurance`.")
        .takes::<NewPasskeyBody>(r#"{"name": "laptop", "authenticator_data": "SZYN5YgO…", "client_data": "eyJ0eXBlIjoi…"}"#)
        .creates::<PasskeyAnswer>()
        .problems(&[(403, "has_authenticators"), (403, "stale_session"), (403, "wrong_credential"), (409, "already_registered"), (409, "too_many"), (422, "invalid_passkey"), (422, "wrong_password"), (429, "too_many_tries")]),
    Call::new("remove_authenticator", Post, "/v1/authenticators/{id}/remove", Holder)
        .about("Takes away what whoever asks signs in with, `password` or a passkey; of somebody else, only an admin. Their other sessions end.")
        .with(&[path("id", "`password`, or the passkey's id.", word)])
        .takes::<RemoveAuthenticatorBody>(r#"{"current": "correct horse battery staple"}"#)
        .answers::<DoneAnswer>()
        .problems(&[(403, "forbidden"), (403, "stale_session"), (403, "wrong_credential"), (404, "not_found"), (422, "wrong_credential"), (422, "wrong_password"), (429, "too_many_tries")]),
    Call::new("own_profile", Get, "/v1/whoami/profile", Holder)
        .about("Shows the person who asks what is kept of them.")
        .answers::<PersonAnswer>()
        .problems(&[(403, "not_a_person")]),
    Call::new("change_own_profile", Put, "/v1/whoami/profile", Holder)
        .about("Changes the time zone or the name of the person who asks, and nothing else of them.")
        .takes::<OwnProfileBody>(r#"{"zone": "Europe/Berlin"}"#)
        .answers::<PersonAnswer>()
        .problems(&[(403, "not_a_person"), (409, "profile_changed"), (422, "unknown_zone")]),
    Call::new("events", Get, "/v1/events", people(READERS))
        .about("Tells what is new, as server-sent events: the type of each record as data, its index as id. An empty type means that everything may be new.")
        .answers_as("text/event-stream"),
];
