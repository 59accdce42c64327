//! Connections that break: what was promised holds, and the store goes on by itself.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod support;

use std::time::Duration;

use countersign_store::{AppendError, Changes, Org, Shared as _, Store as _};
use countersign_testkit_postgres::{Cut, Postgres, Side, database_of};

use support::{batch, open};

/// A database behind a proxy: the proxy, the url through it and the direct one.
fn behind_a_proxy() -> (Cut, String, String) {
    let server = Postgres::shared();
    let direct = server.database();
    let cut = Cut::before(server.port());
    let through = server.url(database_of(&direct), cut.port());
    (cut, through, direct)
}

fn orgs(names: &[&str]) -> Vec<Org> {
    names.iter().map(|name| Org::from(*name)).collect()
}

fn size(store: &impl countersign_store::Store, org: &str) -> u64 {
    store.head(org).unwrap().map(|head| head.size).unwrap_or_default()
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_by_the_head() {
    let (cut, through, direct) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    let turn = store.turn(&orgs(&["acme"])).unwrap();
    cut.mute();
    let outcome = std::thread::scope(|scope| {
        let append = scope.spawn(|| turn.append(&[batch("acme", 3, 4, "b")]));
        let other = open(&direct);
        while size(&other, "acme") != 7 {}
        cut.now();
        append.join().unwrap()
    });
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    cut.mend();
    assert_eq!(size(&store, "acme"), 7);
    store.append(&[batch("acme", 7, 1, "c")]).unwrap();
}

#[test]
fn a_commit_that_did_not_arrive_is_not_there_and_never_will_be() {
    let (cut, through, direct) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    // From the first byte to almost the last one.
    for bytes in [0, 1, 500, 5_000, 20_000] {
        let turn = store.turn(&orgs(&["acme"])).unwrap();
        cut.after(Side::Client, bytes);
        let outcome = turn.append(&[batch("acme", 3, 8, "b")]);
        assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{bytes}: {outcome:?}");
        assert_eq!(size(&store, "acme"), 3);
        assert_eq!(open(&direct).records("acme", 0, 99).unwrap().len(), 3);
    }
    store.append(&[batch("acme", 3, 1, "c")]).unwrap();
    assert_eq!(size(&store, "acme"), 4);
}

#[test]
fn an_organization_whose_creation_is_not_answered_is_found_by_the_head() {
    let (cut, through, _) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("globex", 0, 1, "a")]).unwrap();
    let mut outcomes = Vec::new();
    // Somewhere in these bytes lies the answer that gives the number, and after it that of the commit.
    for bytes in (0..400).step_by(40) {
        let name = format!("acme-{bytes}");
        let turn = store.turn(&orgs(&[&name])).unwrap();
        cut.after(Side::Server, bytes);
        let outcome = turn.append(&[batch(&name, 0, 2, "b")]);
        cut.mend();
        let found = size(&store, &name);
        match outcome {
            Ok(()) => assert_eq!(found, 2),
            Err(AppendError::Unknown(_)) => assert!(found == 0 || found == 2),
            Err(AppendError::Failed(_)) => assert_eq!(found, 0),
            Err(other) => panic!("{other}"),
        }
        let records = store.records(&name, 0, 9).unwrap().len() as u64;
        assert_eq!(records, found);
        outcomes.push(found);
    }
    assert!(outcomes.contains(&0) && outcomes.contains(&2), "{outcomes:?}");
}

#[test]
fn an_idle_turn_is_ended_by_the_database_and_appends_nothing() {
    let url = Postgres::shared().database();
    let (first, second) = (open(&url), open(&url));
    first.append(&[batch("acme", 0, 3, "a")]).unwrap();
    let idle = first.turn(&orgs(&["acme"])).unwrap();
    // The second one waits until the first has lost its turn.
    let turn = (0..5).find_map(|_| second.turn(&orgs(&["acme"])).ok()).unwrap();
    let outcome = idle.append(&[batch("acme", 3, 1, "late")]);
    assert!(matches!(outcome, Err(AppendError::Failed(_))), "{outcome:?}");
    turn.append(&[batch("acme", 3, 2, "b")]).unwrap();
    assert_eq!(size(&first, "acme"), 5);
    assert_eq!(first.records("acme", 0, 99).unwrap().len(), 5);
    first.append(&[batch("acme", 5, 1, "c")]).unwrap();
}

#[test]
fn a_read_and_a_turn_on_broken_connections_are_tried_on_fresh_ones() {
    let (cut, through, _) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    for round in 0..10 {
        assert_eq!(size(&store, "acme"), 3 + round);
        cut.now();
        assert_eq!(size(&store, "acme"), 3 + round);
        cut.now();
        let turn = store.turn(&orgs(&["acme"])).unwrap();
        turn.append(&[batch("acme", 3 + round, 1, "b")]).unwrap();
    }
}

#[test]
fn a_read_whose_answer_is_lost_on_a_line_that_stays_open_is_tried_on_a_fresh_one() {
    let (cut, through, _) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    assert_eq!(size(&store, "acme"), 3);
    cut.mute();
    let found = std::thread::scope(|scope| {
        let read = scope.spawn(|| size(&store, "acme"));
        // Long enough to have asked, and for the answer to be lost.
        std::thread::sleep(Duration::from_secs(1));
        cut.mend();
        read.join().unwrap()
    });
    assert_eq!(found, 3);
}

#[test]
fn who_is_never_let_in_is_told_so_and_may_try_again() {
    let (cut, through, _) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    // No connection is left: the next read makes one.
    cut.now();
    cut.mute();
    let why = store.head("acme").unwrap_err().to_string();
    assert!(why.contains("too long to let us in"), "{why}");
    cut.mend();
    assert_eq!(size(&store, "acme"), 3);
}

#[test]
fn while_nobody_answers_nothing_is_appended_and_then_it_goes_on() {
    let (cut, through, _) = behind_a_proxy();
    let store = open(&through);
    store.append(&[batch("acme", 0, 3, "a")]).unwrap();
    cut.refuse();
    assert!(store.head("acme").is_err());
    let outcome = store.append(&[batch("acme", 3, 1, "b")]);
    assert!(matches!(outcome, Err(AppendError::Failed(_))), "{outcome:?}");
    cut.mend();
    assert_eq!(size(&store, "acme"), 3);
    store.append(&[batch("acme", 3, 1, "c")]).unwrap();
}

#[test]
fn after_a_lost_connection_there_is_news_of_everything() {
    let (cut, through, direct) = behind_a_proxy();
    let (store, other) = (open(&through), open(&direct));
    other
        .append(&[batch("acme", 0, 3, "a"), batch("globex", 0, 1, "a")])
        .unwrap();
    // What there was before.
    while store.changes(Duration::from_secs(5)).unwrap() != Changes::Anywhere {}
    while store.changes(Duration::from_millis(300)).unwrap() != Changes::In(Vec::new()) {}
    other.append(&[batch("acme", 3, 1, "b")]).unwrap();
    assert_eq!(
        store.changes(Duration::from_secs(10)).unwrap(),
        Changes::In(orgs(&["acme"]))
    );
    cut.now();
    other.append(&[batch("globex", 1, 1, "b")]).unwrap();
    let heard = (0..20).find_map(|_| match store.changes(Duration::from_secs(1)) {
        Ok(Changes::In(news)) if news.is_empty() => None,
        Ok(news) => Some(news),
        Err(_) => None,
    });
    assert_eq!(heard, Some(Changes::Anywhere));
}

#[test]
fn it_works_from_the_threads_of_another_runtime() {
    let url = Postgres::shared().database();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = std::sync::Arc::new(open(&url));
        store.append(&[batch("acme", 0, 3, "a")]).unwrap();
        let within = std::sync::Arc::clone(&store);
        let task = tokio::spawn(async move {
            // More calls than a task of a runtime has budget for.
            (0..300).map(|_| size(&*within, "acme")).sum::<u64>()
        });
        assert_eq!(task.await.unwrap(), 900);
        let blocking = tokio::task::spawn_blocking(move || {
            let turn = store.turn(&orgs(&["acme"])).unwrap();
            drop(turn);
            size(&*store, "acme")
        });
        assert_eq!(blocking.await.unwrap(), 3);
    });
}
