//! Removing an organization, and leases of work.

use std::sync::Arc;
use std::time::Duration;

use countersign_store::AppendError;

use crate::Inner;
use crate::append::notify;
use crate::connect::{Conn, TURN_TIME, answered, within};
use crate::error::{Trouble, is_refusal};

/// How long a ledger of many millions may take to go.
const REMOVE_TIME: Duration = Duration::from_secs(900);

/// Removes an organization with all that belongs to it.
pub(crate) fn remove(inner: &Arc<Inner>, org: &str) -> Result<(), AppendError> {
    inner.home.wait(async {
        let held = inner.turns.take(TURN_TIME).await.map_err(Trouble::before_commit)?;
        match within(REMOVE_TIME, "remove an organization", fill(&held.conn, org)).await {
            Ok(()) => {}
            Err(trouble) => {
                inner.roll_back(held);
                return Err(trouble.before_commit());
            }
        }
        match answered(held.conn.plain("COMMIT")).await {
            Ok(()) => {
                held.give_back();
                Ok(())
            }
            Err(Trouble::Driver(error)) if is_refusal(&error) => Err(Trouble::Driver(error).before_commit()),
            Err(trouble) => {
                inner.doubt(std::iter::once(org.into()));
                Err(AppendError::Unknown(trouble.to_string()))
            }
        }
    })
}

async fn fill(conn: &Conn, org: &str) -> Result<(), Trouble> {
    conn.plain("BEGIN; SET LOCAL statement_timeout = 0").await?;
    // The head first, as turns do; then what the search index holds on to.
    let locks = [
        "SELECT 1 FROM heads h JOIN organizations o ON o.id = h.org WHERE o.name = $1 FOR UPDATE OF h",
        "SELECT 1 FROM organizations WHERE name = $1 FOR UPDATE",
    ];
    for lock in locks {
        conn.query(lock, &[&org]).await?;
    }
    let Some(id) = crate::ledger::id(conn, org).await? else {
        return Ok(());
    };
    let tables = [
        "DELETE FROM lines WHERE org = $1",
        "DELETE FROM words WHERE org = $1",
        "DELETE FROM covered WHERE org = $1",
        "DELETE FROM states WHERE org = $1",
        "DELETE FROM snapshot_files WHERE org = $1",
        "DELETE FROM secrets WHERE org = $1",
        "DELETE FROM subjects WHERE org = $1",
        "DELETE FROM payloads WHERE org = $1",
        "DELETE FROM records WHERE org = $1",
        "DELETE FROM heads WHERE org = $1",
        "DELETE FROM organizations WHERE id = $1",
    ];
    for table in tables {
        conn.execute(table, &[&id]).await?;
    }
    conn.execute("DELETE FROM leases WHERE org = $1", &[&org]).await?;
    notify(conn, org).await
}

/// Claims a piece of work: `true` if it is the holder's now.
pub(crate) async fn lease(conn: &Conn, org: &str, work: &str, holder: &str, lasts_us: i64) -> Result<bool, Trouble> {
    let sql = "INSERT INTO leases AS lease (org, work, holder, until)
         VALUES ($1, $2, $3, clock_timestamp() + least($4, 3155760000000000) * interval '1 microsecond')
         ON CONFLICT (org, work) DO UPDATE SET holder = excluded.holder, until = excluded.until
         WHERE lease.holder = excluded.holder OR lease.until <= clock_timestamp()";
    Ok(conn.execute(sql, &[&org, &work, &holder, &lasts_us]).await? == 1)
}
