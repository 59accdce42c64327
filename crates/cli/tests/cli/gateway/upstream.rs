//! A server of tools behind HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

/// How a server behind HTTP answers.
#[derive(Clone, Copy)]
pub(super) struct Behaviour {
    /// How it describes its tool.
    pub(super) described: &'static str,
    /// Calls take two rounds.
    pub(super) rounds: bool,
    /// It has forgotten every session.
    pub(super) forgets: bool,
    /// The text of its tool's results.
    pub(super) says: &'static str,
}

/// A server of tools behind HTTP that keeps every request, and behaves as it is told to.
pub(super) struct Upstream {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    behaves: Arc<Mutex<Behaviour>>,
}

impl Upstream {
    pub(super) fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let behaviour = Behaviour {
            described: "writes a note",
            rounds: false,
            forgets: false,
            says: "noted",
        };
        let (requests, behaves) = (Arc::default(), Arc::new(Mutex::new(behaviour)));
        let (kept, how) = (Arc::clone(&requests), Arc::clone(&behaves));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let how = *how.lock().expect("no panic");
                answer(stream, &kept, how);
            }
        });
        Upstream { url, requests, behaves }
    }

    pub(super) fn behaves(&self) -> MutexGuard<'_, Behaviour> {
        self.behaves.lock().expect("no panic")
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<String>>, how: Behaviour) {
    let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    kept.lock().expect("no panic").push(format!("{head}{message}"));
    let tool = json!({ "name": "note", "description": how.described, "inputSchema": { "type": "object" } });
    let result = match message["method"].as_str() {
        Some("tools/list") => json!({ "tools": [tool] }),
        Some("tools/call") if how.rounds && message["params"]["requestState"].is_null() => {
            json!({ "resultType": "input_required", "requestState": "of the server" })
        }
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": how.says }] }),
        _ => {
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "u", "version": "1" } })
        }
    };
    let text = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
    let error = json!({ "code": -32001, "message": "Session not found" });
    let forgotten = json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
    // Calls are answered in a stream, the rest at once.
    let (kind, text) = match message["method"].as_str() {
        _ if how.forgets => ("application/json", forgotten),
        Some("tools/call") => (
            "text/event-stream",
            format!(": hello\n\nevent: message\ndata: {text}\n\n"),
        ),
        _ => ("application/json", text),
    };
    let status = if how.forgets { "404 Not Found" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nMcp-Session-Id: of-the-upstream\r\nConnection: close\r\n\r\n",
        text.len()
    );
    let _ = stream.write_all((head + &text).as_bytes());
}
