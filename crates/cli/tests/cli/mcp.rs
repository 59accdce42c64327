//! Real clients of MCP drive real servers through the wrapper.

mod edited;
mod hiding;
mod leading;
pub(crate) mod raw;
mod tasks;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::packages;
use crate::scene::{BINARY, Scene, Server, repository, text};

const MANDATE: &str = "
agent: assistant
owner: team:support
permissions:
  - tool: shop/look_up
    allowed: true
  - tool: shop/refund
    allowed: true
  - tool: shop/drop_table
    allowed: false
  - tool: files/*
    allowed: true
  - tool: files
    allowed: true
  - tool: shop
    allowed: true
escalate_when:
  - action == 'refund' && has(args.amount) && args.amount > 500
";
const GATE: &str = "
name: one-order
on:
  - tool: shop/look_up
rules:
  - condition: \"has(args.order) && args.order == 'all'\"
    decision: remediate
    remedy:
      set: { /args/order: '4521' }
      apply: true
    message: Orders are looked up one by one.
";

/// A server that decides, an agent, and the key of somebody who approves.
pub(crate) struct Shop {
    pub(crate) scene: Scene,
    pub(crate) server: Server,
    pub(crate) agent: String,
    /// The verifying key of the log.
    pub(crate) vkey: String,
    admin: String,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        Shop::open_with("organization: default\n")
    }

    /// With a document of the organization.
    pub(crate) fn open_with(organization: &str) -> Shop {
        let (scene, made) = Scene::initialised();
        let run = |arguments: &[&str]| {
            scene
                .run(&[arguments, ["--data", "data", "--json"].as_slice()].concat())
                .json()
        };
        let agent = text(&run(&["agents", "add", "assistant", "--owner", "team:support"]), "/key");
        scene.write("p/mandate.yaml", MANDATE);
        scene.write("p/gate.yaml", GATE);
        scene.write("p/organization.yaml", organization);
        run(&["policy", "upload", "p", "--activate"]);
        let server = scene.serve_quietly(&[]);
        Shop {
            admin: text(&made, "/admin_key"),
            vkey: text(&made, "/vkey"),
            scene,
            server,
            agent,
        }
    }

    /// What a wrapper is told about us.
    pub(crate) fn around<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("COUNTERSIGN_SERVER", &self.server.url)
            .env("COUNTERSIGN_KEY", &self.agent)
            .env("XDG_STATE_HOME", self.scene.path("state"))
    }

    /// As a person: the requests that wait.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let listed = self.as_person(&["approvals", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let requests = listed["approvals"].as_array().expect("a list");
        requests.iter().map(|request| text(request, "/id")).collect()
    }

    pub(crate) fn as_person(&self, arguments: &[&str]) -> String {
        let reach = ["--server", &self.server.url, "--key", &self.admin];
        let ran = self.scene.run(&[arguments, &reach[..]].concat());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.out
    }

    /// As a person: makes a document part of the live policy.
    pub(crate) fn activate(&self, name: &str, document: &str) {
        self.scene.write(name, document);
        self.as_person(&["policy", "upload", "p", "--activate"]);
    }

    /// As a person: waits for the one request, and approves it.
    pub(crate) fn approve_the_one(&self) {
        let id = self.the_one();
        self.as_person(&["approvals", "approve", &id, "--comment", "looked at"]);
    }

    /// As a person: waits for the one request.
    pub(crate) fn the_one(&self) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        let waiting = loop {
            let waiting = self.waiting();
            if !waiting.is_empty() {
                break waiting;
            }
            assert!(Instant::now() < end, "nobody asked");
        };
        let [id] = waiting.as_slice() else {
            panic!("{waiting:?}")
        };
        id.clone()
    }

    /// What the tools ran, a line each.
    pub(crate) fn ran(&self, log: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.scene.path(log)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A client of MCP that takes steps.
pub(crate) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What the clients of this scene say beside their results.
    said: std::path::PathBuf,
}

impl Driver {
    pub(crate) fn start(shop: &Shop, client: &[String], command: &[String]) -> Driver {
        let mut driver = Command::new(&client[0]);
        driver.args(&client[1..]).args(command);
        let said = shop.scene.path("clients.log");
        let log = std::fs::File::options().create(true).append(true).open(&said);
        let mut child = shop
            .around(&mut driver)
            .env("MCP_PACKAGES", packages::npm("mcp-npm", "mcp/package.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the client starts");
        Driver {
            said,
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("its output is piped")),
            child,
        }
    }

    pub(crate) fn begin(&mut self, step: &Value) {
        self.tell(&step.to_string());
    }

    pub(crate) fn tell(&mut self, step: &str) {
        let stdin = self.stdin.as_mut().expect("it is still open");
        writeln!(stdin, "{step}").expect("the client takes a step");
        stdin.flush().expect("the client takes a step");
    }

    pub(crate) fn result(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| {
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            panic!("{error}: {line}\nthe client said:\n{said}")
        })
    }

    pub(crate) fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.begin(&json!({ "do": "call", "name": name, "arguments": arguments }));
        self.result()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

pub(crate) fn clients() -> Vec<(&'static str, Vec<String>)> {
    let script = |name: &str| repository().join("tests/mcp").join(name).display().to_string();
    let python = |name: &str, list: &str| vec![packages::python(name, list).display().to_string(), script("drive.py")];
    let node = |which: &str| vec!["node".to_owned(), script("drive.mjs"), which.to_owned()];
    vec![
        ("Python 1", python("mcp-1", "mcp/requirements-1.txt")),
        ("Python 2", python("mcp-2", "mcp/requirements-2.txt")),
        ("TypeScript 1", node("sdk")),
        ("TypeScript 2, sessions", node("client")),
        ("TypeScript 2, whatever the server speaks", node("auto")),
    ]
}

pub(crate) fn servers(log: &str) -> Vec<(&'static str, Vec<String>)> {
    let server = |python: PathBuf| {
        let script = repository().join("tests/mcp/server.py");
        vec![
            python.display().to_string(),
            script.display().to_string(),
            log.to_owned(),
        ]
    };
    vec![
        (
            "of sessions",
            server(packages::python("mcp-1", "mcp/requirements-1.txt")),
        ),
        (
            "of both eras",
            server(packages::python("mcp-2", "mcp/requirements-2.txt")),
        ),
    ]
}

pub(crate) fn wrapped(hold: &str, name: &str, command: &[String]) -> Vec<String> {
    let mut wrapped: Vec<String> = [BINARY, "mcp", "wrap", "--server", name, "--hold", hold, "--"]
        .map(str::to_owned)
        .to_vec();
    wrapped.extend_from_slice(command);
    wrapped
}

pub(crate) fn said(result: &Value) -> &str {
    result
        .pointer("/content/0/text")
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{result}"))
}

#[test]
fn every_client_calls_what_is_allowed_is_told_what_is_denied_and_waits_for_people() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    for (era, command) in servers(&log) {
        for (at, (client, program)) in clients().into_iter().enumerate() {
            let case = format!("{client}, a server {era}");
            let _ = std::fs::remove_file(&log);
            let mut direct = Driver::start(&shop, &program, &command);
            let mut governed = Driver::start(&shop, &program, &wrapped("30s", "shop", &command));
            let list = json!({ "do": "list" });
            direct.begin(&list);
            governed.begin(&list);
            assert_eq!(direct.result(), governed.result(), "{case}");

            let order = json!({ "order": "4521" });
            let (plain, decided) = (direct.call("look_up", order.clone()), governed.call("look_up", order));
            assert_eq!(plain, decided, "{case}: an allowed call is as without us");
            assert_eq!(shop.ran("log").len(), 2, "{case}");

            let denied = governed.call("drop_table", json!({ "name": "orders" }));
            assert_eq!(denied["isError"], json!(true), "{case}: {denied}");
            assert!(said(&denied).starts_with("Denied by policy"), "{case}: {denied}");
            assert_eq!(
                denied["_meta"]["dev.countersign/decision"]["decision"],
                json!("deny"),
                "{case}: {denied}"
            );
            assert_eq!(shop.ran("log").len(), 2, "{case}: a denied call reached the server");

            let one = governed.call("look_up", json!({ "order": "all" }));
            assert!(said(&one).starts_with("order 4521"), "{case}: {one}");

            governed.begin(&json!({ "do": "call", "name": "refund", "arguments": { "order": "4521", "amount": 700 } }));
            shop.approve_the_one();
            let refunded = governed.result();
            assert_eq!(said(&refunded), "refunded 700 for 4521", "{case}");
            let refunds = || shop.ran("log").iter().filter(|line| line.contains("refund")).count();
            assert_eq!(refunds(), 1, "{case}");
            drop(governed);

            // Nobody is there in time: the agent is told to come back, does, and it runs once.
            let mut hurried = Driver::start(&shop, &program, &wrapped("0s", "shop", &command));
            // Of its own for each case: what was rejected once is told as rejected first.
            let much = json!({ "order": format!("{era} {at}"), "amount": 800 });
            let pending = hurried.call("refund", much.clone());
            assert!(said(&pending).starts_with("PENDING approval apr_"), "{case}: {pending}");
            assert_eq!(refunds(), 1, "{case}");
            shop.approve_the_one();
            drop(hurried);
            let mut again = Driver::start(&shop, &program, &wrapped("0s", "shop", &command));
            let ran = again.call("refund", much.clone());
            assert!(said(&ran).starts_with("refunded 800"), "{case}: {ran}");
            assert_eq!(refunds(), 2, "{case}");
            let anew = again.call("refund", much);
            assert!(said(&anew).starts_with("PENDING approval apr_"), "{case}: {anew}");
            assert_eq!(refunds(), 2, "{case}: an approval was used twice");
            for id in shop.waiting() {
                shop.as_person(&["approvals", "reject", &id, "--comment", "once is enough"]);
            }
        }
    }
}

#[test]
fn the_official_server_of_files_is_used_as_without_us() {
    let shop = Shop::open();
    let packages = packages::npm("mcp-npm", "mcp/package.json");
    shop.scene.write("files/note.txt", "kept");
    let files = shop
        .scene
        .path("files")
        .canonicalize()
        .expect("a folder")
        .display()
        .to_string();
    let program = packages
        .join("node_modules/.bin/mcp-server-filesystem")
        .display()
        .to_string();
    let command = vec![program, files.clone()];
    for (client, program) in clients() {
        let mut direct = Driver::start(&shop, &program, &command);
        let mut governed = Driver::start(&shop, &program, &wrapped("5s", "files", &command));
        for step in [
            json!({ "do": "list" }),
            json!({ "do": "call", "name": "read_text_file", "arguments": { "path": format!("{files}/note.txt") } }),
            json!({ "do": "call", "name": "read_text_file", "arguments": { "path": "/etc/passwd" } }),
        ] {
            direct.begin(&step);
            governed.begin(&step);
            assert_eq!(direct.result(), governed.result(), "{client}: {step}");
        }
    }
}

/// The wrapper, spoken to line by line.
pub(crate) struct Wrapper {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Wrapper {
    pub(crate) fn start(shop: &Shop, arguments: &[&str]) -> Wrapper {
        let mut command = Command::new(BINARY);
        command.args(["mcp", "wrap", "--server", "shop"]).args(arguments);
        let mut child = shop
            .around(&mut command)
            .current_dir(&shop.scene.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the wrapper starts");
        Wrapper {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("its output is piped")),
            child,
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{line}").expect("the wrapper reads");
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line
    }

    pub(crate) fn end(mut self) -> (i32, String) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("it ends");
        let mut errors = String::new();
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut errors).expect("what it said");
        (status.code().unwrap_or(-1), errors)
    }
}

const BIG_REFUND: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refund","arguments":{"order":"1","amount":900}}}"#;

/// A server that keeps what it is sent in the file `seen`.
const KEEPS: [&str; 4] = ["--", "sh", "-c", "cat > seen"];

#[test]
fn what_is_not_decided_goes_through_byte_for_byte() {
    let shop = Shop::open();
    let mut wrapper = Wrapper::start(&shop, &KEEPS);
    let lines = [
        r#"{ "jsonrpc" : "2.0",   "id":1, "method":"initialize", "params":{"b":1,"a":1.50} }"#,
        r#"{"jsonrpc":"2.0","id":"\u00e9","method":"resources/read","params":{"uri":"file:///a"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"arguments":{"order":"4521" },  "name":"look_up"}}"#,
    ];
    for line in lines {
        wrapper.send(line);
    }
    let seen = || std::fs::read_to_string(shop.scene.path("seen")).unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(20);
    while seen().lines().count() < lines.len() {
        assert!(Instant::now() < end, "{}", seen());
        std::thread::yield_now();
    }
    assert_eq!(wrapper.end().0, 0);
    assert_eq!(seen(), format!("{}\n", lines.join("\n")));
}

#[test]
fn a_client_that_hangs_up_or_cancels_while_people_are_asked_runs_nothing() {
    let shop = Shop::open();
    let mut wrapper = Wrapper::start(&shop, &KEEPS);
    wrapper.send(BIG_REFUND);
    let end = Instant::now() + Duration::from_secs(20);
    while shop.waiting().is_empty() {
        assert!(Instant::now() < end, "nobody was asked");
    }
    wrapper.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    // Answered after the cancellation was read, since lines are read in order.
    wrapper.send(r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"ping"}"#);
    assert!(wrapper.line().contains("twice"));
    shop.approve_the_one();
    // The approval is still there for whoever asks again: the cancelled call has not used it up.
    wrapper.send(&BIG_REFUND.replace(r#""id":1"#, r#""id":2"#));
    let seen = || shop.scene.read("seen");
    let end = Instant::now() + Duration::from_secs(20);
    while !seen().contains(r#""id":2,"#) {
        assert!(Instant::now() < end, "the approval was lost: {}", seen());
        std::thread::yield_now();
    }
    assert!(!seen().contains(r#""id":1,"#), "a cancelled call ran: {}", seen());
    // Another one waits when the client hangs up; it is approved too late.
    wrapper.send(&BIG_REFUND.replace(r#""id":1"#, r#""id":3"#));
    while shop.waiting().is_empty() {
        assert!(Instant::now() < end, "nobody was asked");
    }
    assert_eq!(wrapper.end().0, 0);
    shop.approve_the_one();
    assert!(!seen().contains(r#""id":3,"#), "{}", seen());
    assert_eq!(shop.waiting(), Vec::<String>::new());
}

#[test]
fn killed_while_people_are_asked_it_runs_nothing_and_a_later_call_finds_the_request() {
    let shop = Shop::open();
    let mut wrapper = Wrapper::start(&shop, &KEEPS);
    wrapper.send(BIG_REFUND);
    let end = Instant::now() + Duration::from_secs(20);
    while shop.waiting().is_empty() {
        assert!(Instant::now() < end, "nobody was asked");
    }
    let before = shop.waiting();
    let pid = i32::try_from(wrapper.child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process"), Signal::KILL).expect("it is killed");
    wrapper.end();
    assert_eq!(shop.scene.read("seen"), "");
    let mut second = Wrapper::start(&shop, &["--hold", "0s", "--", "sh", "-c", "cat > seen"]);
    second.send(BIG_REFUND);
    assert!(second.line().contains(&before[0]), "the same request waits");
    assert_eq!(shop.waiting(), before, "no second request was opened");
}

#[test]
fn without_a_server_that_decides_nothing_runs_and_everything_else_goes_on() {
    let shop = Shop::open();
    shop.server.signal(Signal::KILL);
    let mut wrapper = Wrapper::start(&shop, &KEEPS);
    wrapper.send(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look_up","arguments":{"order":"1"}}}"#,
    );
    let answer: Value = serde_json::from_str(&wrapper.line()).expect("JSON");
    assert_eq!(answer["result"]["isError"], json!(true), "{answer}");
    assert!(said(&answer["result"]).contains("Nothing was run"), "{answer}");
    wrapper.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    wrapper.end();
    assert_eq!(
        shop.scene.read("seen"),
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n"
    );
}

#[test]
fn the_servers_exit_code_and_errors_come_through_and_our_key_does_not_reach_it() {
    let shop = Shop::open();
    let script = "echo \"key=$COUNTERSIGN_KEY\" >&2; exit 7";
    let (code, errors) = Wrapper::start(&shop, &["--", "sh", "-c", script]).end();
    assert_eq!((code, errors.as_str()), (7, "key=\n"));
    let (code, errors) = Wrapper::start(&shop, &["--", "no-such-program"]).end();
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("cannot run `no-such-program`"), "{errors}");
}
