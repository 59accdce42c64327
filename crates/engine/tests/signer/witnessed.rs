//! What witnesses cosigned, over restarts.

use std::sync::Arc;

use countersign_engine::Marks;
use countersign_tlog::{Checkpoint, Cosigner, Note, VerifyingKey};

use super::rewind::{Fate, Rewind};
use super::{Folder, acme, operator, start, write};

fn witness(number: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/w{number}"), &[number; 32]).unwrap()
}

/// Lets a witness cosign the newest checkpoint.
async fn cosign(engine: &countersign_engine::Engine, by: &Cosigner) -> u64 {
    let (size, checkpoint) = engine.plain_checkpoint(&operator()).await.unwrap();
    let line = by
        .cosign(Note::parse(&checkpoint).unwrap().text, 1_700_000_000)
        .unwrap();
    let name = by.witness_key().name();
    engine.keep_cosignature(&"acme".into(), &checkpoint, name, &line).await;
    size
}

#[tokio::test(flavor = "multi_thread")]
async fn what_witnesses_cosigned_is_there_after_a_restart() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    let engine = start(&store, &folder.0);
    let vkey: VerifyingKey = acme(&engine).await.parse().unwrap();
    assert!(engine.witnessed(&operator()).await.is_err(), "nobody cosigned yet");
    write(&engine, 1).await.unwrap();
    for number in [1, 2] {
        cosign(&engine, &witness(number)).await;
    }
    write(&engine, 2).await.unwrap();
    let size = cosign(&engine, &witness(1)).await;
    let whole = cosign(&engine, &witness(2)).await;
    assert_eq!(size, whole);
    let before = engine.witnessed(&operator()).await.unwrap();
    engine.stop();

    for _ in 0..2 {
        let engine = start(&store, &folder.0);
        // Nobody has asked for anything before.
        let after = engine.witnessed(&operator()).await.unwrap();
        assert_eq!(after, before);
        assert!(
            engine.witness_age().is_some_and(|age| age < 600),
            "it is as old as its file"
        );
        let note = Note::parse(&after.1).unwrap();
        for number in [1, 2] {
            assert_eq!(witness(number).witness_key().verify(&note), Ok(1_700_000_000));
        }
        assert_eq!(Checkpoint::open(&vkey, &after.1).unwrap().size, size);
        engine.stop();
    }

    let engine = start(&store, &folder.0);
    write(&engine, 3).await.unwrap();
    let later = cosign(&engine, &witness(1)).await;
    assert!(later > size);
    assert_eq!(
        engine.witnessed(&operator()).await.unwrap().0,
        later,
        "a later one takes its place"
    );
    engine.stop();
    let engine = start(&store, &folder.0);
    let (found, text) = engine.witnessed(&operator()).await.unwrap();
    assert_eq!(found, later);
    assert!(witness(2).witness_key().verify(&Note::parse(&text).unwrap()).is_err());
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cosigned_checkpoint_of_the_newest_size_is_published_with_its_cosignatures() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    let engine = start(&store, &folder.0);
    acme(&engine).await;
    write(&engine, 1).await.unwrap();
    cosign(&engine, &witness(1)).await;
    let (_, cosigned) = engine.witnessed(&operator()).await.unwrap();
    // As after a kill: nothing is sealed at the end, and the mark is where it was.
    let killed = Arc::new(store.as_of(store.batches()));
    let origin = Checkpoint::parse_body(Note::parse(&cosigned).unwrap().text)
        .unwrap()
        .origin;
    let marks = Folder::new();
    let (kept, _) = Marks::open(&folder.0).unwrap().witnessed(&origin).unwrap().unwrap();
    Marks::open(&marks.0).unwrap().keep_witnessed(&origin, &kept).unwrap();
    engine.stop();
    let engine = start(&killed, &marks.0);
    let (_, published) = engine.checkpoint(&operator()).await.unwrap();
    assert_eq!(published, cosigned);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_ledger_that_forgot_what_was_cosigned_nothing_is_taken_up() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(|_| Fate::Fine)));
    let engine = start(&store, &folder.0);
    acme(&engine).await;
    let backup = store.batches();
    for agent in 0..5 {
        write(&engine, agent).await.unwrap();
    }
    cosign(&engine, &witness(1)).await;
    engine.stop();
    let engine = start(&Arc::new(store.as_of(backup)), &folder.0);
    assert!(engine.witnessed(&operator()).await.is_err());
    engine.stop();
    // And of one whose file is damaged neither; the ledger is served.
    let file = |extension| {
        std::fs::read_dir(&folder.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|found| found == extension))
    };
    std::fs::write(file("witnessed").unwrap(), "half a chec").unwrap();
    let engine = start(&store, &folder.0);
    assert!(engine.witnessed(&operator()).await.is_err());
    write(&engine, 9).await.unwrap();
    cosign(&engine, &witness(1)).await;
    assert!(engine.witnessed(&operator()).await.is_ok());
    engine.stop();
}
