//! What whoever starts a wrapper says.

use std::time::Duration;

/// How the wrapper behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the server: its tools are `server/tool` in policy.
    pub server: String,
    /// The environment that its tools act in.
    pub env: Option<String>,
    /// The run that the calls belong to.
    pub run: Option<String>,
    /// How long a call is held for people before the agent is told to come back.
    pub hold: Duration,
    /// Tools that policy always denies are not shown.
    pub hide: bool,
    /// Whoever uses the client may be among those who decide, and is led to the page where they do.
    pub elicit: bool,
}

/// A variable of the server's environment, with a value that is a secret.
pub type Secret = (String, zeroize::Zeroizing<String>);
