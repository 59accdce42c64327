//! Outbound messages: signed webhooks to checked addresses only.
//!
//! A [`Channel`] delivers one [`Message`] once and says what came of it; when to try again is pure ([`schedule`]); what was tried
//! and what is due is kept by the caller. The one channel so far is the [`Webhook`], signed as Standard Webhooks 1.0 says ([`sign`])
//! and sent only to addresses that [`address`] lets through.

pub mod address;
mod channel;
pub mod schedule;
pub mod sign;
mod webhook;

pub use self::address::{Allowlist, Target, TargetError};
pub use self::channel::{Attempt, BoxFuture, Channel, Message, MessageError, Reason, Refusal};
pub use self::sign::{Ed25519Key, Keys, Secret, SecretError};
pub use self::webhook::{Limits, Resolve, Sender, SystemResolver, TlsError, Webhook};
