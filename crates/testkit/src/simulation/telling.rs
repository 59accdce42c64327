//! People who are told, in place of the network: each node tells what is due, is cut off in the middle of it, and begins
//! again.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use countersign_core::event::{ApprovalState, Event, NoticeResult};
use countersign_core::ids::NoticeId;
use countersign_engine::Engine;
use countersign_store::Org;

use super::dice::Dice;
use super::sabotage::Sabotage;
use super::trail::Trail;

/// What came through, and how often.
type Inbox = Arc<Mutex<BTreeMap<NoticeId, u32>>>;

/// Notices on their way.
#[derive(Default)]
pub struct Telling {
    inbox: Inbox,
    underway: BTreeMap<usize, Pin<Box<dyn Future<Output = ()>>>>,
    /// So many channels in a thousand do not take what they are told.
    pub trouble_per_mille: u64,
    /// What is told comes through to nobody.
    nobody: bool,
}

impl Telling {
    /// Channels of which so many in a thousand do not take what they are told.
    pub fn new(trouble_per_mille: u64, sabotage: Option<Sabotage>) -> Telling {
        Telling {
            trouble_per_mille,
            nobody: sabotage == Some(Sabotage::TellsNobody),
            ..Telling::default()
        }
    }

    /// A node begins to tell what is due in an organization, or goes on with it.
    pub fn go_on(&mut self, node: usize, engine: Option<&Engine>, org: &Org, dice: &mut Dice) {
        let Some(engine) = engine.cloned() else {
            return self.lose(node);
        };
        let (inbox, org) = (self.inbox.clone(), org.clone());
        let nobody = self.nobody;
        let (takes, comes_through) = (!dice.happens(self.trouble_per_mille), dice.happens(500));
        let telling = self.underway.entry(node).or_insert_with(|| {
            Box::pin(async move {
                let hears = move |notice| {
                    // A channel that says that it failed may have told all the same.
                    if (takes || comes_through) && !nobody {
                        let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
                        *inbox.entry(notice).or_default() += 1;
                    }
                    takes
                };
                // What could not be read or noted is due again.
                drop(engine.tell_in_simulation(&org, hears).await);
            })
        });
        if telling
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            self.underway.remove(&node);
        }
    }

    /// A node's process is gone, and with it what it was about to note.
    pub fn lose(&mut self, node: usize) {
        self.underway.remove(&node);
    }

    /// How many notices came through.
    pub fn told(&self) -> u64 {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Invariant 15, of notices: whoever is asked is told, what is noted as told was told, and nothing is left to tell.
    ///
    /// # Errors
    /// What was lost.
    pub fn check(&self, trail: &Trail) -> Result<(), String> {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last: BTreeMap<NoticeId, Option<NoticeResult>> = BTreeMap::new();
        let mut channels = 0;
        for (place, record) in trail.records.iter().enumerate() {
            match &record.event {
                Event::ChannelRegistered(_) => channels += 1,
                Event::ChannelRemoved(_) => channels -= 1,
                Event::NoticeDue(e) => drop(last.insert(e.notice, None)),
                Event::NoticeAttempted(e) => drop(last.insert(e.notice, Some(e.result))),
                Event::ApprovalOpened(e) if channels > 0 && e.state == ApprovalState::Pending => {
                    let reached = e.slots.iter().flat_map(|slot| &slot.people);
                    let reached = reached.filter(|user| e.excluded.iter().all(|out| out.user != **user));
                    // The notices of a request are of its batch: nothing of another comes in between.
                    let batch = trail.records[place + 1..].iter().take(40);
                    let told = batch.filter_map(|next| match &next.event {
                        Event::NoticeDue(due) => Some(due.approval),
                        _other => None,
                    });
                    if reached.count() > 0 && !told.into_iter().any(|approval| approval == e.approval) {
                        return Err(format!("nobody is told of `{}`", e.approval));
                    }
                }
                _other => {}
            }
        }
        for (notice, result) in last {
            match result {
                Some(NoticeResult::Delivered) if !inbox.contains_key(&notice) => {
                    return Err(format!("`{notice}` is noted as told, and nobody heard it"));
                }
                None | Some(NoticeResult::Retrying | NoticeResult::Resent) => {
                    return Err(format!("`{notice}` was never told"));
                }
                Some(NoticeResult::Delivered | NoticeResult::Dead | NoticeResult::Skipped) => {}
            }
        }
        Ok(())
    }
}
