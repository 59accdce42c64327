//! Outbound messages: signed webhooks, e-mail and Slack; to checked addresses only.
//!
//! A channel delivers one message once and says what came of it; when to try again is pure ([`schedule`]); what was tried
//! and what is due is kept by the caller. A [`Webhook`] takes any [`Message`], signed as Standard Webhooks 1.0 says
//! ([`sign`]); people are told a [`Notice`] by [`email`], [`slack`] or a webhook. All of them reach only what
//! [`address`] lets through.

pub mod address;
mod channel;
pub mod email;
mod notice;
pub mod schedule;
pub mod sign;
pub mod slack;
mod webhook;

pub use self::address::{Allowlist, Target, TargetError};
pub use self::channel::{Attempt, BoxFuture, Channel, Message, MessageError, Reason, Refusal};
pub use self::notice::{Notice, What};
pub use self::sign::{Ed25519Key, Keys, Secret, SecretError};
pub use self::webhook::{Limits, Resolve, Sender, SystemResolver, TlsError, Webhook};
