//! An organization with people and an agent, and a browser that keeps one cookie.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use countersign_engine::{Engine, NewOrganization, Settings, SystemClock, Vault};
use countersign_server::{ServerSettings, Strangers};
use countersign_store::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// What reads is allowed, what pays asks the reviewers, what wipes is denied.
pub const POLICY: &str = "
name: gate
on:
- action: read
- action: pay
- action: wipe
rules:
- condition: \"action == 'read'\"
  decision: allow
- condition: \"action == 'pay'\"
  decision: require_approval
  approvers: [leads]
- condition: \"action == 'wipe'\"
  decision: deny
";

/// The console over everything below it.
pub struct Stand {
    router: Router,
    engine: Engine,
    /// The key of `root`, an admin.
    pub admin: String,
    /// The key of the agent `bot`.
    pub agent: String,
    /// Keys of people, by name.
    pub people: BTreeMap<String, String>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        let engine = self.engine.clone();
        // Stopping joins the engine's threads, which must not hold the test's runtime.
        std::thread::spawn(move || engine.stop());
    }
}

/// What came back.
pub struct Page {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub html: String,
}

impl Page {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first hidden field of this name.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self.html.split_once(&start);
        let (_, rest) = rest.unwrap_or_else(|| panic!("no field `{name}` in {}", self.html));
        rest.split_once('"').unwrap().0.replace("&#38;", "&")
    }

    /// A good page.
    #[track_caller]
    pub fn good(self) -> Page {
        assert_eq!(self.status, 200, "{}", self.html);
        self
    }
}

impl Stand {
    /// `root` is admin; `dana` and `eli` review, both in team `leads`; `vera` only looks; the agent is `bot`.
    pub async fn start() -> Stand {
        let vault = Vault::new(&[7; 32]);
        let clock = Box::new(SystemClock::default());
        let engine = Engine::start(Arc::new(MemoryStore::default()), vault, clock, Settings::default()).unwrap();
        let opened = engine
            .create_organization(NewOrganization {
                name: "acme".into(),
                admin: "root".into(),
                instance: None,
                currency: "USD".into(),
                zone: "UTC".into(),
            })
            .await
            .unwrap();
        let patient = Strangers {
            per_second: 100_000,
            burst: 100_000,
        };
        let api = countersign_server::router(
            engine.clone(),
            ServerSettings {
                strangers: patient,
                ..ServerSettings::default()
            },
        );
        let mut stand = Stand {
            router: countersign_console::router(api),
            engine,
            admin: opened.admin_key.text,
            agent: String::new(),
            people: BTreeMap::new(),
        };
        for (user, roles) in [("dana", "reviewer"), ("eli", "reviewer"), ("vera", "viewer")] {
            let body = json!({"id": user, "roles": [roles], "teams": ["leads"], "zone": "Europe/Zurich"});
            let added = stand.api(&stand.admin, "POST", "/v1/users", Some(body)).await;
            stand
                .people
                .insert(user.to_owned(), added["key"].as_str().unwrap().to_owned());
        }
        let added = stand
            .api(
                &stand.admin,
                "POST",
                "/v1/agents",
                Some(json!({"id": "bot", "owner": "root"})),
            )
            .await;
        stand.agent = added["key"].as_str().unwrap().to_owned();
        stand.activate(POLICY).await;
        stand
    }

    /// Makes a document live.
    pub async fn activate(&self, policy: &str) {
        let body = json!({"files": {"gate.yaml": policy}});
        let stored = self.api(&self.admin, "POST", "/v1/policies", Some(body)).await;
        let hash = stored["hash"].as_str().unwrap();
        self.api(
            &self.admin,
            "POST",
            &format!("/v1/policies/{hash}/activate"),
            Some(json!({"rationale": "a test"})),
        )
        .await;
    }

    /// A call of the API that has to be good.
    pub async fn api(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Value {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let page = self.send(request).await;
        assert!(
            (200..300).contains(&page.status),
            "{method} {path}: {} {}",
            page.status,
            page.html
        );
        serde_json::from_str(&page.html).unwrap()
    }

    /// The agent asks to do something.
    pub async fn act(&self, action: Value) -> Value {
        self.api(&self.agent, "POST", "/v1/actions", Some(action)).await
    }

    /// The agent asks for what people decide; the id of the request.
    pub async fn ask(&self, action: Value) -> String {
        self.act(action).await["approval"]["id"].as_str().unwrap().to_owned()
    }

    /// Somebody votes on a request as it is now, past the console.
    pub async fn vote(&self, user: &str, id: &str, verb: &str, comment: &str) {
        let (key, path) = (&self.people[user], format!("/v1/approvals/{id}"));
        let seen = self.api(key, "GET", &path, None).await;
        let vote = json!({
            "verb": verb, "comment": comment, "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
        });
        self.api(key, "POST", &format!("{path}/votes"), Some(vote)).await;
    }

    /// A browser of somebody who signed in by their key.
    pub async fn browser(&self, user: &str) -> Browser<'_> {
        let key = self.people.get(user).unwrap_or(&self.admin).clone();
        let mut browser = self.stranger();
        let page = browser.post("/sign-in", &[("key", &key)]).await;
        assert_eq!(page.status, 303, "{}", page.html);
        browser
    }

    /// A browser of somebody who was invited just now, and may choose what to sign in with.
    pub async fn invited(&self, user: &str) -> Browser<'_> {
        let invited = self
            .api(&self.admin, "POST", "/v1/invitations", Some(json!({"user": user})))
            .await;
        let mut browser = self.stranger();
        let path = format!("/sign-in/{}", invited["invitation"].as_str().unwrap());
        assert_eq!(browser.post(&path, &[]).await.status, 303);
        browser
    }

    /// A browser of nobody.
    pub fn stranger(&self) -> Browser<'_> {
        Browser {
            stand: self,
            cookie: None,
        }
    }

    async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 16 * 1024 * 1024).await.unwrap();
        Page {
            status,
            headers,
            html: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// A browser.
pub struct Browser<'a> {
    stand: &'a Stand,
    pub cookie: Option<String>,
}

impl Browser<'_> {
    /// A page.
    pub async fn get(&self, path: &str) -> Page {
        self.stand
            .send(self.request("GET", path).body(Body::empty()).unwrap())
            .await
    }

    /// A form, as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from(path, fields, "same-origin").await
    }

    /// A form of a page of somewhere.
    pub async fn post_from(&mut self, path: &str, fields: &[(&str, &str)], site: &str) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(Body::from(body))
            .unwrap();
        let page = self.stand.send(request).await;
        let set = page.header("set-cookie");
        if let Some(cookie) = set.split(';').next().filter(|cookie| !cookie.is_empty()) {
            self.cookie = (!cookie.ends_with('=')).then(|| cookie.to_owned());
        }
        page
    }

    /// A form of a page that was shown, with the token of that page.
    pub async fn submit(&mut self, shown: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = shown.field("token");
        let mut all = vec![("token", token.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all).await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:7878");
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }
}

impl Stand {
    /// The agent asks for what people decide; the id of the request, where the API takes it at all.
    pub async fn send_as_agent(&self, action: &Value) -> Option<String> {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/actions")
            .header("authorization", format!("Bearer {}", self.agent))
            .header("content-type", "application/json")
            .body(Body::from(action.to_string()))
            .unwrap();
        let page = self.send(request).await;
        let answer: Value = serde_json::from_str(&page.html).unwrap();
        answer["approval"]["id"].as_str().map(str::to_owned)
    }
}
