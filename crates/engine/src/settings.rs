//! What an engine is told at its start.

use std::path::PathBuf;

use countersign_core::reader::Readers;
use countersign_notify::Allowlist;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where this server is reached, without a slash at the end: for links in answers.
    pub base_url: String,
    /// Targets that callbacks may go to although they are not public.
    pub callbacks: Allowlist,
    /// How long an API key is good, days; `None` = until it is revoked.
    pub key_days: Option<u32>,
    /// What this program can read.
    pub readers: Readers,
    /// Where the signer's marks lie: never in the data folder. `None` keeps none, and notices no restored backup.
    pub signer_state: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            base_url: "http://127.0.0.1:7878".into(),
            callbacks: Allowlist::default(),
            key_days: Some(90),
            readers: Readers::default(),
            signer_state: None,
        }
    }
}
