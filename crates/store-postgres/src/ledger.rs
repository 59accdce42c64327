//! Reads of the ledger. Each is one statement where what it sees must be of one moment.

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{
    Files, Head, Org, OrganizationRow, Payloads, Resealed, StoredPayload, StoredRecord, StoredSecret, StoredState,
};
use tokio_postgres::Row;

use crate::connect::Conn;
use crate::error::Trouble;

type Result<T> = std::result::Result<T, Trouble>;

/// So many leaf hashes, 2 MiB, come in one row.
const HASHES: u64 = 1 << 16;
const HASH_BYTES: usize = 32;

/// For PostgreSQL, whose integers are signed; sizes beyond that are the largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A size as PostgreSQL gave it.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Whether PostgreSQL can hold this text: it knows no NUL. What it cannot hold, it does not have.
pub(crate) fn fits(text: &str) -> bool {
    !text.contains('\0')
}

fn size(row: &Row, column: usize) -> Result<u64> {
    Ok(unsigned(row.try_get(column)?))
}

fn digest(bytes: &[u8]) -> Result<Digest> {
    let hash = bytes.try_into();
    hash.map(Digest)
        .map_err(|_| Trouble::Wrong(format!("a leaf hash has {} bytes", bytes.len())))
}

pub(crate) async fn ping(conn: &Conn) -> Result<()> {
    conn.query("SELECT 1 FROM organizations LIMIT 1", &[]).await.map(drop)
}

pub(crate) async fn organizations(conn: &Conn) -> Result<Vec<OrganizationRow>> {
    let rows = conn
        .query("SELECT created, name, origin FROM organizations ORDER BY name", &[])
        .await?;
    let organization = |row: &Row| {
        Ok(OrganizationRow {
            created: Time(row.try_get(0)?),
            name: Org::from(row.try_get::<_, &str>(1)?),
            origin: row.try_get(2)?,
        })
    };
    rows.iter().map(organization).collect()
}

/// Four columns that make a head, from `first` on: size, time, edge, checkpoint.
pub(crate) fn head_at(row: &Row, first: usize) -> Result<Head> {
    Ok(Head {
        checkpoint: row.try_get(first + 3)?,
        edge: row.try_get(first + 2)?,
        size: size(row, first)?,
        ts: Time(row.try_get(first + 1)?),
    })
}

pub(crate) async fn head(conn: &Conn, org: &str) -> Result<Option<Head>> {
    let sql = "SELECT size, ts, edge, checkpoint FROM heads JOIN organizations ON id = org WHERE name = $1";
    let row = conn.row(sql, &[&org]).await?;
    row.map(|row| head_at(&row, 0)).transpose()
}

/// The number of an organization.
pub(crate) async fn id(conn: &Conn, org: &str) -> Result<Option<i64>> {
    let row = conn
        .row("SELECT id FROM organizations WHERE name = $1", &[&org])
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn stored_record(row: &Row) -> Result<StoredRecord> {
    Ok(StoredRecord {
        leaf: row.try_get(2)?,
        leaf_hash: digest(row.try_get(1)?)?,
        seq: size(row, 0)?,
    })
}

pub(crate) async fn records(conn: &Conn, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>> {
    let sql =
        "WITH ledger AS MATERIALIZED (SELECT org, pruned FROM heads JOIN organizations ON id = org WHERE name = $1)
         SELECT seq, leaf_hash, leaf FROM records
         WHERE org = (SELECT org FROM ledger) AND seq >= greatest($2, (SELECT pruned FROM ledger))
         ORDER BY seq LIMIT $3";
    let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] = &[&org, &signed(from), &signed(limit as u64)];
    conn.query(sql, params).await?.iter().map(stored_record).collect()
}

pub(crate) async fn leaf_hashes(conn: &Conn, org: &str, from: u64, to: u64) -> Result<Vec<Digest>> {
    let Some(org) = id(conn, org).await? else {
        return Ok(Vec::new());
    };
    let mut hashes = Vec::new();
    let mut next = from;
    while next < to {
        let end = to.min(next.saturating_add(HASHES));
        let sql = "SELECT string_agg(leaf_hash, ''::bytea ORDER BY seq) FROM records
             WHERE org = $1 AND seq >= $2 AND seq < $3";
        let row = conn.row(sql, &[&org, &signed(next), &signed(end)]).await?;
        let bytes: Option<Vec<u8>> = row.map(|row| row.try_get(0)).transpose()?.flatten();
        let bytes = bytes.unwrap_or_default();
        for hash in bytes.chunks(HASH_BYTES) {
            hashes.push(digest(hash)?);
        }
        if ((bytes.len() / HASH_BYTES) as u64) < end - next {
            break;
        }
        next = end;
    }
    Ok(hashes)
}

pub(crate) async fn by_subject(
    conn: &Conn,
    org: &str,
    subject: u128,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>> {
    let sql =
        "WITH ledger AS MATERIALIZED (SELECT org, pruned FROM heads JOIN organizations ON id = org WHERE name = $1)
         SELECT r.seq, r.leaf_hash, r.leaf FROM subjects s JOIN records r ON r.org = s.org AND r.seq = s.seq
         WHERE s.org = (SELECT org FROM ledger) AND s.subject = $2 AND s.seq >= (SELECT pruned FROM ledger)
         AND s.seq >= $3 ORDER BY s.seq LIMIT $4";
    let (from, limit) = (signed(from), i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = conn
        .query(sql, &[&org, &crate::append::Subject(subject), &from, &limit])
        .await?;
    rows.iter().map(stored_record).collect()
}

pub(crate) async fn payload(conn: &Conn, org: &str, seq: u64) -> Result<Option<StoredPayload>> {
    let sql = "SELECT class, key, sealed FROM payloads
         WHERE org = (SELECT id FROM organizations WHERE name = $1) AND seq = $2";
    let Some(row) = conn.row(sql, &[&org, &signed(seq)]).await? else {
        return Ok(None);
    };
    Ok(Some(StoredPayload {
        class: row.try_get(0)?,
        key: row.try_get(1)?,
        sealed: row.try_get(2)?,
    }))
}

pub(crate) async fn payloads(conn: &Conn, org: &str, which: &Payloads) -> Result<Vec<u64>> {
    let sql = "SELECT seq FROM payloads
         WHERE org = (SELECT id FROM organizations WHERE name = $1) AND seq >= $2 AND seq < $3
         AND ($4::text IS NULL OR class = $4) AND ($5::text IS NULL OR key = $5)
         ORDER BY seq LIMIT $6";
    let (from, before, limit) = (signed(which.from), signed(which.before), signed(which.limit as u64));
    let rows = conn
        .query(sql, &[&org, &from, &before, &which.class, &which.key, &limit])
        .await?;
    rows.iter().map(|row| size(row, 0)).collect()
}

pub(crate) async fn pruned(conn: &Conn, org: &str) -> Result<u64> {
    let sql = "SELECT pruned FROM heads JOIN organizations ON id = org WHERE name = $1";
    let row = conn.row(sql, &[&org]).await?;
    row.map_or(Ok(0), |row| size(&row, 0))
}

pub(crate) async fn secret(conn: &Conn, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT sealed FROM secrets
         WHERE kind = $2 AND id = $3 AND org = (SELECT id FROM organizations WHERE name = $1)";
    let row = conn.row(sql, &[&org, &kind, &id]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(crate) async fn secrets(
    conn: &Conn,
    org: &str,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<Vec<StoredSecret>> {
    let sql = "SELECT kind, id, sealed FROM secrets
         WHERE org = (SELECT id FROM organizations WHERE name = $1)
           AND (kind COLLATE \"C\", id COLLATE \"C\") > ($2, $3)
         ORDER BY kind COLLATE \"C\", id COLLATE \"C\" LIMIT $4";
    // No kind is empty, so this is before all.
    let (kind, after) = after.unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = conn.query(sql, &[&org, &kind, &after, &limit]).await?;
    let row = |row: &Row| -> Result<StoredSecret> {
        Ok(StoredSecret {
            kind: row.try_get(0)?,
            id: row.try_get(1)?,
            sealed: row.try_get(2)?,
        })
    };
    rows.iter().map(row).collect()
}

/// One statement, so that it is one transaction.
pub(crate) async fn reseal(conn: &Conn, org: &str, secrets: &[Resealed]) -> Result<()> {
    let sql = "UPDATE secrets s SET sealed = n.sealed
         FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) AS n (kind, id, was, sealed)
         WHERE s.org = (SELECT id FROM organizations WHERE name = $1)
           AND s.kind = n.kind AND s.id = n.id AND s.sealed = n.was";
    let kinds: Vec<&str> = secrets.iter().map(|secret| &*secret.was.kind).collect();
    let ids: Vec<&str> = secrets.iter().map(|secret| &*secret.was.id).collect();
    let was: Vec<&[u8]> = secrets.iter().map(|secret| &*secret.was.sealed).collect();
    let sealed: Vec<&[u8]> = secrets.iter().map(|secret| &*secret.sealed).collect();
    conn.execute(sql, &[&org, &kinds, &ids, &was, &sealed]).await?;
    Ok(())
}

pub(crate) async fn organization_of_secret(conn: &Conn, kind: &str, id: &str) -> Result<Option<Org>> {
    let sql = "SELECT o.name FROM secrets s JOIN organizations o ON o.id = s.org
         WHERE s.kind = $1 AND s.id = $2 LIMIT 2";
    match conn.query(sql, &[&kind, &id]).await?.as_slice() {
        [only] => Ok(Some(Org::from(only.try_get::<_, &str>(0)?))),
        _ => Ok(None),
    }
}

pub(crate) async fn snapshot(conn: &Conn, org: &str, hash: &str) -> Result<Option<Files>> {
    let sql = "SELECT name, bytes FROM snapshot_files
         WHERE org = (SELECT id FROM organizations WHERE name = $1) AND hash = $2 ORDER BY name";
    let rows = conn.query(sql, &[&org, &hash]).await?;
    let file = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let files: Files = rows.iter().map(file).collect::<Result<_>>()?;
    Ok((!files.is_empty()).then_some(files))
}

pub(crate) async fn state(conn: &Conn, org: &str) -> Result<Option<StoredState>> {
    let sql = "SELECT at, bytes FROM states WHERE org = (SELECT id FROM organizations WHERE name = $1)";
    let Some(row) = conn.row(sql, &[&org]).await? else {
        return Ok(None);
    };
    Ok(Some(StoredState {
        at: size(&row, 0)?,
        bytes: row.try_get(1)?,
    }))
}
