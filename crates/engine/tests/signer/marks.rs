//! Ledgers and their marks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_engine::{Mark, Marks};
use countersign_tlog::{Checkpoint, VerifyingKey};

use super::rewind::{Fate, Rewind};
use super::{Folder, acme, code, operator, start, write};

fn store() -> Arc<Rewind> {
    Arc::new(Rewind::new(|_| Fate::Fine))
}

fn mark(folder: &Folder, vkey: &str) -> Option<Mark> {
    let origin = vkey.split('+').next().unwrap();
    Marks::open(&folder.0).unwrap().read(origin).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_released_is_marked_before_it_is_seen() {
    let (folder, store) = (Folder::new(), store());
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    for agent in 0..20 {
        write(&engine, agent).await.unwrap();
        let (size, signed) = engine.checkpoint(&operator()).await.unwrap();
        assert_eq!(mark(&folder, &vkey).unwrap().signed, signed);
        assert_eq!(mark(&folder, &vkey).unwrap().checkpoint.size, size);
    }
    let proof = {
        write(&engine, 99).await.unwrap();
        engine.inclusion(&operator(), 0).await.unwrap()
    };
    assert_eq!(mark(&folder, &vkey).unwrap().signed, proof.checkpoint);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_follows_by_itself_and_is_at_the_end_when_the_engine_stops() {
    let (folder, store) = (Folder::new(), store());
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    write(&engine, 1).await.unwrap();
    let started = Instant::now();
    let mut seen = None;
    while seen.is_none() {
        seen = mark(&folder, &vkey);
        assert!(started.elapsed() < Duration::from_secs(20), "no mark follows");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    write(&engine, 2).await.unwrap();
    engine.stop();
    let head = countersign_store::Store::head(&*store, "acme").unwrap().unwrap();
    assert_eq!(mark(&folder, &vkey).unwrap().checkpoint.size, head.size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_is_read_and_not_written() {
    let (folder, store) = (Folder::new(), store());
    let engine = start(&store, &folder.0);
    acme(&engine).await;
    for agent in 0..5 {
        write(&engine, agent).await.unwrap();
    }
    let backup = store.batches();
    for agent in 5..10 {
        write(&engine, agent).await.unwrap();
    }
    engine.stop();

    let restored = Arc::new(store.as_of(backup));
    let engine = start(&restored, &folder.0);
    assert_eq!(code(write(&engine, 50).await), "restored_backup");
    assert_eq!(code(engine.checkpoint(&operator()).await), "restored_backup");
    assert_eq!(code(engine.inclusion(&operator(), 0).await), "restored_backup");
    assert_eq!(engine.restored_ledgers(), 1);
    assert!(engine.look(&"acme".into(), |state| state.agents().len()).await.unwrap() >= 5);
    assert!(!engine.records(&operator(), 0, 10).await.unwrap().is_empty());
    engine.stop();
    assert_eq!(restored.batches(), backup, "nothing was written, not even a seal");

    let engine = start(&store, &folder.0);
    write(&engine, 51).await.unwrap();
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_of_the_same_length_is_not_written_either() {
    let (folder, elsewhere, store) = (Folder::new(), Folder::new(), store());
    let engine = start(&store, &folder.0);
    acme(&engine).await;
    write(&engine, 1).await.unwrap();
    engine.stop();
    // A copy goes its own way, on a machine that knows nothing of this mark.
    let copy = Arc::new(store.as_of(store.batches()));
    let there = start(&copy, &elsewhere.0);
    let here = start(&store, &folder.0);
    for agent in 2..6 {
        write(&here, agent).await.unwrap();
    }
    for agent in 12..30 {
        write(&there, agent).await.unwrap();
    }
    here.stop();
    there.stop();
    // It comes back, and is longer than what was signed for here.
    let engine = start(&copy, &folder.0);
    assert_eq!(code(write(&engine, 50).await), "restored_backup");
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_ahead_of_its_mark_goes_on() {
    let (folder, store) = (Folder::new(), store());
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    for agent in 0..300 {
        write(&engine, agent).await.unwrap();
        if agent % 37 == 0 {
            // As after a crash, with marks at many places of the tree.
            let key: VerifyingKey = vkey.parse().unwrap();
            let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
            Checkpoint::open(&key, &signed).unwrap();
            let kept = Folder::new();
            Marks::open(&kept.0)
                .unwrap()
                .advance(Mark::of(&signed).unwrap())
                .unwrap();
            let (from, to) = (kept.0.clone(), store.clone());
            for more in 0..agent % 5 {
                write(&engine, 1000 + agent * 10 + more).await.unwrap();
            }
            let later = Arc::new(to.as_of(to.batches()));
            let again = start(&later, &from);
            write(&again, 9000).await.unwrap();
            again.stop();
        }
    }
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mark_a_ledger_goes_on_and_gets_one() {
    let (folder, other, store) = (Folder::new(), Folder::new(), store());
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    engine.stop();
    let engine = start(&store, &other.0);
    write(&engine, 1).await.unwrap();
    engine.stop();
    assert!(mark(&other, &vkey).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_cannot_be_written_keeps_checkpoints_inside() {
    let (folder, store) = (Folder::new(), store());
    let engine = start(&store, &folder.0);
    let vkey = acme(&engine).await;
    engine.checkpoint(&operator()).await.unwrap();
    // A folder in the place of the file that is written next.
    let file = Marks::open(&folder.0).unwrap().file(vkey.split('+').next().unwrap());
    std::fs::create_dir(file.with_extension("next")).unwrap();
    write(&engine, 1).await.unwrap();
    assert_eq!(code(engine.checkpoint(&operator()).await), "signer_state");
    std::fs::remove_dir(file.with_extension("next")).unwrap();
    engine.checkpoint(&operator()).await.unwrap();
    engine.stop();
}
