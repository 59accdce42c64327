//! What comes in by HTTP: who it is, whether it fits together, where it goes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use countersign_client::Method as Onward;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::caller::{Caller, Stranger};
use super::reach::Target;
use super::remote::{ONWARD, SESSION};
use super::sessions::Unplaced;
use super::{App, Way, call, reply};
use crate::hide::Hiding;
use crate::tasks::Place;
use crate::wire::{self, MODERN, Message, Seen};

/// The largest message of a client.
const LARGEST: usize = 4 * 1024 * 1024;
/// Where it is told what proves an agent (RFC 9728).
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// Messages that may wait for a slow reader.
pub(super) const QUEUE: usize = 64;
/// A header says something else than the body.
const HEADER_MISMATCH: i32 = -32020;

/// Answers a request.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let Some(origin) = request.headers().get("origin").cloned() else {
        return answer(app, request).await;
    };
    // A page in a browser, perhaps under a name that was made to lead here.
    let mut listed = app.options.origins.iter();
    if !listed.any(|known| known.as_bytes() == origin.as_bytes()) {
        let why = json!({ "error": "pages of this origin may not use the gateway" });
        return reply::unread(reply::json_of(403, &why));
    }
    // A browser asks first, without the key, whether it may send a request with these headers.
    let answered = match *request.method() {
        Method::OPTIONS => reply::allowed(),
        _ => answer(app, request).await,
    };
    reply::to_page(answered, origin)
}

async fn answer(app: Arc<App>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(rest) = path.strip_prefix(METADATA) {
        return metadata(&app, rest);
    }
    let door = match door(&app, path, &parts.headers).await {
        Ok(door) => door,
        Err(refusal) => return reply::unread(refusal),
    };
    match parts.method {
        Method::POST => door.post(app, body).await,
        Method::GET => door.listen(&app).await,
        Method::DELETE => door.end(&app).await,
        _ => reply::unread(reply::status(405)),
    }
}

/// The server of tools at a path, for whoever may use it. Nobody else's body is waited for.
async fn door<'a>(app: &App, path: &'a str, headers: &'a HeaderMap) -> Result<Door<'a>, Response> {
    let server = path
        .strip_prefix("/mcp/")
        .filter(|name| app.options.upstreams.contains_key(*name))
        .ok_or_else(|| reply::json_of(404, &json!({ "error": "there is nothing at this path" })))?;
    let caller = match bearer(headers) {
        Some(shown) => app.callers.find(shown, &format!("{}{path}", app.options.public)).await,
        None => Err(Stranger::Unknown),
    };
    let challenge = |narrow| {
        let metadata = format!("{}{METADATA}{path}", app.options.public);
        let scopes = app.callers.trust().map(|trust| trust.scopes.join(" "));
        reply::challenge(&metadata, &scopes.unwrap_or_default(), narrow)
    };
    let caller = caller.map_err(|stranger| match stranger {
        Stranger::Unknown => challenge(false),
        Stranger::Narrow => challenge(true),
        Stranger::Unclear(why) => reply::json_of(503, &json!({ "error": why })),
    })?;
    Ok(Door {
        headers,
        server,
        caller,
    })
}

/// What a server of tools at this path takes for proof.
fn metadata(app: &App, path: &str) -> Response {
    let Some(name) = path
        .strip_prefix("/mcp/")
        .filter(|name| app.options.upstreams.contains_key(*name))
    else {
        return reply::json_of(404, &json!({ "error": "there is no such resource" }));
    };
    let mut resource = json!({
        "resource": format!("{}/mcp/{name}", app.options.public),
        "resource_name": format!("{name}, governed by Countersign"),
        "bearer_methods_supported": ["header"],
    });
    if let Some(trust) = app.callers.trust() {
        resource["authorization_servers"] = json!([trust.issuer]);
        if !trust.scopes.is_empty() {
            resource["scopes_supported"] = json!(trust.scopes);
        }
    }
    reply::json_of(200, &resource)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all("authorization").iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (scheme, key) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Whether the headers say nothing else than the body, on which everything is decided.
fn agree(headers: &HeaderMap, seen: &Seen) -> Result<(), String> {
    let modern = seen.version.as_deref().is_some_and(|version| version >= MODERN);
    let mut compared = vec![
        ("mcp-method", seen.method.as_deref()),
        ("mcp-name", seen.about.as_deref()),
    ];
    let said = headers
        .get("mcp-protocol-version")
        .and_then(|value| value.to_str().ok());
    if modern || said.is_some_and(|version| version >= MODERN) {
        compared.push(("mcp-protocol-version", seen.version.as_deref()));
    }
    for (name, meant) in compared {
        let mut lines = headers.get_all(name).iter();
        let (said, more) = (lines.next(), lines.next());
        let agrees = match (said, meant) {
            (None, None) => true,
            (None, Some(_)) => !modern,
            (Some(said), Some(meant)) => said.as_bytes() == meant.as_bytes() || encoded(said.as_bytes(), meant),
            (Some(_), None) => false,
        };
        if !agrees || more.is_some() {
            return Err(format!("the header `{name}` does not say what the body says"));
        }
    }
    Ok(())
}

/// Whether a header says a text that headers cannot hold as it is: `=?base64?…?=`.
fn encoded(said: &[u8], meant: &str) -> bool {
    use base64::Engine as _;
    let inner = said
        .strip_prefix(b"=?base64?")
        .and_then(|said| said.strip_suffix(b"?="));
    let engine = base64::engine::general_purpose::STANDARD;
    inner.is_some_and(|inner| engine.decode(inner).is_ok_and(|text| text == meant.as_bytes()))
}

/// A text as a header says it: what headers cannot hold, or could be mistaken for such a text, in base64.
pub(super) fn in_header(text: &str) -> String {
    use base64::Engine as _;
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text && !text.starts_with("=?");
    match plain {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(text)),
    }
}

/// A request of an agent to one server of tools.
pub(super) struct Door<'a> {
    headers: &'a HeaderMap,
    server: &'a str,
    pub(super) caller: Caller,
}

impl Door<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a message goes; `session` is one that was found to be this agent's.
    fn target(&self, pipe: Option<Arc<super::pipe::Pipe>>, session: Option<String>) -> Target {
        let onward = ONWARD
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.header(name)?.to_owned())));
        let of_session = session.iter().map(|id| (SESSION.to_owned(), id.clone()));
        Target {
            server: self.server.to_owned(),
            headers: onward.chain(of_session).collect(),
            session,
            pipe,
        }
    }

    async fn post(self, app: Arc<App>, body: Body) -> Response {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return reply::unread(reply::error(415, None, -32600, "a message is application/json"));
        }
        let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
            let why = "the message is too large, or did not arrive";
            return reply::unread(reply::error(413, None, -32600, why));
        };
        let message = wire::read(&body);
        if let Message::Refused { id, code, why } = &message {
            return reply::error(400, Some(id), *code, why);
        }
        let seen = wire::look(&body);
        if let Err(why) = agree(self.headers, &seen) {
            return reply::error(400, seen.id.as_ref(), HEADER_MISMATCH, &why);
        }
        if let Some(place) = Place::of(&seen, &self.caller.governor, self.server) {
            return self.asked_of_a_task(&app, &seen, place).await;
        }
        let target = match self.find(&app, &seen).await {
            Ok(target) => target,
            Err(response) => return response,
        };
        let line = body.to_vec();
        match message {
            Message::Call(call) => self.call(app, target, *call, line, seen).await,
            Message::Cancelled { id } => {
                let session = target.session.as_deref().unwrap_or_default();
                // A held call ends here; the server has never heard of it.
                if !app.sessions.abandon(session, &id) {
                    match &target.pipe {
                        Some(pipe) => pipe.cancel_of(&id, "the client does not wait any more").await,
                        None => drop(app.send(&self.caller, &target, Onward::POST, Some(line), None).await),
                    }
                }
                reply::status(202)
            }
            Message::Other | Message::Refused { .. } if seen.id.is_some() && seen.method.is_some() => {
                self.request(&app, target, line, seen).await
            }
            Message::Other | Message::Refused { .. } => {
                match &target.pipe {
                    Some(pipe) => pipe.tell(line).await,
                    None => {
                        if let Err(why) = app.send(&self.caller, &target, Onward::POST, Some(line), None).await {
                            return reply::error(502, None, -32603, &why);
                        }
                    }
                }
                reply::status(202)
            }
        }
    }

    /// Where a message goes: to a server of its own session, or to one that the agent's requests without sessions share.
    pub(super) async fn find(&self, app: &App, seen: &Seen) -> Result<Target, Response> {
        let failed = |why: &str| reply::error(502, seen.id.as_ref(), -32603, why);
        let modern = seen.version.as_deref().is_some_and(|version| version >= MODERN);
        let opens = seen.method.as_deref() == Some("initialize");
        let runs = app.options.upstreams.get(self.server);
        let runs = runs.is_some_and(|upstream| matches!(upstream.way, Way::Command { .. }));
        let owner = &self.caller.owner;
        if modern {
            if !runs {
                return Ok(self.target(None, None));
            }
            let pipe = match app.sessions.shared(owner, self.server) {
                Some(pipe) => pipe,
                None => {
                    let started = app.start(&self.caller, self.server).await;
                    let shared = started.and_then(|pipe| app.sessions.share(owner, self.server, pipe));
                    shared.map_err(|why| failed(&why))?
                }
            };
            return Ok(self.target(Some(pipe), None));
        }
        if opens {
            if !runs {
                app.sessions.room(owner).map_err(|why| failed(&why))?;
                return Ok(self.target(None, None));
            }
            let pipe = app.start(&self.caller, self.server).await.map_err(|why| failed(&why))?;
            let session = app.sessions.open(owner, self.server, None, Some(Arc::clone(&pipe)));
            return Ok(self.target(Some(pipe), Some(session.map_err(|why| failed(&why))?)));
        }
        match self.header(SESSION) {
            Some(id) => {
                let found = app.sessions.find(owner, self.server, id);
                let pipe = found.ok_or_else(|| over(seen.id.as_ref()))?;
                Ok(self.target(pipe, Some(id.to_owned())))
            }
            // A server behind HTTP may do without sessions.
            None if !runs => Ok(self.target(None, None)),
            None => Err(reply::error(
                400,
                seen.id.as_ref(),
                -32600,
                "the header `Mcp-Session-Id` is missing",
            )),
        }
    }

    async fn call(self, app: Arc<App>, target: Target, call: wire::Call, line: Vec<u8>, seen: Seen) -> Response {
        let (out, mut messages) = mpsc::channel(QUEUE);
        let (id, key) = (call.id.clone(), wire::key(&call.id));
        let place = target
            .session
            .as_deref()
            .map(|session| app.sessions.hold(session, &key));
        let place = match place.transpose() {
            Ok(place) => place,
            Err(Unplaced::Gone) => return over(Some(&id)),
            Err(Unplaced::Busy) => {
                return reply::error(400, Some(&id), -32600, "a request with this id is under way");
            }
        };
        // It may be cancelled from the moment that it begins.
        let (begin, begins) = tokio::sync::oneshot::channel();
        let task = tokio::spawn({
            let (app, caller) = (Arc::clone(&app), self.caller.clone());
            async move {
                let Ok(place) = begins.await else { return };
                let asked = call::Asked {
                    call,
                    line,
                    seen,
                    caller,
                    target,
                    place,
                    out,
                };
                call::run(app, asked).await;
            }
        });
        if place.as_ref().is_none_or(|place| place.dropped_by(task.abort_handle())) {
            let _ = begin.send(place);
        }
        let accepts = self.header("accept").unwrap_or_default();
        if accepts.contains("text/event-stream") || accepts.contains("*/*") {
            return reply::stream(messages);
        }
        // Whoever takes no events gets the answer alone.
        while let Some(message) = messages.recv().await {
            if wire::answered(&message).is_some_and(|answered| answered.id == key) {
                return reply::message(200, message);
            }
        }
        reply::error(502, Some(&id), -32603, "the call was not answered")
    }

    /// A request that is no call of a tool.
    async fn request(self, app: &App, target: Target, line: Vec<u8>, seen: Seen) -> Response {
        let id = seen.id.clone();
        let mut coming = match app.ask(&self.caller, &target, line, &seen, None).await {
            Ok(coming) => coming,
            Err(why) => return reply::error(502, id.as_ref(), -32603, &why),
        };
        let mut answer = None;
        while let Some(message) = coming.messages.recv().await {
            if let Some((message, _)) = coming.answered(&message, id.as_ref().unwrap_or(&Value::Null)) {
                answer = Some(message);
                break;
            }
        }
        let status = coming.status;
        let Some(answer) = answer else {
            let status = if coming.failed() { status } else { 502 };
            return reply::error(status, id.as_ref(), -32603, &coming.silence());
        };
        if let (Some(pins), Some("tools/list")) = (&app.pins, seen.method.as_deref())
            && let Err(why) = pins.tell(self.server, &answer).await
        {
            return reply::error(502, id.as_ref(), -32603, &why);
        }
        let answer = match seen.method.as_deref() {
            Some("tools/list") if app.options.hide => {
                let hiding = Hiding::new(self.server, app.options.env.as_deref());
                hiding.filtered(&self.caller.governor, answer).await
            }
            Some(_) | None => answer,
        };
        let mut session = target.session.clone();
        if target.pipe.is_none() && seen.method.as_deref() == Some("initialize") && !coming.failed() {
            // The server's session is this agent's alone.
            let opened = coming
                .session
                .take()
                .map(|id| app.sessions.open(&self.caller.owner, self.server, Some(id), None));
            session = match opened.transpose() {
                Ok(opened) => opened,
                Err(why) => return reply::error(502, id.as_ref(), -32603, &why),
            };
        }
        let unknown = seen.version.is_some() && error_code(&answer) == Some(-32601);
        let status = if unknown { 404 } else { status };
        reply::in_session(reply::message(status, answer), session.as_deref())
    }

    /// What a server says without being asked.
    async fn listen(self, app: &App) -> Response {
        let Some(id) = self.header(SESSION) else {
            return reply::status(405);
        };
        let Some(pipe) = app.sessions.find(&self.caller.owner, self.server, id) else {
            return reply::status(404);
        };
        match pipe {
            Some(pipe) => reply::stream(pipe.listen_to_strays()),
            None => {
                let target = self.target(None, Some(id.to_owned()));
                match app.send(&self.caller, &target, Onward::GET, None, None).await {
                    Ok(coming) if coming.status == 200 => reply::stream(coming.messages),
                    Ok(coming) => reply::status(coming.status),
                    Err(why) => reply::json_of(502, &json!({ "error": why })),
                }
            }
        }
    }

    /// A client ends its session.
    async fn end(self, app: &App) -> Response {
        let Some(id) = self.header(SESSION) else {
            return reply::status(405);
        };
        let Some(pipe) = app.sessions.find(&self.caller.owner, self.server, id) else {
            return reply::status(404);
        };
        if pipe.is_none() {
            let target = self.target(None, Some(id.to_owned()));
            let _ = app.send(&self.caller, &target, Onward::DELETE, None, None).await;
        }
        app.sessions.end(id);
        reply::status(200)
    }
}

/// The answer to whoever goes on with a session that is over.
fn over(id: Option<&Value>) -> Response {
    reply::error(404, id, -32600, "this session is over: begin another one")
}

fn error_code(answer: &[u8]) -> Option<i64> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.get("error")?.get("code")?.as_i64()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn says(headers: &[(&'static str, &'static str)], body: &Value) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        agree(&map, &wire::look(body.to_string().as_bytes())).is_ok()
    }

    #[test]
    fn headers_have_to_say_what_the_body_says() {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        let modern = json!({ "id": 1, "method": "tools/call", "params": { "name": "refund", "_meta": meta } });
        let legacy = json!({ "id": 1, "method": "tools/call", "params": { "name": "refund" } });
        let version = ("mcp-protocol-version", "2026-07-28");
        let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "refund"));
        assert!(says(&[version, method, name], &modern));
        assert!(says(&[version, method, ("mcp-name", "=?base64?cmVmdW5k?=")], &modern));
        for odd in ["größe", "名", "=?base64?x?=", " look", "a\nb"] {
            let said = in_header(odd);
            assert!(
                axum::http::HeaderValue::from_str(&said).is_ok() && said.is_ascii(),
                "{said}"
            );
            assert!(encoded(said.as_bytes(), odd), "{said}");
        }
        assert_eq!(in_header("look up"), "look up");
        assert!(says(&[], &legacy) && says(&[("mcp-protocol-version", "2025-11-25")], &legacy));
        for wrong in [
            vec![version, method],
            vec![version, name],
            vec![method, name],
            vec![version, method, ("mcp-name", "look_up")],
            vec![version, method, name, ("mcp-name", "look_up")],
            vec![version, ("mcp-method", "tools/list"), name],
            vec![("mcp-protocol-version", "2025-11-25"), method, name],
        ] {
            assert!(!says(&wrong, &modern), "{wrong:?}");
        }
        assert!(!says(&[("mcp-name", "look_up")], &legacy) && !says(&[version], &legacy));
    }
}
