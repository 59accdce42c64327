//! Another key for an instance: every secret in its store is sealed anew.
//!
//! The next key is laid beside the key file first ([`Vault::prepare_next`]). From then on it seals, and either opens, in every
//! process that starts; so this may be broken off at any moment and begun again. When nothing is left that the old key
//! sealed, the next key takes its place ([`Vault::take_next`]).

use countersign_store::{Resealed, Store, StoredSecret};

use crate::error::EngineError;
use crate::vault::Vault;

/// How many secrets are read, and written in one transaction.
const AT_ONCE: usize = 256;

/// Seals with the vault's newest key whatever another sealed, and gives how many secrets that were. Afterwards the newest key
/// alone opens every secret that was there.
///
/// # Errors
/// If the store fails, or there is a secret that no key of the vault opens: nothing is lost then, and it can be begun again.
pub fn reseal(store: &dyn Store, vault: &Vault) -> Result<u64, EngineError> {
    let mut count = 0;
    // A process that started before the next key was there may seal with the old one meanwhile.
    loop {
        let mut again = 0;
        for row in store.organizations()? {
            again += organization(store, vault, &row.name)?;
        }
        count += again;
        if again == 0 {
            return Ok(count);
        }
    }
}

fn organization(store: &dyn Store, vault: &Vault, org: &str) -> Result<u64, EngineError> {
    let (mut count, mut last) = (0, None::<StoredSecret>);
    loop {
        let after = last.as_ref().map(|last| (&*last.kind, &*last.id));
        let page = store.secrets(org, after, AT_ONCE)?;
        last = page.last().cloned();
        if last.is_none() {
            return Ok(count);
        }
        let mut anew = Vec::new();
        for was in page {
            let sealed = vault.reseal(org, &was.kind, &was.id, &was.sealed);
            if let Some(sealed) = sealed.map_err(EngineError::internal)? {
                anew.push(Resealed { sealed, was });
            }
        }
        if !anew.is_empty() {
            count += anew.len() as u64;
            store.reseal(org, &anew)?;
        }
    }
}
