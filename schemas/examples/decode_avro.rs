//! How long decoding takes: `cargo run --release -p schemas --example decode_avro`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use schemas::avro::{WriterSchema, command};
use schemas::wire::{Context, Privacy, decode, decode_avro};
use schemas::{Kind, Position, Timestamp};
use std::hint::black_box;
use std::time::{Duration, Instant};

const JSON: &str = r#"{"comando":"registrar-conversion","id":"7f3c0b6a-8a3a-4a39-9f0e-0a6c1c8f7b11","campaña_id":"cmp-0512","influencer_id":"inf-00042","usuario_id":"usr-1000101","tipo_conversion":"VENTA","valor":19.99,"moneda":"USD","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","ip_address":"203.0.113.77","referrer":"https://instagram.com","timestamp":"2025-01-01T12:05:00Z"}"#;
const ROUNDS: u32 = 12;
const MESSAGES: u32 = 100_000;

/// The best of some rounds, per call: what is above it is the machine's other business.
fn measure<T>(what: &str, bytes: usize, mut call: impl FnMut() -> T) {
    let round = |call: &mut dyn FnMut() -> T| {
        let start = Instant::now();
        for _ in 0..MESSAGES {
            black_box(call());
        }
        start.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round(&mut call)).min().unwrap_or(Duration::MAX);
    println!("{what:<44} {bytes:>4} bytes {:>6} ns", (best / MESSAGES).as_nanos());
}

/// The users' records in bytes: every field is there, so a branch, a length and the text each.
fn users(fields: &[&[u8]]) -> Vec<u8> {
    fields.iter().flat_map(|field| [&[2, (field.len() * 2) as u8], *field].concat()).collect()
}

fn main() {
    let texts: [&[u8]; 4] = [b"7f3c0b6a-8a3a-4a39-9f0e-0a6c1c8f7b11", b"cmp-0512", b"inf-00042", b"usr-1000101"];
    let rest: [&[u8]; 4] =
        [b"Mozilla/5.0 (X11; Linux x86_64)", b"203.0.113.77", b"https://instagram.com", b"2025-01-01T12:05:00Z"];
    let impression = [users(&texts), users(&[b"IMPRESION"]), users(&rest)].concat();
    let valor = [&[2][..], &19.99_f32.to_le_bytes()].concat();
    let conversion = [users(&texts), users(&[b"VENTA"]), valor, users(&[b"USD"]), users(&rest)].concat();
    let record = decode(None, JSON.as_bytes()).unwrap();
    let alpes = command(&record, None).unwrap().unwrap();
    let context =
        Context { source: "bench", position: Position::START, published_at: Timestamp::now(), assigned_id: None };

    let of = |topic: &str| WriterSchema::pinned(topic).unwrap();
    for (topic, datum) in [
        ("comando-registrar-impresion", impression),
        ("comando-registrar-conversion", conversion),
        ("alpes-comandos", alpes),
    ] {
        let schema = of(topic);
        measure(&format!("decode {topic}"), datum.len(), || decode_avro(&schema, &datum).unwrap());
        measure("  and validate", datum.len(), || {
            decode_avro(&schema, &datum).unwrap().validate(context, Privacy::AsSent).unwrap()
        });
    }
    measure("decode JSON", JSON.len(), || decode(Some(Kind::RecordConversion), JSON.as_bytes()).unwrap());
    measure("  and validate", JSON.len(), || {
        decode(Some(Kind::RecordConversion), JSON.as_bytes()).unwrap().validate(context, Privacy::AsSent).unwrap()
    });
    measure("encode alpes-comandos", JSON.len(), || command(&record, None).unwrap());
}
