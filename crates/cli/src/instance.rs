//! An engine over a data folder that this process has taken, or over a database.

use std::path::Path;
use std::sync::Arc;

use countersign_engine::{Caller, Engine, NewKey, Request, Settings, SystemClock, Vault};
use countersign_store::{ReadError, Store as _};
use countersign_store_sqlite::{FolderLock, SqliteStore};

use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::place::{Database, Hold};
use crate::policies::Files;

/// The engine, and the lock that keeps others out of a data folder for as long as it runs.
pub(crate) struct Instance {
    /// The engine.
    pub(crate) engine: Engine,
    /// The lock; released last.
    pub(crate) lock: Option<FolderLock>,
}

impl Instance {
    /// Opens the folder under a lock that was taken. `create` makes the instance key where there is none.
    pub(crate) fn open(folder: &Folder, lock: FolderLock, settings: Settings, create: bool) -> Result<Instance> {
        let vault = vault(&folder.key_file, create)?;
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
        Ok(Instance {
            engine,
            lock: Some(lock),
        })
    }

    /// Becomes one of those who work on a database. `create` makes the instance key where there is none, for a database
    /// that has no ledger yet.
    pub(crate) fn join(database: &Database, settings: Settings, create: bool) -> Result<Instance> {
        let store = database.open()?;
        let failed = |error: ReadError| Failure::unreachable(error.to_string());
        let first = store.organizations().map_err(failed)?.into_iter().next();
        if first.is_none() && !create {
            let what = format!("there is no Countersign data in `{}`", database.address);
            return Err(
                Failure::unreachable(what).next("make it with `countersign init --database-url URL --key-file FILE`")
            );
        }
        let vault = vault(&database.key_file, create && first.is_none())?;
        if let Some(row) = first {
            let sealed = store.secret(&row.name, "key", "log").map_err(failed)?;
            if sealed.is_some_and(|sealed| vault.open(&row.name, "key", "log", &sealed).is_err()) {
                let file = database.key_file.display();
                let what = format!(
                    "the key in `{file}` does not open the secrets in `{}`",
                    database.address
                );
                return Err(Failure::unreachable(what).next("copy the key file of a node that works there"));
            }
        }
        let settings = Settings {
            signer_state: database.signer_state.clone(),
            ..settings
        };
        let engine = Engine::start(Arc::new(store), vault, Box::new(SystemClock::default()), settings)?;
        Ok(Instance { engine, lock: None })
    }

    /// Opens what this process holds.
    pub(crate) fn of(hold: Hold, settings: Settings) -> Result<Instance> {
        match hold {
            Hold::Folder(folder, lock) => Instance::open(&folder, lock, settings, false),
            Hold::Database(database) => Instance::join(&database, settings, false),
        }
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
        Ok(activate(&self.engine, org, files, why).await?.0)
    }

    /// A fresh admin key for a person.
    pub(crate) async fn reset(&self, org: &str, user: &str) -> Result<NewKey> {
        Ok(self.engine.add_admin(&org.into(), user).await?)
    }
}

/// The instance key.
fn vault(key_file: &Path, create: bool) -> Result<Vault> {
    Vault::from_file(key_file, create).map_err(|error| {
        Failure::unreachable(error.to_string())
            .next("put the instance's key file in place; without it no key and no secret can be used")
    })
}

/// Stores documents and makes them live, in the operator's name, or asks the people who have to agree to that. Returns the
/// snapshot's hash, and whether it is live.
pub(crate) async fn activate(engine: &Engine, org: &str, files: Files, why: &str) -> Result<(String, bool)> {
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
    let activation = engine.activate_policy(&request, &hash, Some(why)).await?;
    let live = activation.live == hash;
    Ok((hash, live))
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
