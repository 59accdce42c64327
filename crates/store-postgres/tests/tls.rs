//! TLS to the database, each mode against a server that has a certificate of its own making, and one that has none.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::path::PathBuf;

use countersign_store::Store as _;
use countersign_store_postgres::{Address, OpenError, PostgresStore};
use countersign_testkit_postgres::{Postgres, database_of};

fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(Address::parse(url).unwrap())
}

/// A file with a certificate.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// Whether the store's connections are encrypted, by what the server says.
fn encrypted(server: &Postgres, url: &str, store: &PostgresStore) -> bool {
    store.ping().unwrap();
    let sql = format!(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{}' AND usename = 'countersign'",
        database_of(url)
    );
    match server.sql("postgres", &sql).as_str() {
        "t" => true,
        "f" => false,
        other => panic!("ssl: {other}"),
    }
}

#[test]
fn each_mode_protects_as_it_says() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let settings = "ssl = on\nssl_cert_file = 'own.crt'\nssl_key_file = 'own.key'";
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = Postgres::start_with(settings, &[("own.crt", &certificate), ("own.key", &key)]);
    let root = file("root.pem", &certificate);
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = file("other.pem", &stranger.cert.pem());
    let by_ip = server.database();
    let by_name = by_ip.replacen("127.0.0.1", "localhost", 1);
    let with = |url: &str, mode: &str, root: Option<&PathBuf>| {
        let root = root.map(|path| format!("&sslrootcert={}", path.display()));
        format!("{url}?sslmode={mode}{}", root.unwrap_or_default())
    };

    for (mode, root, wanted) in [
        ("disable", None, false),
        ("prefer", None, true),
        ("require", None, true),
        ("require", Some(&root), true),
        ("verify-full", Some(&root), true),
    ] {
        let url = with(&by_name, mode, root);
        let store = open(&url).unwrap();
        assert_eq!(encrypted(&server, &url, &store), wanted, "{url}");
        drop(store);
        let gone = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'",
            database_of(&url)
        );
        while server.sql("postgres", &gone) != "0" {}
    }
    for (what, url) in [
        ("another name", with(&by_ip, "verify-full", Some(&root))),
        ("another root", with(&by_name, "verify-full", Some(&other))),
        ("another root", with(&by_name, "require", Some(&other))),
        ("nobody vouches for it", with(&by_name, "verify-full", None)),
    ] {
        let error = open(&url).err().unwrap_or_else(|| panic!("{what}: {url} was taken"));
        assert!(
            matches!(error, OpenError::Unreachable { .. } | OpenError::Tls(_)),
            "{what}: {error}"
        );
        assert!(
            error.to_string().to_lowercase().contains("certificate"),
            "{what}: {error}"
        );
    }
    let missing = open(&with(&by_name, "verify-full", Some(&PathBuf::from("/nowhere.pem"))));
    let error = missing.err().unwrap();
    assert!(error.to_string().contains("/nowhere.pem"), "{error}");
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_required() {
    let server = Postgres::shared();
    let url = server.database();
    for mode in ["require", "verify-full"] {
        let error = open(&format!("{url}?sslmode={mode}")).err().unwrap();
        assert!(
            error.to_string().contains("TLS") || error.to_string().contains("certificate"),
            "{error}"
        );
    }
    let url = format!("{url}?sslmode=prefer");
    let store = open(&url).unwrap();
    assert!(!encrypted(server, &url, &store));
}
