//! The real core and engine on simulated time, network and disk. One seed makes one world: what kind of store, how many
//! nodes, what goes wrong, what clients ask. After every step an outsider looks at every ledger and holds every new
//! record against the invariants; at the end everything is mended, everything due comes, and what clients saw is held
//! against the ledger. The same seed gives the same world, to the byte.

pub mod accounts;
pub mod client;
pub mod dice;
pub mod disk;
mod ending;
pub mod faults;
mod frames;
mod keeping;
mod network;
mod node;
mod plan;
mod rules;
pub mod sabotage;
mod scene;
mod server;
mod setting;
mod store;
mod telling;
mod timeline;
mod trail;
mod world;

use countersign_core::digest::Digest;

pub use dice::Dice;
pub use faults::Fault;
pub use sabotage::Sabotage;
pub use server::Lost;
pub use setting::Setting;
pub use store::SimStore;
pub use timeline::{Timeline, Wall};
pub use trail::Trail;
pub use world::World;

/// How many of the last steps a failure shows.
const SHOWN: usize = 40;

/// What a simulation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many steps it had.
    pub steps: u64,
    /// How many records its ledgers have.
    pub records: u64,
    /// How many answers its clients got.
    pub answers: u64,
    /// How many permits were used.
    pub redeemed: u64,
    /// How many reservations of budgets ended.
    pub reservations: u64,
    /// How many steps of routes were asked because the one before let its time pass.
    pub escalations: u64,
    /// How many decisions were made for a chain of agents and permitted.
    pub chains: u64,
    /// How many erasures were carried out.
    pub erasures: u64,
    /// How many notices came through.
    pub told: u64,
    /// Acknowledged records were lost through a disk that lied, and it was noticed.
    pub lost: bool,
    /// A hash of everything that happened.
    pub trace: Digest,
}

/// A simulation in which something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step.
    pub step: u64,
    /// What is wrong.
    pub why: String,
    /// What kind of world it is, and everything that happened.
    pub log: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seed, step) = (self.seed, self.step);
        writeln!(f, "the last steps of seed {seed}:")?;
        for line in &self.log[self.log.len().saturating_sub(SHOWN)..] {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed={seed} step={step}: {}", self.why)?;
        write!(f, "again with COUNTERSIGN_SEED={seed}")
    }
}

/// Runs the world of a seed to its end.
///
/// # Errors
/// The first thing that is wrong.
pub fn run(seed: u64) -> Result<Summary, Failure> {
    let mut world = World::of(seed).map_err(|why| Failure {
        seed,
        step: 0,
        why,
        log: Vec::new(),
    })?;
    match play(&mut world) {
        Ok(()) => Ok(world.summary()),
        Err(why) => Err(Failure {
            seed,
            step: world.step,
            why,
            log: std::iter::once(format!("{:?}", world.setting))
                .chain(world.log.iter().cloned())
                .collect(),
        }),
    }
}

/// Plays a world to its end.
///
/// # Errors
/// The first thing that is wrong.
pub fn play(world: &mut World) -> Result<(), String> {
    while world.step < world.setting.steps && world.lost.is_empty() {
        world.advance()?;
    }
    ending::end(world)
}

impl World {
    /// What it came to.
    pub fn summary(&self) -> Summary {
        Summary {
            steps: self.step,
            records: self.trails.iter().map(Trail::size).sum(),
            answers: self.answers,
            redeemed: self.trails.iter().map(|trail| trail.redeemed.len() as u64).sum(),
            reservations: self.trails.iter().map(|trail| trail.accounts.ended()).sum(),
            escalations: self.trails.iter().map(Trail::escalations).sum(),
            chains: self.trails.iter().map(Trail::chains).sum(),
            erasures: self.trails.iter().map(Trail::erasures).sum(),
            told: self.telling.told(),
            lost: !self.lost.is_empty(),
            trace: self.trace(),
        }
    }
}
