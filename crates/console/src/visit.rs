//! Who looks at a page: a session's cookie, the person it belongs to, and what a form has to bring back.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_api::CALLS;
use countersign_api::calls::Permission;
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::WhoamiAnswer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::Console;
use crate::api::{Ask, Origin, Quoted, body};
use crate::form::Fields;
use crate::page::{Chrome, Trouble};
use crate::when::Zone;

/// The session's cookie. `__Host-`: from this host alone, over TLS or on this machine, and for no other path.
pub(crate) const COOKIE_NAME: &str = "__Host-countersign";
/// What a form of the console may have at most.
const FORM_BYTES_AT_MOST: usize = 512 * 1024;
/// A request of the script, which is no sign of a person.
const LIVE: &str = "x-live";

/// A person who is signed in and looks at a page.
pub(crate) struct Visit {
    pub console: Arc<Console>,
    pub who: WhoamiAnswer,
    pub zone: Zone,
    /// Path and query.
    pub at: String,
    /// The script asks, to keep the page up: nobody reads what comes.
    pub live: bool,
    key: String,
    origin: Origin,
}

impl Visit {
    /// Reads something of the API.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.ask(Method::GET, path, None).await
    }

    /// Reads something of the API that need not be there, or that this person may not read.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Trouble> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Problem(problem)) if matches!(problem.status, 403 | 404) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Does something by the API.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, with: &impl Serialize) -> Result<T, Trouble> {
        self.ask(Method::POST, path, Some(body(with)?)).await
    }

    /// Puts something in place of what was there.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, with: &impl Serialize) -> Result<T, Trouble> {
        self.ask(Method::PUT, path, Some(body(with)?)).await
    }

    /// Removes something.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.ask(Method::DELETE, path, None).await
    }

    /// A call of the API by its raw parts.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Trouble> {
        self.console.api.ask(self.as_them(method, path, body)).await
    }

    /// A call as this person.
    pub(crate) fn as_them<'a>(&'a self, method: Method, path: &'a str, body: Option<Vec<u8>>) -> Ask<'a> {
        Ask {
            method,
            path,
            key: Some(&self.key),
            body,
            origin: &self.origin,
        }
    }

    /// Whether this person may make a call.
    pub(crate) fn may(&self, call: &str) -> bool {
        let known = CALLS.iter().find(|known| known.id == call);
        known.is_some_and(|call| permits(&call.permission, &self.who.roles))
    }

    /// What every form has to bring back: nobody else's page can know it.
    pub(crate) fn token(&self) -> String {
        token(&self.key)
    }

    /// What stands around a page.
    pub(crate) fn chrome(&self) -> Chrome {
        Chrome::of(self)
    }
}

fn permits(permission: &Permission, roles: &[String]) -> bool {
    let has = |wanted: &str| roles.iter().any(|role| role == wanted);
    match permission {
        Permission::Anyone | Permission::Holder => true,
        Permission::Slack | Permission::Link | Permission::LocalOperator => false,
        Permission::Voter => has("reviewer") || has("admin"),
        Permission::Those { roles, .. } => roles.iter().any(|role| has(role.as_str())),
    }
}

fn token(key: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"countersign-console-form-v1\0")
        .chain_update(key.as_bytes())
        .finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// The cookie of a session, as the browser brings it.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, COOKIE_NAME)
}

/// A cookie, as the browser brings it.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Whether a browser says that a page of somebody else sent this.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|line| line.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host != text(HOST.as_str())
        }
        (None, None) => false,
    }
}

impl FromRequestParts<Arc<Console>> for Visit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Visit, Trouble> {
        let at = parts.uri.path_and_query().map_or("/", |at| at.as_str()).to_owned();
        let back = if parts.method == Method::GET { at.as_str() } else { "/" };
        let sign_in = || Trouble::SignIn(format!("/sign-in?to={}", Quoted(back)));
        let key = session(&parts.headers).ok_or_else(sign_in)?.to_owned();
        let origin = Origin::of(&parts.extensions, &parts.headers);
        let ask = Ask {
            method: Method::GET,
            path: "/v1/whoami",
            key: Some(&key),
            body: None,
            origin: &origin,
        };
        let who: WhoamiAnswer = match console.api.ask(ask).await {
            Ok(who) => who,
            Err(Trouble::Problem(problem)) if problem.status == 401 => return Err(sign_in()),
            Err(other) => return Err(other),
        };
        let live = parts.headers.contains_key(LIVE) || parts.uri.path() == "/live";
        if !console.idle.is_here(&key, live) {
            // Left alone for too long: it ends everywhere, and by a record.
            let end = Ask {
                method: Method::DELETE,
                path: "/v1/sessions",
                key: Some(&key),
                body: None,
                origin: &origin,
            };
            let _: Result<DoneAnswer, _> = console.api.ask(end).await;
            return Err(sign_in());
        }
        Ok(Visit {
            zone: Zone::named(who.zone.as_deref()),
            console: console.clone(),
            who,
            at,
            live,
            key,
            origin,
        })
    }
}

/// A form that a person sent from a page of ours: whatever changes something takes one.
pub(crate) struct Posted {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Trouble;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Posted, Trouble> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, console).await?;
        let fields = read_form(&parts.headers, body).await?;
        if fields.text("token") != visit.token() {
            return Err(Trouble::Forged);
        }
        Ok(Posted { visit, fields })
    }
}

/// A form of somebody who is not signed in.
pub(crate) struct Stranger {
    pub console: Arc<Console>,
    pub fields: Fields,
    pub origin: Origin,
}

impl Stranger {
    /// Somebody who follows a link.
    pub(crate) fn of(console: &Arc<Console>, headers: &HeaderMap, extensions: &Extensions) -> Stranger {
        Stranger {
            console: console.clone(),
            fields: Fields::default(),
            origin: Origin::of(extensions, headers),
        }
    }

    /// A call of somebody of whom nothing is known.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, with: &impl Serialize) -> Result<T, Trouble> {
        let ask = Ask {
            method: Method::POST,
            path,
            key: None,
            body: Some(body(with)?),
            origin: &self.origin,
        };
        self.console.api.ask(ask).await
    }
}

impl FromRequest<Arc<Console>> for Stranger {
    type Rejection = Trouble;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Stranger, Trouble> {
        let (parts, body) = request.into_parts();
        Ok(Stranger {
            console: console.clone(),
            fields: read_form(&parts.headers, body).await?,
            origin: Origin::of(&parts.extensions, &parts.headers),
        })
    }
}

async fn read_form(headers: &HeaderMap, body: axum::body::Body) -> Result<Fields, Trouble> {
    if is_foreign(headers) {
        return Err(Trouble::Forged);
    }
    let bytes = to_bytes(body, FORM_BYTES_AT_MOST)
        .await
        .map_err(|_| Trouble::TooLarge)?;
    Ok(Fields::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in pairs {
            headers.append(*name, axum::http::HeaderValue::from_static(text));
        }
        headers
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let found = headers(&[("cookie", "a=b; __Host-countersign=cs_user_x; c=d")]);
        assert_eq!(session(&found), Some("cs_user_x"));
        assert_eq!(session(&headers(&[("cookie", "x__Host-countersign=cs_user_x")])), None);
    }

    #[test]
    fn a_form_of_another_site_is_foreign() {
        for (pairs, foreign) in [
            (&[("sec-fetch-site", "cross-site")][..], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://evil.example"), ("host", "localhost:7878")], true),
            (&[("origin", "null"), ("host", "localhost:7878")], true),
            (
                &[("origin", "http://localhost:7878"), ("host", "localhost:7878")],
                false,
            ),
            (&[], false),
        ] {
            assert_eq!(is_foreign(&headers(pairs)), foreign, "{pairs:?}");
        }
    }

    #[test]
    fn each_session_has_a_token_of_its_own() {
        assert_ne!(token("cs_user_a"), token("cs_user_b"));
    }
}
