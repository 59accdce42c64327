//! A server of tools behind HTTP. What the client proves itself with never goes there; what the server is reached with
//! comes from Countersign or from the configuration.

use countersign_client::{Method, Streamed, Streaming};
use tokio::sync::mpsc;

use crate::wire;

/// The longest message of a server.
const LONGEST: usize = 32 * 1024 * 1024;
/// Messages that may wait for a slow reader.
const QUEUE: usize = 64;
/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";
/// Headers of a client's request that go on to the server. A session is not among them: it goes on once it is known whose it
/// is.
pub(super) const ONWARD: [&str; 4] = ["mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"];

/// A server of tools.
pub(super) struct Remote {
    http: Streaming,
    /// Headers of the configuration.
    headers: Vec<(String, String)>,
}

/// How a server began to answer.
pub(super) struct Begun {
    /// The HTTP status.
    pub(super) status: u16,
    /// The session that it opened, or goes on with.
    pub(super) session: Option<String>,
    /// Its messages.
    pub(super) messages: mpsc::Receiver<Vec<u8>>,
}

impl Remote {
    pub(super) fn new(http: Streaming, headers: Vec<(String, String)>) -> Remote {
        Remote { http, headers }
    }

    /// Sends a message, with these headers besides those of the configuration.
    pub(super) async fn send(
        &self,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
    ) -> Result<Begun, String> {
        let mut all = self.headers.clone();
        all.extend(headers);
        if body.is_some() {
            all.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        all.push(("accept".to_owned(), "application/json, text/event-stream".to_owned()));
        let answer = self.http.send(method, &all, body).await;
        let answer = answer.map_err(|error| format!("the tool's server cannot be reached: {error}"))?;
        let session = answer.header(SESSION).map(str::to_owned);
        let streams = answer
            .header("content-type")
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
        let status = answer.status;
        let (to, messages) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            if streams {
                events(answer, to).await
            } else {
                whole(answer, to).await
            }
        });
        Ok(Begun {
            status,
            session,
            messages,
        })
    }
}

/// A body that is one message.
async fn whole(mut answer: Streamed, to: mpsc::Sender<Vec<u8>>) {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.piece().await {
        body.extend(piece);
        if body.len() > LONGEST {
            return;
        }
    }
    if !body.trim_ascii().is_empty() && wire::is_object(&body) {
        let _ = to.send(body).await;
    }
}

/// A body that is a stream of events (WHATWG, server-sent events): the data of each is a message.
async fn events(mut answer: Streamed, to: mpsc::Sender<Vec<u8>>) {
    let mut reader = Events::default();
    loop {
        let piece = tokio::select! {
            piece = answer.piece() => piece,
            () = to.closed() => return,
        };
        let Ok(Some(piece)) = piece else { return };
        for message in reader.read(&piece) {
            if to.send(message).await.is_err() {
                return;
            }
        }
        if reader.held() > LONGEST {
            return;
        }
    }
}

/// Reads events out of pieces.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_return: bool,
}

impl Events {
    fn held(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, Vec::len)
    }

    fn read(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for byte in piece {
            let second = std::mem::take(&mut self.after_return) && *byte == b'\n';
            match byte {
                _ if second => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    messages.extend(self.end_line());
                }
                other => self.line.push(*other),
            }
        }
        messages
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take().filter(|data| wire::is_object(data));
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            match &mut self.data {
                Some(held) => {
                    held.push(b'\n');
                    held.extend(data);
                }
                None => self.data = Some(data.to_vec()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_an_address_says_besides_its_host_is_in_no_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address");
        drop(listener);
        let http = Streaming::new(&format!("http://somebody:hidden@{host}/hidden?token=hidden")).expect("an address");
        let sent = Remote::new(http, Vec::new()).send(Method::POST, Vec::new(), None).await;
        let why = sent.err().expect("nobody listens there");
        assert!(
            why.contains(&format!("http://{host}:")) && !why.contains("hidden") && !why.contains("somebody"),
            "{why}"
        );
        let wrong = Streaming::new("http://hidden:port/").err().expect("no address");
        assert!(!wrong.to_string().contains("hidden"), "{wrong}");
    }

    #[test]
    fn messages_come_out_of_events_however_these_are_cut_and_ended() {
        let text = b": hello\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\ndata:{\"b\":2}\n\ndata: no message\n\n";
        let wanted = [b"{\"a\":\n1}".to_vec(), b"{\"b\":2}".to_vec()];
        for at in 0..text.len() {
            let mut reader = Events::default();
            let mut messages = reader.read(&text[..at]);
            messages.extend(reader.read(&text[at..]));
            assert_eq!(messages, wanted, "cut at {at}");
        }
    }
}
