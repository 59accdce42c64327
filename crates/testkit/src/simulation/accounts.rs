//! Budgets, added up again from records alone: what each reservation leaves, and that each ends once.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{Event, Reservation};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decimal;
use countersign_core::{Record, State, Time};

/// What one permit holds.
struct Hold {
    expires: Time,
    reserved: Vec<Reservation>,
    redeemed: bool,
}

/// The accounts of one organization.
#[derive(Default)]
pub struct Accounts {
    spent: BTreeMap<(String, Time), Decimal>,
    holds: BTreeMap<ActionId, Hold>,
    ended: BTreeSet<ActionId>,
}

fn amount(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|_| format!("`{text}` is no amount"))
}

impl Accounts {
    /// What is spent and held of an account's window.
    fn used(&self, account: &str, from: Time) -> Result<Decimal, String> {
        let held = self.holds.values().flat_map(|hold| &hold.reserved);
        let held = held.filter(|held| held.account == account && held.from == from);
        let spent = self.spent.get(&(account.to_owned(), from)).copied().unwrap_or_default();
        held.map(|held| amount(&held.amount))
            .try_fold(spent, |sum, held| Ok(sum + held?))
    }

    /// Invariants 9 and 10, for the next record.
    ///
    /// # Errors
    /// What does not add up.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        let lapsed = |hold: &Hold| !hold.redeemed && hold.expires <= record.ts;
        let over = self.holds.iter().filter(|(_, hold)| lapsed(hold)).map(|(id, _)| *id);
        for id in over.collect::<Vec<_>>() {
            self.end(id)?;
        }
        match &record.event {
            Event::DecisionMade(e) => match &e.permit {
                Some(permit) => self.reserve(e.action_id, permit.expires, &e.reserved),
                None => Ok(()),
            },
            Event::ApprovalResolved(e) => match &e.permit {
                Some(permit) => self.reserve(e.action_id, permit.expires, &e.reserved),
                None => self.end(e.action_id),
            },
            Event::PermitRedeemed(e) => {
                if let Some(hold) = self.holds.get_mut(&e.action_id) {
                    hold.redeemed = true;
                }
                Ok(())
            }
            Event::OutcomeReported(e) => {
                self.end(e.action_id)?;
                for settled in &e.settled {
                    let spent = self.spent.entry((settled.account.clone(), settled.from)).or_default();
                    *spent += amount(&settled.amount)?;
                }
                Ok(())
            }
            // Nothing else moves money.
            _other => Ok(()),
        }
    }

    fn reserve(&mut self, id: ActionId, expires: Time, reserved: &[Reservation]) -> Result<(), String> {
        for held in reserved.iter().filter(|held| !held.account.ends_with("/action")) {
            let takes = amount(&held.amount)?;
            let left = amount(&held.limit)? - self.used(&held.account, held.from)? - takes;
            if left != amount(&held.left)? {
                let (account, says) = (&held.account, &held.left);
                return Err(format!("`{account}` has {left} left, the record says {says}"));
            }
            if left < Decimal::ZERO && !takes.is_zero() && !held.beyond {
                return Err(format!("`{}` is overspent: {left}", held.account));
            }
        }
        if reserved.is_empty() {
            return Ok(());
        }
        let hold = Hold {
            expires,
            reserved: reserved.to_vec(),
            redeemed: false,
        };
        match self.holds.insert(id, hold) {
            None => Ok(()),
            Some(_) => Err(format!("`{id}` reserves twice")),
        }
    }

    fn end(&mut self, id: ActionId) -> Result<(), String> {
        if self.holds.remove(&id).is_some() && !self.ended.insert(id) {
            return Err(format!("what `{id}` reserved ends twice"));
        }
        Ok(())
    }

    /// Holds the accounts of a state against these.
    ///
    /// # Errors
    /// The account that differs.
    pub fn agree(&self, state: &State) -> Result<(), String> {
        for (name, account) in state.accounts() {
            let (says, used) = (account.spent + account.reserved, self.used(name, account.from)?);
            if says != used {
                return Err(format!("`{name}` has used {used}, the state says {says}"));
            }
        }
        Ok(())
    }

    /// Once all that was due has come, nothing is held but by permits that nobody used, whose end no record follows.
    ///
    /// # Errors
    /// What is still held.
    pub fn rest(&self, now: Time) -> Result<(), String> {
        let held = self.holds.iter().find(|(_, hold)| hold.redeemed || hold.expires > now);
        match held {
            None => Ok(()),
            Some((id, _)) => Err(format!("`{id}` still holds what it reserved")),
        }
    }

    /// How many reservations ended.
    pub fn ended(&self) -> u64 {
        self.ended.len() as u64
    }
}
