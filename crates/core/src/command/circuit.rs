//! What can be asked about circuits.

use std::sync::Arc;

/// A circuit that failures have opened.
pub struct AboutCircuit {
    /// Whose it is, as records name it.
    pub circuit: Arc<str>,
    /// The limit.
    pub limit: Arc<str>,
}
