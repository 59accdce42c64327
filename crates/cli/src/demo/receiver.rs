//! A receiver of callbacks as a workflow would have one: it takes a POST and believes it only if the signature holds.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use countersign_notify::Secret;
use countersign_notify::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// The largest request that it reads.
const MOST: usize = 256 * 1024;
/// How old a callback may be, seconds (Standard Webhooks, "Verifying webhook authenticity").
const TOLERANCE_S: i64 = 300;

/// The receiver; it ends with the value.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    secret: Arc<OnceLock<Secret>>,
    received: mpsc::UnboundedReceiver<Received>,
    task: tokio::task::JoinHandle<()>,
}

/// A callback that came.
pub(crate) struct Received {
    /// `webhook-id`.
    pub(crate) id: String,
    /// Why it is not believed, if it is not.
    pub(crate) doubt: Option<&'static str>,
    /// What it says.
    pub(crate) body: Value,
}

impl Receiver {
    /// Begins to listen on a loopback port.
    pub(crate) async fn start() -> std::io::Result<Receiver> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let secret = Arc::new(OnceLock::new());
        let (sender, received) = mpsc::unbounded_channel();
        let known = secret.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(callback) = take(stream, &known).await {
                    // Who no longer listens does not need it.
                    let _ = sender.send(callback);
                }
            }
        });
        Ok(Receiver {
            address,
            secret,
            received,
            task,
        })
    }

    /// The secret that was shown when the receiver was registered.
    pub(crate) fn trust(&self, secret: Secret) {
        // Set once; a second one would be a second registration, which the demonstration does not make.
        let _ = self.secret.set(secret);
    }

    /// The next callback.
    pub(crate) async fn next(&mut self, within: std::time::Duration) -> Option<Received> {
        tokio::time::timeout(within, self.received.recv()).await.ok().flatten()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request and answers it.
async fn take(mut stream: TcpStream, secret: &OnceLock<Secret>) -> Option<Received> {
    let (head, body) = read(&mut stream).await?;
    let header = |name: &str| {
        let found = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let id = header(ID_HEADER);
    let doubt = verify(
        secret.get(),
        &id,
        &header(TIMESTAMP_HEADER),
        &header(SIGNATURE_HEADER),
        &body,
    );
    let status = if doubt.is_none() {
        "204 No Content"
    } else {
        "401 Unauthorized"
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    Some(Received {
        id,
        doubt,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
            let length = head.lines().filter_map(|line| line.split_once(':'));
            let mut length = length
                .filter(|(key, _)| key.eq_ignore_ascii_case("content-length"))
                .map(|(_, value)| value.trim().parse());
            let length: usize = length.next()?.ok().filter(|length| *length <= MOST)?;
            let body = bytes.get(end + 4..)?;
            if body.len() >= length {
                return Some((head, body.get(..length)?.to_vec()));
            }
        }
        if bytes.len() > MOST || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Why a callback is not to be believed (Standard Webhooks 1.0.0): the signature, then the time.
pub(crate) fn verify(
    secret: Option<&Secret>,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
) -> Option<&'static str> {
    let Some(secret) = secret else {
        return Some("the secret is not known yet");
    };
    let Ok(at) = timestamp.parse::<i64>() else {
        return Some("it has no time");
    };
    let good = secret.sign(id, at, body);
    // Both are public as soon as one of them was sent; a comparison that takes its time gives nothing away here.
    if !signatures.split(' ').any(|signature| signature == good) {
        return Some("no signature holds");
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    ((now - at).abs() > TOLERANCE_S).then_some("it is too old")
}
