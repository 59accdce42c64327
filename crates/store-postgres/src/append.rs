//! A batch as statements: the rows of each table column by column, as `unnest` takes them, so that a batch of any size is
//! a handful of statements.

use std::collections::BTreeMap;

use countersign_store::{Append, Head};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::connect::{Conn, Step};
use crate::error::Trouble;
use crate::ledger::signed;
use crate::news::notice;

/// What a record is looked up by, as PostgreSQL's `uuid`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject(pub(crate) u128);

impl ToSql for Subject {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}

/// Declares the columns of one statement.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident $(<$lifetime:lifetime>)? { $($column:ident: $kind:ty),+ } $sql:literal) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name $(<$lifetime>)? { $($column: Vec<$kind>),+ }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            const SQL: &'static str = $sql;

            fn add(&mut self, $($column: $kind),+) {
                $(self.$column.push($column);)+
            }

            /// The statement; none where there are no rows.
            fn push<'s>(&'s self, conn: &'s Conn, steps: &mut Vec<Step<'s, u64>>) {
                if [$(self.$column.len()),+].iter().all(|rows| *rows > 0) {
                    steps.push(Box::pin(async move { conn.execute(Self::SQL, &[$(&self.$column),+]).await }));
                }
            }
        }
    };
}

columns! {
    Records<'a> { org: i64, seq: i64, leaf_hash: &'a [u8], leaf: &'a [u8] }
    "INSERT INTO records (org, seq, leaf_hash, leaf)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])"
}
columns! {
    Payloads<'a> { org: i64, seq: i64, class: &'a str, key: &'a str, sealed: &'a [u8] }
    "INSERT INTO payloads (org, seq, class, key, sealed)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])"
}
columns! {
    Subjects { org: i64, subject: Subject, seq: i64 }
    "INSERT INTO subjects (org, subject, seq)
     SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[]) ON CONFLICT DO NOTHING"
}
columns! {
    Secrets<'a> { kind: &'a str, id: &'a str, org: i64, sealed: &'a [u8] }
    "INSERT INTO secrets (kind, id, org, sealed)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
     ON CONFLICT (kind, id, org) DO UPDATE SET sealed = excluded.sealed"
}
columns! {
    GoneSecrets<'a> { kind: &'a str, id: &'a str, org: i64 }
    "DELETE FROM secrets s USING unnest($1::text[], $2::text[], $3::bigint[]) AS gone (kind, id, org)
     WHERE s.kind = gone.kind AND s.id = gone.id AND s.org = gone.org"
}
columns! {
    SnapshotFiles<'a> { org: i64, hash: &'a str, name: &'a str, bytes: &'a [u8] }
    "INSERT INTO snapshot_files (org, hash, name, bytes)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[])
     ON CONFLICT (org, hash, name) DO UPDATE SET bytes = excluded.bytes"
}
columns! {
    States<'a> { org: i64, at: i64, bytes: &'a [u8] }
    "INSERT INTO states (org, at, bytes) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
     ON CONFLICT (org) DO UPDATE SET at = excluded.at, bytes = excluded.bytes"
}
columns! {
    GonePayloads { org: i64, seq: i64 }
    "DELETE FROM payloads p USING unnest($1::bigint[], $2::bigint[]) AS gone (org, seq)
     WHERE p.org = gone.org AND p.seq = gone.seq"
}
columns! {
    /// Before the heads: what was pruned already is not touched again.
    Pruned { org: i64, before: i64 }
    "UPDATE records r SET leaf = ''
     FROM unnest($1::bigint[], $2::bigint[]) AS gone (org, before) LEFT JOIN heads h ON h.org = gone.org
     WHERE r.org = gone.org AND r.seq >= coalesce(h.pruned, 0) AND r.seq < gone.before"
}
columns! {
    Heads<'a> { org: i64, size: i64, ts: i64, edge: &'a [u8], checkpoint: &'a str, pruned: i64 }
    "INSERT INTO heads (org, size, ts, edge, checkpoint, pruned)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[])
     ON CONFLICT (org) DO UPDATE SET
         size = excluded.size, ts = excluded.ts, edge = excluded.edge, checkpoint = excluded.checkpoint,
         pruned = greatest(heads.pruned, excluded.pruned)"
}

/// All rows of a batch.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    records: Records<'a>,
    payloads: Payloads<'a>,
    subjects: Subjects,
    secrets: Secrets<'a>,
    gone_secrets: GoneSecrets<'a>,
    files: SnapshotFiles<'a>,
    states: States<'a>,
    gone_payloads: GonePayloads,
    pruned: Pruned,
    heads: Heads<'a>,
    notice: String,
}

const NOTIFY: &str = "SELECT pg_notify(current_schema(), $1)";
/// What every batch needs, prepared with the turn; the others are prepared when they are first needed.
pub(crate) const USUAL: [&str; 5] = [Records::SQL, Payloads::SQL, Subjects::SQL, Heads::SQL, NOTIFY];

/// What a batch makes of rows that it names more than once: the last word counts.
#[derive(Default)]
struct Last<'a> {
    secrets: BTreeMap<(&'a str, &'a str, i64), &'a [u8]>,
    files: BTreeMap<(i64, &'a str, &'a str), &'a [u8]>,
    states: BTreeMap<i64, (i64, &'a [u8])>,
    heads: BTreeMap<i64, (&'a Head, u64)>,
}

impl<'a> Rows<'a> {
    /// The rows of a batch; `ids` are the numbers of its organizations.
    pub(crate) fn of(batch: &'a [Append], ids: &BTreeMap<&str, i64>) -> Result<Rows<'a>, Trouble> {
        let (mut rows, mut last) = (Rows::default(), Last::default());
        for share in batch {
            let id = ids.get(&*share.org);
            let org = *id.ok_or_else(|| Trouble::Wrong(format!("there is no `{}`", share.org)))?;
            rows.add_records(org, share);
            last.add(org, share);
        }
        rows.notice = notice(ids.keys().copied());
        for ((kind, id, org), sealed) in last.secrets {
            if sealed.is_empty() {
                rows.gone_secrets.add(kind, id, org);
            } else {
                rows.secrets.add(kind, id, org, sealed);
            }
        }
        for ((org, hash, name), bytes) in last.files {
            rows.files.add(org, hash, name, bytes);
        }
        for (org, (at, bytes)) in last.states {
            rows.states.add(org, at, bytes);
        }
        for (org, (head, pruned)) in last.heads {
            let (size, ts, before) = (signed(head.size), head.ts.0, signed(pruned));
            rows.heads.add(org, size, ts, &head.edge, &head.checkpoint, before);
            if pruned > 0 {
                rows.pruned.add(org, before);
            }
        }
        Ok(rows)
    }

    fn add_records(&mut self, org: i64, share: &'a Append) {
        for record in &share.records {
            let seq = signed(record.seq);
            self.records.add(org, seq, &record.leaf_hash.0, &record.leaf);
            if let Some(payload) = &record.payload {
                self.payloads
                    .add(org, seq, &payload.class, &payload.key, &payload.sealed);
            }
            for subject in &record.subjects {
                self.subjects.add(org, Subject(*subject), seq);
            }
        }
        for seq in &share.destroy {
            self.gone_payloads.add(org, signed(*seq));
        }
    }

    /// The statements, in order, each prepared.
    pub(crate) async fn steps<'s>(&'s self, conn: &'s Conn) -> Result<Vec<Step<'s, u64>>, Trouble> {
        self.prepare_seldom(conn).await?;
        let mut steps = Vec::new();
        self.records.push(conn, &mut steps);
        self.payloads.push(conn, &mut steps);
        self.subjects.push(conn, &mut steps);
        self.secrets.push(conn, &mut steps);
        self.gone_secrets.push(conn, &mut steps);
        self.files.push(conn, &mut steps);
        self.states.push(conn, &mut steps);
        self.gone_payloads.push(conn, &mut steps);
        self.pruned.push(conn, &mut steps);
        self.heads.push(conn, &mut steps);
        steps.push(Box::pin(async move { conn.execute(NOTIFY, &[&self.notice]).await }));
        Ok(steps)
    }

    async fn prepare_seldom(&self, conn: &Conn) -> Result<(), Trouble> {
        let seldom = [
            (self.secrets.org.len(), Secrets::SQL),
            (self.gone_secrets.org.len(), GoneSecrets::SQL),
            (self.files.org.len(), SnapshotFiles::SQL),
            (self.states.org.len(), States::SQL),
            (self.gone_payloads.org.len(), GonePayloads::SQL),
            (self.pruned.org.len(), Pruned::SQL),
        ];
        for (rows, sql) in seldom {
            if rows > 0 {
                conn.prepared(sql).await?;
            }
        }
        Ok(())
    }
}

impl<'a> Last<'a> {
    fn add(&mut self, org: i64, share: &'a Append) {
        for secret in &share.secrets {
            self.secrets.insert((secret.kind, &secret.id, org), &secret.sealed);
        }
        for snapshot in &share.snapshots {
            for (name, bytes) in &snapshot.files {
                self.files.insert((org, &snapshot.hash, name), bytes);
            }
        }
        if let Some(state) = &share.state {
            self.states.insert(org, (signed(state.at), &state.bytes));
        }
        let pruned = share.prune.unwrap_or_default();
        let (head, before) = self.heads.entry(org).or_insert((&share.head, pruned));
        *head = &share.head;
        *before = pruned.max(*before);
    }
}

/// Tells the other nodes that `org` changed.
pub(crate) async fn notify(conn: &Conn, org: &str) -> Result<(), Trouble> {
    conn.execute(NOTIFY, &[&notice(std::iter::once(org))]).await.map(drop)
}
