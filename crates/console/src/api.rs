//! The API, asked in this process by whoever looks at a page.

use std::fmt;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use axum::middleware::Next;
use countersign_api::problem::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::page::Trouble;

/// More than any answer of the API has.
const ANSWER_BYTES_AT_MOST: usize = 64 * 1024 * 1024;
/// What says where a request came from; the API decides whom to believe.
const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// The API's router.
#[derive(Clone)]
pub(crate) struct Api {
    router: Router,
}

/// Where a request to the console came from, so that the API sees it come from there.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    extensions: Extensions,
    forwarded: HeaderMap,
}

impl Origin {
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap) -> Origin {
        let mut forwarded = HeaderMap::new();
        for name in &FORWARDED {
            for line in headers.get_all(name) {
                forwarded.append(name.clone(), line.clone());
            }
        }
        let arrived = extensions.get::<Arrived>().map(|arrived| arrived.0.clone());
        Origin {
            extensions: arrived.unwrap_or_default(),
            forwarded,
        }
    }
}

/// What a request brought along before a route of the console took it: what that route finds in the path must not be taken
/// for what a route of the API finds in another.
#[derive(Clone)]
struct Arrived(Extensions);

/// Keeps what a request brings along, before any route takes it.
pub(crate) async fn arrived(mut request: Request<Body>, next: Next) -> Response<Body> {
    let arrived = Arrived(request.extensions().clone());
    request.extensions_mut().insert(arrived);
    next.run(request).await
}

/// One call: as whom, what, with which body.
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub path: &'a str,
    pub key: Option<&'a str>,
    pub body: Option<Vec<u8>>,
    pub origin: &'a Origin,
}

impl Api {
    pub(crate) fn new(router: Router) -> Api {
        Api { router }
    }

    /// The response to a call, whatever it is.
    pub(crate) async fn respond(&self, ask: Ask<'_>) -> Result<Response<Body>, Trouble> {
        let mut request = Request::new(ask.body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = ask.method;
        *request.uri_mut() = ask.path.parse().map_err(Trouble::internal)?;
        *request.extensions_mut() = ask.origin.extensions.clone();
        let headers = request.headers_mut();
        *headers = ask.origin.forwarded.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = ask.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(Trouble::internal)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // The router answers whatever is asked: it has no error.
        self.router.clone().oneshot(request).await.map_err(Trouble::internal)
    }

    /// The response to a call that goes on as it comes, or the problem that came in its place.
    pub(crate) async fn open(&self, ask: Ask<'_>) -> Result<Response<Body>, Trouble> {
        let response = self.respond(ask).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(problem(response).await)
    }

    /// The answer to a call, or the problem that came in its place.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Trouble> {
        let response = self.open(ask).await?;
        let body = to_bytes(response.into_body(), ANSWER_BYTES_AT_MOST)
            .await
            .map_err(Trouble::internal)?;
        serde_json::from_slice(&body).map_err(Trouble::internal)
    }
}

/// The problem that a response tells.
async fn problem(response: Response<Body>) -> Trouble {
    let body = match to_bytes(response.into_body(), ANSWER_BYTES_AT_MOST).await {
        Ok(body) => body,
        Err(error) => return Trouble::internal(error),
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Trouble::Problem(Box::new(problem)),
        Err(error) => Trouble::internal(error),
    }
}

/// A body of the API.
pub(crate) fn body(body: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(body).map_err(Trouble::internal)
}

/// A path or query of which parts came from elsewhere: nothing in them can end a segment or a value.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    write!(f, "{}", char::from(byte))?
                }
                other => write!(f, "%{other:02X}")?,
            }
        }
        Ok(())
    }
}

/// The same where slashes belong to the name, as in agents' ids.
pub(crate) struct Slashed<'a>(pub &'a str);

impl fmt::Display for Slashed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.split('/').enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            Quoted(part).fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_a_segment() {
        assert_eq!(Quoted("a/b?c=d#e é").to_string(), "a%2Fb%3Fc%3Dd%23e%20%C3%A9");
        assert_eq!(Slashed("team/a b?").to_string(), "team/a%20b%3F");
    }
}
