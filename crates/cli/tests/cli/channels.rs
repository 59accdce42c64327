//! People are told about requests: by a real mail server, and by an app in Slack that decides from there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use countersign_client::{Client, Credential};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::packages;
use crate::scene::{Scene, Server, repository, text};

/// How long something that has to come may take.
const SOON: Duration = Duration::from_secs(60);

/// How often it is looked whether something came.
const GLANCE: Duration = Duration::from_millis(50);

const ORGANIZATION: &str = "organization: acme
routes:
  pay:
    steps:
      - { to: [\"user:dana\"], within: 8s }
      - { to: [\"user:erin\", \"user:finn\"] }
    deadline: 1h
";
const GATE: &str = "name: gate
rules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [pay] }
";

/// A mail server from PyPI. Ends with the value.
pub(crate) struct MailServer {
    child: Child,
    pub(crate) port: String,
    mail: Receiver<Value>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl MailServer {
    pub(crate) fn start() -> MailServer {
        MailServer::with(&[])
    }

    /// With a certificate and its key: nothing is taken without TLS and a password.
    fn with(tls: &[std::path::PathBuf]) -> MailServer {
        let python = packages::python("smtp", "smtp/requirements.txt");
        let mut child = Command::new(python)
            .arg(repository().join("tests/smtp/server.py"))
            .args(tls)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let port = lines.next().expect("it says its port").expect("a line");
        let (sender, mail) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message = serde_json::from_str(&line).expect("a line of JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        MailServer { child, port, mail }
    }

    /// The next message, whomever it goes to.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        self.mail.recv_timeout(SOON).expect("a message")
    }

    /// The next message, which goes to `to`.
    #[track_caller]
    pub(crate) fn next_to(&self, to: &str) -> Value {
        let message = self.mail.recv_timeout(SOON).expect("a message");
        assert_eq!(message["to"], json!([to]), "{message}");
        message
    }
}

/// A Slack that takes everything: path and body of each request come out of the channel.
fn slack() -> (u16, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for (place, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut lines, mut line) = (Vec::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                lines.push(line.trim().to_lowercase());
                line.clear();
            }
            let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
            reader.read_exact(&mut body).expect("a body");
            let path = lines
                .first()
                .and_then(|line| line.split(' ').nth(1))
                .unwrap_or_default()
                .to_owned();
            let answer = json!({ "ok": true, "channel": "C1", "ts": format!("{place}.000100") }).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all((head + &answer).as_bytes()).expect("an answer");
            let body = serde_json::from_slice(&body).expect("JSON");
            if sender.send((path, body)).is_err() {
                return;
            }
        }
    });
    (port, seen)
}

struct World {
    organization: String,
    scene: Scene,
    server: Server,
    admin: String,
    agent: Client,
    mail: MailServer,
    slack: Receiver<(String, Value)>,
    slack_place: String,
}

impl World {
    /// Three people, of whom one has no address; mail and Slack as channels.
    fn start() -> World {
        let (mail, (slack_port, slack)) = (MailServer::start(), slack());
        let scene = Scene::new();
        scene.write("p/organization.yaml", ORGANIZATION);
        scene.write("p/gate.yaml", GATE);
        let made = scene
            .run(&["init", "--data", "data", "--policies", "p", "--json"])
            .json();
        let admin = text(&made, "/admin_key");
        let [to_mail, to_slack] = [mail.port.as_str(), &slack_port.to_string()].map(|port| format!("127.0.0.1:{port}"));
        let server = scene.serve(&["--allow-callbacks-to", &to_mail, "--allow-callbacks-to", &to_slack]);
        scene.write("smtp", &format!("smtp://{to_mail}\n"));
        scene.write("token", "xoxb-1\n");
        let world = World {
            organization: text(&made, "/organization"),
            agent: Client::new(&server.url, &Credential::Key(String::new())).expect("a client"),
            scene,
            server,
            admin,
            mail,
            slack,
            slack_place: to_slack.clone(),
        };
        for (id, email) in [
            ("dana", Some("dana@example.com")),
            ("erin", Some("erin@example.com")),
            ("finn", None),
        ] {
            let email = email.map(|email| ["--email", email]);
            let slack_id = format!("U{id}");
            let add = ["users", "add", id, "--roles", "reviewer", "--slack-id", &slack_id];
            world.run(&[&add[..], email.as_ref().map_or(&[], |email| &email[..])].concat());
        }
        world.run(&[
            "channels",
            "add",
            "email",
            "mail",
            "--url-file",
            "smtp",
            "--from",
            "Countersign <bot@example.com>",
        ]);
        world.scene.write("signing", "shh\n");
        let api = format!("http://{to_slack}/api");
        let room = [
            "channels",
            "add",
            "slack",
            "room",
            "--token-file",
            "token",
            "--channel",
            "C1",
        ];
        let more = ["--signing-secret-file", "signing", "--api-url", &api];
        world.run(&[&room[..], &more[..]].concat());
        let bot = world.run(&["agents", "add", "bot", "--owner", "team:ops"]);
        let agent = Client::new(&world.server.url, &Credential::Key(text(&bot, "/key"))).expect("a client");
        World { agent, ..world }
    }

    /// A command of the admin's that succeeds.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Value {
        let how = ["--server", &self.server.url, "--key", &self.admin, "--json"];
        self.scene.run(&[arguments, &how[..]].concat()).json()
    }

    async fn pay(&self) -> Value {
        let body = json!({
            "action": "pay", "amount": "40", "currency": "USD",
            "evidence": { "reason": "<b>urgent</b>\r\nBcc: everybody@example.com" },
        });
        self.agent.post("/v1/actions", &body).await.expect("a decision")
    }

    /// The next request that Slack gets at this path.
    #[track_caller]
    fn next_at(&self, wanted: &str) -> Value {
        loop {
            let (path, body) = self.next_in_slack();
            if path == wanted {
                return body;
            }
        }
    }

    /// Somebody presses the first button of a message, and Slack says so.
    async fn press(&self, user: &str, message: &Value) {
        let buttons = message["blocks"]
            .as_array()
            .expect("blocks")
            .last()
            .expect("a block of buttons");
        let button = &buttons["elements"][0];
        let payload = json!({
            "type": "block_actions", "user": { "id": user }, "trigger_id": "1.2.3",
            "response_url": format!("http://{}/actions/1", self.slack_place),
            "actions": [{ "action_id": button["action_id"], "value": button["value"], "action_ts": "1.2" }],
        });
        let bytes = payload.to_string().into_bytes();
        let body = bytes
            .iter()
            .fold("payload=".to_owned(), |form, byte| form + &format!("%{byte:02X}"));
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let at = now.as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"shh").expect("a key");
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let signature: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let host = self.server.url.trim_start_matches("http://");
        let request = format!(
            "POST /v1/channels/room/slack/{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nX-Slack-Request-Timestamp: {at}\r\n\
             X-Slack-Signature: v0={signature}\r\nContent-Length: {}\r\n\r\n{body}",
            self.organization,
            body.len()
        );
        let mut stream = std::net::TcpStream::connect(host).expect("the server listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The next request that Slack gets.
    #[track_caller]
    fn next_in_slack(&self) -> (String, Value) {
        self.slack.recv_timeout(SOON).expect("a message in Slack")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_step_is_escalated_by_mail_and_slack_and_the_end_takes_the_messages_place() {
    let world = World::start();
    let paid = world.pay().await;
    let approval = text(&paid, "/approval/id");

    let first = world.mail.next_to("dana@example.com");
    let words = text(&first, "/text");
    assert!(words.contains("agent `bot` asks to run `pay` for 40 USD"), "{words}");
    assert!(words.contains(&format!("/approvals/{approval}")), "{words}");
    assert!(
        words.contains("The agent says, and nobody has checked:\n> <b>urgent</b>"),
        "{words}"
    );
    assert!(text(&first, "/html").contains("&lt;b&gt;urgent&lt;/b&gt;"), "{first}");
    assert_eq!(first["headers"].get("bcc"), None, "{first}");
    let subject = text(&first, "/headers/subject");
    assert!(subject.starts_with("Your decision is wanted: agent `bot`"), "{subject}");
    let (path, posted) = world.next_in_slack();
    assert_eq!((&*path, &posted["channel"]), ("/api/chat.postmessage", &json!("C1")));

    // Dana lets her eight seconds pass.
    let second = world.mail.next_to("erin@example.com");
    assert!(
        text(&second, "/headers/subject").starts_with("Escalated to you"),
        "{second}"
    );
    let (path, escalated) = world.next_in_slack();
    assert_eq!(path, "/api/chat.postmessage");
    assert!(text(&escalated, "/text").starts_with("Escalated"), "{escalated}");

    let erin = world.run(&["keys", "add", "--user", "erin"]);
    let approve = [
        "approvals",
        "approve",
        &approval,
        "--server",
        &world.server.url,
        "--key",
    ];
    let approved = world.scene.run(&[&approve[..], &[&text(&erin, "/key")]].concat());
    assert_eq!(approved.code, 0, "{}", approved.err);
    let mut told = [world.mail.mail.recv_timeout(SOON), world.mail.mail.recv_timeout(SOON)]
        .map(|mail| text(&mail.expect("mail"), "/to/0"));
    told.sort();
    assert_eq!(
        told,
        ["dana@example.com", "erin@example.com"],
        "what else came by mail: {:?}",
        world.mail.mail.try_recv()
    );
    let updated = [world.next_in_slack(), world.next_in_slack()];
    let mut seen = updated
        .each_ref()
        .map(|(path, body)| (path.as_str(), body["ts"].as_str()));
    // They are told side by side, and either may come first.
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("/api/chat.update", Some("0.000100")),
            ("/api/chat.update", Some("1.000100"))
        ],
        "each message that was posted says that nothing is wanted any more: {updated:?}"
    );

    // Who could not be told, and why, is on record; and nothing is left.
    let admin = Client::new(&world.server.url, &Credential::Key(world.admin.clone())).expect("a client");
    let noted = loop {
        let found: Value = admin.get("/v1/audit?type=notice.attempted").await.expect("records");
        if found.to_string().contains("has no e-mail address") {
            break found;
        }
        tokio::time::sleep(GLANCE).await;
    };
    assert!(noted.to_string().contains("`finn` has no e-mail address"), "{noted}");
    let path = format!("/v1/approvals/{approval}/timeline");
    let timeline = admin.get::<Value>(&path).await.expect("a timeline").to_string();
    for said in [
        "`dana` (by `mail`) is to be told that a decision is wanted.",
        "`erin` (by `mail`) is to be told that the request was escalated.",
        "`finn` (by `mail`) was not told:",
        "Channel `room` was told at try 1.",
    ] {
        assert!(timeline.contains(said), "{said}: {timeline}");
    }
    while admin
        .get::<Value>("/v1/callbacks/deliveries")
        .await
        .expect("deliveries")["notices"]
        != json!([])
    {
        tokio::time::sleep(GLANCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_of_the_button_of_a_message_approves_what_the_message_showed() {
    let world = World::start();
    let paid = world.pay().await;
    let (_, posted) = world.next_in_slack();
    world.press("Ustranger", &posted).await;
    let said = world.next_at("/actions/1");
    assert_eq!(said["response_type"], "ephemeral", "{said}");
    world.press("Udana", &posted).await;
    // What answers the press and what tells the end go their own ways; either may be first.
    let mut told = Vec::new();
    while !["/actions/1", "/api/chat.update"]
        .iter()
        .all(|wanted| told.iter().any(|(path, _)| path == wanted))
    {
        told.push(world.next_in_slack());
    }
    let body_at = |wanted: &str| told.iter().find(|(path, _)| path == wanted).map(|(_, body)| body);
    let answered = body_at("/actions/1").expect("an answer");
    assert_eq!(answered["replace_original"], true, "{answered}");
    assert!(
        text(answered, "/text").starts_with("No decision is wanted any more"),
        "{answered}"
    );
    assert_eq!(
        body_at("/api/chat.update").map(|body| &body["ts"]),
        Some(&json!("0.000100"))
    );
    let action = world.agent.action(&text(&paid, "/id"), 10).await.expect("the action");
    assert_eq!(action.status, "permitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_nobody_takes_ends_with_the_dead_letters_and_the_next_try_is_another_message() {
    let world = World::start();
    let address =
        |id: &str, email: &str| json!({ "roles": ["reviewer"], "email": email, "teams": [], "duties": [], "name": id });
    let admin = Client::new(&world.server.url, &Credential::Key(world.admin.clone())).expect("a client");
    let put = async |id: &str, email: &str| {
        let body = address(id, email).to_string().into_bytes();
        let path = format!("/v1/users/{id}");
        admin
            .send(countersign_client::Method::PUT, &path, Some(body), None)
            .await
            .expect("a change")
    };
    put("dana", "gone@example.com").await;
    put("erin", "later@example.com").await;
    world.pay().await;
    let letter = loop {
        let left: Value = admin.get("/v1/callbacks/deliveries").await.expect("deliveries");
        let dead = left["notices"]
            .as_array()
            .and_then(|notices| notices.iter().find(|one| one["state"] == "dead").cloned());
        if let Some(dead) = dead {
            break dead;
        }
        tokio::time::sleep(GLANCE).await;
    };
    assert_eq!(
        (&letter["user"], &letter["attempts"]),
        (&json!("dana"), &json!(1)),
        "{letter}"
    );
    assert_eq!(letter["detail"], "answered with status 550");
    // The second step's address is refused for the moment, and tried again seconds later.
    world.mail.next_to("later@example.com");

    put("dana", "dana@example.com").await;
    let path = format!("/v1/channels/notices/{}/resend", text(&letter, "/id"));
    let _: Value = admin.post(&path, &json!({})).await.expect("once more");
    let again = world.mail.next_to("dana@example.com");
    assert!(
        text(&again, "/headers/message-id").contains(&text(&letter, "/id")),
        "one notice has one id"
    );
}

#[test]
fn a_channel_is_tried_out_from_the_command_line() {
    let world = World::start();
    let listed = world.run(&["channels", "list"]);
    let kinds: Vec<_> = (listed["channels"].as_array().expect("channels").iter())
        .map(|channel| (text(channel, "/name"), text(channel, "/kind")))
        .collect();
    assert_eq!(
        kinds,
        [("mail".into(), "email".into()), ("room".into(), "slack".into())]
    );

    assert_eq!(world.run(&["channels", "test", "room"])["delivered"], true);
    let (_, posted) = world.next_in_slack();
    assert!(text(&posted, "/text").starts_with("This channel works"), "{posted}");
    let how = ["--server", &world.server.url, "--key", &world.admin];
    let nobody = world.scene.run(&[&["channels", "test", "mail"], &how[..]].concat());
    assert_eq!(nobody.code, 1, "{}", nobody.out);
    assert!(nobody.err.contains("has no e-mail address"), "{}", nobody.err);

    let quiet = [
        "channels",
        "add",
        "webhook",
        "hook",
        "--url",
        "https://hooks.example.com/x",
        "--quiet",
        "22:00-07:00 Europe/Berlin",
    ];
    assert!(text(&world.run(&quiet), "/secret").starts_with("whsec_"));
    let shown = world.scene.run(&[&["channels", "list"], &how[..]].concat());
    assert!(shown.out.contains("22:00-07:00 Europe/Berlin"), "{}", shown.out);
    world.run(&["channels", "remove", "hook"]);
    assert_eq!(
        world.run(&["channels", "list"])["channels"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn mail_goes_to_a_server_whose_certificate_is_trusted_and_with_the_right_password() {
    let scene = Scene::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    scene.write("cert.pem", &made.cert.pem());
    scene.write("key.pem", &made.signing_key.serialize_pem());
    let mail = MailServer::with(&[scene.path("cert.pem"), scene.path("key.pem")]);
    let place = format!("localhost:{}", mail.port);
    let made = scene.run(&["init", "--data", "data", "--json"]).json();
    let mut how = ["--server", "", "--key", &text(&made, "/admin_key"), "--json"].map(str::to_owned);

    let trusting = scene.serve_with(
        &[("SSL_CERT_FILE", &scene.path("cert.pem"))],
        &["--allow-callbacks-to", &place],
    );
    how[1].clone_from(&trusting.url);
    let run = |how: &[String], arguments: &[&str]| {
        let how: Vec<&str> = how.iter().map(String::as_str).collect();
        scene.run(&[arguments, &how[..]].concat())
    };
    let dana = run(
        &how,
        &[
            "users",
            "add",
            "dana",
            "--email",
            "dana@example.com",
            "--roles",
            "admin",
        ],
    )
    .json();
    how[3] = text(&dana, "/key");
    for (name, password) in [("good", "pass%2Fword"), ("bad", "guess")] {
        scene.write("smtp", &format!("smtp://me:{password}@{place}"));
        let from = "Countersign <bot@example.com>";
        run(
            &how,
            &["channels", "add", "email", name, "--url-file", "smtp", "--from", from],
        )
        .json();
    }
    assert_eq!(run(&how, &["channels", "test", "good"]).json()["delivered"], true);
    mail.next_to("dana@example.com");
    let refused = run(&how, &["channels", "test", "bad"]);
    assert!(
        refused.code == 1 && refused.out.contains("535"),
        "{}{}",
        refused.out,
        refused.err
    );
    drop(trusting);

    // The same server, by the root certificates that the host has.
    let server = scene.serve(&["--allow-callbacks-to", &place]);
    how[1].clone_from(&server.url);
    let refused = run(&how, &["channels", "test", "good"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(
        mail.mail.try_recv().is_err(),
        "nothing was sent over a connection that is not trusted"
    );
}
