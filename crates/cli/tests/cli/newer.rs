//! Records of a version to come: nobody guesses what they mean, and everybody can verify them.

use countersign_core::Time;
use countersign_engine::Vault;
use countersign_store::{Append, Head, NewRecord, Store};
use countersign_store_postgres::{Address, PostgresStore};
use countersign_store_sqlite::SqliteStore;
use countersign_testkit_postgres::Postgres;
use countersign_tlog::bundle::entries_frame;
use countersign_tlog::{Checkpoint, Edge, SigningKey, canonical_json, leaf_hash};
use serde_json::{Value, json};

use crate::scene::{Ran, Scene, text};

/// A record that a version to come would write after this one.
fn to_come(last: &[u8]) -> Vec<u8> {
    let mut record: Value = serde_json::from_slice(last).expect("a record");
    let seq = record["seq"].as_u64().expect("an index") + 1;
    let ts: Time = text(&record, "/ts").parse().expect("a time");
    record["seq"] = json!(seq);
    record["ts"] = json!((ts + countersign_core::Span(1)).to_string());
    record["type"] = json!("weather.changed");
    record["data"] = json!({ "sky": "clear" });
    for gone in ["idem", "payload", "redact", "snapshot"] {
        record.as_object_mut().expect("an object").remove(gone);
    }
    canonical_json(&record).expect("canonical")
}

/// Appends that record to the ledger of `main`, as the program to come would: signed by the log's key.
fn append(store: &dyn Store, vault: &Vault) {
    let org: countersign_store::Org = "main".into();
    let head = store.head(&org).expect("a head").expect("an organization");
    let last = store.records(&org, head.size - 1, 1).expect("the last record");
    let leaf = to_come(&last[0].leaf);
    let mut edge = Edge::from_bytes(&head.edge).expect("an edge");
    edge.push(leaf_hash(&leaf));
    let rows = store.organizations().expect("organizations");
    let origin = rows[0].origin.clone();
    let sealed = store.secret(&org, "key", "log").expect("secrets").expect("a key");
    let seed = vault
        .open(&org, "key", "log", &sealed)
        .expect("the instance key opens it");
    let key = SigningKey::from_seed(&origin, &seed[..].try_into().expect("32 bytes")).expect("a key");
    let (size, root) = (edge.size(), edge.root());
    let checkpoint = Checkpoint { origin, size, root }.sign(&key).expect("a checkpoint");
    let share = Append {
        create: None,
        head: Head {
            checkpoint,
            edge: edge.to_bytes(),
            size,
            ts: head.ts + countersign_core::Span(1),
        },
        org,
        base: head.size,
        records: vec![NewRecord {
            leaf_hash: NewRecord::hash_of(&leaf),
            leaf,
            payload: None,
            seq: head.size,
            subjects: Vec::new(),
        }],
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    };
    store.append(&[share]).expect("appended");
}

/// The organization is not served: the error says so, what stands in the way, and what to do.
#[track_caller]
fn is_not_served(ran: &Ran) {
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 3, "{said}");
    assert!(
        said.contains("`weather.changed`") && said.contains("upgrade Countersign"),
        "{said}"
    );
}

#[test]
fn an_organization_with_a_record_of_a_version_to_come_is_not_served_from_a_folder() {
    let (scene, _) = Scene::initialised();
    {
        let store = SqliteStore::open(&scene.path("data")).expect("the store");
        let vault = Vault::from_file(&scene.path("data/instance.key"), false).expect("the key");
        append(&store, &vault);
    }
    is_not_served(&scene.run(&["agents", "add", "bot", "--owner", "team:ops", "--data", "data"]));
    is_not_served(&scene.run(&["upgrade", "--data", "data"]));
    let doctor = scene.run(&["doctor", "--data", "data"]);
    assert!(
        format!("{}{}", doctor.out, doctor.err).contains("weather.changed"),
        "{}{}",
        doctor.out,
        doctor.err
    );
    // Others in the same folder are.
    let added = scene.run(&["org", "add", "other", "--data", "data"]);
    assert_eq!(added.code, 0, "{}{}", added.out, added.err);
    let checked = scene.run(&["upgrade", "--check", "--data", "data", "--org", "other", "--json"]);
    assert_eq!(checked.json()["ledgers"][0]["organization"], "other");
}

#[test]
fn an_organization_with_a_record_of_a_version_to_come_is_not_served_from_a_database() {
    let (scene, url) = (Scene::new(), Postgres::shared().database());
    let on_database = ["--database-url", &url, "--key-file", "instance.key"];
    let made = scene.run(&[&["init"], &on_database[..]].concat());
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    // A node that runs meanwhile learns of it as of any record.
    let server = scene.serve_from(&on_database);
    {
        let store = PostgresStore::open(Address::parse(&url).expect("an address")).expect("the store");
        let vault = Vault::from_file(&scene.path("instance.key"), false).expect("the key");
        append(&store, &vault);
    }
    is_not_served(&scene.run(&[&["agents", "add", "bot", "--owner", "team:ops"], &on_database[..]].concat()));
    drop(server);
}

#[test]
fn an_export_with_a_record_of_a_version_to_come_verifies_and_is_not_derived_again() {
    let (scene, _) = Scene::initialised();
    scene
        .run(&["audit", "export", "--out", "bundle", "--data", "data", "--json"])
        .json();
    let lines = scene.read("bundle/records.jsonl");
    let mut leaves: Vec<Vec<u8>> = lines.lines().map(|line| line.as_bytes().to_vec()).collect();
    leaves.push(to_come(&leaves[leaves.len() - 1]));
    let (mut entries, mut records, mut edge) = (Vec::new(), Vec::new(), Edge::new());
    for leaf in &leaves {
        entries_frame(leaf, &mut entries).expect("a frame");
        records.extend_from_slice(leaf);
        records.push(b'\n');
        edge.push(leaf_hash(leaf));
    }
    let origin = scene
        .read("bundle/checkpoint")
        .lines()
        .next()
        .expect("an origin")
        .to_owned();
    let key = SigningKey::from_seed(&origin, &[5; 32]).expect("a key");
    let (size, root) = (edge.size(), edge.root());
    let head = Checkpoint { origin, size, root }.sign(&key).expect("a checkpoint");
    let folder = scene.path("bundle");
    std::fs::remove_dir_all(folder.join("proofs")).expect("the proofs are of the true log");
    std::fs::write(folder.join("entries"), entries).expect("written");
    std::fs::write(folder.join("records.jsonl"), records).expect("written");
    std::fs::write(folder.join("checkpoint"), head).expect("written");

    let vkey = key.verifying_key().to_string();
    let verified = scene.run(&["audit", "verify", "bundle", "--vkey", &vkey]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    assert_eq!(scene.python_verifies(&vkey, "bundle"), Some(true));
    let replayed = scene.run(&["audit", "replay", "bundle", "--vkey", &vkey]);
    let said = format!("{}{}", replayed.out, replayed.err);
    assert_eq!(replayed.code, 1, "{said}");
    assert!(
        said.contains("`weather.changed`") && !said.contains("REPLAYED"),
        "{said}"
    );
    assert!(said.contains("replay with the version that wrote the export"), "{said}");
}
