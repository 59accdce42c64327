//! A simulated world: nodes over a store, clients over a network, and an outsider who looks at everything after every
//! step.

use std::sync::Arc;

use countersign_core::Span;
use countersign_core::digest::Digest;
use countersign_engine::seeded;
use countersign_store::Org;
use countersign_tlog::verify_consistency;

use super::client::{Answer, Call, Want};
use super::dice::Dice;
use super::network::{Network, arrivals};
use super::node::Node;
use super::plan::{self, Known};
use super::server::Lost;
use super::setting::{Setting, found};
use super::store::SimStore;
use super::telling::Telling;
use super::timeline::Timeline;
use super::trail::Trail;
use crate::history::Operation;

/// Everything there is.
pub struct World {
    /// What kind of world it is.
    pub setting: Setting,
    /// Where choices come from.
    pub dice: Dice,
    /// The true time.
    pub timeline: Timeline,
    /// The store, past all connections.
    pub store: SimStore,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Messages.
    pub network: Network,
    /// Notices to people.
    pub telling: Telling,
    /// What clients have learned, by organization.
    pub known: Vec<Known>,
    /// What the outsider knows, by organization.
    pub trails: Vec<Trail>,
    /// What clients saw, by organization.
    pub history: Vec<Vec<Operation>>,
    /// The step that it is at.
    pub step: u64,
    /// Ledgers that lost what was acknowledged, through a disk that lied.
    pub lost: Vec<Lost>,
    /// What happened.
    pub log: Vec<String>,
    trace: Digest,
    /// How many answers clients got.
    pub answers: u64,
}

impl World {
    /// The world of a seed, with its organizations.
    ///
    /// # Errors
    /// If an organization cannot be made.
    pub fn of(seed: u64) -> Result<World, String> {
        let mut dice = Dice::new(seed);
        let setting = Setting::of(&mut dice);
        World::new(setting, dice)
    }

    /// A world of this kind.
    ///
    /// # Errors
    /// If an organization cannot be made.
    pub fn new(setting: Setting, mut dice: Dice) -> Result<World, String> {
        seeded::set(Some(dice.throw()));
        let timeline = Timeline::default();
        let store = if setting.shared {
            SimStore::shared(&timeline, dice.split())
        } else {
            SimStore::owned(&timeline, dice.split())
        };
        let mut nodes: Vec<Node> = (0..setting.nodes as u64)
            .map(|node| Node::new(store.node(node), timeline.wall()))
            .collect();
        for node in &mut nodes {
            node.start()?;
        }
        let mut known = Vec::new();
        for org in &setting.orgs {
            known.push(found(&mut nodes[0], org)?);
        }
        let trails = setting.orgs.iter().map(|org: &Org| Trail::new(org.clone())).collect();
        let history = vec![Vec::new(); setting.orgs.len()];
        store.sabotage(setting.sabotage);
        store.faults(|faults| {
            faults.appends_per_mille = setting.faults_per_mille;
            faults.reads_per_mille = setting.faults_per_mille / 10;
            faults.deaths_per_mille = if setting.deaths { 10 } else { 0 };
        });
        let network = Network {
            trouble_per_mille: setting.network_per_mille,
            ..Network::default()
        };
        let telling = Telling::new(2 * setting.network_per_mille, setting.sabotage);
        let mut world = World {
            setting,
            telling,
            dice,
            timeline,
            store,
            nodes,
            network,
            known,
            trails,
            history,
            step: 0,
            lost: Vec::new(),
            log: Vec::new(),
            trace: Digest::of(b""),
            answers: 0,
        };
        world.look()?;
        Ok(world)
    }

    /// Notes what happens, for a failure to tell, and for a second run to be compared with.
    pub fn note(&mut self, what: &str) {
        self.trace = Digest::tagged("step", &[&self.trace.0, what.as_bytes()]);
        let (step, now) = (self.step, self.timeline.now());
        self.log.push(format!("{step:>4} {now} {what}"));
    }

    /// A hash of everything that happened and of every ledger.
    pub fn trace(&self) -> Digest {
        let roots: Vec<&[u8]> = self
            .trails
            .iter()
            .filter_map(|trail| trail.roots.last())
            .map(|root| root.0.as_slice())
            .collect();
        Digest::tagged("trace", &[&[self.trace.0.as_slice()], roots.as_slice()].concat())
    }

    /// One step: something happens, the outsider looks, and messages arrive.
    ///
    /// # Errors
    /// What is wrong.
    pub fn advance(&mut self) -> Result<(), String> {
        self.step += 1;
        self.happen()?;
        self.look()?;
        self.carry_messages()
    }

    fn happen(&mut self) -> Result<(), String> {
        let deaths = if self.setting.deaths { 1 } else { 0 };
        let jumps = if self.setting.clocks_jump { 4 } else { 0 };
        let lies = if self.setting.lying_disk { 6 } else { 0 };
        let weights = [330, 500, 90, 10 * deaths, 6 * deaths, 60, jumps, 8, 8 * deaths, lies, 4];
        match self.dice.weighted(&weights) {
            0 => self.ask(),
            1 => self.work(),
            2 => self.pass_time(),
            3 => self.kill_node(),
            4 => {
                self.note("the power goes");
                self.store.die();
            }
            5 => self.restart()?,
            6 => self.set_a_clock(),
            7 => self.fill_the_disk(),
            8 => self.cut_a_connection(),
            9 => {
                let lies = self.dice.happens(700);
                self.note(&format!("the disk lies: {lies}"));
                self.store.lie(lies);
            }
            _turns => self.store.end_turns(),
        }
        self.bury();
        Ok(())
    }

    fn ask(&mut self) {
        let org = self.dice.place(self.setting.orgs.len());
        if let Some(call) = plan::next(org, &mut self.known, &mut self.dice) {
            self.note(&format!("{} asks {} {}", self.setting.orgs[org], call.key, call.route));
            let node = self.dice.place(self.nodes.len());
            self.network.send(call, node, self.step, &mut self.dice);
        }
    }

    fn work(&mut self) {
        let node = self.dice.place(self.nodes.len());
        let pieces = 1 + self.dice.below(3);
        for _ in 0..pieces {
            if self.nodes[node].step() {
                self.note(&format!("node {node} works"));
            }
            if !self.store.is_up() {
                return;
            }
        }
        self.tell(node);
    }

    /// A node goes on telling people what is due in some organization.
    fn tell(&mut self, node: usize) {
        let org = self.setting.orgs[self.dice.place(self.setting.orgs.len())].clone();
        let engine = self.nodes[node].engine();
        self.telling.go_on(node, engine, &org, &mut self.dice);
    }

    fn pass_time(&mut self) {
        let spans = [40_000, 300_000, 5_000_000, 40_000_000, 200_000_000];
        let span = spans[self.dice.weighted(&[6, 6, 6, 4, 1])];
        self.timeline
            .pass(Span(span + i64::try_from(self.dice.below(50_000)).unwrap_or_default()));
    }

    fn kill_node(&mut self) {
        let node = self.dice.place(self.nodes.len());
        self.note(&format!("node {node} dies"));
        self.nodes[node].process = None;
        self.telling.lose(node);
        self.network.lose(node);
    }

    /// On a store of one owner the process is on the machine: it dies with it.
    fn bury(&mut self) {
        if self.setting.shared || self.store.is_up() || self.nodes[0].process.is_none() {
            return;
        }
        self.note("the machine died, and its node with it");
        self.nodes[0].process = None;
        self.telling.lose(0);
        self.network.lose(0);
    }

    /// Starts what does not run.
    fn restart(&mut self) -> Result<(), String> {
        if !self.store.is_up() {
            let lost = self.store.restart();
            self.note(&format!("the machine starts; lost: {lost:?}"));
            if !lost.is_empty() && !self.setting.lying_disk {
                return Err(format!("invariant 7: an honest disk lost {lost:?}"));
            }
            self.lost.extend(lost);
        }
        let wrong = self.clock_is_wrong();
        for place in 0..self.nodes.len() {
            if self.nodes[place].process.is_none() && self.dice.happens(700) {
                let started = self.nodes[place].start();
                self.note(&format!("node {place} starts: {started:?}"));
                if wrong {
                    // A process that starts has nothing to hold the clock against but the ledger.
                    self.trails.iter_mut().for_each(|trail| trail.clocks_are_known = false);
                }
            }
        }
        Ok(())
    }

    fn clock_is_wrong(&self) -> bool {
        self.store.clock().ahead() != Span(0) || self.nodes.iter().any(|node| node.wall.ahead() != Span(0))
    }

    fn set_a_clock(&mut self) {
        let span = Span::seconds(i64::try_from(120 + self.dice.below(86_400)).unwrap_or_default());
        let ahead = match self.dice.below(3) {
            0 => Span(0),
            1 => span,
            _ => Span(-span.0),
        };
        let place = self.dice.place(self.nodes.len() + 1);
        match self.nodes.get(place) {
            Some(node) => node.wall.set(ahead),
            None => self.store.clock().set(ahead),
        }
        self.note(&format!("clock {place} is set {ahead:?} ahead"));
    }

    fn fill_the_disk(&mut self) {
        let room = if self.dice.happens(500) {
            Some(self.dice.place(4000))
        } else {
            None
        };
        self.note(&format!("the disk has room for {room:?}"));
        self.store.room(room);
    }

    fn cut_a_connection(&mut self) {
        if self.setting.shared {
            let node = self.dice.place(self.nodes.len());
            let cut = self.dice.happens(400);
            self.note(&format!("the connection of node {node} is cut: {cut}"));
            self.store.cut(node as u64, cut);
        }
    }

    pub(super) fn carry_messages(&mut self) -> Result<(), String> {
        let engines: Vec<_> = self.nodes.iter().map(|node| node.engine().cloned()).collect();
        let arrived = self.network.deliver(self.step, &engines);
        for (org, key, now) in arrivals(&arrived, self.timeline.now()) {
            self.trails[org].arrived.entry(key).or_insert(now);
        }
        self.network.poll(self.step, &mut self.dice);
        drop(engines);
        for (call, answer) in self.network.hand_out(self.step)? {
            self.answers += 1;
            self.note(&format!("{} {} is answered {}", call.key, call.route, brief(&answer)));
            self.hear(&call, answer)?;
        }
        for (call, operation) in self.network.settle(self.step, self.nodes.len(), &mut self.dice) {
            if let Some(operation) = operation {
                self.history[call.org].push(operation);
            }
        }
        Ok(())
    }

    /// A client hears an answer.
    fn hear(&mut self, call: &Arc<Call>, answer: Answer) -> Result<(), String> {
        let (known, trail) = (&mut self.known[call.org], &self.trails[call.org]);
        match answer {
            Answer::Done { .. } if call.route.ends_with("foreign") => {
                return Err(format!("invariant 21: `{}` means something elsewhere", call.route));
            }
            Answer::Done { learned, key, .. } => {
                if let Some(learned) = learned {
                    known.learn(&learned);
                }
                if let (Some(key), Want::Register(agent)) = (key, &call.want) {
                    known.agents.push((agent.clone(), key));
                }
                if let Want::Kill(scope) = &call.want {
                    known.killed.insert(scope.clone());
                }
            }
            Answer::Broken(why) => return Err(format!("a fault of the engine's own: {why}")),
            // Answers from before a loss are of a ledger that is gone.
            _ if !self.lost.is_empty() => {}
            Answer::Checkpoint(size, text) => {
                let shown = trail.open(&text)?;
                if shown.size != size {
                    return Err(format!("a checkpoint of {} records is said to have {size}", shown.size));
                }
                known.sizes.insert(size);
            }
            Answer::Proof(old, new, proof) => {
                let root = |size: u64| {
                    usize::try_from(size)
                        .ok()
                        .and_then(|size| trail.roots.get(size))
                        .copied()
                };
                let (Some(before), Some(after)) = (root(old), root(new)) else {
                    return Err(format!("a proof from {old} to {new} of a shorter ledger"));
                };
                verify_consistency(old, before, new, after, &proof)
                    .map_err(|error| format!("invariant 11: from {old} to {new}: {error}"))?;
            }
            Answer::State(size, hash) => {
                if size > trail.size() || trail.refold(size)?.hash() != hash {
                    return Err(format!("invariant 12: a node's state after {size} records is another"));
                }
            }
            Answer::Refused(_) | Answer::Nothing(_) | Answer::Unknown => {}
        }
        Ok(())
    }

    /// The outsider looks at every ledger. One that lost records is looked at no more.
    pub fn look(&mut self) -> Result<(), String> {
        if !self.lost.is_empty() {
            return Ok(());
        }
        let (image, now) = (self.store.image(), self.timeline.now());
        for (trail, known) in self.trails.iter_mut().zip(&mut self.known) {
            trail.follow(&*image, now)?;
            known.holds = trail.keeping.holds.keys().copied().collect();
        }
        if self.step % 64 == 63 {
            self.fold_anew()?;
        }
        Ok(())
    }

    /// Folds every ledger anew and compares.
    ///
    /// # Errors
    /// If a fold gives another state.
    pub fn fold_anew(&self) -> Result<(), String> {
        for trail in &self.trails {
            (trail.accounts.agree(&trail.state)).map_err(|why| format!("invariant 9: {why}"))?;
            if trail.refold(trail.size())?.hash() != trail.state.hash() {
                return Err(format!("invariants 12 and 18: two folds of `{}` differ", trail.org));
            }
        }
        Ok(())
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Done { receipt, learned, .. } => {
            let status = learned.as_ref().map(|learned| learned.status.as_str());
            format!(
                "done, record {:?}, {status:?}",
                receipt.as_ref().map(|receipt| receipt.0)
            )
        }
        Answer::Checkpoint(size, _) => format!("checkpoint of {size}"),
        Answer::Proof(old, new, _) => format!("proof from {old} to {new}"),
        other => format!("{other:?}"),
    }
}
