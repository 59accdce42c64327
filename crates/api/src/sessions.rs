//! Signing in: sessions of people, what they sign in with, and invitations to do so for the first time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::signed_vote::SignedVote;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bounded::{Id, Text, stated};

/// A password as somebody types it. Its text is in no log and no error.
pub type Password = Text<1024>;

/// How somebody signs in: `user` with `password`, `key`, `invitation`, or `oidc`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSessionBody {
    /// The person's organization, with `user`; may be left out where the server has one.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub organization: Option<Id>,
    /// The person.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The person's password.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// A key of the person.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub key: Option<Text<256>>,
    /// An invitation: good once.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Text<256>>,
    /// What the identity provider brought back.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcBody>,
}

/// What an identity provider brought back to whoever began a sign-in, with what was kept since.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcBody {
    /// The code.
    pub code: Text<4096>,
    /// As it was begun.
    pub nonce: Text<128>,
    /// As it was begun.
    pub verifier: Text<128>,
}

/// A sign-in by the identity provider that was begun. Whoever began it keeps all but the address to itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BegunAnswer {
    /// Where the person goes.
    pub url: String,
    /// What has to come back in the query of the page that the provider sends the person to.
    pub state: String,
    /// For `POST /v1/sessions`.
    pub nonce: String,
    /// For `POST /v1/sessions`.
    pub verifier: String,
}

/// How people sign in here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaysAnswer {
    /// The identity provider's name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<String>,
}

/// A session: a key of the person that ends by itself. It is shown once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionAnswer {
    /// The credential, for `Authorization: Bearer`.
    pub session: String,
    /// What it is known by.
    pub kid: String,
    /// The organization.
    pub organization: String,
    /// The person.
    pub user: String,
    /// How the person signed in: `password`, `key`, `invitation`, `oidc`.
    pub how: String,
    /// When it ends.
    pub expires: String,
}

/// A session of whoever asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OwnSession {
    /// What it is known by.
    pub kid: String,
    /// How the person signed in: `password`, `key`, `invitation`.
    pub how: String,
    /// When it ends.
    pub expires: String,
    /// It is the one that asks.
    pub own: bool,
}

/// Sessions of whoever asks, by the time when they end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionsAnswer {
    /// Those that have not ended.
    pub sessions: Vec<OwnSession>,
}

/// Whom to invite.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitationBody {
    /// The person.
    pub user: Id,
    /// Take away first what the person signs in with: it is lost, or somebody else has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
}

/// An invitation. It is shown once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InvitationAnswer {
    /// What is good for one session.
    pub invitation: String,
    /// The page where it is used.
    pub url: String,
    /// When it ends unused.
    pub expires: String,
}

/// A password for whoever asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The new one: 12 to 1,024 characters, none of those that everybody tries.
    pub password: Password,
    /// The one until now, where there is one.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub current: Option<Password>,
}

/// A passkey of a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PasskeyAnswer {
    /// What it is known by.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// The credential's id, base64url without padding.
    pub credential: String,
}

/// What whoever asks signs in with.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuthenticatorsAnswer {
    /// There is a password.
    pub password: bool,
    /// Passkeys.
    pub passkeys: Vec<PasskeyAnswer>,
    /// The name that passkeys are made for (`rp.id` of WebAuthn).
    pub site: String,
    /// The challenge for making one, base64url without padding.
    pub challenge: String,
}

/// A passkey as a browser made it, with ES256 and without attestation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskeyBody {
    /// What the person calls it.
    pub name: Text<64>,
    /// `authenticatorData` of the browser's response, base64url without padding.
    pub authenticator_data: Text<4096>,
    /// `clientDataJSON` of the browser's response, base64url without padding.
    pub client_data: Text<4096>,
    /// The password, where there is one.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub current: Option<Password>,
}

/// Whose authenticator is taken away.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveAuthenticatorBody {
    /// The person; whoever asks when left out.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// One's own password, where there is one.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub current: Option<Password>,
}

/// A signature of a passkey over a vote (`navigator.credentials.get`), each part base64url without padding.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionBody {
    /// The credential's id.
    pub credential: Text<2048>,
    /// `authenticatorData`.
    pub authenticator_data: Text<4096>,
    /// `clientDataJSON`.
    pub client_data: Text<4096>,
    /// `signature`.
    pub signature: Text<1024>,
}

/// The challenge that a passkey signs for a vote, base64url without padding, from the body of the vote.
///
/// # Errors
/// The body lacks what a vote has to echo.
pub fn vote_challenge(
    organization: &str,
    user: &str,
    approval: &str,
    body: &Map<String, Value>,
) -> Result<String, String> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let wanted = |name: &'static str| text(name).ok_or_else(|| format!("a vote has `{name}`"));
    let signed = SignedVote {
        action_digest: wanted("action_digest")?,
        approval,
        organization,
        presentation_digest: text("presentation_digest"),
        set: body.get("set").cloned(),
        snapshot: wanted("snapshot")?,
        user,
        verb: serde_json::from_value(body.get("verb").cloned().unwrap_or_default())
            .map_err(|error| error.to_string())?,
    };
    Ok(URL_SAFE_NO_PAD.encode(signed.challenge()?.0))
}
