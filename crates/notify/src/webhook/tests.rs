//! That a name which changes its mind reaches nothing (DNS rebinding).
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Mutex;

use tokio::net::TcpListener;
use url::Url;

use super::*;

/// Answers every question with the next of its answers, round and round, and counts.
struct Alternating {
    answers: Vec<Vec<IpAddr>>,
    asked: Mutex<usize>,
}

impl Alternating {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect())
            .collect();
        Arc::new(Alternating {
            answers,
            asked: Mutex::new(0),
        })
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl Resolve for Alternating {
    fn resolve<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut asked = self.asked.lock().unwrap();
        let answer = self.answers[*asked % self.answers.len()].clone();
        *asked += 1;
        Box::pin(async { Ok(answer) })
    }
}

fn short() -> Limits {
    Limits {
        connect: Duration::from_millis(300),
        total: Duration::from_millis(600),
        answer_bytes: 1024,
    }
}

/// A public-looking target on a port of this host, which no URL could ask for.
fn target(scheme: &str, port: u16) -> Target {
    let url = Url::parse(&format!("{scheme}://rebind.example.com:{port}/hook")).unwrap();
    Target {
        url,
        host: "rebind.example.com".to_owned(),
        port,
        lifted: false,
    }
}

fn message() -> Message {
    Message::new("msg_1", 1, "{}").unwrap()
}

const NO_KEYS: Keys<'_> = Keys {
    secrets: &[],
    ed25519: None,
};

#[tokio::test]
async fn an_answer_with_one_private_address_is_refused_and_nothing_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for answer in [
        vec!["127.0.0.1"],
        vec!["8.8.8.8", "127.0.0.1"],
        vec!["127.0.0.1", "8.8.8.8"],
        vec!["::1", "2606:4700::1111"],
        vec!["::ffff:127.0.0.1"],
        vec!["64:ff9b::7f00:1"],
        vec!["2002:7f00:1::"],
        vec!["0.0.0.0"],
        vec!["169.254.169.254"],
    ] {
        let sender = Sender::with(Alternating::new(&[&answer]), short()).unwrap();
        for scheme in ["http", "https"] {
            let attempt = sender.deliver(&target(scheme, port), &message(), &NO_KEYS).await;
            assert_eq!(
                attempt,
                Attempt::Refused {
                    reason: Refusal::PrivateAddress
                },
                "{answer:?}"
            );
        }
    }
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn a_name_that_alternates_is_asked_once_an_attempt_and_reaches_only_what_was_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let resolver = Alternating::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let sender = Sender::with(resolver.clone(), short()).unwrap();
    let target = target("https", port);
    for round in 0..10 {
        // What an attempt may connect to is settled here, before anything connects.
        let checked = sender.addresses(&target).await;
        assert_eq!(resolver.asked(), round + 1);
        let wanted = if round % 2 == 0 {
            Ok(vec![SocketAddr::new("8.8.8.8".parse().unwrap(), port)])
        } else {
            Err(Attempt::Refused {
                reason: Refusal::PrivateAddress,
            })
        };
        assert_eq!(checked, wanted);
    }
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn the_client_of_an_attempt_connects_to_the_pinned_address_and_knows_no_other_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resolver = Alternating::new(&[&["8.8.8.8"]]);
    let sender = Sender::with(resolver.clone(), short()).unwrap();
    let client = sender.client(&target("http", address.port()), vec![address]).unwrap();

    // Pinned: the connection goes where it was told to, and the resolver is not asked again.
    let pinned = client
        .get(format!("http://rebind.example.com:{}/", address.port()))
        .send();
    let (sent, accepted) = tokio::join!(pinned, timeout(Duration::from_millis(500), listener.accept()));
    assert!(sent.is_err() && accepted.is_ok());
    assert_eq!(resolver.asked(), 0);

    // Another name, even one that every resolver knows, leads nowhere.
    let other = client.get(format!("http://localhost:{}/", address.port())).send();
    assert!(other.await.is_err_and(|error| error.is_connect()));
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let headers = |entries: &[(&'static str, &'static str)]| {
        entries
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>()
    };
    let after = |entries: &[(&'static str, &'static str)]| retry_after(&headers(entries), 1_795_219_200);
    assert_eq!(after(&[]), None);
    assert_eq!(after(&[("retry-after", "120")]), Some(Duration::from_secs(120)));
    assert_eq!(after(&[("retry-after", "soon")]), None);
    assert_eq!(after(&[("retry-after", "-1")]), None);
    assert_eq!(after(&[("retry-after", "99999999999")]), Some(LONGEST_RETRY_AFTER));
    let date = ("retry-after", "Sat, 21 Nov 2026 00:01:00 GMT");
    assert_eq!(after(&[date]), Some(Duration::from_secs(60)));
    assert_eq!(
        after(&[date, ("date", "Sat, 21 Nov 2026 00:00:30 GMT")]),
        Some(Duration::from_secs(30))
    );
    assert_eq!(
        after(&[date, ("date", "Sat, 21 Nov 2026 00:02:00 GMT")]),
        Some(Duration::ZERO)
    );
}
