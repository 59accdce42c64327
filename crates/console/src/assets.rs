//! Style, script and icon: in the binary, under names that change with them, so that a browser keeps them for good.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::Console;
use crate::page::guard;

struct Asset {
    stem: &'static str,
    ending: &'static str,
    content: &'static str,
    body: &'static str,
}

const STYLE: Asset = Asset {
    stem: "console",
    ending: "css",
    content: "text/css; charset=utf-8",
    body: include_str!("../assets/console.css"),
};
const SCRIPT: Asset = Asset {
    stem: "console",
    ending: "js",
    content: "text/javascript; charset=utf-8",
    body: include_str!("../assets/console.js"),
};
const PASSKEY: Asset = Asset {
    stem: "passkey",
    ending: "js",
    content: "text/javascript; charset=utf-8",
    body: include_str!("../assets/passkey.js"),
};
const VERIFY: Asset = Asset {
    stem: "verify",
    ending: "js",
    content: "text/javascript; charset=utf-8",
    body: include_str!("../assets/verify.js"),
};
const ICON: Asset = Asset {
    stem: "icon",
    ending: "svg",
    content: "image/svg+xml",
    body: include_str!("../assets/icon.svg"),
};

impl Asset {
    fn name(&self) -> String {
        let digest = Sha256::digest(self.body.as_bytes());
        let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(digest);
        format!(
            "{}.{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}.{}",
            self.stem, self.ending
        )
    }
}

/// Where the assets are.
pub(crate) struct Paths {
    pub style: String,
    pub script: String,
    pub passkey: String,
    pub verify: String,
    pub icon: String,
}

static PATHS: LazyLock<Paths> = LazyLock::new(|| Paths {
    style: format!("/assets/{}", STYLE.name()),
    script: format!("/assets/{}", SCRIPT.name()),
    passkey: format!("/assets/{}", PASSKEY.name()),
    verify: format!("/assets/{}", VERIFY.name()),
    icon: format!("/assets/{}", ICON.name()),
});

pub(crate) fn paths() -> &'static Paths {
    &PATHS
}

pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = [STYLE, SCRIPT, PASSKEY, VERIFY, ICON]
        .into_iter()
        .find(|asset| asset.name() == name)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(asset.body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    guard(&mut response);
    response
}
