//! What ledgers need without being asked: due timers, drills that policy has due, a clock that is fine again, seals.

use std::sync::Arc;

use countersign_core::action::receive;
use countersign_core::command::PractiseDue;
use countersign_core::policy::{Snapshot, Value};
use countersign_core::{Command, Span, Time};
use countersign_store::Org;

use super::{LET_GO_AFTER, Sequencer, TIMER_STEP, WAKE_AT_ONCE};
use crate::Inner;
use crate::clock::Reading;
use crate::ledger::Ledger;

/// After so many unsealed records the state is sealed in the next quiet moment. Hashing a large state takes longer than
/// a caller should wait.
const SEAL_WHEN_QUIET: u64 = 50_000;
/// After so many it is sealed in any case, so that a start never folds much more.
const SEAL_ANYWAY: u64 = 4_000_000;
/// A moment is quiet when nothing was asked for so long.
const QUIET: Span = Span::seconds(2);
/// After so many the state is sealed when the engine stops.
const SEAL_WHEN_STOPPING: u64 = 1_000;
/// How often it is looked whether policy has a drill due: that reads the policy, and no drill waits for a second.
const CADENCE_STEP: Span = Span::seconds(1);
/// For how many ledgers something is done at once.
const AT_ONCE: usize = 64;

impl Sequencer {
    /// Looks at timers, now and then. Says whether there was something to do.
    pub(super) fn look_around(&mut self) -> bool {
        let shared = self.inner.store.shared().is_some();
        if shared && self.inner.inbox.is_committing() {
            // What would be looked at is about to change.
            return false;
        }
        let followed = shared && self.follow_news();
        let now = self.inner.clock.read().now;
        // A clock that was set back and accepted is no reason to wait until it shows the old time again.
        if (Span(0)..TIMER_STEP).contains(&(now - self.timers_looked_at)) {
            return followed;
        }
        self.timers_looked_at = now;
        self.wake();
        let done = self.do_chores();
        if self.batch.len() == 0 {
            let inner = self.inner.clone();
            self.ledgers.retain(|_, ledger| {
                !ledger.is_quiet()
                    || ledger.last_used + LET_GO_AFTER > now
                    || practises(inner.live_of(ledger).as_deref())
            });
        }
        followed || done
    }

    /// Loads organizations of which nobody knows what is due; one that cannot be read is tried again.
    fn wake(&mut self) {
        let some: Vec<Org> = {
            let mut wake = crate::lock(&self.inner.wake);
            let some: Vec<Org> = wake.iter().take(WAKE_AT_ONCE).cloned().collect();
            wake.retain(|org| !some.contains(org));
            some
        };
        for org in some {
            if let Err(error) = self.ledger(&org).map(drop)
                && !error.needs_upgrade()
            {
                tracing::warn!(org = &*org, %error, "an organization's timers cannot be looked at yet");
                if self.inner.org(&org).is_ok() {
                    crate::lock(&self.inner.wake).insert(org);
                }
            }
        }
    }

    /// Does what is due in any ledger.
    fn do_chores(&mut self) -> bool {
        let reading = self.inner.clock.read();
        self.looks_at_cadences = !(Span(0)..CADENCE_STEP).contains(&(reading.now - self.cadences_looked_at));
        if self.looks_at_cadences {
            self.cadences_looked_at = reading.now;
        }
        let orgs = self.waiting_for_chores(reading);
        if orgs.is_empty() {
            return false;
        }
        if self.inner.store.shared().is_some() {
            self.chores_in_turn(&orgs);
        } else {
            self.chores_of(&orgs);
        }
        true
    }

    fn waiting_for_chores(&self, reading: Reading) -> Vec<Org> {
        let waiting = self
            .ledgers
            .values()
            .filter(|ledger| self.chore(ledger, reading).is_some());
        let mut orgs: Vec<Org> = waiting.map(|ledger| ledger.org.clone()).take(AT_ONCE).collect();
        // In one order everywhere: nodes take ledgers in it, and a simulation repeats.
        orgs.sort();
        orgs
    }

    pub(super) fn chores_of(&mut self, orgs: &[Org]) {
        let reading = self.inner.clock.read();
        for org in orgs {
            let chore = self.ledgers.get(org).and_then(|ledger| self.chore(ledger, reading));
            if let Some(command) = chore {
                self.by_itself(org, command, reading.now);
            }
        }
    }

    /// What a ledger needs now.
    fn chore(&self, ledger: &Ledger, reading: Reading) -> Option<Command> {
        if ledger.barred.is_some() {
            return None;
        }
        if ledger.state.frozen() && reading.jumped.is_none() {
            return Some(self.confirmation());
        }
        if ledger.next_due().is_some_and(|at| at <= reading.now) {
            return Some(Command::Tick);
        }
        if self.looks_at_cadences
            && let Some(due) = self.practice_due(ledger, reading.now)
        {
            return Some(due);
        }
        let worth_it = if self.sealed_to_stop {
            ledger.state.unsealed() > SEAL_WHEN_STOPPING
        } else {
            let quiet = ledger.last_used + QUIET < reading.now;
            let unsealed = ledger.state.unsealed();
            // A seal keeps callers waiting, so it has a batch of its own.
            (unsealed > SEAL_WHEN_QUIET && quiet || unsealed > SEAL_ANYWAY) && self.batch.len() == 0
        };
        (worth_it && !ledger.state.is_closed()).then_some(Command::Seal)
    }

    /// A drill or a canary that the live policy has due now.
    fn practice_due(&self, ledger: &Ledger, now: Time) -> Option<Command> {
        let live = self.inner.live_of(ledger).filter(|live| practises(Some(live)))?;
        let (cadence, draw) = ledger.state.next_practice(Some(&live), &ledger.keys.digest, now)?;
        if draw.at > now {
            return None;
        }
        let handle = self.inner.org(&ledger.org).ok()?;
        let action = cadence.actions.get(draw.action).cloned().unwrap_or(Value::Null);
        let agent = cadence.agent.as_str().into();
        let submit = receive(action).map(|received| {
            let inner = &self.inner;
            inner.submit_under(Some(live.clone()), &handle, &ledger.org, agent, received.action)
        });
        Some(Command::PractiseDue(Box::new(PractiseDue {
            cadence: cadence.name.to_string(),
            action: draw.action,
            submit: submit.map_err(|refusal| refusal.code),
        })))
    }

    /// Lets the timers of a ledger run again.
    fn confirmation(&self) -> Command {
        let by = if self.inner.clock_was_confirmed() {
            "operator"
        } else {
            "caught_up"
        };
        Command::ConfirmClock { by }
    }

    /// Lets the timers of a ledger run again, now that the clock is fine.
    pub(super) fn confirm_clock(&mut self, org: &Org, now: Time) {
        if self.ledgers.get(org).is_some_and(|ledger| ledger.state.frozen()) {
            self.by_itself(org, self.confirmation(), now);
        }
    }

    /// Seals every state that the next start would have to fold for long.
    pub(super) fn seal_to_stop(&mut self) {
        self.sealed_to_stop = true;
        self.do_chores();
    }
}

/// Whether a policy has drills or canaries asked by itself.
fn practises(live: Option<&Snapshot>) -> bool {
    let organization = live.and_then(Snapshot::organization);
    organization.is_some_and(|organization| organization.cadences().next().is_some())
}

impl Inner {
    /// The policy that is live by the state of a ledger.
    fn live_of(&self, ledger: &Ledger) -> Option<Arc<Snapshot>> {
        let live = ledger.state.live()?;
        let known = ledger.live.as_ref().filter(|known| *known.hash_text() == **live);
        known.cloned().or_else(|| self.compiled(&ledger.org, Some(live)))
    }
}
