//! A real PostgreSQL for tests, and a proxy that cuts connections to it. Knows nothing of the product, so that tests of
//! any layer may use it.

mod cut;
mod server;

pub use cut::{Cut, Side};
pub use server::{GUARDED, Postgres, database_of};
