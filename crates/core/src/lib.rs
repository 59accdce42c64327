//! The domain: actions, commands, events, and the state that a ledger of events folds into.
//!
//! No I/O, no clock, no randomness, no panics: time and identifiers are inputs, and the same ledger gives the same state
//! everywhere.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod action;
pub mod batch;
pub mod command;
pub mod digest;
pub mod event;
pub mod ids;
pub mod key;
pub mod money;
pub mod narrow;
pub mod presentation;
pub mod reader;
pub mod record;
pub mod redact;
pub mod refusal;
pub mod replay;
pub mod retention;
pub mod schedule;
pub mod signed_vote;
pub mod simulate;
pub mod state;
pub mod stored;
mod text;
pub mod time;
pub mod token;
pub mod view;
pub mod week;

pub use command::{Command, Envelope};
pub use countersign_policy as policy;
pub use event::Event;
pub use record::{Actor, ActorKind, Draft, Record};
pub use refusal::{Category, Refusal};
pub use state::{Answer, Ctx, Handled, State, Transient};
pub use time::{Span, Time};
pub use view::ActionView;
