//! Local mode: a wrapper that names no server finds one, whoever starts it; and a person at a terminal decides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::packages;
use crate::scene::{BINARY, Ran, Scene, text};

/// A user's home with nothing in it. Its server ends with the value.
struct Laptop {
    scene: Scene,
}

impl Laptop {
    fn new() -> Laptop {
        Laptop { scene: Scene::new() }
    }

    /// A command in this home.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scene.command(arguments);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        for (name, place) in [("HOME", ""), ("XDG_DATA_HOME", "share"), ("XDG_STATE_HOME", "state")] {
            command.env(name, self.scene.root.join(place));
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().expect("the binary runs"))
    }

    /// The same, typed at a terminal.
    fn typed(&self, arguments: &[&str]) -> Ran {
        let terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = Command::new("python3");
        command
            .args(["-c", terminal, BINARY])
            .args(arguments)
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        self.at_home(&mut command);
        Ran::of(command.output().expect("python3 runs"))
    }

    fn status(&self) -> Value {
        let told = self.run(&["local", "status", "--json"]);
        serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err))
    }

    fn wrap(&self, more: &[&str]) -> Wrapped {
        Wrapped::start(&mut self.command(&[&["mcp", "wrap", "--server", "files"], more].concat()))
    }

    /// What waits for the person.
    fn waiting(&self) -> Vec<String> {
        let listed = self.typed(&["approvals", "list", "--json"]).json();
        let requests = listed["approvals"].as_array().expect("a list").iter();
        requests.map(|request| text(request, "/id")).collect()
    }

    /// Processes that serve a folder of this home.
    fn servers(&self) -> Vec<u64> {
        let here = self.scene.root.display().to_string();
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let serves = |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            line.contains("\0serve\0") && line.contains(&here)
        };
        let found =
            processes.filter(|process| std::fs::read(process.path().join("cmdline")).is_ok_and(|line| serves(&line)));
        found
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .collect()
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.run(&["local", "stop"]);
    }
}

/// A wrapper before a server that sends back what it gets.
struct Wrapped {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    calls: u32,
}

impl Wrapped {
    fn start(command: &mut Command) -> Wrapped {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the wrapper starts");
        Wrapped {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("its output is piped")),
            child,
            calls: 0,
        }
    }

    fn call(&mut self, name: &str, path: &str) -> Value {
        self.ask("tools/call", &json!({ "name": name, "arguments": { "path": path } }))
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let call = json!({ "jsonrpc": "2.0", "id": self.calls, "method": method, "params": params });
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{call}").expect("the wrapper reads");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_uses_a_client_on_their_own_machine_is_led_to_the_page_where_they_decide() {
    let laptop = Laptop::new();
    let able = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
    });
    let call = json!({ "name": "write_file", "arguments": { "path": "a" }, "_meta": able });
    let led = laptop.wrap(&["--", "cat"]).ask("tools/call", &call);
    let question = &led["result"]["inputRequests"]["countersign"]["params"];
    let [request] = laptop.waiting().try_into().expect("one request");
    let url = text(question, "/url");
    assert!(
        url.starts_with("http://") && url.ends_with(&format!("/approvals/{request}")),
        "{led}"
    );
    // The page is there, and asks who one is.
    let host = url.trim_start_matches("http://").split('/').next().expect("a host");
    let mut stream = std::net::TcpStream::connect(host).expect("it listens");
    write!(
        stream,
        "GET /approvals/{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.contains("sign-in"), "{page}");
    let asked_not_to = laptop
        .wrap(&["--elicit=no", "--hold", "0s", "--", "cat"])
        .ask("tools/call", &call);
    assert_eq!(
        asked_not_to["result"]["requestState"], "countersign:1",
        "{asked_not_to}"
    );
    assert_eq!(asked_not_to["result"].get("inputRequests"), None, "{asked_not_to}");
}

/// What a client that takes tasks says of itself.
fn takes_tasks() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    })
}

fn said(answer: &Value) -> &str {
    let said = answer.pointer("/result/content/0/text").and_then(Value::as_str);
    said.unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn ten_wrappers_that_begin_at_once_have_one_server_which_looks_and_asks_and_denies() {
    let laptop = Laptop::new();
    assert_eq!(laptop.run(&["local", "status"]).code, 1);
    let mut wrapped: Vec<Wrapped> = (0..10).map(|_| laptop.wrap(&["--hold", "0s", "--", "cat"])).collect();
    for one in &mut wrapped {
        let denied = one.call("delete_file", "a");
        assert!(said(&denied).starts_with("Denied by policy"), "{denied}");
        let read = one.call("read_text_file", "a");
        assert_eq!(
            read["method"], "tools/call",
            "what is allowed reaches the server: {read}"
        );
        let asked = one.call("write_file", "a");
        assert!(said(&asked).starts_with("PENDING approval apr_"), "{asked}");
    }
    let status = laptop.status();
    assert_eq!(laptop.servers(), [status["pid"].as_u64().expect("a process")]);
    assert_eq!(
        laptop.run(&["local", "start", "--json"]).json(),
        status,
        "a second start changes nothing"
    );
    assert_eq!(laptop.waiting().len(), 1, "all ten asked for the same");
    assert_eq!(laptop.run(&["local", "stop"]).code, 0);
    assert_eq!(laptop.run(&["local", "status"]).code, 1);
    // It has given the folder back, which is the last that it does.
    let end = Instant::now() + Duration::from_secs(20);
    while !laptop.servers().is_empty() {
        assert!(Instant::now() < end, "it does not end");
        std::thread::yield_now();
    }
}

#[test]
fn from_a_clients_configuration_to_the_first_blocked_call_it_takes_less_than_a_minute() {
    let laptop = Laptop::new();
    let server = packages::npm("mcp-npm", "mcp/package.json").join("node_modules/.bin/mcp-server-filesystem");
    let servers = json!({ "mcpServers": { "files": { "command": server, "args": ["."] } } });
    laptop.scene.write("mcp.json", &servers.to_string());
    let began = Instant::now();
    let install = ["mcp", "install", "--client", "claude", "--config", "mcp.json", "--yes"];
    let installed = laptop.run(&install);
    assert_eq!(installed.code, 0, "{}{}", installed.out, installed.err);
    // The client starts what its configuration says now, and nothing else has been set up.
    let configured: Value = serde_json::from_str(&laptop.scene.read("mcp.json")).expect("JSON");
    let entry = &configured["mcpServers"]["files"];
    let arguments = entry["args"].as_array().expect("arguments").iter();
    let arguments: Vec<&str> = arguments.map(|word| word.as_str().expect("a word")).collect();
    assert!(arguments.contains(&"wrap"), "{entry}");
    let mut client = Command::new(text(entry, "/command"));
    client.args(arguments).current_dir(&laptop.scene.root);
    laptop.at_home(&mut client);
    let mut files = Wrapped::start(&mut client);
    let hello =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let opened = files.ask("initialize", &hello);
    assert!(opened["result"]["serverInfo"].is_object(), "{opened}");
    let denied = files.call("delete_file", "thesis.txt");
    assert!(said(&denied).starts_with("Denied by policy"), "{denied}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn the_person_decides_at_a_terminal_and_the_record_says_that_it_is_their_own_agent() {
    let laptop = Laptop::new();
    let mut wrapped = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    assert!(said(&wrapped.call("write_file", "a")).starts_with("PENDING"));
    let waiting = laptop.waiting();
    let [id] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    let approve = ["approvals", "approve", id, "--comment", "looked at"];
    // Without a terminal nobody has the person's key.
    let refused = laptop.run(&approve);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(refused.err.contains("at a terminal"), "{}", refused.err);
    let approved = laptop.typed(&approve);
    assert_eq!(approved.code, 0, "{}{}", approved.out, approved.err);
    let ran = wrapped.call("write_file", "a");
    assert_eq!(ran["method"], "tools/call", "{ran}");
    let shown = laptop.typed(&["approvals", "show", id, "--json"]).json();
    assert_eq!(shown["votes"][0]["self_approved"], true, "{shown}");
    assert_eq!(shown["votes"][0]["user"], "me");
    let story = laptop.typed(&["approvals", "show", id, "--timeline"]);
    assert!(
        story.out.contains("the approval of whoever owns the agent"),
        "{}",
        story.out
    );
}

#[test]
fn keys_are_for_their_user_alone_and_the_person_s_never_reaches_a_tool() {
    let laptop = Laptop::new();
    let script = "env | grep -c 'cs_agent_\\|cs_user_' > keys; ls -l /proc/self/fd > open; cat";
    let mut wrapped = laptop.wrap(&["--", "sh", "-c", script]);
    wrapped.call("read_text_file", "a");
    drop(wrapped);
    assert_eq!(laptop.scene.read("keys").trim(), "0");
    assert!(
        !laptop.scene.read("open").contains(".key"),
        "{}",
        laptop.scene.read("open")
    );
    let status = laptop.status();
    for (name, kind) in [("agent_key", "cs_agent_"), ("person_key", "cs_user_")] {
        let path = text(&status, &format!("/{name}"));
        let mode = std::fs::metadata(&path).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
        assert!(
            std::fs::read_to_string(&path).expect("a key").starts_with(kind),
            "{path}"
        );
    }
    let root = laptop.scene.path("share/countersign/local");
    let mode = std::fs::metadata(root).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn no_link_and_no_argument_that_nobody_knows_leads_to_the_keys() {
    let laptop = Laptop::new();
    assert_eq!(laptop.run(&["local", "start"]).code, 0);
    let root = laptop.scene.path("share/countersign/local");
    std::os::unix::fs::symlink(root.join("person.key"), laptop.scene.path("letter.txt")).expect("a link");
    laptop.scene.write("notes.txt", "mine");
    let mut wrapped = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    let mut call = |name: &str, arguments: Value| {
        let answer = wrapped.ask("tools/call", &json!({ "name": name, "arguments": arguments }));
        match answer["method"].is_string() {
            true => "ran".to_owned(),
            false => said(&answer).split([':', ' ']).next().unwrap_or_default().to_owned(),
        }
    };
    for (name, arguments, came) in [
        ("read_note", json!({ "target": "notes.txt" }), "ran"),
        ("read_note", json!({ "target": "letter.txt" }), "Denied"),
        (
            "read_note",
            json!({ "from": { "places": ["notes.txt", "./letter.txt"] } }),
            "Denied",
        ),
        // An agent does not say from where its arguments are looked at.
        ("read_note", json!({ "cwd": "/usr", "target": "letter.txt" }), "Denied"),
        ("search_text", json!({ "cwd": "share", "what": "cs_" }), "PENDING"),
        ("search_text", json!({ "where": "share", "what": "cs_" }), "PENDING"),
        (
            "search_text",
            json!({ "where": ".", "what": "instance.key" }),
            "PENDING",
        ),
        ("list_directory", json!({ "where": "share" }), "ran"),
    ] {
        assert_eq!(call(name, arguments.clone()), came, "{name} {arguments}");
    }
    // What was approved is what was looked at: where the same name leads elsewhere now, it is asked for anew.
    let write = json!({ "out": "notes.txt" });
    assert_eq!(call("write_note", write.clone()), "PENDING");
    let mut asked = 0;
    for id in laptop.waiting() {
        laptop.typed(&["approvals", "approve", &id, "--comment", "looked at"]);
        asked += 1;
    }
    assert_eq!(asked, 4);
    std::fs::remove_file(laptop.scene.path("notes.txt")).expect("it is there");
    std::os::unix::fs::symlink(root.join("agent.key"), laptop.scene.path("notes.txt")).expect("a link");
    assert_eq!(call("write_note", write), "Denied");
}

#[test]
fn a_call_whose_file_became_a_link_to_the_keys_before_it_was_approved_does_not_run_held_or_as_a_task() {
    let laptop = Laptop::new();
    assert_eq!(laptop.run(&["local", "start"]).code, 0);
    let root = laptop.scene.path("share/countersign/local");
    laptop.scene.write("notes.txt", "mine");
    let mut wrapped = laptop.wrap(&["--hold", "60s", "--", "cat"]);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| wrapped.call("write_note", "notes.txt"));
        let end = Instant::now() + Duration::from_secs(30);
        let waiting = loop {
            if let [id] = laptop.waiting().as_slice() {
                break id.clone();
            }
            assert!(Instant::now() < end, "nobody was asked");
        };
        std::fs::remove_file(laptop.scene.path("notes.txt")).expect("it is there");
        std::os::unix::fs::symlink(root.join("person.key"), laptop.scene.path("notes.txt")).expect("a link");
        laptop.typed(&["approvals", "approve", &waiting, "--comment", "looked at"]);
        let refused = held.join().expect("it is answered");
        assert!(said(&refused).contains("lead elsewhere now"), "{refused}");
    });
    let meta = takes_tasks();
    let write = json!({ "name": "write_note", "arguments": { "path": "other.txt" }, "_meta": meta });
    let made = wrapped.ask("tools/call", &write);
    assert_eq!(made["result"]["status"], "working", "{made}");
    let waiting = laptop.waiting();
    laptop.typed(&["approvals", "approve", &waiting[0], "--comment", "looked at"]);
    std::os::unix::fs::symlink(root.join("person.key"), laptop.scene.path("other.txt")).expect("a link");
    let task = json!({ "taskId": made["result"]["taskId"], "_meta": meta });
    let over = wrapped.ask("tasks/get", &task);
    assert_eq!(over["result"]["status"], "completed", "{over}");
    assert!(over.to_string().contains("lead elsewhere now"), "{over}");
}

#[test]
fn a_server_that_was_killed_is_noticed_and_the_next_one_goes_on_at_the_same_place() {
    let laptop = Laptop::new();
    let mut before = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    assert!(said(&before.call("write_file", "a")).starts_with("PENDING"));
    let waiting = laptop.waiting();
    let status = laptop.status();
    let pid = status["pid"]
        .as_i64()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.expect("a process"), Signal::KILL).expect("it is killed");
    // What it left behind names a process that is gone.
    while laptop.status()["running"] == true {}
    assert!(laptop.scene.path("share/countersign/local/data/local.json").exists());
    let mut after = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    let asked = after.call("write_file", "a");
    assert!(said(&asked).contains(&waiting[0]), "it still waits: {asked}");
    assert_eq!(laptop.status()["address"], status["address"]);
    assert!(said(&before.call("delete_file", "a")).starts_with("Denied by policy"));
    assert_eq!(laptop.servers().len(), 1);
}

#[test]
fn a_wrapper_shows_its_key_to_nobody_who_took_the_server_s_port() {
    let laptop = Laptop::new();
    let mut wrapped = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    assert!(said(&wrapped.call("delete_file", "a")).starts_with("Denied by policy"));
    let address = text(&laptop.status(), "/address");
    assert_eq!(laptop.run(&["local", "stop"]).code, 0);
    let place = address.trim_start_matches("http://");
    let taken = std::net::TcpListener::bind(place).expect("the port is free");
    taken.set_nonblocking(true).expect("it need not wait");
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let came = std::thread::spawn(move || {
        let mut came = 0;
        while is_over.recv_timeout(Duration::from_millis(10)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // Whoever comes is told nothing, and left.
            came += u32::from(taken.accept().is_ok());
        }
        came + u32::from(taken.accept().is_ok())
    });
    let refused = wrapped.call("read_text_file", "a");
    assert!(said(&refused).starts_with("Not decided"), "{refused}");
    assert!(said(&refused).contains("does not run"), "{refused}");
    // The next server listens elsewhere, which the wrapper finds by itself.
    let started = laptop.run(&["local", "start", "--json"]).json();
    assert_ne!(text(&started, "/address"), address);
    assert!(said(&wrapped.call("delete_file", "a")).starts_with("Denied by policy"));
    over.send(()).expect("it still listens");
    // A start asks for the port without speaking to it.
    assert_eq!(came.join().expect("it ends"), 0);
}

#[test]
fn a_task_outlives_its_wrapper_and_a_server_that_is_away_while_people_decide() {
    let laptop = Laptop::new();
    let mut wrapped = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    let meta = takes_tasks();
    let call = json!({ "name": "write_file", "arguments": { "path": "a" }, "_meta": meta });
    let made = wrapped.ask("tools/call", &call);
    let task = json!({ "taskId": made["result"]["taskId"], "_meta": meta });
    assert_eq!(made["result"]["status"], "working", "{made}");
    let waiting = laptop.waiting();
    assert_eq!(laptop.run(&["local", "stop"]).code, 0);
    let away = wrapped.ask("tasks/get", &task);
    assert_eq!(away["result"]["status"], "working", "{away}");
    assert_eq!(laptop.run(&["local", "start"]).code, 0);
    laptop.typed(&["approvals", "reject", &waiting[0], "--comment", "not this one"]);
    // Nor does it end with the wrapper.
    drop(wrapped);
    let mut wrapped = laptop.wrap(&["--hold", "0s", "--", "cat"]);
    let over = wrapped.ask("tasks/get", &task);
    assert_eq!(over["result"]["status"], "completed", "{over}");
    assert!(over.to_string().contains("A reviewer rejected this"), "{over}");
}

#[test]
fn policies_are_the_users_own_and_are_read_again_when_the_server_starts() {
    let laptop = Laptop::new();
    let status = laptop.run(&["local", "start", "--json"]).json();
    let own = std::path::Path::new(&text(&status, "/policies")).join("assistant.yaml");
    let policy = std::fs::read_to_string(&own).expect("a policy");
    std::fs::write(
        &own,
        policy.replace(
            "{ action: 'delete*', allowed: false }",
            "{ action: 'delete*', allowed: true }",
        ),
    )
    .expect("it is the user's");
    // The bundle has a test that says otherwise: it does not go live, and why is said.
    assert_eq!(laptop.run(&["local", "stop"]).code, 0);
    let refused = laptop.run(&["local", "start"]);
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.err.contains("nothing is deleted"), "{}", refused.err);
    std::fs::remove_file(own.with_file_name("tests.yaml")).expect("it is the user's");
    let mut wrapped = laptop.wrap(&["--", "cat"]);
    assert_eq!(wrapped.call("delete_file", "a")["method"], "tools/call");
}
