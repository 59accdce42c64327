//! Requests that change nothing: their keys are remembered as those of any other request.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Arc;

use countersign_core::command::Envelope;
use countersign_core::event::{Scope, SnapshotUploaded};
use countersign_core::record::{ActorKind, Half, Idempotency};
use countersign_core::{Answer, Command, Event, Record, State};
use countersign_testkit::{World, by};

const ONE: &str = "name: gate\nrules: [{ decision: allow }]\n";
const TWO: &str = "name: gate\nrules: [{ decision: deny }]\n";

fn give(world: &mut World, key: Option<u8>, command: Command) -> (Answer, Vec<Record>) {
    world.give_envelope(Envelope {
        actor: by(ActorKind::User, "alex"),
        kid: None,
        idem: key.map(|key| Idempotency {
            body: Half([0; 16]),
            key: Half([key; 16]),
        }),
        command,
    })
}

fn kill() -> Command {
    let (scope, reason) = (Scope::Organization, None);
    Command::Kill { scope, reason }
}

fn activate(hash: &Arc<str>) -> Command {
    Command::ActivateSnapshot {
        hash: hash.clone(),
        rationale: None,
    }
}

/// A world with a live snapshot and another.
fn two_snapshots() -> (World, Arc<str>, Arc<str>) {
    let mut world = World::new();
    world.policy(&[("gate.yaml", ONE)]);
    let one = world.state.live().unwrap().clone();
    world.policy(&[("gate.yaml", TWO)]);
    let two = world.state.live().unwrap().clone();
    (world, one, two)
}

/// Index of the only record, which notes `command`.
fn noted((answer, records): &(Answer, Vec<Record>), command: &str) -> u64 {
    assert_eq!(*answer, Answer::Done);
    let [record] = records.as_slice() else {
        panic!("{} records", records.len())
    };
    match &record.event {
        Event::RequestNoted(noted) => assert_eq!(noted.command, command),
        other => panic!("{other:?}"),
    }
    assert_eq!(record.actor.id, "alex");
    record.seq
}

#[test]
fn a_late_repetition_of_an_activation_that_changed_nothing_does_not_bring_the_old_policy_back() {
    let (mut world, one, two) = two_snapshots();
    let seq = noted(&give(&mut world, Some(1), activate(&two)), "activate_snapshot");
    assert_eq!(give(&mut world, Some(2), activate(&one)).0, Answer::Done);
    let again = give(&mut world, Some(1), activate(&two));
    assert_eq!(again, (Answer::Replayed(seq), Vec::new()));
    assert_eq!(world.state.live(), Some(&one));
}

#[test]
fn a_late_repetition_of_a_kill_that_changed_nothing_does_not_kill_again() {
    let mut world = World::new();
    give(&mut world, None, kill());
    let seq = noted(&give(&mut world, Some(1), kill()), "kill");
    let (scope, reason) = (Scope::Organization, None);
    assert_eq!(
        give(&mut world, None, Command::Release { scope, reason }).0,
        Answer::Done
    );
    assert_eq!(give(&mut world, Some(1), kill()), (Answer::Replayed(seq), Vec::new()));
    assert_eq!(world.state.kills().count(), 0);
}

#[test]
fn an_upload_of_what_is_stored_is_noted_and_the_key_takes_no_other_body() {
    let (mut world, one, _) = two_snapshots();
    let upload = |documents| {
        let hash = one.clone();
        Command::UploadSnapshot(Box::new(SnapshotUploaded { documents, hash }))
    };
    noted(&give(&mut world, Some(1), upload(1)), "upload_snapshot");
    let (answer, records) = world.give_envelope(Envelope {
        actor: by(ActorKind::User, "alex"),
        kid: None,
        idem: Some(Idempotency {
            body: Half([7; 16]),
            key: Half([1; 16]),
        }),
        command: upload(2),
    });
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.code == "idempotency_key_reused"));
    assert_eq!(records, Vec::new());
}

#[test]
fn without_a_key_what_changes_nothing_leaves_nothing() {
    let (mut world, _, two) = two_snapshots();
    give(&mut world, None, kill());
    for command in [kill(), activate(&two), Command::Tick] {
        assert_eq!(give(&mut world, None, command), (Answer::Done, Vec::new()));
    }
}

#[test]
fn what_is_refused_is_not_noted() {
    let mut world = World::new();
    let (scope, reason) = (Scope::Organization, None);
    let (answer, records) = give(&mut world, Some(1), Command::Release { scope, reason });
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.code == "not_killed"));
    assert_eq!(records, Vec::new());
    give(&mut world, None, kill());
    let (scope, reason) = (Scope::Organization, None);
    assert_eq!(
        give(&mut world, Some(1), Command::Release { scope, reason }).0,
        Answer::Done
    );
}

#[test]
fn a_noted_request_is_remembered_by_whoever_folds_the_ledger_or_loads_the_state() {
    let (mut world, _, two) = two_snapshots();
    let seq = noted(&give(&mut world, Some(1), activate(&two)), "activate_snapshot");
    assert_eq!(world.refolded().hash(), world.state.hash());
    world.state = State::from_bytes(&world.state.to_bytes()).unwrap();
    assert_eq!(give(&mut world, Some(1), activate(&two)).0, Answer::Replayed(seq));
}
