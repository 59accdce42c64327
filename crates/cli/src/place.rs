//! Where ledgers lie: in a data folder, which one process has, or in a database, which several nodes share.

use std::fmt;
use std::path::{Path, PathBuf};

use countersign_store_postgres::{Address, PostgresStore};
use countersign_store_sqlite::FolderLock;

use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::signer_state;

/// The environment's name for the url of a database.
pub(crate) const DATABASE_URL: &str = "COUNTERSIGN_DATABASE_URL";
/// The environment's name for the instance key.
const KEY_FILE: &str = "COUNTERSIGN_KEY_FILE";

/// A database, and the key that opens the secrets in it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Where it is.
    pub(crate) address: Address,
    /// The instance key: 32 bytes, of which each node has a copy.
    pub(crate) key_file: PathBuf,
    /// Where this node's signer keeps its marks; `None` keeps none.
    pub(crate) signer_state: Option<PathBuf>,
}

/// Where ledgers lie.
pub(crate) enum Place {
    /// A data folder.
    Folder(Folder),
    /// A database.
    Database(Box<Database>),
}

/// A place that this process may work on.
pub(crate) enum Hold {
    /// A data folder that nobody else has.
    Folder(Folder, FolderLock),
    /// A database that others may have as well.
    Database(Box<Database>),
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Database {
    /// A database by its url.
    pub(crate) fn new(address: Address, key_file: Option<&Path>) -> Result<Database> {
        let Some(key_file) = key_file else {
            return Err(Failure::usage("no key file is named").next(
                "name it with --key-file FILE: the instance key opens the secrets in the database, so it does not lie there",
            ));
        };
        Ok(Database {
            address,
            key_file: key_file.to_path_buf(),
            signer_state: None,
        })
    }

    /// Opens the store in it.
    pub(crate) fn open(&self) -> Result<PostgresStore> {
        PostgresStore::open(self.address.clone()).map_err(|error| Failure::unreachable(error.to_string()))
    }
}

/// Reads the url of a database.
pub(crate) fn address(url: &str) -> Result<Address> {
    Address::parse(url).map_err(|error| Failure::usage(error.to_string()))
}

impl Place {
    /// The place that flags name, or the database that the environment names.
    pub(crate) fn named(data: Option<&Path>, url: Option<&str>, key_file: Option<&Path>) -> Result<Place> {
        if let Some(data) = data {
            return Ok(Place::Folder(Folder::new(data, key_file)));
        }
        let Some(url) = url.map(str::to_owned).or_else(|| variable(DATABASE_URL)) else {
            return Err(Failure::usage("no data folder and no database is named")
                .next("name one with --data DIR, or with --database-url URL and --key-file FILE"));
        };
        let key_file = key_file
            .map(Path::to_path_buf)
            .or_else(|| variable(KEY_FILE).map(PathBuf::from));
        Ok(Place::Database(Box::new(Database::new(
            address(&url)?,
            key_file.as_deref(),
        )?)))
    }

    /// The same, with the signer's marks in the folder that is named, or in the usual one.
    pub(crate) fn with_signer_state(self, named: Option<&Path>) -> Result<Place> {
        match self {
            Place::Folder(folder) => folder.with_signer_state(named).map(Place::Folder),
            Place::Database(mut database) => {
                database.signer_state = Some(signer_state::folder(named)?);
                Ok(Place::Database(database))
            }
        }
    }

    /// Where `init` writes its starter policies.
    pub(crate) fn policies(&self) -> PathBuf {
        match self {
            Place::Folder(folder) => folder.root.join("policies"),
            Place::Database(_) => PathBuf::from("policies"),
        }
    }

    /// What names it on a command line. The url of a database has a password, which is not shown.
    pub(crate) fn flags(&self) -> String {
        match self {
            Place::Folder(folder) => format!("--data {}", folder.root.display()),
            Place::Database(database) => format!("--database-url URL --key-file {}", database.key_file.display()),
        }
    }

    /// Takes it for this process, as far as it can be taken.
    pub(crate) fn take(self) -> Result<Hold> {
        match self {
            Place::Folder(folder) => {
                folder.must_exist()?;
                let lock = folder.own()?;
                Ok(Hold::Folder(folder, lock))
            }
            Place::Database(database) => Ok(Hold::Database(database)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(folder) => write!(f, "the data folder `{}`", folder.root.display()),
            Place::Database(database) => write!(f, "the database `{}`", database.address),
        }
    }
}

impl Hold {
    /// The folder, if it is one.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match self {
            Hold::Folder(folder, _) => Some(folder),
            Hold::Database(_) => None,
        }
    }
}
