//! The bound of the intake: an axum server that reads the JSON of a request and answers 202, and does nothing else.
//!
//! `cargo run --release --example bare -- HOST:PORT`

#![allow(clippy::unwrap_used)]

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8002".into());
    let routes = Router::new().route("/tracking/impresiones", post(accept)).route("/health/live", get(async || "up"));
    axum::serve(TcpListener::bind(address).await.unwrap(), routes).await.unwrap();
}

async fn accept(body: Bytes) -> (StatusCode, Json<Value>) {
    match serde_json::from_slice::<Value>(&body) {
        Ok(event) => (StatusCode::ACCEPTED, Json(json!({"id": event["id"], "estado": "EN_QUEUED"}))),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({"detail": error.to_string()}))),
    }
}
