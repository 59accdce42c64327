//! Which programs a ledger is for, and raising that when all of them are new.

use countersign_core::Command;
use countersign_store::Org;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, by_system};

/// Which programs may read an organization's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeastReader {
    /// Whose.
    pub organization: Org,
    /// The least reader of its records.
    pub reader: u32,
}

impl Engine {
    /// The reader that this program is: what it can raise ledgers to.
    pub fn own_reader(&self) -> u32 {
        self.inner.settings.readers.own()
    }

    /// The least reader of an organization's ledger.
    ///
    /// # Errors
    /// `upgrade_needed` if it is for later programs.
    pub async fn least_reader(&self, org: &Org) -> Result<LeastReader, EngineError> {
        let reader = self.look(org, |state| state.min_reader()).await?;
        Ok(LeastReader {
            organization: org.clone(),
            reader,
        })
    }

    /// Lets records of an organization be of every type that this program knows. Programs of before stop serving it.
    ///
    /// # Errors
    /// `upgrade_needed` if it is for later programs.
    pub async fn raise_min_reader(&self, request: &Request<'_>) -> Result<LeastReader, EngineError> {
        let org = &request.caller.org;
        let envelope = request.envelope(Command::RaiseMinReader(self.own_reader()));
        self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        self.least_reader(org).await
    }

    /// A new organization has nothing that an older program knows. Where other nodes may be older, an operator has to say
    /// that they are not.
    pub(crate) async fn begin_at_own_reader(&self, org: &Org) -> Result<(), EngineError> {
        let own = self.own_reader();
        if own > 1 && self.inner.store.shared().is_none() {
            let envelope = by_system(Command::RaiseMinReader(own));
            self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        }
        Ok(())
    }
}
