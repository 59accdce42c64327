//! Messages between clients and nodes: late, lost, doubled; and what a client knows at the end of all its tries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use countersign_core::Time;
use countersign_engine::Engine;

use super::client::{Answer, Call, Learned, Want, carry_out, kid_of};
use super::dice::Dice;
use crate::history::{Operation, Saw, key_of};

/// How many messages one call sends at most, repetitions and all.
const TRIES: u32 = 5;

/// One message and its answer.
pub struct Flight {
    /// Place of the call.
    pub call: usize,
    /// Place of the node that it goes to.
    pub node: usize,
    /// The step at which it, or its answer, arrives.
    pub arrives: u64,
    /// Where it is.
    pub state: Way,
    /// The answer is lost on its way back.
    loses_answer: bool,
}

/// Where a message is.
pub enum Way {
    /// On its way to the node.
    There,
    /// The node works on it.
    Running(Pin<Box<dyn Future<Output = Answer>>>),
    /// The answer is on its way back.
    Back(Answer),
}

/// A call with what its client knows of it.
pub struct Pending {
    /// The call.
    pub call: Arc<Call>,
    began: u64,
    tries: u32,
    /// Messages and answers that are still on their way.
    underway: u32,
    /// Some message may have been carried out without an answer.
    unsure: bool,
    /// Some message was lost before anybody saw it.
    unheard: bool,
    done: Option<(u64, Answer)>,
    read: Option<(u64, Answer)>,
}

/// What clients and nodes do not know of each other yet.
#[derive(Default)]
pub struct Network {
    /// Messages on their way.
    pub flights: Vec<Flight>,
    /// Calls that were sent, by place; `None` when its client is done with it.
    pub calls: Vec<Option<Pending>>,
    /// So many messages in a thousand are lost, doubled or late.
    pub trouble_per_mille: u64,
}

impl Network {
    /// A client sends a call for the first time.
    pub fn send(&mut self, call: Call, node: usize, step: u64, dice: &mut Dice) {
        let place = self.calls.len();
        self.calls.push(Some(Pending {
            call: Arc::new(call),
            began: step,
            tries: 0,
            underway: 0,
            unsure: false,
            unheard: false,
            done: None,
            read: None,
        }));
        self.put(place, node, step, dice);
    }

    /// Puts a message of a call onto its way, perhaps twice, perhaps to be lost.
    fn put(&mut self, place: usize, node: usize, step: u64, dice: &mut Dice) {
        let trouble = self.trouble_per_mille;
        let copies = if dice.happens(trouble / 2) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if dice.happens(trouble) {
                dice.below(60)
            } else {
                dice.below(3)
            };
            let Some(Some(pending)) = self.calls.get_mut(place) else {
                return;
            };
            pending.tries += 1;
            if dice.happens(trouble / 2) {
                pending.unheard = true;
                continue;
            }
            pending.underway += 1;
            self.flights.push(Flight {
                call: place,
                node,
                arrives: step + late,
                state: Way::There,
                loses_answer: dice.happens(trouble / 2),
            });
        }
    }

    /// Lets messages arrive, and polls what nodes work on. Answers the calls that reached a node for the first time.
    pub fn deliver(&mut self, step: u64, engines: &[Option<Engine>]) -> Vec<Arc<Call>> {
        let mut arrived = Vec::new();
        for flight in &mut self.flights {
            if flight.arrives > step || !matches!(flight.state, Way::There) {
                continue;
            }
            let call = self.calls[flight.call].as_ref().map(|pending| pending.call.clone());
            if let (Some(call), Some(Some(engine))) = (call, engines.get(flight.node)) {
                flight.state = Way::Running(Box::pin(carry_out(engine.clone(), call.clone())));
                arrived.push(call);
            } else {
                // Nobody listens: the client is told at once, and nothing happened.
                flight.state = Way::Back(Answer::Nothing("refused_connection"));
                flight.loses_answer = false;
            }
        }
        arrived
    }

    /// Polls everything that nodes work on.
    pub fn poll(&mut self, step: u64, dice: &mut Dice) {
        let mut context = Context::from_waker(Waker::noop());
        for flight in &mut self.flights {
            if let Way::Running(future) = &mut flight.state
                && let Poll::Ready(answer) = future.as_mut().poll(&mut context)
            {
                let late = if dice.happens(self.trouble_per_mille) {
                    dice.below(40)
                } else {
                    dice.below(2)
                };
                flight.arrives = step + late;
                flight.state = Way::Back(answer);
            }
        }
    }

    /// A node's process is gone, and with it everything that it worked on.
    pub fn lose(&mut self, node: usize) {
        for flight in &mut self.flights {
            if flight.node == node && matches!(flight.state, Way::Running(_)) {
                flight.state = Way::Back(Answer::Unknown);
            }
        }
    }

    /// Gives clients the answers that are there. Answers each with its call.
    ///
    /// # Errors
    /// If two answers to one call contradict each other.
    pub fn hand_out(&mut self, step: u64) -> Result<Vec<(Arc<Call>, Answer)>, String> {
        let mut handed = Vec::new();
        let flights = std::mem::take(&mut self.flights);
        for mut flight in flights {
            if flight.arrives > step || !matches!(flight.state, Way::Back(_)) {
                self.flights.push(flight);
                continue;
            }
            let Way::Back(mut answer) = std::mem::replace(&mut flight.state, Way::There) else {
                continue;
            };
            let Some(Some(pending)) = self.calls.get_mut(flight.call) else {
                continue;
            };
            pending.underway -= 1;
            if flight.loses_answer {
                answer = Answer::Unknown;
            }
            pending.note(step, &answer)?;
            handed.push((pending.call.clone(), answer));
        }
        Ok(handed)
    }

    /// Clients that know nothing yet ask again, of any node; those that know, or gave up, are done.
    pub fn settle(&mut self, step: u64, nodes: usize, dice: &mut Dice) -> Vec<(Arc<Call>, Option<Operation>)> {
        let mut settled = Vec::new();
        for place in 0..self.calls.len() {
            let Some(Some(pending)) = self.calls.get(place) else {
                continue;
            };
            if pending.underway > 0 {
                continue;
            }
            let wants_more = pending.done.is_none() && pending.read.is_none() && (pending.unsure || pending.unheard);
            if wants_more && pending.tries < TRIES && dice.happens(900) {
                let node = dice.place(nodes);
                self.put(place, node, step, dice);
                continue;
            }
            if let Some(pending) = self.calls[place].take() {
                settled.push((pending.call.clone(), pending.operation()));
            }
        }
        settled
    }

    /// Whether nobody waits for anything.
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty() && self.calls.iter().all(Option::is_none)
    }
}

impl Pending {
    fn note(&mut self, step: u64, answer: &Answer) -> Result<(), String> {
        match answer {
            Answer::Done { .. } if self.call.want.reads() => self.read = Some((step, answer.clone())),
            Answer::Done { receipt, learned, .. } => match &self.done {
                None => self.done = Some((step, answer.clone())),
                Some((_, first)) => same(first, receipt, learned.as_deref())
                    .map_err(|why| format!("invariant 8: `{}` got two answers: {why}", self.call.route))?,
            },
            Answer::Unknown => self.unsure = true,
            Answer::Refused(_) | Answer::Nothing(_) | Answer::Broken(_) => {}
            Answer::Checkpoint(..) | Answer::Proof(..) | Answer::State(..) => self.read = Some((step, answer.clone())),
        }
        Ok(())
    }

    /// What the history says of it. A message that was lost before anybody saw it leaves no doubt.
    fn operation(self) -> Option<Operation> {
        let call = &self.call;
        if matches!(call.want, Want::TakeLease(..)) {
            // A renewal leaves no record, and a late copy of it renews again.
            return None;
        }
        let key = call
            .want
            .is_keyed()
            .then(|| key_of(&kid_of(&call.credential), &call.route, &call.key));
        let (ended, saw) = match (self.done, self.read) {
            (Some((ended, Answer::Done { receipt, .. })), _) => {
                let saw = match receipt {
                    Some((index, leaf_hash)) => Saw::Appended { index, leaf_hash },
                    None => Saw::Happened,
                };
                (Some(ended), saw)
            }
            (_, Some((ended, Answer::Checkpoint(size, _)))) => (Some(ended), Saw::Read { size, root: None }),
            (_, Some(_)) => return None,
            _nothing if call.want.reads() => return None,
            _nothing if self.unsure => (None, Saw::Unknown),
            _nothing => (None, Saw::Refused),
        };
        Some(Operation {
            began: self.began,
            ended,
            key,
            name: format!("{} {}", call.route, call.key),
            saw,
        })
    }
}

/// Whether a second answer says the same as the first: the same record, the same action. Where the action stands may
/// have changed in between.
fn same(first: &Answer, receipt: &Option<(u64, String)>, learned: Option<&Learned>) -> Result<(), String> {
    let Answer::Done {
        receipt: known,
        learned: known_of,
        ..
    } = first
    else {
        return Ok(());
    };
    if known != receipt {
        return Err(format!("{known:?} and {receipt:?}"));
    }
    match (known_of.as_deref(), learned) {
        (Some(a), Some(b)) if (a.id, a.digest, &a.snapshot) != (b.id, b.digest, &b.snapshot) => {
            Err(format!("{a:?} and {b:?}"))
        }
        _same => Ok(()),
    }
}

/// The true time at which calls reached a node, for those that use permits.
pub fn arrivals(calls: &[Arc<Call>], now: Time) -> Vec<(usize, String, Time)> {
    let keyed = |call: &Arc<Call>| (call.org, key_of(&kid_of(&call.credential), &call.route, &call.key), now);
    calls.iter().map(keyed).collect()
}
