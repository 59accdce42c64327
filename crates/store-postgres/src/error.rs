//! What PostgreSQL's errors mean.

use std::error::Error as _;

use countersign_store::{AppendError, ReadError};
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The url is not one.
    #[error("the url of the database is not right: {0}; write it as in `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
    Address(String),
    /// Nobody answers, or lets us in.
    #[error("the database at `{at}` cannot be reached: {why}")]
    Unreachable {
        /// Where it should be, without the password.
        at: String,
        /// Why not.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to the database cannot be set up: {0}")]
    Tls(String),
    /// The server is too old.
    #[error("the database is PostgreSQL {found}; 14 or newer is needed")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// A setting that durability rests on is not as it must be.
    #[error("the database has `{setting} = {found}`, so that it can lose what it has confirmed; {remedy}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server only follows another one.
    #[error("the database is a standby, which takes no writes; name the primary in the url")]
    Standby,
    /// The schema belongs to something else.
    #[error(
        "schema `{schema}` has a table `{table}` that is not Countersign's; name another with `?schema=NAME` in the url"
    )]
    Foreign {
        /// The schema.
        schema: String,
        /// What was found in it.
        table: String,
    },
    /// A newer version of Countersign changed the schema so that this one cannot use it.
    #[error(
        "schema `{schema}` has version {found} and is for programs that know version {needed} or newer, this one knows {known}; use a newer version of Countersign"
    )]
    Newer {
        /// The schema.
        schema: String,
        /// Its version.
        found: i32,
        /// The oldest that may use it.
        needed: i32,
        /// The newest that we know.
        known: i32,
    },
    /// A thread could not be started.
    #[error("no threads for the database: {0}")]
    Threads(std::io::Error),
    /// PostgreSQL refused something.
    #[error("the store could not be opened: {0}")]
    Postgres(String),
}

/// What went wrong between us and the database.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The driver says so.
    Driver(Error),
    /// There is no connection, and none could be made.
    Unreachable(String),
    /// It took too long.
    Late(&'static str),
    /// The connection cannot be used as it is.
    Unfit(OpenError),
    /// What was read makes no sense, or what was asked does not.
    Wrong(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Driver(error)
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Trouble {
        Trouble::Unfit(error)
    }
}

/// What the driver says, with its causes and without parameters.
pub(crate) fn text(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The server answered, and goes on: what it was asked for did not happen.
pub(crate) fn is_refusal(error: &Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|db| db.parsed_severity() == Some(Severity::Error))
}

impl Trouble {
    /// The connection is gone, and a fresh one may do better.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Trouble::Driver(error) => !is_refusal(error),
            Trouble::Late(_) => true,
            Trouble::Unreachable(_) | Trouble::Unfit(_) | Trouble::Wrong(_) => false,
        }
    }

    /// What it means for an append of which nothing was committed for sure.
    pub(crate) fn before_commit(self) -> AppendError {
        match self {
            Trouble::Driver(error) if error.code() == Some(&SqlState::DISK_FULL) => AppendError::Full(text(&error)),
            other => AppendError::Failed(other.to_string()),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Driver(error) => f.write_str(&text(error)),
            Trouble::Unreachable(why) | Trouble::Wrong(why) => f.write_str(why),
            Trouble::Late(what) => write!(f, "the database took too long to {what}"),
            Trouble::Unfit(error) => write!(f, "{error}"),
        }
    }
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> ReadError {
        ReadError(trouble.to_string())
    }
}
