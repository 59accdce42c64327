//! The ceiling: axum reads a JSON body and answers with it.

use axum::routing::post;
use axum::{Json, Router};

#[tokio::main]
async fn main() {
    let router = Router::new().route("/v1/actions", post(|Json(body): Json<serde_json::Value>| async move { Json(body) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, router).await.expect("the server runs");
}
