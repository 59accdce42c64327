//! What people sign in with: a password, or keys that a device keeps. The secrets themselves are nowhere in the ledger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `authenticator.added`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthenticatorAdded {
    /// What it is known by: `password`, or the id of a passkey.
    pub authenticator: String,
    /// What checks signatures of a passkey; absent for a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<Passkey>,
    /// Whose it is.
    pub user: String,
}

/// The public part of a key that a device keeps (WebAuthn Level 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The credential's id, base64url without padding.
    pub credential: String,
    /// What the person calls it.
    pub name: String,
    /// The point on P-256, uncompressed (SEC 1), hexadecimal: signatures are ES256.
    pub public_key: String,
}

/// `authenticator.removed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthenticatorRemoved {
    /// What it was known by.
    pub authenticator: String,
    /// Whose it was.
    pub user: String,
}

/// A signature of a passkey over a vote (WebAuthn Level 3, section 7.2): anybody who has the passkey's public key can check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// What the authenticator says of itself, base64url without padding.
    pub authenticator_data: String,
    /// What the browser says that was asked, base64url without padding: type, challenge, origin.
    pub client_data: String,
    /// The passkey's credential id, base64url without padding.
    pub credential: String,
    /// The signature over both, ES256 in DER, base64url without padding.
    pub signature: String,
}
