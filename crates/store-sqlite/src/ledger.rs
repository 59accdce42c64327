//! Reads of the ledger. Each is one statement where what it sees must be of one moment.

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{
    Files, Head, Org, OrganizationRow, Payloads, StoredPayload, StoredRecord, StoredSecret, StoredState,
};
use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use crate::place::{OrgId, digest, id, seq, signed, unsigned};

pub(crate) fn ping(conn: &Connection) -> Result<()> {
    conn.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM organizations LIMIT 1)")?
        .query_row([], |_| Ok(()))
}

pub(crate) fn organizations(conn: &Connection) -> Result<Vec<OrganizationRow>> {
    conn.prepare_cached("SELECT created, name, origin FROM organizations ORDER BY name")?
        .query_map([], |row| {
            Ok(OrganizationRow {
                created: Time(row.get(0)?),
                name: Org::from(row.get_ref(1)?.as_str()?),
                origin: row.get(2)?,
            })
        })?
        .collect()
}

pub(crate) fn head(conn: &Connection, org: &str) -> Result<Option<Head>> {
    conn.prepare_cached("SELECT checkpoint, edge, size, ts FROM heads JOIN organizations ON id = org WHERE name = ?1")?
        .query_row([org], |row| {
            Ok(Head {
                checkpoint: row.get(0)?,
                edge: row.get(1)?,
                size: row.get(2).map(unsigned)?,
                ts: Time(row.get(3)?),
            })
        })
        .optional()
}

/// Number and size of a ledger, and the leaf hash of one of its records, if there is that record.
pub(crate) fn end(conn: &Connection, org: &str, at: Option<u64>) -> Result<Option<(OrgId, u64, Option<Digest>)>> {
    let found = conn
        .prepare_cached("SELECT org, size FROM heads JOIN organizations ON id = org WHERE name = ?1")?
        .query_row([org], |row| Ok((OrgId(row.get(0)?), row.get(1).map(unsigned)?)))
        .optional()?;
    let Some((org, size)) = found else { return Ok(None) };
    let hash = at.map(|at| leaf_hash(conn, org.place(at))).transpose()?.flatten();
    Ok(Some((org, size, hash)))
}

/// The leaf hash at a place.
pub(crate) fn leaf_hash(conn: &Connection, place: i64) -> Result<Option<Digest>> {
    conn.prepare_cached("SELECT leaf_hash FROM records WHERE place = ?1")?
        .query_row([place], |row| digest(row, 0))
        .optional()
}

fn stored_record(row: &Row<'_>) -> Result<StoredRecord> {
    Ok(StoredRecord {
        leaf: row.get(2)?,
        leaf_hash: digest(row, 1)?,
        seq: seq(row.get(0)?),
    })
}

pub(crate) fn records(conn: &Connection, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>> {
    let Some(org) = id(conn, org)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached(
        "SELECT place, leaf_hash, leaf FROM records
         WHERE place >= max(?1, ?4 + (SELECT pruned FROM heads WHERE org = ?5)) AND place < ?2 ORDER BY place LIMIT ?3",
    )?
    .query_map(
        (org.place(from), org.end(), signed(limit as u64), org.place(0), org.0),
        stored_record,
    )?
    .collect()
}

pub(crate) fn leaf_hashes(conn: &Connection, org: &str, from: u64, to: u64) -> Result<Vec<Digest>> {
    let Some(org) = id(conn, org)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached("SELECT leaf_hash FROM records WHERE place >= ?1 AND place < ?2 ORDER BY place")?
        .query_map((org.place(from), org.place(to)), |row| digest(row, 0))?
        .collect()
}

pub(crate) fn by_subject(
    conn: &Connection,
    org: &str,
    subject: u128,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>> {
    let Some(org) = id(conn, org)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached(
        "SELECT place, leaf_hash, leaf FROM subjects CROSS JOIN records ON place = ?3 + seq
         WHERE org = ?1 AND subject = ?2 AND seq >= (SELECT pruned FROM heads WHERE heads.org = ?1) AND seq >= ?4
         ORDER BY seq LIMIT ?5",
    )?
    .query_map(
        (
            org.0,
            subject.to_be_bytes(),
            org.place(0),
            signed(from),
            i64::try_from(limit).unwrap_or(i64::MAX),
        ),
        stored_record,
    )?
    .collect()
}

pub(crate) fn payload(conn: &Connection, org: &str, seq: u64) -> Result<Option<StoredPayload>> {
    let Some(org) = id(conn, org)? else { return Ok(None) };
    conn.prepare_cached("SELECT class, key, sealed FROM payloads WHERE place = ?1")?
        .query_row([org.place(seq)], |row| {
            Ok(StoredPayload {
                class: row.get(0)?,
                key: row.get(1)?,
                sealed: row.get(2)?,
            })
        })
        .optional()
}

pub(crate) fn payloads(conn: &Connection, org: &str, which: &Payloads) -> Result<Vec<u64>> {
    let Some(org) = id(conn, org)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached(
        "SELECT place FROM payloads WHERE place >= ?1 AND place < ?2 AND (?3 IS NULL OR class = ?3)
         AND (?4 IS NULL OR key = ?4) ORDER BY place LIMIT ?5",
    )?
    .query_map(
        (
            org.place(which.from),
            org.place(which.before),
            &which.class,
            &which.key,
            signed(which.limit as u64),
        ),
        |row| row.get(0).map(seq),
    )?
    .collect()
}

pub(crate) fn pruned(conn: &Connection, org: &str) -> Result<u64> {
    let Some(org) = id(conn, org)? else { return Ok(0) };
    conn.prepare_cached("SELECT pruned FROM heads WHERE org = ?1")?
        .query_row([org.0], |row| row.get(0).map(unsigned))
}

pub(crate) fn secret(conn: &Connection, org: &str, kind: &str, secret: &str) -> Result<Option<Vec<u8>>> {
    let Some(org) = id(conn, org)? else { return Ok(None) };
    conn.prepare_cached("SELECT sealed FROM secrets WHERE kind = ?1 AND id = ?2 AND org = ?3")?
        .query_row((kind, secret, org.0), |row| row.get(0))
        .optional()
}

pub(crate) fn secrets(
    conn: &Connection,
    org: &str,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<Vec<StoredSecret>> {
    let Some(org) = id(conn, org)? else {
        return Ok(Vec::new());
    };
    // No kind is empty, so this is before all.
    let (kind, after) = after.unwrap_or_default();
    conn.prepare_cached(
        "SELECT kind, id, sealed FROM secrets WHERE org = ?1 AND (kind, id) > (?2, ?3) ORDER BY kind, id LIMIT ?4",
    )?
    .query_map((org.0, kind, after, i64::try_from(limit).unwrap_or(i64::MAX)), |row| {
        Ok(StoredSecret {
            kind: row.get(0)?,
            id: row.get(1)?,
            sealed: row.get(2)?,
        })
    })?
    .collect()
}

pub(crate) fn organization_of_secret(conn: &Connection, kind: &str, secret: &str) -> Result<Option<Org>> {
    let mut statement = conn.prepare_cached(
        "SELECT name FROM secrets JOIN organizations ON organizations.id = org
         WHERE kind = ?1 AND secrets.id = ?2 LIMIT 2",
    )?;
    let owners: Vec<Org> = statement
        .query_map([kind, secret], |row| Ok(Org::from(row.get_ref(0)?.as_str()?)))?
        .collect::<Result<_>>()?;
    Ok(<[Org; 1]>::try_from(owners).ok().map(|[only]| only))
}

pub(crate) fn snapshot(conn: &Connection, org: &str, hash: &str) -> Result<Option<Files>> {
    let Some(org) = id(conn, org)? else { return Ok(None) };
    let files: Vec<_> = conn
        .prepare_cached("SELECT name, bytes FROM snapshot_files WHERE org = ?1 AND hash = ?2 ORDER BY name")?
        .query_map((org.0, hash), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    Ok((!files.is_empty()).then_some(files))
}

pub(crate) fn state(conn: &Connection, org: &str) -> Result<Option<StoredState>> {
    let Some(org) = id(conn, org)? else { return Ok(None) };
    conn.prepare_cached("SELECT at, bytes FROM states WHERE org = ?1")?
        .query_row([org.0], |row| {
            Ok(StoredState {
                at: row.get(0).map(unsigned)?,
                bytes: row.get(1)?,
            })
        })
        .optional()
}
