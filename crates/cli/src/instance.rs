//! An engine over a data folder that this process has taken.

use std::sync::Arc;

use countersign_engine::{Caller, Engine, NewKey, Request, Settings, SystemClock, Vault};
use countersign_store_sqlite::{FolderLock, SqliteStore};

use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::policies::Files;

/// The engine, and the lock that keeps others out for as long as it runs.
pub(crate) struct Instance {
    /// The engine.
    pub(crate) engine: Engine,
    /// The lock; released last.
    pub(crate) lock: FolderLock,
}

impl Instance {
    /// Opens the folder under a lock that was taken. `create` makes the instance key where there is none.
    pub(crate) fn open(folder: &Folder, lock: FolderLock, settings: Settings, create: bool) -> Result<Instance> {
        let vault = Vault::from_file(&folder.key_file, create).map_err(|error| {
            Failure::unreachable(error.to_string())
                .next("put the instance's key file in place; without it no key and no secret can be used")
        })?;
        let store = SqliteStore::open(&folder.root).map_err(|error| {
            Failure::unreachable(format!(
                "the ledger in `{}` cannot be opened: {error}",
                folder.root.display()
            ))
            .next(format!(
                "look closer with `countersign doctor --data {}`",
                folder.root.display()
            ))
        })?;
        let settings = Settings {
            signer_state: folder.signer_state.clone(),
            ..settings
        };
        let engine = Engine::start(Arc::new(store), vault, Box::new(SystemClock::default()), settings)?;
        Ok(Instance { engine, lock })
    }

    /// Lets what waits be carried out and gives the folder back.
    pub(crate) async fn stop(self) {
        let engine = self.engine.clone();
        // It can only fail by a panic of the engine's threads, which the engine has logged.
        let _ = tokio::task::spawn_blocking(move || engine.stop()).await;
        drop(self.lock);
    }

    /// Stores documents and makes them live, in the operator's name. Returns the snapshot's hash.
    pub(crate) async fn activate(&self, org: &str, files: Files, why: &str) -> Result<String> {
        activate(&self.engine, org, files, why).await
    }

    /// A fresh admin key for a person.
    pub(crate) async fn reset(&self, org: &str, user: &str) -> Result<NewKey> {
        Ok(self.engine.add_admin(&org.into(), user).await?)
    }
}

/// Stores documents and makes them live, in the operator's name. Returns the snapshot's hash.
pub(crate) async fn activate(engine: &Engine, org: &str, files: Files, why: &str) -> Result<String> {
    let caller = Caller::operator(org.into());
    let request = Request {
        caller: &caller,
        route: "local",
        idempotency_key: None,
        body: &[],
    };
    let checked = engine.upload_policies(&request, files).await?;
    let Some(hash) = checked.hash else {
        return Err(Failure::no("the policies do not load").next("check them with `countersign policy check DIR`"));
    };
    engine.activate_policy(&request, &hash, Some(why)).await?;
    Ok(hash)
}

/// The organization that is meant: the named one, or the only one.
pub(crate) async fn organization(engine: &Engine, named: Option<&str>) -> Result<String> {
    let rows = engine.organizations().await?;
    let names: Vec<&str> = rows.iter().map(|row| &*row.name).collect();
    pick(&names, named)
}

/// The organization that is meant, out of those that there are.
pub(crate) fn pick(names: &[&str], named: Option<&str>) -> Result<String> {
    match (named, names) {
        (Some(named), _) if names.contains(&named) => Ok(named.to_owned()),
        (Some(named), _) => Err(Failure::usage(format!("there is no organization `{named}`"))
            .next(format!("organizations are {}", names.join(", ")))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Failure::unreachable("there is no organization yet")
            .next("make one with `countersign init`, or `countersign org add NAME`")),
        (None, _) => Err(Failure::usage("there are several organizations")
            .next(format!("say which with `--org`: {}", names.join(", ")))),
    }
}
