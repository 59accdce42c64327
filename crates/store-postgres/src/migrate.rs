//! The schema and its versions.
//!
//! A migration is run once, under a lock, whichever node starts first. Each says the oldest program that can still work
//! with its outcome: one that only adds leaves older nodes running beside new ones; one that takes away comes in a later
//! release, when no node needs any more what it removes.

use std::time::Duration;

use crate::connect::{Conn, within};
use crate::error::{OpenError, Trouble};

/// One step of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// The oldest version of the schema that a program may know and still use the outcome.
    pub(crate) min_reader: i32,
    pub(crate) sql: &'static str,
}

/// All of them, in order: the first leads to version 1.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        min_reader: 1,
        sql: include_str!("../migrations/0001.sql"),
    },
    Migration {
        min_reader: 1,
        sql: include_str!("../migrations/0002.sql"),
    },
];

/// Every table that the newest version has.
const TABLES: &[&str] = &[
    "covered",
    "heads",
    "leases",
    "lines",
    "organizations",
    "payloads",
    "records",
    "schema_versions",
    "secrets",
    "snapshot_files",
    "states",
    "subjects",
    "words",
];

/// How long a migration waits for another node's, or for a table that is in use.
const WAIT: Duration = Duration::from_secs(120);

/// Brings the schema to the version that `migrations` lead to, and makes it where there is none.
pub(crate) async fn migrate(conn: &Conn, schema: &str, migrations: &[Migration]) -> Result<(), Trouble> {
    let work = async {
        conn.plain("BEGIN").await?;
        let wait_ms = WAIT.as_millis();
        conn.plain(&format!(
            "SET LOCAL lock_timeout = {wait_ms};
             SET LOCAL idle_in_transaction_session_timeout = {wait_ms};
             SET LOCAL statement_timeout = 0;
             SELECT pg_advisory_xact_lock(hashtextextended('countersign schema {schema}', 0))"
        ))
        .await?;
        step(conn, schema, migrations).await?;
        conn.plain("COMMIT").await
    };
    within(WAIT * 2, "change its schema", work).await
}

async fn step(conn: &Conn, schema: &str, migrations: &[Migration]) -> Result<(), Trouble> {
    let known = number(migrations.len());
    let there = conn
        .query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])
        .await?;
    if there.is_empty() {
        conn.plain(&format!("CREATE SCHEMA {schema}")).await?;
    }
    let (found, needed) = version(conn, schema).await?;
    if found > known {
        // Made by a newer program, which says whether older ones may go on.
        if needed <= known {
            return Ok(());
        }
        return Err(Trouble::Unfit(OpenError::Newer {
            schema: schema.to_owned(),
            found,
            needed,
            known,
        }));
    }
    for (version, migration) in (1_i32..).zip(migrations) {
        if version > found {
            conn.plain(migration.sql).await?;
            conn.execute(
                "INSERT INTO schema_versions (version, min_reader, applied) VALUES ($1, $2, now())",
                &[&version, &migration.min_reader],
            )
            .await?;
        }
    }
    Ok(())
}

/// The schema's version and the oldest program that may use it; makes the table that holds them.
async fn version(conn: &Conn, schema: &str) -> Result<(i32, i32), Trouble> {
    let rows = conn
        .query(
            "SELECT relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
             WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname",
            &[&schema],
        )
        .await?;
    let tables: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let ours = tables.iter().any(|table| table == "schema_versions");
    let found = if ours {
        let row = conn
            .row(
                "SELECT coalesce(max(version), 0), coalesce(max(min_reader), 0) FROM schema_versions",
                &[],
            )
            .await?;
        match row {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0, 0),
        }
    } else {
        (0, 0)
    };
    // A newer version may have tables that this one has never heard of.
    let newer = found.0 > number(MIGRATIONS.len());
    let foreign = |table: &&String| !ours || !(newer || TABLES.contains(&table.as_str()));
    if let Some(table) = tables.iter().find(foreign) {
        return Err(Trouble::Unfit(OpenError::Foreign {
            schema: schema.to_owned(),
            table: table.clone(),
        }));
    }
    if !ours {
        conn.plain(
            "CREATE TABLE schema_versions (
                 version integer PRIMARY KEY,
                 min_reader integer NOT NULL,
                 applied timestamptz NOT NULL
             )",
        )
        .await?;
    }
    Ok(found)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
