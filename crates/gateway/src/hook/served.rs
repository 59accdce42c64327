//! Hooks over HTTP, for hosts that call an address in place of a command: `POST /v1/hooks/DIALECT` with the agent's key as
//! bearer token takes what a hook command takes on its standard input, and answers what it prints.
//!
//! A host that gets anything but a good answer mostly lets the tool run. So whatever goes wrong is a good answer with a
//! denial in it; only an address that names no host has none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use countersign_client::{Client, Credential};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{Dialect, INPUT, MARGIN, Options, answer};
use crate::govern::Governor;
use crate::waiting::place;

/// How the hooks behave.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The server that decides.
    pub decides: String,
    /// Where is kept what waits for people.
    pub state: PathBuf,
    /// The environment that the hosts' tools act in.
    pub env: Option<String>,
    /// How long people may take before the agent is told to come back.
    pub hold: Duration,
    /// Only look on.
    pub observe: bool,
}

struct App {
    serving: Serving,
    /// Asks for nobody yet.
    client: Client,
}

/// What the address may say.
#[derive(Deserialize)]
struct Asked {
    /// How many seconds the host waits, as its configuration says.
    within: Option<u64>,
}

/// Serves until `stopped`.
///
/// # Errors
/// If the listener fails, or the address of the server that decides is none.
pub async fn serve(
    listener: TcpListener,
    serving: Serving,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let client = Client::new(&serving.decides, &Credential::Nobody);
    let client = client.map_err(|error| std::io::Error::other(error.to_string()))?;
    let app = Arc::new(App { serving, client });
    let router = Router::new().route("/v1/hooks/{dialect}", post(take)).with_state(app);
    tokio::select! {
        served = axum::serve(crate::serve::at_once(listener), router) => served,
        () = stopped => Ok(()),
    }
}

async fn take(
    State(app): State<Arc<App>>,
    Path(dialect): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Response<Body> {
    let Some(dialect) = Dialect::named(&dialect) else {
        return response(
            StatusCode::NOT_FOUND,
            "{\"error\":\"no host has this name\"}".to_owned(),
        );
    };
    // Hosts let the tool run after an answer that is not a good one, so a slip in the address is told in one that is.
    let (within, slip) = match asked {
        Ok(Query(asked)) => (asked.within, None),
        Err(error) => (None, Some(error.body_text())),
    };
    let patience = within.map_or(dialect.patience(), Duration::from_secs);
    let limit = patience.saturating_sub(MARGIN).max(Duration::from_secs(1));
    let observe = app.serving.observe;
    let refuse = |why: &str| match observe {
        true => dialect.go_on(),
        false => dialect.deny(&format!("Not decided: {why}. Nothing was run.")),
    };
    if let Some(slip) = slip {
        return response(StatusCode::OK, refuse(&slip));
    }
    // A task of its own: if it panics, that is an answer too.
    let mut work = tokio::spawn(async move { app.decide(dialect, limit, &headers, request.into_body()).await });
    let text = match tokio::time::timeout(limit, &mut work).await {
        Ok(Ok(Ok(text))) => text,
        Ok(Ok(Err(why))) => refuse(&why),
        Ok(Err(_)) => refuse("the hook failed"),
        Err(_) => {
            // Nothing may be permitted any more that was said to be denied.
            work.abort();
            refuse("it took longer than the host waits")
        }
    };
    // Silence, which lets the host go on, is an object without fields here.
    response(StatusCode::OK, if text.is_empty() { "{}".to_owned() } else { text })
}

impl App {
    async fn decide(
        &self,
        dialect: Dialect,
        limit: Duration,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<String, String> {
        let key = key(headers).ok_or("the agent's key is missing; send it as `Authorization: Bearer …`")?;
        let most = usize::try_from(INPUT).unwrap_or(usize::MAX);
        let input = to_bytes(body, most).await;
        let input = input.map_err(|_| "the hook's input is too long or broke off".to_owned())?;
        let serving = &self.serving;
        let folder = place(&serving.state, &serving.decides, key);
        let client = self.client.on_behalf(&Credential::Key(key.to_owned()));
        let mut governor = Governor::new(client.map_err(|error| error.to_string())?, &folder);
        if serving.observe {
            governor = governor.observing(&folder);
        }
        let options = Options {
            dialect,
            env: serving.env.clone(),
            hold: serving.hold.min(limit.saturating_sub(Duration::from_secs(2))),
            grant: false,
        };
        Ok(answer(&governor, &folder, &options, &input).await)
    }
}

/// The agent's key, if there is one and no other.
fn key(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (scheme, key) = line.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && key.starts_with("cs_agent_") && key.len() <= 256).then_some(key)
}

fn response(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    response
}
