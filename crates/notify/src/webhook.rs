//! The webhook channel: one signed POST to one checked address.
//!
//! What keeps a receiver's URL from reaching inside (security page, "Egress/SSRF"; ASVS 5.0 1.3.6, 15.3.2): the name is resolved once for each
//! attempt, *all* its addresses are checked, and the connection can only go to those, because the client made for the attempt knows no other
//! name and asks no other resolver. No redirects, no proxies, no cookies, no connection kept for the next attempt; the name in the URL stays
//! the one that TLS checks. Of the answer, the status and `Retry-After` are read and the rest is dropped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::{Target, is_public};
use crate::channel::{Attempt, BoxFuture, Channel, Message, Reason, Refusal};
use crate::schedule::LONGEST_RETRY_AFTER;
use crate::sign::{Ed25519Key, Keys, Secret};

#[cfg(test)]
mod tests;

/// How long an attempt may take and how much of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To resolve the name, and again to connect.
    pub connect: Duration,
    /// For the whole attempt.
    pub total: Duration,
    /// Read of the answer's body before the connection is dropped.
    pub answer_bytes: usize,
}

impl Default for Limits {
    /// 5 s, 15 s, 64 KiB.
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
            answer_bytes: 64 * 1024,
        }
    }
}

/// Turns names into addresses.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, which is a name and never an address.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0))
                .await?
                .map(|address| address.ip())
                .collect())
        })
    }
}

/// TLS could not be set up, for instance because the host has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for callbacks: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// Sends webhooks. Cheap to clone; one per process is enough.
#[derive(Clone)]
pub struct Sender {
    tls: ClientConfig,
    resolver: Arc<dyn Resolve>,
    limits: Limits,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender with the host's resolver, the host's root certificates and the default [`Limits`].
    ///
    /// # Errors
    ///
    /// The host has no usable root certificates.
    pub fn new() -> Result<Self, TlsError> {
        Self::with(Arc::new(SystemResolver), Limits::default())
    }

    /// A sender with another resolver and other limits.
    ///
    /// # Errors
    ///
    /// The host has no usable root certificates.
    pub fn with(resolver: Arc<dyn Resolve>, limits: Limits) -> Result<Self, TlsError> {
        // Named here, so that no other crate's idea of a default provider can get in.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(Sender { tls, resolver, limits })
    }

    /// Tries once to deliver `message` to `target`, signed with `keys`.
    pub async fn deliver(&self, target: &Target, message: &Message, keys: &Keys<'_>) -> Attempt {
        let headers = keys.headers(message);
        let posted = self.post(target, &headers, message.body(), message.timestamp_s());
        posted.await.map_or_else(|failed| failed, |answered| answered.attempt)
    }

    /// Posts JSON, once. What came of it, and as much of the answer as is read: for channels whose answers say more
    /// than a status.
    ///
    /// # Errors
    ///
    /// Nothing was answered.
    pub(crate) async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: &[u8],
        now_s: i64,
    ) -> Result<Answered, Attempt> {
        let deadline = Instant::now() + self.limits.total;
        let answer = match timeout_at(deadline, self.send(target, headers, body)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(retry(Reason::Timeout)),
        };
        let attempt = judge(answer.status().as_u16(), answer.headers(), now_s);
        // The status stands, whatever becomes of the body.
        let mut read = Vec::new();
        let _ = timeout_at(deadline, read_body(answer, self.limits.answer_bytes, &mut read)).await;
        Ok(Answered { attempt, body: read })
    }

    async fn send(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<reqwest::Response, Attempt> {
        let addresses = self.addresses(target).await?;
        let client = self.client(target, addresses).map_err(|_| retry(Reason::Connect))?;
        let mut sent = HeaderMap::new();
        sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let value = value.parse().map_err(|_| retry(Reason::Broken))?;
            sent.insert(HeaderName::from_static(name), value);
        }
        let request = client.post(target.url.clone()).headers(sent).body(body.to_vec());
        request.send().await.map_err(|error| retry(reason(&error)))
    }

    /// How long an attempt may take.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The addresses of a target, all of them checked.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Attempt> {
        let addresses = match target.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let resolved = timeout(self.limits.connect, self.resolver.resolve(&target.host)).await;
                match resolved {
                    Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
                    Ok(_) => return Err(retry(Reason::Resolve)),
                    Err(_) => return Err(retry(Reason::Timeout)),
                }
            }
        };
        if !target.lifted && !addresses.iter().all(|address| is_public(*address)) {
            return Err(Attempt::Refused {
                reason: Refusal::PrivateAddress,
            });
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, target.port))
            .collect())
    }

    /// A client for one attempt, that can reach `addresses` and nothing else.
    fn client(&self, target: &Target, addresses: Vec<SocketAddr>) -> reqwest::Result<reqwest::Client> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Pinned {
                host: target.host.clone(),
                addresses,
            })
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.total)
            .user_agent(concat!("Countersign/", env!("CARGO_PKG_VERSION")))
            .build()
    }
}

/// Knows one name.
struct Pinned {
    host: String,
    addresses: Vec<SocketAddr>,
}

impl reqwest::dns::Resolve for Pinned {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let known = name.as_str().trim_end_matches('.').eq_ignore_ascii_case(&self.host);
        let addresses = if known { self.addresses.clone() } else { Vec::new() };
        Box::pin(std::future::ready(if known {
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "a name that was not checked").into())
        }))
    }
}

/// An answer, and what it means by its status.
pub(crate) struct Answered {
    pub(crate) attempt: Attempt,
    pub(crate) body: Vec<u8>,
}

async fn read_body(mut answer: reqwest::Response, most: usize, read: &mut Vec<u8>) {
    while let Ok(Some(chunk)) = answer.chunk().await {
        read.extend_from_slice(&chunk);
        if read.len() >= most {
            break;
        }
    }
}

pub(crate) fn retry(reason: Reason) -> Attempt {
    Attempt::Retry {
        reason,
        retry_after: None,
    }
}

fn reason(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        Reason::Timeout
    } else if error.is_connect() {
        Reason::Connect
    } else {
        Reason::Broken
    }
}

/// What a status means (Standard Webhooks: only 2xx is success, 410 disables, redirects fail).
fn judge(status: u16, headers: &HeaderMap, sent_s: i64) -> Attempt {
    match status {
        200..=299 => Attempt::Delivered { status },
        410 => Attempt::Gone,
        429 | 502..=504 => Attempt::Retry {
            reason: Reason::Status(status),
            retry_after: retry_after(headers, sent_s),
        },
        _ => retry(Reason::Status(status)),
    }
}

/// `Retry-After` (RFC 9110 10.2.3): seconds, or a date, which counts from the receiver's own `Date`.
fn retry_after(headers: &HeaderMap, sent_s: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            let sent = || Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(sent_s).ok()?));
            let date = headers
                .get(DATE)
                .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
            until.duration_since(date.or_else(sent)?).unwrap_or_default()
        }
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}

/// One registered receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What sends.
    pub sender: Sender,
    /// Where to.
    pub target: Target,
    /// The receiver's secrets, two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// Our key for `v1a`.
    pub ed25519: Option<Arc<Ed25519Key>>,
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let keys = Keys {
                secrets: &self.secrets,
                ed25519: self.ed25519.as_deref(),
            };
            self.sender.deliver(&self.target, message, &keys).await
        })
    }
}
