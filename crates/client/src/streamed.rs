//! Requests to servers that are not ours, whose answers come in pieces: what a gateway stands in front of.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::innermost;
use crate::{ClientError, http_client};

/// Sends requests to one server.
#[derive(Clone)]
pub struct Streaming {
    http: reqwest::Client,
    url: reqwest::Url,
}

/// An answer whose body has not come yet.
pub struct Streamed {
    /// The HTTP status.
    pub status: u16,
    answer: reqwest::Response,
    /// Where it comes from, as errors say it.
    from: String,
}

impl Streaming {
    /// A client of the server at `url`.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the address is none, or TLS cannot be set up.
    pub fn new(url: &str) -> Result<Streaming, ClientError> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ClientError::Setup(format!(
                "`{url}` is not the address of a server: it has to begin with http:// or https://"
            )));
        }
        let http = http_client(url.starts_with("https://")).map_err(ClientError::Setup)?;
        let url = url.parse();
        let url =
            url.map_err(|error| ClientError::Setup(format!("the address of a server cannot be read: {error}")))?;
        Ok(Streaming { http, url })
    }

    /// Sends one request. Headers are sent as they are and shown nowhere; redirects are not followed.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if no answer came, which names scheme, host and port alone; [`ClientError::Setup`] if a
    /// header cannot be sent.
    pub async fn send(
        &self,
        method: Method,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
    ) -> Result<Streamed, ClientError> {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value);
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(ClientError::Setup("a header cannot be sent".to_owned()));
            };
            value.set_sensitive(true);
            sent.insert(name, value);
        }
        let mut request = self.http.request(method, self.url.clone()).headers(sent);
        if let Some(body) = body {
            request = request.body(body);
        }
        // An error may be read by whoever is not to know what stands in the rest of the address.
        let from = self.url.origin().ascii_serialization();
        let answer = request.send().await;
        let answer = answer.map_err(|error| unreachable_at(&from, error))?;
        Ok(Streamed {
            status: answer.status().as_u16(),
            answer,
            from,
        })
    }
}

fn unreachable_at(from: &str, error: reqwest::Error) -> ClientError {
    ClientError::Unreachable {
        url: from.to_owned(),
        why: innermost(&error.without_url()),
    }
}

impl Streamed {
    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if the connection breaks.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let piece = self.answer.chunk().await;
        let piece = piece.map_err(|error| unreachable_at(&self.from, error))?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }
}
