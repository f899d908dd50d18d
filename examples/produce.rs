//! Publishes the commands of an NDJSON file on `alpes-comandos`, as the API would, as fast as the broker takes them: the
//! input of the benchmark of the way from Pulsar to PostgreSQL.
//!
//! `cargo run --release --example produce -- FILE PULSAR_URL PULSAR_ADMIN`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Instant;

use bytes::Bytes;
use schemas::message::Encoding;
use schemas::wire::{self, Context, Privacy};
use schemas::{Position, Timestamp};
use sinks::log::LANES;
use sinks::pulsar::PulsarSettings;
use sinks::{LogEntry, LogWriter, PartitionKey, PulsarLog};

/// Commands in one request.
const CHUNK: usize = 1_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, url, admin] = &arguments[..] else { panic!("FILE PULSAR_URL PULSAR_ADMIN") };
    let settings = PulsarSettings {
        url: url.clone(),
        admin: admin.clone(),
        namespace: "public/default".into(),
        token: None,
        certificates: None,
        partitions: 5,
        campaign_topics: Vec::new(),
        ids_by_position: Vec::new(),
    };
    let log = LogWriter::start_lanes((0..LANES).map(|_| PulsarLog::new(settings.clone())));
    let lines = BufReader::new(File::open(file).unwrap()).lines().map(Result::unwrap);
    let (begun, mut sent, mut chunk, mut sending) = (Instant::now(), 0, Vec::new(), Vec::new());
    for line in lines {
        chunk.push(entry(line));
        if chunk.len() == CHUNK {
            let (log, entries) = (log.clone(), std::mem::take(&mut chunk));
            sent += entries.len();
            sending.push(tokio::spawn(async move { log.append_all(entries, None).await.map(drop) }));
        }
        if sending.len() >= 16 {
            for done in std::mem::take(&mut sending) {
                done.await.unwrap().unwrap();
            }
        }
    }
    sent += chunk.len();
    log.append_all(chunk, None).await.unwrap();
    for done in sending {
        done.await.unwrap().unwrap();
    }
    println!("{sent} published, {}/s", sent as u128 * 1_000 / begun.elapsed().as_millis().max(1));
}

fn entry(line: String) -> LogEntry {
    let published_at = Timestamp::now();
    let context = Context { source: "produce", position: Position::START, published_at, assigned_id: None };
    let command = wire::decode(None, line.as_bytes()).and_then(|record| record.validate(context, Privacy::AsSent));
    let key = command.map_or_else(|_| PartitionKey::unreadable(line.as_bytes()), |command| PartitionKey::of(&command));
    LogEntry {
        kind: None,
        key,
        published_at,
        assigned_id: None,
        replay_of: None,
        payload: Bytes::from(line),
        encoding: Encoding::Json,
    }
}
