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
mod tasks;
mod tokens;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::serve::{Listener, ListenerExt as _};
use countersign_client::{Client, ClientError, Streaming};
use futures_util::StreamExt as _;
use tokio::net::TcpListener;

use self::caller::{Bearers, Callers};
use self::pin::Pins;
use self::remote::Remote;
use self::sessions::Sessions;
use self::tokens::Tokens;
pub use self::tokens::Trust;
use crate::broker::{Broker, Need};
use crate::calls::{Lost, Unfinished};
use crate::elicit::Elicitation;
use crate::stdio::lock;
use crate::tasks::Tasks;

/// How often it is looked what nobody uses any more.
const SWEEP: Duration = Duration::from_secs(30);
/// How long reports may take after the end.
const REPORTS: Duration = Duration::from_secs(5);
/// How many reports are on their way at once.
const REPORTS_AT_ONCE: usize = 16;

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
    /// Tools that policy always denies to an agent are not shown to it.
    pub hide: bool,
    /// Whoever uses the clients may be among those who decide, and is led to the page where they do.
    pub elicit: bool,
    /// Nothing is enforced: what would be decided is noted, and everything runs.
    pub observe: bool,
}

/// What the gateway does with a key of its own.
#[derive(Default)]
pub struct Own {
    /// Gets credentials.
    pub broker: Option<Broker>,
    /// Records how tools look, before agents see them.
    pub pinning: Option<Client>,
    /// Asks for agents that show tokens, and which tokens those are.
    pub bearing: Option<(Client, Trust)>,
}

struct App {
    options: Options,
    broker: Option<Broker>,
    pins: Option<Pins>,
    remotes: BTreeMap<String, Remote>,
    callers: Callers,
    sessions: Sessions,
    unfinished: Mutex<Unfinished>,
    tasks: Tasks,
    elicitation: Elicitation,
}

/// Serves until `stopped`.
///
/// # Errors
/// If the listener fails, a server of tools has an address that is none, or the keys that tokens are signed with cannot be read.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    own: Own,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let unfit = |error: ClientError| std::io::Error::other(error.to_string());
    let mut remotes = BTreeMap::new();
    for (name, upstream) in &options.upstreams {
        if let Way::Http { url, headers } = &upstream.way {
            let http = Streaming::new(url).map_err(unfit)?;
            let headers = headers.clone().into_iter().collect();
            remotes.insert(name.clone(), Remote::new(http, headers));
        }
    }
    let bearers = match own.bearing {
        Some((client, trust)) => {
            let tokens = Tokens::new(trust).map_err(std::io::Error::other)?;
            Some(Bearers { tokens, client })
        }
        None => None,
    };
    let callers = Callers::new(&options.decides, &options.state, options.observe, bearers);
    let app = Arc::new(App {
        callers: callers.map_err(unfit)?,
        elicitation: Elicitation::new(options.elicit),
        options,
        broker: own.broker,
        pins: own.pinning.map(Pins::new),
        remotes,
        sessions: Sessions::default(),
        unfinished: Mutex::default(),
        tasks: Tasks::default(),
    });
    let sweeping = tokio::spawn({
        let app = Arc::downgrade(&app);
        async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(app) = app.upgrade() else { return };
                app.sessions.sweep();
                let overdue = lock(&app.unfinished).overdue(Instant::now());
                report(overdue).await;
            }
        }
    });
    let router = Router::new().fallback(door::handle).with_state(Arc::clone(&app));
    let served = tokio::select! {
        served = axum::serve(at_once(listener), router) => served,
        () = stopped => Ok(()),
    };
    sweeping.abort();
    // Servers end when nothing is left that may ask them.
    app.sessions.end_all();
    let unfinished = lock(&app.unfinished).all();
    let _ = tokio::time::timeout(REPORTS, report(unfinished)).await;
    served
}

/// Reports calls that nobody will go on with.
async fn report(lost: Vec<Lost>) {
    let reports = lost.into_iter().map(Lost::report);
    futures_util::stream::iter(reports)
        .for_each_concurrent(REPORTS_AT_ONCE, |report| report)
        .await;
}

/// The same listener, whose answers are not held back until the client has confirmed their beginnings: that costs each call
/// about 40 ms. A connection that takes no options is served all the same.
pub(crate) fn at_once(listener: TcpListener) -> impl Listener<Addr = std::net::SocketAddr, Io = tokio::net::TcpStream> {
    listener.tap_io(|stream| drop(stream.set_nodelay(true)))
}
