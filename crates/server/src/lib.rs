//! The HTTP face.
//!
//! Every call stands in one table, [`countersign_api::CALLS`]. The router is made from it, and `way` takes each request
//! the same way: who calls, may they, the body within its limits, then the handler in `routes/`, which receives a caller
//! that is already authorized and so cannot forget to ask.

mod address;
mod authorize;
mod body;
mod docs;
mod linger;
mod metrics;
mod page;
mod places;
mod problem;
mod query;
mod reply;
mod routes;
mod serve;
mod throttle;
mod way;
pub mod witness;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use countersign_api::CALLS;
use countersign_api::calls::{Call, Method};
use countersign_core::Time;
use countersign_engine::Engine;

use crate::places::Places;

pub use address::{Network, NetworkError, Peer};
pub use serve::{TlsError, TlsFiles, serve};

/// What the HTTP face is told at its start.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The credential of the operator at the machine; `None` = there is none.
    pub local_token: Option<String>,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub behind_proxy: Vec<Network>,
    /// How many requests without a good credential one address may make each second, and how many at once.
    pub strangers: Strangers,
    /// Who vouches for people besides us; `None` = nobody.
    pub identity: Option<Arc<Identity>>,
    /// For the first admin, where nobody can sign in yet.
    pub first_invitation: Option<Arc<FirstInvitation>>,
}

/// An invitation for the first admin, which this process alone knows: good once, until its end, as long as nobody of the
/// organization has anything to sign in with.
pub struct FirstInvitation {
    org: Arc<str>,
    user: String,
    secret: Mutex<Option<String>>,
    expires: Time,
}

impl FirstInvitation {
    /// An invitation for a person; nothing is recorded before it is used.
    pub fn new(org: Arc<str>, user: String, secret: String, expires: Time) -> FirstInvitation {
        FirstInvitation {
            org,
            user,
            secret: Mutex::new(Some(secret)),
            expires,
        }
    }

    /// Whose it is, if this is it; then it is used up.
    pub(crate) fn take(&self, secret: &str, now: Time) -> Option<(&Arc<str>, &str)> {
        let mut known = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&str| authorize::same(known.as_bytes(), secret.as_bytes());
        known.as_deref().filter(same).filter(|_| now < self.expires)?;
        *known = None;
        Some((&self.org, &self.user))
    }

    /// Nothing came of it: it is as good as before.
    pub(crate) fn put_back(&self, secret: &str) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.to_owned());
    }
}

impl std::fmt::Debug for FirstInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FirstInvitation({})", self.user)
    }
}

/// An identity provider, and whose people it vouches for.
pub struct Identity {
    /// The provider.
    pub provider: countersign_oidc::Provider,
    /// The organization; may be left out where there is one.
    pub organization: Option<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.provider.name())
    }
}

/// The limit on requests without a good credential, for each client address.
#[derive(Clone, Copy, Debug)]
pub struct Strangers {
    /// Each second.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Default for ServerSettings {
    fn default() -> Self {
        let strangers = Strangers {
            per_second: 20,
            burst: 60,
        };
        ServerSettings {
            local_token: None,
            behind_proxy: Vec::new(),
            strangers,
            identity: None,
            first_invitation: None,
        }
    }
}

/// What every request needs.
pub(crate) struct App {
    pub engine: Engine,
    pub settings: ServerSettings,
    pub throttle: throttle::Throttle,
    pub metrics: metrics::RequestMetrics,
    pub ids: reply::RequestIds,
    pub document: Vec<u8>,
    pub docs: docs::Page,
    /// Places of those who listen to what is new.
    pub listeners: Arc<Places>,
    /// Places of those who take the record with them.
    pub exports: Arc<Places>,
    /// How much of policies their own tests try.
    pub tested: routes::kpis::Tested,
}

/// The router of all calls.
pub fn router(engine: Engine, settings: ServerSettings) -> Router {
    let document = countersign_api::openapi();
    let app = Arc::new(App {
        engine,
        throttle: throttle::Throttle::new(settings.strangers),
        settings,
        metrics: metrics::RequestMetrics::default(),
        ids: reply::RequestIds::default(),
        docs: docs::Page::new(&document),
        listeners: Places::new(routes::events::LISTENERS_AT_MOST, routes::events::PLACES_AT_MOST),
        exports: Places::new(routes::export::EXPORTS_AT_MOST, routes::export::PLACES_AT_MOST),
        tested: routes::kpis::Tested::default(),
        document: serde_json::to_vec(&document).unwrap_or_default(),
    });
    let mut router = Router::new();
    for call in CALLS.iter() {
        match routes::handler(call.id) {
            Some(handler) => router = router.route(&pattern(call), method_router(&app, call, handler)),
            // A test proves that this does not happen.
            None => tracing::error!(call = call.id, "a call has no handler"),
        }
    }
    let (missing, refused) = (app.clone(), app);
    router
        .fallback(move |request| way::unknown_path(missing.clone(), request))
        .method_not_allowed_fallback(move |request| way::unknown_method(refused.clone(), request))
}

/// The call's path as axum writes it.
fn pattern(call: &Call) -> String {
    let mut pattern = call.path.to_owned();
    for param in call.params.iter().filter(|param| param.slashes) {
        pattern = pattern.replace(&format!("{{{}}}", param.name), &format!("{{*{}}}", param.name));
    }
    pattern
}

fn method_router(app: &Arc<App>, call: &'static Call, handler: routes::Handler) -> MethodRouter {
    let filter = match call.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    };
    let app = app.clone();
    on(filter, move |params, request| {
        way::take(app.clone(), call, handler, params, request)
    })
}
