//! A typed client of the HTTP API.
//!
//! [`Client`] holds an address and a credential; each call is one request. What the server refuses comes back as
//! [`ClientError::Problem`] with the problem document that it sent; a deny is not an error but an answer.

mod calls;
mod error;
mod streamed;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use calls::segment;
pub use countersign_api as api;
pub use error::{ClientError, Problem};
pub use streamed::{Streamed, Streaming};

/// The longest a server may hold a request back on purpose, and some more.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What a request proves its sender with.
#[derive(Clone)]
pub enum Credential {
    /// An API key, `cs_…`.
    Key(String),
    /// The token that a server left in its data folder, and the organization that is meant.
    Local {
        /// The token.
        token: String,
        /// The organization; requests that are about none need none.
        organization: Option<String>,
    },
    /// Nothing, for the few addresses that anybody may read.
    Nobody,
}

impl Credential {
    /// The headers of every request that is proved by it.
    fn headers(&self) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::new();
        match self {
            Credential::Key(key) => insert(&mut headers, AUTHORIZATION, &format!("Bearer {}", key.trim()))?,
            Credential::Local { token, organization } => {
                insert(&mut headers, AUTHORIZATION, &format!("Bearer {token}"))?;
                if let Some(organization) = organization {
                    insert(
                        &mut headers,
                        HeaderName::from_static("countersign-organization"),
                        organization,
                    )?;
                }
            }
            Credential::Nobody => {}
        }
        insert(&mut headers, ACCEPT, "application/json")?;
        Ok(headers)
    }
}

/// Where a server is at the moment, or why that is not known.
pub type Whereabouts = dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync;

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
    /// Asked before each request, where the server is none that stays at its address.
    whereabouts: Option<Arc<Whereabouts>>,
}

/// What a server answered with a status of success.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The answer repeats an earlier one to the same `Idempotency-Key`.
    pub replayed: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:7878`.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the address is none, or TLS cannot be set up.
    pub fn new(base: &str, credential: &Credential) -> Result<Client, ClientError> {
        let base = base.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(ClientError::Setup(format!(
                "`{base}` is not the address of a server: it has to begin with http:// or https://"
            )));
        }
        let headers = credential.headers()?;
        let http = http_client(base.starts_with("https://")).map_err(ClientError::Setup)?;
        Ok(Client {
            http,
            base,
            headers,
            whereabouts: None,
        })
    }

    /// The same client, of a server whose address somebody else may take once it has ended: before each request it is looked
    /// where the server is, and the credential is sent there and nowhere else.
    #[must_use]
    pub fn found_by(self, whereabouts: Arc<Whereabouts>) -> Client {
        Client {
            whereabouts: Some(whereabouts),
            ..self
        }
    }

    /// Where the next request goes.
    async fn place(&self) -> Result<String, ClientError> {
        let Some(whereabouts) = &self.whereabouts else {
            return Ok(self.base.clone());
        };
        whereabouts().await.map_err(|why| ClientError::Unreachable {
            url: self.base.clone(),
            why,
        })
    }

    /// A client of the same server that proves somebody else, over the same connections.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the credential cannot be sent.
    pub fn on_behalf(&self, credential: &Credential) -> Result<Client, ClientError> {
        Ok(Client {
            headers: credential.headers()?,
            ..self.clone()
        })
    }

    /// The server's address, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends one request. `body` is JSON text.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if no answer came, [`ClientError::Problem`] if the status is not a success.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, ClientError> {
        let mut headers = self.headers.clone();
        if let Some(key) = idempotency_key {
            insert(&mut headers, HeaderName::from_static("idempotency-key"), key)?;
        }
        if body.is_some() {
            insert(&mut headers, CONTENT_TYPE, "application/json")?;
        }
        self.exchange(method, path, body, headers).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: HeaderMap,
    ) -> Result<Answer, ClientError> {
        let place = self.place().await?;
        let mut request = self.http.request(method, format!("{place}{path}")).timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.body(body);
        }
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: place.clone(),
            why: error::innermost(&error),
        };
        let answer = request.headers(headers).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let flag = |name: &str| answer.headers().get(name).is_some_and(|value| value == "true");
        let replayed = flag("idempotent-replayed");
        let body = answer.bytes().await.map_err(unreachable)?.to_vec();
        if (200..300).contains(&status) {
            return Ok(Answer { status, replayed, body });
        }
        Err(ClientError::Problem(Box::new(Problem::read(status, &body))))
    }

    /// Reads something.
    ///
    /// # Errors
    /// As [`Client::send`], and [`ClientError::Unreadable`] if the answer is not what it should be.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.send(Method::GET, path, None, None).await?;
        self.read(&answer)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.send(Method::GET, path, None, None).await?;
        String::from_utf8(answer.body).map_err(|_| self.unreadable("it is not UTF-8"))
    }

    /// Posts a text and reads one, for servers that do not speak JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_text(&self, path: &str, body: String) -> Result<String, ClientError> {
        let mut headers = self.headers.clone();
        headers.remove(ACCEPT);
        insert(&mut headers, CONTENT_TYPE, "text/plain; charset=utf-8")?;
        let sent = self.exchange(Method::POST, path, Some(body.into_bytes()), headers);
        String::from_utf8(sent.await?.body).map_err(|_| self.unreadable("it is not UTF-8"))
    }

    /// Posts something.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.write(Method::POST, path, body).await
    }

    /// Puts something.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.write(Method::PUT, path, body).await
    }

    /// Removes something.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, path, None, None).await.map(drop)
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Setup(error.to_string()))?;
        let answer = self.send(method, path, Some(body), None).await?;
        self.read(&answer)
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ClientError> {
        // An answer without a body reads as `null`, which `()` and `Value` take.
        let body = if answer.body.is_empty() {
            b"null".as_slice()
        } else {
            &answer.body
        };
        serde_json::from_slice(body).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, why: &str) -> ClientError {
        ClientError::Unreadable {
            url: self.base.clone(),
            why: why.to_owned(),
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), ClientError> {
    let mut parsed = HeaderValue::from_str(value).map_err(|_| {
        ClientError::Setup(format!(
            "the value for `{name}` has characters that a header cannot hold"
        ))
    })?;
    parsed.set_sensitive(name == AUTHORIZATION);
    headers.insert(name, parsed);
    Ok(())
}

/// TLS by rustls with ring and the host's root certificates, which a plain connection does not need.
fn http_client(tls: bool) -> Result<reqwest::Client, String> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    let config = if tls {
        config
            .with_platform_verifier()
            .map_err(|error| format!("cannot set up TLS: {error}"))?
            .with_no_client_auth()
    } else {
        config
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .connect_timeout(Duration::from_secs(5))
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}
