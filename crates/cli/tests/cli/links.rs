//! A person gets mail, follows its link and decides, once: over a real mail server, with nothing but HTTP.

use std::io::{Read as _, Write as _};

use countersign_client::{Client, Credential};
use serde_json::{Value, json};

use crate::channels::MailServer;
use crate::scene::{Scene, Server, text};

const ORGANIZATION: &str = "organization: acme
teams: [desk]
channels: { mail: { decide: low_risk } }
routes: { tills: { steps: [{ to: [desk], within: 1h }], deadline: 2h } }
";
const GATE: &str = "name: gate
rules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [tills] }
  - { condition: \"action == 'wipe'\", decision: require_approval, approvers: [tills] }
";
const TOOLS: &str = "tools: [{ tool: pay, risk: R1 }, { tool: wipe, risk: R4 }]\n";

struct World {
    scene: Scene,
    server: Server,
    admin: String,
    agent: Client,
    mail: MailServer,
}

/// What a page answered.
struct Page {
    status: u16,
    head: String,
    body: String,
}

impl World {
    fn start() -> World {
        let mail = MailServer::start();
        let scene = Scene::new();
        scene.write("p/organization.yaml", ORGANIZATION);
        scene.write("p/gate.yaml", GATE);
        scene.write("p/tools.yaml", TOOLS);
        let made = scene
            .run(&["init", "--data", "data", "--policies", "p", "--json"])
            .json();
        let admin = text(&made, "/admin_key");
        let to_mail = format!("127.0.0.1:{}", mail.port);
        let server = scene.serve(&["--allow-callbacks-to", &to_mail]);
        scene.write("smtp", &format!("smtp://{to_mail}\n"));
        let agent = Client::new(&server.url, &Credential::Key(String::new())).expect("a client");
        let world = World {
            scene,
            server,
            admin,
            agent,
            mail,
        };
        let dana = ["users", "add", "dana", "--roles", "reviewer", "--teams", "desk"];
        world.run(&[&dana[..], &["--email", "dana@example.com"]].concat());
        let channel = ["channels", "add", "email", "mail", "--url-file", "smtp"];
        world.run(&[&channel[..], &["--from", "Countersign <bot@example.com>"]].concat());
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

    async fn ask(&self, action: &str) -> Value {
        let body = json!({
            "action": action, "tool": action, "amount": "40", "currency": "USD",
            "evidence": { "reason": "</pre><script>alert(1)</script>\u{202e}" },
        });
        self.agent.post("/v1/actions", &body).await.expect("a decision")
    }

    async fn status(&self, asked: &Value) -> Value {
        let path = format!("/v1/actions/{}", text(asked, "/id"));
        self.agent.get(&path).await.expect("the action")
    }

    /// The path of the link in the next mail.
    fn link(&self) -> String {
        let mail = self.mail.next_to("dana@example.com");
        let words = text(&mail, "/text");
        let line = words.lines().find(|line| line.contains("/v1/links/")).expect("a link");
        let at = line.find("/v1/links/").expect("its path");
        let path = line[at..].to_owned();
        assert!(text(&mail, "/html").contains(&path), "{mail}");
        path
    }

    fn page(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Page {
        let host = self.server.url.trim_start_matches("http://");
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let fields: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let body = fields.join("&");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = std::net::TcpStream::connect(host).expect("the server listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Page {
            status: status.expect("a status"),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    /// What happened to a request, in sentences.
    async fn timeline(&self, asked: &Value) -> String {
        let path = format!("/v1/approvals/{}/timeline", text(asked, "/approval/id"));
        let told: Value = self.agent.get(&path).await.expect("a timeline");
        told.to_string()
    }

    /// Everything that the ledger says of one type of record.
    async fn records(&self, kind: &str) -> String {
        let admin = Client::new(&self.server.url, &Credential::Key(self.admin.clone())).expect("a client");
        // The index follows the ledger; what is not in it yet is waited for.
        let now: Value = admin.get("/v1/audit/checkpoint").await.expect("a checkpoint");
        let last = now["size"].as_u64().expect("a size") - 1;
        let path = format!("/v1/audit?type={kind}&min_seq={last}");
        let found: Value = admin.get(&path).await.expect("records");
        found.to_string()
    }
}

/// The value of a hidden field.
fn field<'p>(page: &'p Page, name: &str) -> &'p str {
    let at = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
    at.and_then(|rest| rest.split('"').next()).expect("a hidden field")
}

fn decision<'p>(page: &'p Page, what: &'p str, comment: &'p str) -> [(&'p str, &'p str); 5] {
    [
        ("what", what),
        ("comment", comment),
        ("action_digest", field(page, "action_digest")),
        ("snapshot", field(page, "snapshot")),
        ("presentation_digest", field(page, "presentation_digest")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_a_mail_is_followed_and_decides_once() {
    let world = World::start();
    let asked = world.ask("pay").await;
    let path = world.link();

    // A program that looks at mail follows the link, and nothing comes of it.
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(world.page(method, &path, &[]).status, 200);
    }
    assert!(!world.timeline(&asked).await.contains("was shown the request"));
    assert_eq!(world.status(&asked).await["status"], "pending");

    let opened = world.page("POST", &path, &[("what", "read")]);
    assert_eq!(opened.status, 200, "{}", opened.body);
    let told = world.timeline(&asked).await;
    assert!(told.contains("`dana` was shown the request"), "{told}");
    for header in [
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "form-action 'self'",
        "default-src 'none'",
    ] {
        assert!(opened.head.contains(header), "{}", opened.head);
    }
    assert!(!opened.body.contains("<script"), "{}", opened.body);
    assert!(opened.body.contains("&lt;script&gt;"), "{}", opened.body);
    assert!(opened.body.contains("\\u{202e}"), "{}", opened.body);

    // A rejection needs words; without them the link goes on working.
    let silent = world.page("POST", &path, &decision(&opened, "reject", " "));
    assert_eq!(silent.status, 422, "{}", silent.body);
    assert!(silent.body.contains("Nothing was decided"), "{}", silent.body);

    let decided = world.page("POST", &path, &decision(&opened, "approve", "as ordered"));
    assert_eq!(decided.status, 200, "{}", decided.body);
    let now = world.status(&asked).await;
    assert_eq!(now["status"], "permitted", "{now}");
    assert!(now["permit"].is_string(), "{now}");

    let again = world.page("POST", &path, &decision(&opened, "approve", ""));
    assert_eq!(again.status, 401, "{}", again.body);
    assert_eq!(world.page("GET", &path, &[]).status, 401);

    let shown = world.run(&["approvals", "show", &text(&asked, "/approval/id")]);
    let vote = shown["votes"]
        .as_array()
        .and_then(|votes| votes.last())
        .expect("a vote");
    assert_eq!(
        (&vote["user"], &vote["channel"], &vote["counted"]),
        (&json!("dana"), &json!("mail"), &json!(true)),
        "{shown}"
    );
    let kept = world.records("approval.linked").await;
    assert!(kept.contains("\"link\""), "{kept}");
    let secret = path
        .split(['.', '/'])
        .find(|part| part.len() == 64)
        .expect("the secret");
    assert!(!kept.contains(secret), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_link_is_worth_nothing_once_its_person_may_not_decide() {
    let world = World::start();
    let asked = world.ask("pay").await;
    let path = world.link();
    let opened = world.page("POST", &path, &[("what", "read")]);
    let change = json!({ "roles": ["viewer"], "teams": ["desk"], "email": "dana@example.com" });
    let admin = Client::new(&world.server.url, &Credential::Key(world.admin.clone())).expect("a client");
    let changed: Result<Value, _> = admin.put("/v1/users/dana", &change).await;
    changed.expect("dana has another role");

    let refused = world.page("POST", &path, &decision(&opened, "approve", ""));
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert_eq!(world.status(&asked).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_high_risk_has_no_link_in_its_mail() {
    let world = World::start();
    world.ask("wipe").await;
    let mail = world.mail.next_to("dana@example.com");
    assert!(!mail.to_string().contains("/v1/links/"), "{mail}");
    assert!(mail.to_string().contains("/approvals/apr_"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_links_out_is_slowed_down() {
    let world = World::start();
    let mut statuses = Vec::new();
    for number in 0..200 {
        let path = format!("/v1/links/apr_{number:032x}.{number:064x}/acme");
        statuses.push(world.page("GET", &path, &[]).status);
    }
    assert_eq!(statuses.first(), Some(&401));
    assert!(statuses.contains(&429), "{statuses:?}");
}
