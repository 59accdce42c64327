//! The way of a request: id, caller, permission, body, handler, answer, one line in the log.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, Uri};
use countersign_api::CALLS;
use countersign_api::calls::{Call, Method, Permission, authzen_status};
use countersign_engine::{Caller, Request as EngineRequest};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use crate::address::{Client, client};
use crate::authorize::{Admitted, admit, stranger};
use crate::problem::Problem;
use crate::reply::{Answer, response, with_allow};
use crate::routes::Handler;
use crate::{App, body, query};

/// What a handler gets: who asks, already authorized, and what.
pub(crate) struct Asked<C> {
    pub app: Arc<App>,
    pub caller: C,
    uri: Uri,
    params: Vec<String>,
    headers: HeaderMap,
    from: IpAddr,
    body: Bytes,
    idempotency_key: Option<String>,
    /// Method and path.
    route: Cow<'static, str>,
}

impl<C> Asked<C> {
    /// The parameter of the path.
    pub(crate) fn param(&self) -> &str {
        self.params.first().map(String::as_str).unwrap_or_default()
    }

    /// The second parameter of the path.
    pub(crate) fn second_param(&self) -> &str {
        self.params.get(1).map(String::as_str).unwrap_or_default()
    }

    /// A header, if it is there once and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        line.to_str().ok()
    }

    /// Method and path.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// Where the request comes from.
    pub(crate) fn from(&self) -> IpAddr {
        self.from
    }

    /// The problem of a request that is not what it says.
    pub(crate) fn stranger(&self, detail: &str) -> Problem {
        stranger(&self.app, self.from, detail)
    }

    /// The query.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        query::parse(&self.uri)
    }

    /// The body's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as one of the API's types.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        body::parse(&self.body).map(|parsed| parsed.typed)
    }
}

impl Asked<Caller> {
    /// The request as the engine takes it.
    pub(crate) fn request(&self) -> EngineRequest<'_> {
        EngineRequest {
            caller: &self.caller,
            route: &self.route,
            idempotency_key: self.idempotency_key.as_deref(),
            body: &self.body,
        }
    }
}

/// A handler on its way to an answer.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Takes one request from its headers to its answer.
pub(crate) async fn take(
    app: Arc<App>,
    call: &'static Call,
    handler: Handler,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response<Body> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let request_id = own_request_id(call, &parts.headers).unwrap_or_else(|| app.ids.next());
    let from = client(&parts.extensions, &parts.headers, &app.settings.behind_proxy);
    let mut org = None;
    let going = go(&app, call, handler, params, parts, body, from, &mut org);
    let mut answer = contained(Box::pin(going)).await;
    if let Err(problem) = &mut answer
        && call.is_authzen()
    {
        problem.status = authzen_status(problem.status);
    }
    finish(
        &app,
        &Line {
            method: call.method.as_str(),
            route: call.path,
            org,
            started,
        },
        answer,
        &request_id,
        from,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one part of the request, taken apart once"
)]
async fn go(
    app: &Arc<App>,
    call: &'static Call,
    handler: Handler,
    params: Result<RawPathParams, RawPathParamsRejection>,
    parts: Parts,
    body: Body,
    from: Client,
    org: &mut Option<Arc<str>>,
) -> Answer {
    let admitted = admit(app, &call.permission, &parts.headers, from.address).await?;
    *org = admitted.org();
    let idempotency_key = match call.method {
        Method::Post => idempotency_key(&parts)?,
        Method::Get | Method::Put | Method::Delete => None,
    };
    let body = if let Some(taken) = &call.body {
        // What is signed is believed for its signature alone, and what holds a link for that.
        if !matches!(call.permission, Permission::Slack | Permission::Link) {
            body::check_type(&parts.headers, taken.content)?;
        }
        body::read(&parts.headers, body).await?
    } else {
        Bytes::new()
    };
    let (params, route) = if call.path.contains('{') {
        let params = params.map_err(|_| Problem::missing("such resource", call.path))?;
        let params = params.iter().map(|(_, value)| value.to_owned()).collect();
        (
            params,
            Cow::Owned(format!("{} {}", call.method.as_str(), parts.uri.path())),
        )
    } else {
        (Vec::new(), Cow::Borrowed(call.path))
    };
    let (app, uri, headers, from) = (app.clone(), parts.uri, parts.headers, from.address);
    match (handler, admitted) {
        (Handler::Caller(handle), Admitted::Caller(caller)) => {
            handle(Asked {
                app,
                caller,
                uri,
                params,
                headers,
                from,
                body,
                idempotency_key,
                route,
            })
            .await
        }
        (Handler::Visitor(handle), Admitted::Visitor(caller)) => {
            handle(Asked {
                app,
                caller,
                uri,
                params,
                headers,
                from,
                body,
                idempotency_key,
                route,
            })
            .await
        }
        (Handler::Operator(handle), Admitted::Operator(caller)) => {
            handle(Asked {
                app,
                caller,
                uri,
                params,
                headers,
                from,
                body,
                idempotency_key,
                route,
            })
            .await
        }
        // A test proves that handlers and permissions fit.
        _ => Err(Problem::internal(format!(
            "the handler of `{}` does not fit its permission",
            call.id
        ))),
    }
}

/// AuthZEN's calls answer with the request id that the caller gave.
fn own_request_id(call: &Call, headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let fine = call.is_authzen() && (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then(|| id.to_owned())
}

fn idempotency_key(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(key) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let fine = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if fine => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => {
            let detail = "`Idempotency-Key` has 1 to 255 visible ASCII characters";
            Err(Problem::new(400, "invalid_idempotency_key", detail))
        }
    }
}

/// Turns a panic of a handler into an answer: nothing else of the server notices.
async fn contained(mut going: Pin<Box<dyn Future<Output = Answer> + Send + '_>>) -> Answer {
    std::future::poll_fn(
        move |context| match catch_unwind(AssertUnwindSafe(|| going.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(Err(Problem::internal("a handler panicked"))),
        },
    )
    .await
}

/// What the log says of a request: never its path, query, payload or credential.
struct Line {
    method: &'static str,
    route: &'static str,
    org: Option<Arc<str>>,
    started: Instant,
}

fn finish(app: &App, line: &Line, answer: Answer, request_id: &str, from: Client) -> Response<Body> {
    let (status, code) = match &answer {
        Ok(reply) => (reply.status, ""),
        Err(problem) => (problem.status, problem.code),
    };
    if let Err(Problem {
        internal: Some(why),
        status,
        ..
    }) = &answer
    {
        if *status == 500 {
            tracing::error!(request_id, why, "a request failed");
        } else {
            tracing::warn!(request_id, why, "a request could not be carried out");
        }
    }
    let response = response(answer, request_id, from.https);
    let took = line.started.elapsed();
    app.metrics.observe(status, took);
    tracing::info!(
        method = line.method,
        route = line.route,
        status,
        code,
        request_id,
        took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        org = line.org.as_deref(),
        "request"
    );
    response
}

/// There is no such path.
pub(crate) async fn unknown_path(app: Arc<App>, request: Request) -> Response<Body> {
    let started = Instant::now();
    let from = client(request.extensions(), request.headers(), &app.settings.behind_proxy);
    let problem = Problem::new(404, "unknown_path", "there is nothing at this path").hint("`/docs` lists every call");
    let line = Line {
        method: "?",
        route: "(unknown)",
        org: None,
        started,
    };
    finish(&app, &line, Err(problem), &app.ids.next(), from)
}

/// The path takes other methods.
pub(crate) async fn unknown_method(app: Arc<App>, request: Request) -> Response<Body> {
    let started = Instant::now();
    let from = client(request.extensions(), request.headers(), &app.settings.behind_proxy);
    let detail = "this path does not take this method";
    let problem = Problem::new(405, "method_not_allowed", detail).hint("the header `Allow` lists those that it takes");
    let line = Line {
        method: "?",
        route: "(unknown)",
        org: None,
        started,
    };
    let response = finish(&app, &line, Err(problem), &app.ids.next(), from);
    with_allow(response, &methods_of(request.uri().path()))
}

/// The methods that a path takes, from the table. A path that is spelled out goes before one with a parameter.
fn methods_of(path: &str) -> String {
    let exact: Vec<&Call> = CALLS.iter().filter(|call| call.path == path).collect();
    let fitting = if exact.is_empty() {
        CALLS.iter().filter(|call| fits(call, path)).collect()
    } else {
        exact
    };
    let mut methods: Vec<&str> = fitting.iter().map(|call| call.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

fn fits(call: &Call, path: &str) -> bool {
    let (mut wanted, mut given) = (call.path.split('/'), path.split('/'));
    let slashes = call.params.iter().any(|param| param.slashes);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.starts_with('{') && slashes => return true,
            (Some(part), Some(value)) if part == value || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_handler_is_an_answer() {
        let answer = contained(Box::pin(async { panic!("on purpose") })).await;
        let problem = answer.err().map(|problem| (problem.status, problem.code));
        assert_eq!(problem, Some((500, "internal")));
    }

    #[test]
    fn a_path_that_is_spelled_out_goes_before_one_with_a_parameter() {
        assert_eq!(methods_of("/v1/callbacks/deliveries"), "GET, HEAD");
        assert_eq!(methods_of("/v1/callbacks/rcv_1"), "DELETE");
        assert_eq!(methods_of("/v1/agents/a/b/c"), "GET, HEAD, PUT");
    }
}
