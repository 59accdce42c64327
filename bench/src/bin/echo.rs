//! The ceiling: an axum server that reads a JSON body and writes it back.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{{\"address\":\"http://{}\"}}", listener.local_addr()?);
    let router = Router::new().route("/v1/actions", post(async |Json(body): Json<Value>| Json(body)));
    axum::serve(listener, router).await
}
