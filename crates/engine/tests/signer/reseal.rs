//! Another key for an instance, with processes killed on the way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_engine::{Engine, Settings, SystemClock, Vault, next_key, reseal};
use countersign_store::Store as _;

use super::rewind::{Fate, Rewind};
use super::{Folder, acme, write};

fn engine(store: &Arc<Rewind>, key: &Path) -> Engine {
    let vault = Vault::from_file(key, false).unwrap();
    Engine::start(
        store.clone(),
        vault,
        Box::new(SystemClock::default()),
        Settings::default(),
    )
    .unwrap()
}

/// Whether the key in this file opens everything in the store.
fn opens_all(store: &Rewind, key: &Path) -> bool {
    let vault = Vault::new(&std::fs::read(key).unwrap().try_into().unwrap());
    let secrets = store.secrets("acme", None, usize::MAX).unwrap();
    assert!(secrets.len() > 4);
    let opens = |secret: &countersign_store::StoredSecret| vault.open("acme", &secret.kind, &secret.id, &secret.sealed);
    secrets.iter().all(|secret| opens(secret).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_gets_another_key_though_it_is_killed_after_every_page() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    std::fs::create_dir(&folder.0).unwrap();
    let key = folder.0.join("instance.key");
    let first = Vault::from_file(&key, true).unwrap();
    let old = folder.0.join("old");
    std::fs::copy(&key, &old).unwrap();
    let running = Engine::start(
        store.clone(),
        first,
        Box::new(SystemClock::default()),
        Settings::default(),
    )
    .unwrap();
    acme(&running).await;
    let mut agent = 0;
    for _ in 0..600 {
        agent += 1;
        write(&running, agent).await.unwrap();
    }
    running.stop();
    assert!(opens_all(&store, &key));

    let mut kills = 0;
    let resealed = loop {
        let next = Vault::prepare_next(&key).unwrap();
        assert_eq!(next, next_key(&key));
        store.reseals.store(1, Ordering::SeqCst);
        let vault = Vault::from_file(&key, false).unwrap();
        match reseal(&*store, &vault) {
            Ok(count) => break count,
            Err(_) => kills += 1,
        }
        // Whoever starts now goes on, and what it seals is not left behind.
        let between = engine(&store, &key);
        agent += 1;
        write(&between, agent).await.unwrap();
        between.stop();
        assert!(!opens_all(&store, &old) && !opens_all(&store, &next));
    };
    assert!(kills >= 2 && resealed > 0, "{kills} kills, {resealed} at last");
    assert!(opens_all(&store, &next_key(&key)));
    Vault::take_next(&key).unwrap();
    assert!(!next_key(&key).exists());
    assert!(opens_all(&store, &key) && !opens_all(&store, &old));
    let after = engine(&store, &key);
    write(&after, agent + 1).await.unwrap();
    after.stop();
    assert_eq!(reseal(&*store, &Vault::from_file(&key, false).unwrap()).unwrap(), 0);
}

#[test]
fn a_secret_is_sealed_anew_for_its_place_and_by_who_can_open_it() {
    let folder = Folder::new();
    std::fs::create_dir(&folder.0).unwrap();
    let key = folder.0.join("instance.key");
    let vault = Vault::from_file(&key, true).unwrap();
    let sealed = Vault::new(&[9; 32]).seal("acme", "key", "log", b"seed").sealed;
    assert!(vault.reseal("acme", "key", "log", &sealed).is_err());
    let own = vault.seal("acme", "key", "log", b"seed").sealed;
    assert_eq!(vault.reseal("acme", "key", "log", &own).unwrap(), None);
    Vault::prepare_next(&key).unwrap();
    let both = Vault::from_file(&key, false).unwrap();
    let anew = both.reseal("acme", "key", "log", &own).unwrap().unwrap();
    assert!(vault.open("acme", "key", "log", &anew).is_err());
    assert_eq!(&**both.open("acme", "key", "log", &anew).unwrap(), b"seed");
    assert!(
        both.reseal("acme", "key", "permit", &own).is_err(),
        "a secret is sealed for its place"
    );
}
