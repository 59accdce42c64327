//! A node of a simulation: an engine that somebody steps, over a connection to the store, on a clock of its own.

use std::sync::Arc;

use countersign_engine::{Engine, Host, HostClock, Settings, Stepper, Vault};
use countersign_store::Store;

use super::store::SimStore;
use super::timeline::Wall;

/// The machine that a node runs on.
struct Simulated(Wall);

impl Host for Simulated {
    fn wall(&self) -> i64 {
        self.0.shows().0
    }

    fn steady(&self) -> i64 {
        self.0.steady()
    }
}

/// A node, running or not.
pub struct Node {
    /// Its connection.
    pub store: Arc<SimStore>,
    /// Its wall clock.
    pub wall: Wall,
    /// The engine and what steps it, while it runs.
    pub process: Option<(Engine, Stepper)>,
}

impl Node {
    /// A node that does not run yet.
    pub fn new(store: SimStore, wall: Wall) -> Node {
        Node {
            store: Arc::new(store),
            wall,
            process: None,
        }
    }

    /// Starts the process. A store that does not answer keeps it from starting.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(&mut self) -> Result<(), String> {
        let clock = HostClock::new(Simulated(self.wall.clone()));
        let store: Arc<dyn Store> = self.store.clone();
        let started = Engine::stepped(store, Vault::new(&[1; 32]), Box::new(clock), Settings::default());
        self.process = Some(started.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// The engine, while it runs.
    pub fn engine(&self) -> Option<&Engine> {
        self.process.as_ref().map(|(engine, _)| engine)
    }

    /// One piece of work. Says whether there was any.
    pub fn step(&mut self) -> bool {
        match &mut self.process {
            Some((_, stepper)) => stepper.step(),
            None => false,
        }
    }
}
