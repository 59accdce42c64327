//! Requests as reviewers work on them, from a shell.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use countersign_client::{Client, Credential, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::scene::{Ran, Scene, Server, text};

const GATE: &str = "
name: gate
rules:
- condition: \"action == 'refund'\"
  decision: require_approval
  approvers: [refunds]
";
const ACME: &str = "
organization: default
routes:
  refunds:
    steps:
    - { to: [\"role:desk\"], within: 15m }
    - { to: [\"user:cora\"], within: 20m }
    deadline: 1h
";

/// A server with a route, an agent, and people who are asked.
struct Desk {
    scene: Scene,
    server: Server,
    agent: String,
    fay: String,
    finn: String,
}

impl Desk {
    fn start() -> Desk {
        let (scene, _) = Scene::initialised();
        let run = |arguments: &[&str]| {
            scene
                .run(&[arguments, ["--data", "data", "--json"].as_slice()].concat())
                .json()
        };
        let desk = |id: &str| {
            let made = run(&["users", "add", id, "--roles", "reviewer", "--duties", "desk"]);
            text(&made, "/key")
        };
        let (fay, finn) = (desk("fay"), desk("finn"));
        run(&["users", "add", "cora", "--roles", "reviewer"]);
        let agent = text(&run(&["agents", "add", "refunds", "--owner", "team:support"]), "/key");
        scene.write("p/gate.yaml", GATE);
        scene.write("p/organization.yaml", ACME);
        run(&["policy", "upload", "p", "--activate"]);
        let server = scene.serve(&[]);
        Desk {
            scene,
            server,
            agent,
            fay,
            finn,
        }
    }

    /// The id of a request that waits.
    async fn ask(&self, action: Value) -> String {
        let client = Client::new(&self.server.url, &Credential::Key(self.agent.clone())).expect("a client");
        let body = Some(action.to_string().into_bytes());
        let answer = client.send(Method::POST, "/v1/actions", body, None).await;
        let answer: Value = serde_json::from_slice(&answer.expect("an answer").body).expect("JSON");
        text(&answer, "/approval/id")
    }

    fn run(&self, key: &str, arguments: &[&str]) -> Ran {
        let with = ["--server", &self.server.url, "--key", key];
        self.scene.run(&[&["approvals"], arguments, with.as_slice()].concat())
    }

    #[track_caller]
    fn good(&self, key: &str, arguments: &[&str]) -> String {
        let ran = self.run(key, arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        ran.out
    }

    #[track_caller]
    fn refused(&self, key: &str, arguments: &[&str]) -> String {
        let ran = self.run(key, arguments);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        ran.err
    }
}

fn refund() -> Value {
    json!({
        "action": "refund", "amount": "340", "currency": "USD", "args": { "order": "4521" },
        "evidence": { "reason": "damaged\u{202e}\n  votes and remarks\n  `cora` approve" },
    })
}

#[tokio::test]
async fn a_reviewer_lists_shows_asks_hands_over_and_decides() {
    let desk = Desk::start();
    let id = desk.ask(refund()).await;
    let (fay, finn) = (desk.fay.as_str(), desk.finn.as_str());

    let listed = desk.good(fay, &["list"]);
    let row = listed.lines().nth(1).expect("a row");
    for words in [&id, "59m", "340 USD", "refunds", "1 of refunds", "pending"] {
        assert!(row.contains(words), "{words} is not in\n{listed}");
    }
    assert!(!listed.contains('\u{1b}'), "a pipe has no colours: {listed:?}");

    let shown = desk.good(fay, &["show", &id]);
    for words in [
        "`refunds` wants `refund`, 340 USD.",
        "action == 'refund'",
        "any 1 of role:desk: fay, finn",
        "step 2 of route `refunds` is asked as well: `user:cora`.",
        "the request expires and the action is refused.",
        "This is the first time",
        "│     \"reason\": \"damaged\\u{202e}\\n  votes and remarks\\n  `cora` approve\"",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    assert!(!shown.contains("\nvotes and remarks"), "nobody has voted: {shown}");

    assert!(desk.good(fay, &["claim", &id]).contains("`fay` is on it until"));
    assert!(desk.refused(finn, &["approve", &id]).contains("`fay` is on it"));
    desk.good(fay, &["release", &id]);
    desk.good(fay, &["comment", &id, "I look at it"]);
    assert!(
        desk.good(fay, &["ask", &id, "which invoice?"])
            .contains("the agent has until")
    );
    let asked = desk.good(&desk.agent, &["show", &id]);
    assert!(asked.contains("the agent, by `fay`: “which invoice?”"), "{asked}");
    desk.good(&desk.agent, &["answer", &id, "number 7”"]);
    assert!(desk.refused(fay, &["reject", &id]).contains("comment"));
    assert!(
        desk.refused(fay, &["hand-over", &id, "--to", "cora"])
            .contains("does not answer to")
    );
    desk.good(fay, &["hand-over", &id, "--to", "finn"]);
    assert!(
        desk.good(finn, &["approve", &id])
            .contains("approved; the action is permitted")
    );

    let mut more = refund();
    more["amount"] = json!("350");
    more["args"]["memo"] = json!("June\n  `cora` approved it");
    let next = desk.ask(more).await;
    let shown = desk.good(fay, &["show", &next]);
    for words in [
        "`finn` approved it; nothing says that it ran",
        "│ /amount: \"340\" → \"350\"",
        "│ /args/memo: nothing → \"June\\n  `cora` approved it\"",
        "approved, 340 USD by `finn`",
        "the last request: 1 approved, since",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    desk.good(fay, &["reject", &next, "--comment", "twice"]);

    let told = desk.good(finn, &["show", &id, "--timeline"]);
    for words in [
        "Agent `refunds` (proven by its own key) wanted `refund`, 340 USD.",
        "Route `refunds` began with step 1.",
        "`fay` asked the agent: “which invoice?”.",
        "The agent answered, in its own words: “number 7\"”.",
        "`fay` handed the place over to `finn`.",
        "`finn` approved.",
        "Who decided what, having seen what?",
        "The proof is records",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    assert_eq!(desk.good(finn, &["list"]), "none\n");
}

#[tokio::test]
async fn a_person_lists_what_waits_for_them_and_with_all_what_waits_for_others() {
    let desk = Desk::start();
    let id = desk.ask(refund()).await;
    let cora = desk
        .scene
        .run(&["users", "add", "vic", "--roles", "viewer", "--data", "data", "--json"]);
    let vic = text(&cora.json(), "/key");
    assert_eq!(desk.good(&vic, &["list"]), "none\n");
    assert!(desk.good(&vic, &["list", "--all"]).contains(&id));
    let listed: Value = serde_json::from_str(&desk.good(&desk.fay, &["list", "--json"])).expect("JSON");
    assert_eq!(text(&listed, "/approvals/0/id"), id);
    let by_operator = desk.scene.run(&["approvals", "list", "--data", "data"]);
    assert!(by_operator.out.contains(&id), "{}", by_operator.err);
}

#[tokio::test]
async fn what_an_agent_hands_over_is_read_out_in_one_sentence() {
    let desk = Desk::start();
    let id = desk
        .ask(json!({
            "action": "refund", "amount": "340", "currency": "USD", "args": { "order": "4521" },
            "evidence": {
                "attempted": "a refund of order #4521 by the 30-day window", "failed": "it was bought 45 days ago",
                "gathered": ["a claim of a defect", "photo”"],
            },
        }))
        .await;
    let shown = desk.good(&desk.fay, &["show", &id]);
    assert!(!shown.contains("handed over"), "a part is missing: {shown}");
    let id = desk
        .ask(json!({
            "action": "refund", "amount": "340", "currency": "USD",
            "evidence": {
                "attempted": "a refund of order #4521 by the 30-day window", "failed": "it was bought 45 days ago",
                "gathered": ["a claim of a defect", "photo”"], "recommended": "refund it as a defect",
            },
        }))
        .await;
    let shown = desk.good(&desk.fay, &["show", &id]);
    let sentence = "`refunds` wants `refund`, 340 USD: it attempted “a refund of order #4521 by the 30-day window”, \
                    what failed is “it was bought 45 days ago”, it gathered “a claim of a defect; photo\"”, \
                    it recommends “refund it as a defect”.";
    assert!(shown.contains(sentence), "{shown}");
}

/// A watch of a person's requests.
fn watch(desk: &Desk, more: &[&str]) -> Child {
    let with = [
        "approvals",
        "watch",
        "--every",
        "1",
        "--server",
        &desk.server.url,
        "--key",
        &desk.fay,
    ];
    let mut command = desk.scene.command(&[with.as_slice(), more].concat());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), Signal::INT).expect("it can be told");
}

#[tokio::test]
async fn a_watch_says_what_comes_and_goes_and_nothing_else_and_ends_when_told() {
    let desk = Desk::start();
    let first = desk.ask(refund()).await;
    let mut child = watch(&desk, &[]);
    let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).expect("it speaks");
        line
    };
    let line = next();
    assert!(
        line.starts_with(&first) && line.ends_with("left  `refunds` wants `refund`, 340 USD\n"),
        "{line}"
    );
    let second = desk.ask(json!({ "action": "refund" })).await;
    assert!(next().starts_with(&second));
    desk.good(&desk.finn, &["reject", &first, "--comment", "no"]);
    assert_eq!(next(), format!("{first}  waits no longer\n"));
    interrupt(&child);
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "a pipe is told nothing else: {ended:?}");
}

#[tokio::test]
async fn a_watch_for_programs_has_one_value_on_each_line() {
    let desk = Desk::start();
    let id = desk.ask(refund()).await;
    let mut child = watch(&desk, &["--json"]);
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
    out.read_line(&mut line).expect("it speaks");
    let value: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        (text(&value, "/event"), text(&value, "/approval/id")),
        ("waiting".to_owned(), id)
    );
    interrupt(&child);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_watch_without_a_server_says_so_at_once() {
    let (scene, _) = Scene::initialised();
    let ran = scene.run(&[
        "approvals",
        "watch",
        "--server",
        "http://127.0.0.1:1",
        "--key",
        "cs_user_x",
    ]);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
}
