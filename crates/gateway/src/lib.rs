//! Stands between an agent that already works and its tools, without a change of either.
//!
//! [`stdio`] wraps an MCP server; [`serve`] stands in front of many over HTTP; [`hook`] answers the hooks of coding
//! agents; [`install`] puts wrapper and hook into the configurations of clients. All of them ask a server by
//! [`Governor`]: decide, wait for people where policy wants them, use the permit, report what came of it. Whatever goes
//! wrong on the way, nothing runs, and the agent is told why.

mod answer;
mod broker;
mod calls;
mod elicit;
mod govern;
mod guarded;
mod hide;
pub mod hook;
pub mod install;
mod lines;
mod observe;
mod outputs;
pub mod serve;
pub mod stdio;
mod tasks;
mod waiting;
mod wire;

pub use broker::{Broker, Need, Place};
pub use govern::{Go, Governor, Ruling, Waiting};
pub use guarded::Guarded;
pub use waiting::place;
