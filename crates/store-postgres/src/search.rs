//! The search index. Lines may lag behind the ledger, so their commits do not wait for the disk.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::time::Time;
use countersign_store::{Query, SearchRow};
use tokio_postgres::Row;

use crate::connect::Conn;
use crate::error::Trouble;
use crate::ledger::{id, signed, unsigned};

type Result<T> = std::result::Result<T, Trouble>;

/// How many records of the organization are covered.
pub(crate) async fn covered(conn: &Conn, org: &str) -> Result<u64> {
    let sql = "SELECT size FROM covered JOIN organizations ON id = org WHERE name = $1";
    let row = conn.row(sql, &[&org]).await?;
    let size: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(unsigned(size.unwrap_or_default()))
}

/// Adds lines, in a transaction of its own. After an error the connection has to be closed.
pub(crate) async fn add(conn: &Conn, org: &str, rows: &[SearchRow]) -> Result<()> {
    conn.plain("BEGIN; SET LOCAL synchronous_commit = off").await?;
    // Whoever removes the organization waits, or has removed it.
    let sql = "SELECT o.id, h.size FROM organizations o JOIN heads h ON h.org = o.id
         WHERE o.name = $1 FOR KEY SHARE OF o";
    let row = conn.row(sql, &[&org]).await?;
    let row = row.ok_or_else(|| Trouble::Wrong(format!("there is no organization `{org}`")))?;
    let (org, size): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    conn.execute(
        "INSERT INTO covered (org, size) VALUES ($1, 0) ON CONFLICT DO NOTHING",
        &[&org],
    )
    .await?;
    // From here on nobody else adds lines of this organization.
    let row = conn
        .row("SELECT size FROM covered WHERE org = $1 FOR UPDATE", &[&org])
        .await?;
    let before: i64 = row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    SearchRow::check(rows, unsigned(before), unsigned(size)).map_err(|error| Trouble::Wrong(error.0))?;
    let numbers = numbers(conn, org, rows).await?;
    add_lines(conn, org, rows, &numbers).await?;
    let after = before.saturating_add(signed(rows.len() as u64));
    conn.execute("UPDATE covered SET size = $2 WHERE org = $1", &[&org, &after])
        .await?;
    conn.plain("COMMIT").await
}

/// A word as PostgreSQL can hold it: without NUL, for which a mark stands.
fn word(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The numbers of all words in `rows`; those that have none get one.
async fn numbers(conn: &Conn, org: i64, rows: &[SearchRow]) -> Result<BTreeMap<String, i64>> {
    let mut wanted = BTreeSet::new();
    for row in rows {
        wanted.insert(word(&row.kind));
        wanted.extend(
            [&row.action, &row.agent, &row.decision]
                .into_iter()
                .flatten()
                .map(|text| word(text)),
        );
    }
    let mut numbers = BTreeMap::new();
    let known = "SELECT word, id FROM words WHERE org = $1 AND word = ANY ($2)";
    let missing = "INSERT INTO words (org, word) SELECT $1, * FROM unnest($2::text[]) RETURNING word, id";
    for sql in [known, missing] {
        let words: Vec<&String> = wanted.iter().filter(|word| !numbers.contains_key(*word)).collect();
        if !words.is_empty() {
            for row in conn.query(sql, &[&org, &words]).await? {
                numbers.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
    }
    Ok(numbers)
}

async fn add_lines(conn: &Conn, org: i64, rows: &[SearchRow], numbers: &BTreeMap<String, i64>) -> Result<()> {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| numbers.get(&word(text)).copied());
    let column = |text: fn(&SearchRow) -> &Option<String>| -> Vec<Option<i64>> {
        rows.iter().map(|row| number(text(row))).collect()
    };
    let seqs: Vec<i64> = rows.iter().map(|row| signed(row.seq)).collect();
    let times: Vec<i64> = rows.iter().map(|row| row.ts.0).collect();
    let kinds: Vec<Option<i64>> = rows.iter().map(|row| numbers.get(&word(&row.kind)).copied()).collect();
    let (agents, actions) = (column(|row| &row.agent), column(|row| &row.action));
    let decisions = column(|row| &row.decision);
    let sql = "INSERT INTO lines (org, seq, ts, kind, agent, action, decision)
         SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])";
    conn.execute(sql, &[&org, &seqs, &times, &kinds, &agents, &actions, &decisions])
        .await
        .map(drop)
}

/// Finds lines, newest first.
///
/// The numbers that are looked for stand in the statement itself: how many lines a word has decides which index leads to
/// the result, and a statement that is prepared once for all words would not know.
pub(crate) async fn find(conn: &Conn, org: &str, query: &Query) -> Result<Vec<SearchRow>> {
    let Some(org_id) = id(conn, org).await? else {
        return Ok(Vec::new());
    };
    let size = covered(conn, org).await?;
    let first = first_at(conn, org_id, size, query.from).await?.unwrap_or(0);
    let mut end = query.before.unwrap_or(size).min(size);
    if let Some(before) = first_at(conn, org_id, size, query.to).await? {
        end = end.min(before);
    }
    let Some(filters) = filters(conn, org_id, query).await? else {
        return Ok(Vec::new());
    };
    if first >= end || query.limit == 0 {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT seq, ts,
                (SELECT word FROM words WHERE id = kind),
                (SELECT word FROM words WHERE id = agent),
                (SELECT word FROM words WHERE id = action),
                (SELECT word FROM words WHERE id = decision)
         FROM lines WHERE org = {org_id} AND seq >= {first} AND seq < {end}{filters}
         ORDER BY seq DESC LIMIT {limit}",
        limit = signed(query.limit as u64),
    );
    let rows = conn.client.query_typed(&sql, &[]).await?;
    rows.iter().map(search_row).collect()
}

/// The conditions of a query; `None` if it asks for a word that no line has.
async fn filters(conn: &Conn, org: i64, query: &Query) -> Result<Option<String>> {
    let wanted = [
        ("agent", &query.agent),
        ("action", &query.action),
        ("decision", &query.decision),
        ("kind", &query.kind),
    ];
    let mut filters = String::new();
    for (column, text) in wanted {
        if let Some(text) = text {
            let sql = "SELECT id FROM words WHERE org = $1 AND word = $2";
            let Some(row) = conn.row(sql, &[&org, &word(text)]).await? else {
                return Ok(None);
            };
            let number: i64 = row.try_get(0)?;
            filters.push_str(&format!(" AND {column} = {number}"));
        }
    }
    Ok(Some(filters))
}

fn search_row(row: &Row) -> Result<SearchRow> {
    Ok(SearchRow {
        action: row.try_get(4)?,
        agent: row.try_get(3)?,
        decision: row.try_get(5)?,
        kind: row.try_get(2)?,
        seq: unsigned(row.try_get(0)?),
        ts: Time(row.try_get(1)?),
    })
}

/// The first of `size` records that is not before `ts`: times grow with the index, so this halves the range.
async fn first_at(conn: &Conn, org: i64, size: u64, ts: Option<Time>) -> Result<Option<u64>> {
    let Some(ts) = ts else { return Ok(None) };
    let sql = "WITH RECURSIVE halves (low, high) AS (
             SELECT 0::bigint, $2::bigint
             UNION ALL
             SELECT CASE WHEN line.ts < $3 THEN middle + 1 ELSE low END,
                    CASE WHEN line.ts < $3 THEN high ELSE middle END
             FROM (SELECT low, high, low + (high - low) / 2 AS middle FROM halves WHERE low < high) AS half
             JOIN LATERAL (SELECT ts FROM lines WHERE org = $1 AND seq = middle) AS line ON true
         )
         SELECT max(low) FROM halves";
    let row = conn.row(sql, &[&org, &signed(size), &ts.0]).await?;
    let first: Option<i64> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(Some(unsigned(first.unwrap_or_default())))
}
