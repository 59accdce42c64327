//! A folder, the binary, a server in the background.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository is there")
}

/// A folder of a test, removed with the value.
pub(crate) struct Scene {
    pub(crate) root: PathBuf,
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON that it printed, if it succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        serde_json::from_str(&self.out).expect("JSON on standard output")
    }
}

/// The text of a field.
#[track_caller]
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
        .to_owned()
}

impl Scene {
    pub(crate) fn new() -> Scene {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-cli-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir(&root).expect("a folder for the test");
        Scene { root }
    }

    /// A scene with a data folder `data` and the starter policies. The second value is what `init` said.
    pub(crate) fn initialised() -> (Scene, Value) {
        let scene = Scene::new();
        let made = scene.run(&["init", "--data", "data", "--json"]).json();
        (scene, made)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.current_dir(&self.root).args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command.env("COUNTERSIGN_SIGNER_STATE", self.root.join("signer"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().expect("the binary runs"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.join(name)).expect("the file can be read")
    }

    /// Verifies a bundle with the plain Python verifier; `None` where there is no Python.
    pub(crate) fn python_verifies(&self, vkey: &str, bundle: &str) -> Option<bool> {
        self.python_verifies_with(vkey, bundle, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn python_verifies_with(&self, vkey: &str, bundle: &str, more: &[&str]) -> Option<bool> {
        self.write("verify.py", countersign_tlog::VERIFY_PY);
        let output = Command::new("python3")
            .current_dir(&self.root)
            .args(["verify.py", vkey, bundle])
            .args(more)
            .output();
        output.ok().map(|output| output.status.success())
    }

    /// Starts a server on `data`, at a free port.
    pub(crate) fn serve(&self, more: &[&str]) -> Server {
        self.serve_logging("info", &[&["--data", "data"], more].concat())
    }

    /// Starts a server that logs no requests: nobody reads its log while it works.
    pub(crate) fn serve_quietly(&self, more: &[&str]) -> Server {
        self.serve_logging("error", &[&["--data", "data"], more].concat())
    }

    /// Starts a server on another data folder.
    pub(crate) fn serve_at(&self, data: &str, more: &[&str]) -> Server {
        self.serve_from(&[&["--data", data], more].concat())
    }

    /// Starts a server on what the arguments name.
    pub(crate) fn serve_from(&self, arguments: &[&str]) -> Server {
        self.serve_logging("info", arguments)
    }

    /// Starts a server on `data` in another environment.
    pub(crate) fn serve_with(&self, env: &[(&str, &Path)], more: &[&str]) -> Server {
        self.serve_in(env, "info", &[&["--data", "data"], more].concat())
    }

    fn serve_logging(&self, level: &str, more: &[&str]) -> Server {
        self.serve_in(&[], level, more)
    }

    fn serve_in(&self, env: &[(&str, &Path)], level: &str, more: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"], more].concat();
        let mut command = self.command(&arguments);
        command.envs(env.iter().copied());
        let mut child = command
            .env("COUNTERSIGN_LOG", level)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
        let err = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("it says something");
        let url = line.trim().strip_prefix("countersign serves at ").map(str::to_owned);
        let mut server = Server {
            url: String::new(),
            child,
            log: err,
        };
        match url {
            Some(url) => server.url = url,
            None => panic!("the server did not start: {line}{}", server.rest_of_log()),
        }
        server
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A folder that stays behind harms no test.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// A server, killed with the value.
pub(crate) struct Server {
    pub(crate) url: String,
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal).expect("the server can be told");
    }

    /// What anybody gets at a path.
    pub(crate) fn open_page(&self, path: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(host).expect("the server listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).expect("it answers");
        answer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the log that contains `words`.
    pub(crate) fn logged(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("the log can be read") > 0 {
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("the log ended without `{words}`");
    }

    pub(crate) fn rest_of_log(&mut self) -> String {
        let mut text = String::new();
        while self.log.read_line(&mut text).is_ok_and(|read| read > 0) {}
        text
    }

    /// Waits for the end. Returns the exit code and the rest of the log.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let log = self.rest_of_log();
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
