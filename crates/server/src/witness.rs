//! A witness of other people's logs: the protocol of c2sp.org/tlog-witness, and nothing else.
//!
//! It knows the keys of the logs that it watches, and of each log the largest checkpoint that it ever cosigned. It cosigns a
//! checkpoint that goes on from that one, after it made it durable; so it never cosigns two histories of one log, whoever
//! asks, in whatever order, and over restarts. What it knows of a log is `state`'s.

mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, StatusCode};
use axum::routing::post;
use countersign_tlog::witness::{Refusal, Submission};
use countersign_tlog::{Cosigner, VerifyingKey};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

pub use state::StateError;
use state::{Fault, Log, StateFolder};

/// The largest body that is read: 63 lines of proof, and a checkpoint with a hundred small signatures.
const BODY_AT_MOST: usize = 64 * 1024;
/// How long a body may take to arrive.
const READ_TIME: Duration = Duration::from_secs(10);

/// A witness.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<String, Log>,
    _folder: StateFolder,
}

impl Witness {
    /// The witness that keeps what it knows in `folder`, which it takes for itself. `logs` are the keys of the logs that it
    /// watches; several may be of one log, whose key was rotated.
    ///
    /// # Errors
    /// Another process has the folder, or what lies there cannot be read, or is not this witness's.
    pub fn open(folder: &std::path::Path, cosigner: Cosigner, logs: Vec<VerifyingKey>) -> Result<Witness, StateError> {
        let folder = StateFolder::take(folder)?;
        let mut by_origin: BTreeMap<String, Vec<VerifyingKey>> = BTreeMap::new();
        for key in logs {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        let logs = by_origin.into_iter().map(|(origin, keys)| {
            let log = folder.log(&origin, keys, cosigner.witness_key())?;
            Ok((origin, log))
        });
        Ok(Witness {
            logs: logs.collect::<Result<_, StateError>>()?,
            cosigner,
            _folder: folder,
        })
    }

    /// How many records of a log it knows; `None` for a log that it does not watch.
    pub fn size(&self, origin: &str) -> Option<u64> {
        self.logs.get(origin).map(Log::size)
    }

    /// The cosignature, if there is to be one. It waits for the disk.
    fn add_checkpoint(&self, body: &str) -> Result<String, Fault> {
        let submission = Submission::parse(body)?;
        let origin = submission.origin()?;
        let log = self.logs.get(&origin).ok_or(Refusal::UnknownLog(origin))?;
        log.cosign(&submission, &self.cosigner, || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        })
    }
}

/// The router of a witness.
pub fn router(witness: Arc<Witness>) -> Router {
    let add = move |request: Request<Body>| {
        let witness = witness.clone();
        async move { answer(witness, request.into_body()).await }
    };
    Router::new().route("/add-checkpoint", post(add))
}

async fn answer(witness: Arc<Witness>, body: Body) -> Response<Body> {
    let read = tokio::time::timeout(READ_TIME, Limited::new(body, BODY_AT_MOST).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is over the limit of 65536 bytes\n",
            );
        }
        Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "the body broke off\n"),
        Err(_) => {
            return text(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within 10 seconds\n",
            );
        }
    };
    let judged = tokio::task::spawn_blocking(move || match std::str::from_utf8(&body) {
        Ok(body) => witness.add_checkpoint(body),
        Err(_) => Err(Refusal::Malformed("it is not UTF-8".into()).into()),
    });
    match judged.await {
        Ok(Ok(line)) => text(StatusCode::OK, line),
        Ok(Err(fault)) => refuse(&fault),
        Err(error) => {
            tracing::error!(%error, "a checkpoint could not be judged");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n")
        }
    }
}

/// The answer that the protocol has for a fault. What is signed by a log, and does not fit, is evidence: it is logged.
fn refuse(fault: &Fault) -> Response<Body> {
    let refusal = match fault {
        Fault::Refused { refusal, .. } => refusal,
        Fault::State(error) => {
            tracing::error!(%error, "what the witness knows could not be kept, so nothing was cosigned");
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the witness cannot keep what it knows\n",
            );
        }
    };
    let status = match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog(_) => StatusCode::NOT_FOUND,
        Refusal::Unsigned(_) => StatusCode::FORBIDDEN,
        Refusal::Conflict { .. } => StatusCode::CONFLICT,
        Refusal::Proof => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if let Fault::Refused {
        evidence: Some(evidence),
        ..
    } = fault
    {
        tracing::warn!(
            checkpoint = evidence,
            "a log signed a checkpoint that was not cosigned: {refusal}"
        );
    }
    match refusal {
        Refusal::Conflict { size, .. } => {
            let mut answer = text(status, format!("{size}\n"));
            let size = axum::http::HeaderValue::from_static("text/x.tlog.size");
            answer.headers_mut().insert(CONTENT_TYPE, size);
            answer
        }
        Refusal::Malformed(_) | Refusal::UnknownLog(_) | Refusal::Unsigned(_) | Refusal::Proof => {
            text(status, format!("{refusal}\n"))
        }
    }
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let plain = axum::http::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
