//! A continuous export that dies at every step that it can die at.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod ledger;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use countersign_export::{CursorFile, ExportError, Folder, Follow, Place, Put, Step};
use ledger::{Ledger, Scratch};

/// A place in memory whose process dies at one of its calls: before the call had its effect, or right after.
#[derive(Default)]
struct Fragile {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// How many calls are left; then it is dead until it is revived.
    left: Cell<Option<u64>>,
    /// The last call has its effect, and nobody hears of it.
    effect: Cell<bool>,
}

impl Fragile {
    /// Whether this call has its effect, and whether the caller lives to see it.
    fn call(&self) -> (bool, bool) {
        match self.left.get() {
            None => (true, true),
            Some(0) => (false, false),
            Some(1) => {
                self.left.set(Some(0));
                (self.effect.get(), false)
            }
            Some(left) => {
                self.left.set(Some(left - 1));
                (true, true)
            }
        }
    }

    fn died<T>() -> Result<T, ExportError> {
        Err(ExportError::Place {
            doing: "reach",
            name: "anything".into(),
            why: "the process died".into(),
        })
    }

    fn ledger(&self) -> String {
        let files = self.files.borrow();
        let parts = files.iter().filter(|(name, _)| name.ends_with(".jsonl"));
        parts.map(|(_, bytes)| std::str::from_utf8(bytes).unwrap()).collect()
    }
}

impl Place for Fragile {
    async fn names(&self, prefix: &str) -> Result<Vec<String>, ExportError> {
        let (_, lives) = self.call();
        if !lives {
            return Fragile::died();
        }
        let files = self.files.borrow();
        Ok(files.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ExportError> {
        let (_, lives) = self.call();
        if !lives {
            return Fragile::died();
        }
        Ok(self.files.borrow().get(name).cloned())
    }

    async fn create(&self, name: &str, bytes: &[u8]) -> Result<Put, ExportError> {
        let (happens, lives) = self.call();
        let mut files = self.files.borrow_mut();
        let there = files.contains_key(name);
        if happens && !there {
            files.insert(name.to_owned(), bytes.to_vec());
        }
        match (lives, there) {
            (false, _) => Fragile::died(),
            (true, true) => Ok(Put::Exists),
            (true, false) => Ok(Put::Created),
        }
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let (happens, lives) = self.call();
        if happens {
            self.files.borrow_mut().insert(name.to_owned(), bytes.to_vec());
        }
        if lives { Ok(()) } else { Fragile::died() }
    }
}

/// Exports until everything is there, or it dies.
async fn run(ledger: &Ledger, place: &impl Place, at_most: u64) -> Result<u64, ExportError> {
    let mut follow = Follow::open(ledger, place, ledger.key(), CursorFile::There, at_most).await?;
    while follow.step().await? != Step::UpToDate {}
    Ok(follow.exported())
}

fn finding(error: ExportError) -> String {
    match error {
        ExportError::Finding(what) => what,
        other => panic!("a finding was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_parts_are_the_ledger_wherever_the_export_died() {
    let mut deaths = 0;
    for effect in [false, true] {
        for calls in 1.. {
            let (ledger, place) = (Ledger::golden(), Fragile::default());
            ledger.size.set(20);
            place.effect.set(effect);
            place.left.set(Some(calls));
            let first = run(&ledger, &place, 7).await;
            place.left.set(None);
            // The ledger grows before the export comes back, so that a new part would end elsewhere.
            ledger.size.set(31);
            run(&ledger, &place, 9).await.unwrap();
            assert_eq!(place.ledger(), ledger.text(), "died at call {calls}, effect: {effect}");
            let checkpoints = place
                .files
                .borrow()
                .keys()
                .filter(|name| name.ends_with(".checkpoint"))
                .count();
            let parts = place
                .files
                .borrow()
                .keys()
                .filter(|name| name.ends_with(".jsonl"))
                .count();
            assert_eq!(checkpoints, parts, "each part has its checkpoint");
            match first {
                Ok(_) => break,
                Err(_) => deaths += 1,
            }
        }
    }
    assert!(deaths > 30, "it died at {deaths} places");
}

#[tokio::test]
async fn a_lost_cursor_costs_no_record() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    run(&ledger, &place, 10).await.unwrap();
    let before = place.files.borrow().clone();
    place.files.borrow_mut().remove("cursor.json");
    assert_eq!(run(&ledger, &place, 25).await.unwrap(), 53);
    assert_eq!(*place.files.borrow(), before, "the parts are taken as they are");
}

#[tokio::test]
async fn a_log_that_lost_records_is_a_finding() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    run(&ledger, &place, 10).await.unwrap();
    let before = place.files.borrow().clone();
    ledger.size.set(40);
    let what = finding(run(&ledger, &place, 10).await.unwrap_err());
    assert!(what.contains("first 53 records") && what.contains("40"), "{what}");
    assert_eq!(*place.files.borrow(), before, "nothing was written");
}

#[tokio::test]
async fn a_log_that_was_rewritten_is_a_finding() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    ledger.size.set(30);
    run(&ledger, &place, 10).await.unwrap();
    let changed = ledger.lines.borrow()[12]
        .replace("acme", "evil")
        .replace("\"v\":1", "\"v\":2");
    ledger.lines.borrow_mut()[12] = changed;
    ledger.size.set(53);
    finding(run(&ledger, &place, 10).await.unwrap_err());
    assert!(!place.ledger().contains("\"seq\":30"), "nothing was written after it");
}

#[tokio::test]
async fn a_part_that_holds_something_else_is_a_finding() {
    for harm in [
        |text: &str| text.replacen("\"prov\":\"observed\"", "\"prov\":\"reported\"", 1),
        |text: &str| text.lines().skip(1).map(|line| format!("{line}\n")).collect(),
        |text: &str| text.trim_end().to_owned(),
        |_: &str| String::new(),
    ] {
        let (ledger, place) = (Ledger::golden(), Fragile::default());
        run(&ledger, &place, 60).await.unwrap();
        let name = "records-0000000000000-0000000000052.jsonl";
        let text = place.ledger();
        place
            .files
            .borrow_mut()
            .insert(name.to_owned(), harm(&text).into_bytes());
        place.files.borrow_mut().remove("cursor.json");
        finding(run(&ledger, &place, 60).await.unwrap_err());
    }
}

#[tokio::test]
async fn two_parts_that_begin_alike_are_a_finding() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    run(&ledger, &place, 60).await.unwrap();
    let other = "records-0000000000000-0000000000009.jsonl".to_owned();
    place.files.borrow_mut().insert(other, b"{}\n".to_vec());
    place.files.borrow_mut().remove("cursor.json");
    finding(run(&ledger, &place, 60).await.unwrap_err());
}

#[tokio::test]
async fn a_cursor_of_another_log_is_refused() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    run(&ledger, &place, 60).await.unwrap();
    let cursor = String::from_utf8(place.files.borrow()["cursor.json"].clone()).unwrap();
    for (from, to) in [
        ("test/t/0/audit/1", "test/t/1/audit/1"),
        ("\"next\": 53", "\"next\": 52"),
        ("edge", "edges"),
    ] {
        let changed = cursor.replacen(from, to, 1).into_bytes();
        place.files.borrow_mut().insert("cursor.json".to_owned(), changed);
        let refused = run(&ledger, &place, 60).await.unwrap_err();
        assert!(matches!(refused, ExportError::Usage { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_log_that_goes_on_in_another_epoch_is_followed() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    ledger.size.set(20);
    run(&ledger, &place, 60).await.unwrap();
    // The cursor and the checkpoint beside the part are of an earlier epoch.
    let cursor = String::from_utf8(place.files.borrow()["cursor.json"].clone()).unwrap();
    let earlier = cursor.replace("audit/1", "audit/0").into_bytes();
    place.files.borrow_mut().insert("cursor.json".to_owned(), earlier);
    ledger.size.set(53);
    assert_eq!(run(&ledger, &place, 60).await.unwrap(), 53);
    place.files.borrow_mut().remove("cursor.json");
    let name = "records-0000000000000-0000000000019.checkpoint".to_owned();
    let earlier = ledger.checkpoint_as("test/t/0/audit/0", 20);
    place.files.borrow_mut().insert(name, earlier.into_bytes());
    assert_eq!(run(&ledger, &place, 60).await.unwrap(), 53);
}

#[tokio::test]
async fn a_cursor_of_another_destination_is_refused() {
    let (ledger, scratch) = (Ledger::golden(), Scratch::new());
    let cursor = || CursorFile::at(&scratch.0.join("cursor")).unwrap();
    let (here, elsewhere) = (Fragile::default(), Fragile::default());
    let mut follow = Follow::open(&ledger, &here, ledger.key(), cursor(), 60).await.unwrap();
    follow.step().await.unwrap();
    drop(follow);
    let refused = Follow::open(&ledger, &elsewhere, ledger.key(), cursor(), 60)
        .await
        .err()
        .unwrap();
    assert!(matches!(refused, ExportError::Usage { .. }), "{refused}");
    assert!(Follow::open(&ledger, &here, ledger.key(), cursor(), 60).await.is_ok());
}

#[tokio::test]
async fn records_that_were_pruned_before_they_were_exported_are_not_skipped_silently() {
    let (ledger, place) = (Ledger::golden(), Fragile::default());
    ledger.pruned.set(16);
    let refused = run(&ledger, &place, 60).await.unwrap_err();
    assert!(
        refused.to_string().contains("records 0 to 15 are there no more"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_folder_has_one_writer_and_its_parts_stay_as_they_are() {
    let (ledger, scratch) = (Ledger::golden(), Scratch::new());
    let folder = Folder::open(&scratch.0).unwrap();
    assert!(Folder::open(&scratch.0).is_err(), "a second one is turned away");
    std::fs::write(scratch.0.join(".unfinished-records-0"), "half").unwrap();
    assert_eq!(folder.create("a", b"1").await.unwrap(), Put::Created);
    assert_eq!(folder.create("a", b"2").await.unwrap(), Put::Exists);
    assert_eq!(folder.read("a").await.unwrap().as_deref(), Some(b"1".as_slice()));
    drop(folder);
    let folder = Folder::open(&scratch.0).unwrap();
    assert!(
        !scratch.0.join(".unfinished-records-0").exists(),
        "what a crash left is removed"
    );
    run(&ledger, &folder, 20).await.unwrap();
    let mut parts = folder.names("records-").await.unwrap();
    parts.retain(|name| name.ends_with(".jsonl"));
    assert_eq!(parts.len(), 3);
    let text: String = parts
        .iter()
        .map(|name| std::fs::read_to_string(scratch.0.join(name)).unwrap())
        .collect();
    assert_eq!(text, ledger.text());
    for name in parts {
        assert!(
            std::fs::metadata(scratch.0.join(name))
                .unwrap()
                .permissions()
                .readonly()
        );
    }
}

#[tokio::test]
async fn a_cursor_may_lie_beside_the_parts_and_belongs_to_one_export() {
    let (ledger, scratch) = (Ledger::golden(), Scratch::new());
    let folder = Folder::open(&scratch.0).unwrap();
    let cursor = || CursorFile::at(&scratch.0.join("state"));
    let mut follow = Follow::open(&ledger, &folder, ledger.key(), cursor().unwrap(), 60)
        .await
        .unwrap();
    assert!(cursor().is_err(), "a second export has a cursor of its own");
    follow.step().await.unwrap();
    drop(follow);
    let follow = Follow::open(&ledger, &folder, ledger.key(), cursor().unwrap(), 60)
        .await
        .unwrap();
    assert_eq!(follow.exported(), 53);
}
