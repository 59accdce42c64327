//! A gateway in front of many servers of tools, by MCP's Streamable HTTP, in both eras of the protocol.
//!
//! Each server has a path, `/mcp/NAME`. An agent shows its own key of Countersign, which goes no further than to the server
//! that decides; what a server of tools is reached with comes from the configuration or from Countersign. Whatever a
//! request says in its headers has to stand in its body too, and it is the body that counts.

mod call;
mod caller;
mod door;
mod pin;
mod pipe;
mod reach;
mod remote;
mod reply;
mod sessions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use countersign_client::{Client, ClientError, Streaming};
use tokio::net::TcpListener;

use self::caller::Callers;
use self::pin::Pins;
use self::remote::Remote;
use self::sessions::Sessions;
use crate::broker::{Broker, Need};
use crate::stdio::lock;

/// How often it is looked what nobody uses any more.
const SWEEP: Duration = Duration::from_secs(30);

/// How a server of tools is reached.
#[derive(Clone, Debug)]
pub enum Way {
    /// By its standard input and output.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Variables of its environment besides ours.
        variables: BTreeMap<String, String>,
    },
    /// By Streamable HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers of every request.
        headers: BTreeMap<String, String>,
    },
}

/// A server of tools.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// How it is reached.
    pub way: Way,
    /// The credential that it is reached with.
    pub need: Option<Need>,
}

/// How the gateway behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server that decides.
    pub decides: String,
    /// Servers of tools, by name: their tools are `NAME/tool` in policy.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Where clients reach the gateway, such as `http://127.0.0.1:8787`.
    pub public: String,
    /// Origins of pages whose scripts may use it; without any, none may.
    pub origins: Vec<String>,
    /// The environment that the tools act in.
    pub env: Option<String>,
    /// How long a call is held for people before the agent is told to come back.
    pub hold: Duration,
    /// Where is kept what waits for people.
    pub state: PathBuf,
}

/// Who asked, what for, and with which state: by that a call is known that a server wants to go on with.
type Unfinished = BTreeMap<(String, String, String), String>;

struct App {
    options: Options,
    broker: Option<Broker>,
    pins: Option<Pins>,
    remotes: BTreeMap<String, Remote>,
    callers: Callers,
    sessions: Sessions,
    unfinished: Mutex<Unfinished>,
}

/// Serves until `stopped`. With `pinning`, whose key may register tools, it is told how tools look before agents see them.
///
/// # Errors
/// If the listener fails, or a server of tools has an address that is none.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    broker: Option<Broker>,
    pinning: Option<Client>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let mut remotes = BTreeMap::new();
    for (name, upstream) in &options.upstreams {
        if let Way::Http { url, headers } = &upstream.way {
            let http = Streaming::new(url).map_err(|error: ClientError| std::io::Error::other(error.to_string()))?;
            let headers = headers.clone().into_iter().collect();
            remotes.insert(name.clone(), Remote::new(http, headers));
        }
    }
    let app = Arc::new(App {
        callers: Callers::new(&options.decides, &options.state),
        options,
        broker,
        pins: pinning.map(Pins::new),
        remotes,
        sessions: Sessions::default(),
        unfinished: Mutex::default(),
    });
    let sweeping = tokio::spawn({
        let app = Arc::downgrade(&app);
        async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(app) = app.upgrade() else { return };
                app.sessions.sweep();
            }
        }
    });
    let router = Router::new().fallback(door::handle).with_state(Arc::clone(&app));
    let served = tokio::select! {
        served = axum::serve(listener, router) => served,
        () = stopped => Ok(()),
    };
    sweeping.abort();
    // Servers end when nothing is left that may ask them.
    app.sessions.end_all();
    lock(&app.unfinished).clear();
    served
}
