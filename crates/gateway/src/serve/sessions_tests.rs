//! Tests of sessions: held calls, their places, and how many there may be.

use super::*;

fn opened(sessions: &Sessions, owner: &str, id: &str) -> Result<String, String> {
    sessions.open(owner, "notes", Some(id.to_owned()), None)
}

#[tokio::test]
async fn a_call_whose_session_is_opened_again_is_still_held_and_cancelled_it_does_not_go_on() {
    let sessions = Sessions::default();
    assert!(opened(&sessions, "one", "s").is_ok());
    let held = sessions.hold("s", "7").expect("a place");
    let task = tokio::spawn(std::future::pending::<()>());
    assert!(held.dropped_by(task.abort_handle()));
    assert_eq!(opened(&sessions, "one", "s").as_deref(), Ok("s"));
    assert_eq!(sessions.hold("s", "7").err(), Some(Unplaced::Busy));
    assert!(
        opened(&sessions, "other", "s").is_err() && sessions.open("one", "files", Some("s".to_owned()), None).is_err()
    );
    assert!(sessions.abandon("s", "7"));
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    // A later call has the same id; what the first one still does is not about it.
    let later = sessions.hold("s", "7").expect("a place");
    assert!(!held.let_go());
    drop(held);
    assert_eq!(sessions.hold("s", "7").err(), Some(Unplaced::Busy));
    assert!(later.let_go());
    assert!(!sessions.abandon("s", "7"), "it runs: a cancellation is for the server");
    assert_eq!(sessions.hold("s", "7").err(), Some(Unplaced::Busy));
    drop(later);
    assert!(sessions.hold("s", "7").is_ok());
}

#[test]
fn a_call_does_not_go_on_once_its_session_is_over() {
    let sessions = Sessions::default();
    assert!(opened(&sessions, "one", "s").is_ok());
    let held = sessions.hold("s", "7").expect("a place");
    sessions.end("s");
    assert!(!held.let_go());
    assert_eq!(sessions.hold("s", "8").err(), Some(Unplaced::Gone));
}

#[test]
fn an_agent_has_32_sessions_and_all_agents_together_512() {
    let sessions = Sessions::default();
    for agent in 0..16 {
        for at in 0..32 {
            assert!(opened(&sessions, &agent.to_string(), &format!("{agent} {at}")).is_ok());
        }
        assert!(opened(&sessions, &agent.to_string(), "one more").is_err());
    }
    assert!(opened(&sessions, "another", "one more").is_err() && sessions.room("another").is_err());
    assert_eq!(
        opened(&sessions, "3", "3 7").as_deref(),
        Ok("3 7"),
        "what is open stays open"
    );
    sessions.end("3 7");
    assert!(opened(&sessions, "another", "one more").is_ok());
}

#[tokio::test]
async fn a_server_that_requests_without_sessions_share_counts_like_a_session() {
    let sessions = Sessions::default();
    let pipe = || Arc::new(Pipe::start("cat", &[], &[]).expect("cat starts"));
    for at in 0..31 {
        assert!(opened(&sessions, "one", &at.to_string()).is_ok());
    }
    assert!(sessions.share("one", "files", pipe()).is_ok());
    assert!(sessions.share("one", "files", pipe()).is_ok(), "the same one");
    assert!(sessions.share("one", "notes", pipe()).is_err());
    assert!(opened(&sessions, "one", "31").is_err());
}
