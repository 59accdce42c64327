//! Versions of the schema, what is demanded of a server, and urls: what only the inside can provoke or see.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use countersign_core::time::Time;
use countersign_store::{Append, Head, NewRecord, OrganizationRow, SearchRow, Store as _};
use countersign_testkit_postgres::{GUARDED, Postgres, database_of};

use crate::address::Protection;
use crate::migrate::MIGRATIONS;
use crate::{Address, OpenError, PostgresStore};

fn at(url: &str) -> Address {
    Address::parse(url).unwrap()
}

fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(at(url))
}

fn batch(base: u64, count: u64) -> Append {
    let record = |seq: u64| NewRecord {
        leaf: seq.to_be_bytes().to_vec(),
        leaf_hash: NewRecord::hash_of(&seq.to_be_bytes()),
        payload: None,
        seq,
        subjects: Vec::new(),
    };
    Append {
        create: (base == 0).then(|| OrganizationRow {
            created: Time(0),
            name: "acme".into(),
            origin: "test".into(),
        }),
        head: Head {
            checkpoint: String::new(),
            edge: Vec::new(),
            size: base + count,
            ts: Time(0),
        },
        org: "acme".into(),
        base,
        records: (base..base + count).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}

#[test]
fn a_ledger_of_the_first_schema_comes_along() {
    let url = Postgres::shared().database();
    let old = PostgresStore::open_with(at(&url), MIGRATIONS.get(..1).unwrap()).unwrap();
    old.append(&[batch(0, 5)]).unwrap();
    assert!(old.indexed("acme").is_err(), "the first schema has no search index");
    let new = open(&url).unwrap();
    assert_eq!(new.records("acme", 0, 9).unwrap().len(), 5);
    let row = SearchRow {
        kind: "ledger.opened".into(),
        ..SearchRow::default()
    };
    new.index("acme", &[row]).unwrap();
    assert_eq!(new.indexed("acme").unwrap(), 1);
    // It only added: the old program goes on beside the new one, and may start again.
    old.append(&[batch(5, 1)]).unwrap();
    let old = PostgresStore::open_with(at(&url), MIGRATIONS.get(..1).unwrap()).unwrap();
    assert_eq!(old.head("acme").unwrap().unwrap().size, 6);
}

#[test]
fn nodes_that_start_at_once_make_the_schema_once() {
    let server = Postgres::shared();
    let url = server.database();
    let stores: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&url))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in stores {
        assert_eq!(store.unwrap().organizations().unwrap(), Vec::new());
    }
    let versions = server.sql(
        database_of(&url),
        "SELECT version FROM countersign.schema_versions ORDER BY 1",
    );
    assert_eq!(versions, "1\n2");
}

#[test]
fn a_newer_schema_is_used_as_long_as_it_allows_it() {
    let server = Postgres::shared();
    let url = server.database();
    open(&url).unwrap().append(&[batch(0, 2)]).unwrap();
    let newer = |version: i32, min_reader: i32| {
        let values = format!("({version}, {min_reader}, now())");
        let table = format!("CREATE TABLE countersign.future_{version} (id bigint)");
        server.sql(
            database_of(&url),
            &format!("INSERT INTO countersign.schema_versions VALUES {values}; {table}"),
        );
    };
    newer(3, 1);
    open(&url).unwrap().append(&[batch(2, 1)]).unwrap();
    newer(4, 3);
    // A later one that only adds does not make up for it.
    newer(5, 1);
    let error = open(&url).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 5,
                needed: 3,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("use a newer version of Countersign"),
        "{error}"
    );
}

#[test]
fn a_schema_of_something_else_is_not_touched() {
    let server = Postgres::shared();
    let url = server.database();
    server.sql(
        database_of(&url),
        "CREATE SCHEMA kitchen AUTHORIZATION countersign; CREATE TABLE kitchen.recipes (name text)",
    );
    let foreign = |url: &str| match open(url).err().unwrap() {
        OpenError::Foreign { table, .. } => table,
        other => panic!("{other}"),
    };
    assert_eq!(foreign(&format!("{url}?schema=kitchen")), "recipes");
    let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'kitchen'::regnamespace AND relkind = 'r'";
    assert_eq!(server.sql(database_of(&url), tables), "recipes");
    // One that came later is not ours either.
    open(&url).unwrap();
    server.sql(database_of(&url), "CREATE TABLE countersign.recipes (name text)");
    assert_eq!(foreign(&url), "recipes");
}

#[test]
fn a_database_that_can_lose_what_it_confirmed_is_refused() {
    for setting in ["fsync", "full_page_writes"] {
        let server = Postgres::start_with(&format!("{setting} = off"), &[]);
        let error = open(&server.database()).err().unwrap();
        assert!(matches!(error, OpenError::Setting { .. }), "{error}");
        assert!(error.to_string().contains(&format!("set `{setting} = on`")), "{error}");
    }
}

#[test]
fn commits_wait_for_the_disk_whatever_the_database_says() {
    let server = Postgres::shared();
    let url = server.database();
    let name = database_of(&url);
    server.sql(
        "postgres",
        &format!("ALTER DATABASE {name} SET synchronous_commit = off"),
    );
    let store = open(&url).unwrap();
    let shown = store.read(async |conn| {
        let row = conn.row("SELECT current_setting('synchronous_commit')", &[]).await?;
        Ok(row.unwrap().try_get::<_, String>(0)?)
    });
    assert_eq!(shown.unwrap(), "on");
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let server = Postgres::shared();
    let url = server.database();
    let name = database_of(&url);
    server.sql("postgres", &format!("GRANT CREATE ON DATABASE {name} TO {GUARDED}"));
    let guarded = url.replacen("//countersign:", &format!("//{GUARDED}:"), 1);
    open(&guarded).unwrap();
    let (before, _) = url.split_once('@').unwrap();
    let password = before.rsplit(':').next().unwrap();
    let wrong = guarded.replacen(password, "wr0ng", 1);
    let error = open(&wrong).err().unwrap();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    for text in [
        error.to_string(),
        format!("{error:?}"),
        format!("{:?}", at(&wrong)),
        at(&wrong).to_string(),
    ] {
        assert!(text.contains(name) && !text.contains("wr0ng"), "{text}");
    }
}

#[test]
fn urls_say_how_the_connection_is_protected() {
    let protection = |url: &str| at(url).protection;
    let elsewhere = "postgres://u:p@db.example.com/ledgers";
    assert_eq!(protection(elsewhere), Protection::VerifyFull);
    assert_eq!(protection("postgres://u:p@localhost/ledgers"), Protection::Prefer);
    assert_eq!(protection("postgres://u:p@127.0.0.1:6000/ledgers"), Protection::Prefer);
    assert_eq!(
        protection("postgres://u@%2Frun%2Fpostgresql/ledgers"),
        Protection::Prefer
    );
    for (text, wanted) in [
        ("disable", Protection::Disable),
        ("prefer", Protection::Prefer),
        ("require", Protection::Require),
        ("verify-full", Protection::VerifyFull),
    ] {
        assert_eq!(protection(&format!("{elsewhere}?sslmode={text}")), wanted);
    }
    let settings = at(&format!(
        "{elsewhere}?sslrootcert=%2Fetc%2Fca.pem&schema=ledgers_2&connect_timeout=3"
    ));
    assert_eq!(settings.root_certificates.unwrap().to_str(), Some("/etc/ca.pem"));
    assert_eq!(settings.schema, "ledgers_2");
    assert_eq!(settings.config.get_connect_timeout().unwrap().as_secs(), 3);
}

#[test]
fn a_url_that_cannot_be_read_is_refused_without_repeating_it() {
    for url in [
        "mysql://u:hunter2@db/ledgers",
        "postgres://u:hunter2@db/ledgers?sslmode=hunter2",
        "postgres://u:hunter2@db/ledgers?schema=hunter2;drop",
        "postgres://u:hunter2@db/ledgers?schema=pg_hunter2",
        "postgres://u:hunter2@db:hunter2/ledgers",
        "postgres://u:hunter2@db/ledgers?hunter2=1",
        "postgres:///hunter2",
    ] {
        let error = Address::parse(url).err().unwrap_or_else(|| panic!("{url} was taken"));
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn text_that_postgres_cannot_hold_is_nowhere_and_breaks_nothing() {
    let store = open(&Postgres::shared().database()).unwrap();
    store.append(&[batch(0, 2)]).unwrap();
    assert_eq!(store.head("ac\0me").unwrap(), None);
    assert_eq!(store.secret("acme", "api_key", "k\0").unwrap(), None);
    assert_eq!(store.organization_of_secret("api_key", "\0").unwrap(), None);
    let row = |seq, kind: &str| SearchRow {
        agent: Some("a\0b".into()),
        kind: kind.into(),
        seq,
        ..SearchRow::default()
    };
    store.index("acme", &[row(0, "one"), row(1, "two")]).unwrap();
    let query = countersign_store::Query {
        agent: Some("a\0b".into()),
        limit: 9,
        ..countersign_store::Query::default()
    };
    assert_eq!(store.search("acme", &query).unwrap().len(), 2);
}
