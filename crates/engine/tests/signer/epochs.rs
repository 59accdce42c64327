//! New epochs, and new keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::{Record, Span, Time};
use countersign_engine::{Caller, Clock, Engine, EngineError, Reading, Request, Settings, SystemClock, Vault};
use countersign_store::Store as _;
use countersign_tlog::{Checkpoint, Note, VerifyingKey};

use super::rewind::{Fate, Rewind};
use super::{Folder, acme, code, operator, start, write};

fn request(caller: &Caller) -> Request<'_> {
    Request {
        caller,
        route: "test",
        idempotency_key: None,
        body: b"{}",
    }
}

/// Records as `(log, type)`.
fn logs(store: &Rewind) -> Vec<(String, &'static str)> {
    let records = store.records("acme", 0, 1000).unwrap();
    let decode = |leaf: &[u8]| Record::decode(leaf).unwrap();
    records
        .iter()
        .map(|stored| decode(&stored.leaf))
        .map(|(record, log)| (log, record.event.kind()))
        .collect()
}

/// A store that was restored to `back` batches before its end, and its marks.
async fn restored(folder: &Folder, back: usize) -> (Arc<Rewind>, String) {
    let store = Arc::new(Rewind::new(|_| Fate::Fine));
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    for agent in 0..9 {
        write(&engine, agent).await.unwrap();
    }
    engine.checkpoint(&operator()).await.unwrap();
    engine.stop();
    (Arc::new(store.as_of(store.batches() - back)), vkey)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ledger_goes_on_under_a_new_name() {
    let folder = Folder::new();
    let (store, old_vkey) = restored(&folder, 4).await;
    let size = store.head("acme").unwrap().unwrap().size;
    let engine = start(&store, &folder.0);
    assert_eq!(code(write(&engine, 50).await), "restored_backup");
    let caller = operator();
    let without = engine.open_epoch(&request(&caller), "  ").await;
    assert!(matches!(without, Err(EngineError::Refused(refusal)) if refusal.code == "reason_required"));
    let opened = engine.open_epoch(&request(&caller), "the disk died").await.unwrap();
    assert_eq!((opened.epoch, opened.size), (2, size + 1));
    assert!(opened.origin.ends_with("/audit/2"), "{opened:?}");
    assert_eq!(opened.mark.as_ref().unwrap().size, size + 8);
    assert_eq!(engine.restored_ledgers(), 0);

    // The checkpoint that covers the first record of the epoch is signed under both names.
    let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
    let (old, new): (VerifyingKey, VerifyingKey) = (old_vkey.parse().unwrap(), opened.vkey.parse().unwrap());
    assert_eq!(Checkpoint::open(&new, &signed).unwrap().size, size + 1);
    assert!(Note::parse(&signed).unwrap().verify(&old).is_ok());
    assert_eq!(old.public(), new.public());

    write(&engine, 51).await.unwrap();
    let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
    assert!(Note::parse(&signed).unwrap().verify(&old).is_err());
    let keys = engine.log_keys(&"acme".into()).await.unwrap();
    assert_eq!((keys.vkey, keys.earlier), (opened.vkey.clone(), vec![old_vkey.clone()]));
    engine.stop();

    // It stays so over a restart, and a second loss is noticed as well.
    let engine = start(&store, &folder.0);
    write(&engine, 52).await.unwrap();
    let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
    Checkpoint::open(&new, &signed).unwrap();
    let keys = engine.log_keys(&"acme".into()).await.unwrap();
    assert_eq!((keys.vkey, keys.earlier), (opened.vkey, vec![old_vkey]));
    engine.stop();
    let logs = logs(&store);
    for (index, (log, kind)) in logs.iter().enumerate() {
        assert_eq!(log.ends_with("/audit/2"), index as u64 >= size, "record {index}");
        assert_eq!(*kind == "epoch.opened", index as u64 == size);
    }

    let again = Arc::new(store.as_of(store.batches() - 1));
    let engine = start(&again, &folder.0);
    assert_eq!(code(write(&engine, 53).await), "restored_backup");
    assert_eq!(engine.open_epoch(&request(&caller), "again").await.unwrap().epoch, 3);
    write(&engine, 53).await.unwrap();
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_an_epoch_is_noticed_though_it_fits_the_old_mark() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    let engine = start(&store, &folder.0);
    acme(&engine).await;
    engine.checkpoint(&operator()).await.unwrap();
    let backup = store.batches();
    let caller = operator();
    engine
        .open_epoch(&request(&caller), "the key was seen elsewhere")
        .await
        .unwrap();
    engine.stop();

    let old = Arc::new(store.as_of(backup));
    let engine = start(&old, &folder.0);
    assert_eq!(code(write(&engine, 1).await), "restored_backup");
    // The lost epoch keeps its number.
    let opened = engine.open_epoch(&request(&caller), "restored").await.unwrap();
    assert_eq!(opened.epoch, 3);
    assert!(opened.mark.unwrap().log.ends_with("/audit/2"));
    write(&engine, 1).await.unwrap();
    engine.stop();
    let engine = start(&old, &folder.0);
    write(&engine, 2).await.unwrap();
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_committed_holds_although_the_process_died_before_its_mark() {
    let folder = Folder::new();
    let (store, _) = restored(&folder, 4).await;
    let kept = Folder::new();
    std::fs::create_dir(&kept.0).unwrap();
    for file in std::fs::read_dir(&folder.0).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), kept.0.join(file.file_name())).unwrap();
    }
    let engine = start(&store, &folder.0);
    let caller = operator();
    engine.open_epoch(&request(&caller), "the disk died").await.unwrap();
    engine.stop();
    let engine = start(&store, &kept.0);
    write(&engine, 50).await.unwrap();
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_is_not_committed_did_not_happen() {
    let folder = Folder::new();
    let (store, _) = restored(&folder, 2).await;
    let batches = store.batches();
    let failing = Arc::new(Rewind::new(move |commit| match commit {
        commit if commit < batches as u64 => Fate::Fine,
        commit if commit == batches as u64 => Fate::Lost,
        _ => Fate::Fine,
    }));
    for batch in store.contents() {
        failing.append(&batch).unwrap();
    }
    let engine = start(&failing, &folder.0);
    let caller = operator();
    assert_eq!(
        code(engine.open_epoch(&request(&caller), "the disk died").await),
        "store_failed"
    );
    assert_eq!(code(write(&engine, 50).await), "restored_backup");
    engine.open_epoch(&request(&caller), "the disk died").await.unwrap();
    write(&engine, 50).await.unwrap();
    engine.stop();
}

/// The host's clock, set forward.
#[derive(Default)]
struct Shifted {
    clock: SystemClock,
    by_us: Arc<AtomicI64>,
}

impl Clock for Shifted {
    fn read(&self) -> Reading {
        let now = Time(self.clock.read().now.0 + self.by_us.load(Ordering::SeqCst));
        Reading { now, jumped: None }
    }
    fn accept(&self) {}
    fn not_before(&self, _: Time) {}
    fn follow(&self, _: Time) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_signs_beside_the_old_one_for_thirty_days() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    let by_us = Arc::new(AtomicI64::new(0));
    let begin = || {
        let settings = Settings {
            signer_state: Some(folder.0.clone()),
            ..Settings::default()
        };
        let clock = Shifted {
            clock: SystemClock::default(),
            by_us: by_us.clone(),
        };
        Engine::start(store.clone(), Vault::new(&[1; 32]), Box::new(clock), settings).unwrap()
    };
    let mut engine = begin();
    let first: VerifyingKey = acme(&engine).await.parse().unwrap();
    let caller = operator();
    let rotated = engine.rotate_log_key(&request(&caller)).await.unwrap();
    let second: VerifyingKey = rotated.vkey.parse().unwrap();
    assert_eq!((first.name(), first.to_string()), (second.name(), rotated.old_vkey));
    assert_ne!(first.public(), second.public());

    let days = |days: i64| by_us.store(Span::hours(24 * days).0, Ordering::SeqCst);
    for (day, old_signs) in [(0, true), (29, true), (31, false), (32, false)] {
        days(day);
        write(&engine, u32::try_from(day).unwrap()).await.unwrap();
        let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
        Checkpoint::open(&second, &signed).unwrap();
        assert_eq!(
            Checkpoint::open(&first, &signed).is_ok(),
            old_signs,
            "day {day}: {signed}"
        );
        engine.stop();
        engine = begin();
    }
    let third = engine.rotate_log_key(&request(&caller)).await.unwrap();
    assert_eq!(third.old_vkey, second.to_string());
    let opened = engine
        .open_epoch(&request(&caller), "the key was seen elsewhere")
        .await
        .unwrap();
    let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
    let last: VerifyingKey = opened.vkey.parse().unwrap();
    Checkpoint::open(&last, &signed).unwrap();
    let newest: VerifyingKey = third.vkey.parse().unwrap();
    assert_eq!(last.public(), newest.public());
    let keys = engine.log_keys(&"acme".into()).await.unwrap();
    assert_eq!(
        keys.earlier,
        [first.to_string(), second.to_string(), third.vkey.clone()]
    );
    engine.stop();
    let engine = begin();
    assert_eq!(engine.log_keys(&"acme".into()).await.unwrap(), keys);
    write(&engine, 900).await.unwrap();
    let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
    Checkpoint::open(&last, &signed).unwrap();
    engine.stop();
}
