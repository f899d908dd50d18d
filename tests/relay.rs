//! Events on a real broker: what was counted is announced, after its commit, at least once, in order per key; the users'
//! Python classes read it. The real program in real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "support/alpes.rs"]
#[allow(dead_code)] // the crash tests need more of it
mod alpes;
#[path = "support/broker.rs"]
#[allow(dead_code)] // its own tests need more of it
mod broker;
#[path = "support/http.rs"]
mod http;
#[path = "support/reaper.rs"]
mod reaper;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use alpes::{Home, wait_until};
use broker::{Broker, Namespace};
use serde_json::{Value, json};

/// One broker for all tests; the one that kills it keeps the others out.
static BROKER: LazyLock<Mutex<Broker>> = LazyLock::new(|| Mutex::new(Broker::start()));
/// More than any test publishes.
const EVERYTHING: &str = "1000000";
const IMPRESSIONS: &str = "evento-impresion-registrada";
const CONVERSIONS: &str = "evento-conversion-registrada";
const OWN: &str = "alpes-eventos";

/// The sum over all lines of one of the relay's metrics; none before the relay has shown it.
fn metric(home: &Home, name: &str) -> Option<f64> {
    let answer = http::get(home.http(), "/metrics").ok()?;
    let of_line = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse().ok())?
    };
    let values: Vec<f64> = answer.body.lines().filter_map(of_line).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

fn wait_until_counted(home: &Home, rows: u64) {
    wait_until("everything is counted", || {
        let Value::Array(lines) = serde_json::from_str(&home.run("workers --json")).unwrap() else { panic!("no list") };
        let tracking = lines.iter().filter(|line| line["flow"] == "tracking");
        tracking.map(|line| line["accepted"].as_u64().unwrap()).sum::<u64>() == rows
    });
}

/// Waits until `rows` were counted and nothing waits to be announced.
fn wait_until_announced(home: &Home, rows: u64) {
    wait_until_counted(home, rows);
    // What the relay showed before it saw the last of them must not be taken for the end.
    std::thread::sleep(Duration::from_secs(1));
    wait_until("everything is announced", || metric(home, "alpes_relay_unpublished_events") == Some(0.0));
    assert_eq!(metric(home, "alpes_relay_missing_total"), None);
}

/// All messages of a topic that has some. Another test may kill the broker meanwhile: then none come at first.
fn messages(topics: &Namespace, topic: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    wait_until("a topic has messages", || {
        let printed = topics.python("consume.py", topic, &[topic, EVERYTHING, "--idle", "3", "--timeout", "120"], "");
        messages = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        !messages.is_empty()
    });
    messages
}

fn event_id(message: &Value) -> String {
    message["properties"]["evento_id"].as_str().unwrap().to_owned()
}

/// The messages without those that came again; those say the same as they said at first.
fn distinct(messages: Vec<Value>) -> Vec<Value> {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut first = Vec::new();
    for message in messages {
        match seen.get(&event_id(&message)) {
            Some(before) => assert_eq!(before["record"], message["record"]),
            None => {
                seen.insert(event_id(&message), message.clone());
                first.push(message);
            }
        }
    }
    first
}

fn post(home: &Home, path: &str, command: &Value) {
    let answer = http::post(home.http(), path, &command.to_string()).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn impression(n: usize) -> Value {
    json!({
        "comando": "registrar-impresion", "id": format!("imp-{n:06}"), "campaña_id": format!("campaña-{}", n % 3),
        "influencer_id": format!("inf-{}", n % 5), "timestamp": "2026-01-01T00:00:00Z",
    })
}

/// Sends impressions, one batch after the other, in the order of their numbers.
fn send(home: &Home, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for chunk in numbers.chunks(500) {
        let lines: String = chunk.iter().map(|n| format!("{}\n", impression(*n))).collect();
        wait_until("a batch is accepted", || {
            http::post(home.http(), "/tracking/lotes", &lines).is_ok_and(|answer| answer.status == 202)
        });
    }
}

/// What is announced of the impressions `0..count` on both topics: all, and in order per key.
fn assert_announced(topics: &Namespace, count: usize) {
    for (topic, id) in [(IMPRESSIONS, "id"), (OWN, "comando_id")] {
        let announced = messages(topics, topic);
        println!("{topic}: {} messages for {count} rows", announced.len());
        let announced = distinct(announced);
        let mut last: BTreeMap<&str, &str> = BTreeMap::new();
        for message in &announced {
            let (key, id) = (message["key"].as_str().unwrap(), message["record"][id].as_str().unwrap());
            assert!(last.insert(key, id).is_none_or(|before| before < id), "{topic}: {id} is out of order");
        }
        let ids: BTreeSet<&str> = announced.iter().map(|message| message["record"][id].as_str().unwrap()).collect();
        assert_eq!(ids.len(), count, "{topic}");
        assert_eq!(announced.len(), count, "{topic}: one event, two ids");
    }
}

#[test]
fn what_was_counted_is_announced_in_the_users_words() {
    let topics = BROKER.lock().unwrap().namespace();
    let home = Home::with(topics.environment());
    let _up = home.serve("up");
    let common = json!({
        "id": "uno", "campaña_id": "campaña-ñ", "influencer_id": "inf-1", "usuario_id": "usr-ñ", "user_agent": "Mozilla",
        "ip_address": "127.0.0.1", "referrer": "https://a.example", "timestamp": "2026-01-01T00:00:00Z",
    });
    let mut click = common.clone();
    click["id"] = "dos".into();
    click["tipo_evento"] = "CLICK".into();
    let mut conversion = common.clone();
    conversion["valor"] = json!(99_999_999_999.99);
    conversion["moneda"] = "USD".into();
    let nobody = json!({ "id": "tres", "campaña_id": "campaña-ñ", "timestamp": "2026-01-01T00:00:00Z" });
    for impression in [&common, &click, &nobody, &common] {
        post(&home, "/tracking/impresiones", impression);
    }
    post(&home, "/tracking/conversiones", &conversion);
    post(&home, "/marketing-influencers/campanas", &json!({ "id": "campaña-ñ", "nombre": "Ñandú" }));
    wait_until_announced(&home, 4);
    // The campaign is another line's, and comes when it comes.
    let all = r#"alpes_relay_events_total{topic="alpes-eventos"} 5"#;
    wait_until("the campaign is announced", || {
        http::get(home.http(), "/metrics").is_ok_and(|answer| answer.body.contains(all))
    });
    let mut expected = common.clone();
    expected["tipo_evento"] = "IMPRESION".into();
    let impressions = distinct(messages(&topics, IMPRESSIONS));
    let said = |id: &str| &impressions.iter().find(|message| message["record"]["id"] == id).unwrap()["record"];
    assert_eq!(impressions.len(), 3);
    assert_eq!(said("uno"), &expected);
    assert_eq!(said("dos")["tipo_evento"], "CLICK");
    assert_eq!((&said("tres")["influencer_id"], &said("tres")["usuario_id"]), (&json!(""), &json!("")));
    let conversions = distinct(messages(&topics, CONVERSIONS));
    let [conversion] = conversions.as_slice() else { panic!("{conversions:?}") };
    assert_eq!(conversion["record"]["valor"], json!(99_999_997_952.0), "f32, as in the users' system");
    assert_eq!(conversion["key"], "campaña-ñ/inf-1");
    for topic in ["eventos-campana", "campana-creada"] {
        let created = distinct(messages(&topics, topic));
        assert_eq!(
            created.iter().map(|message| &message["record"]).collect::<Vec<_>>(),
            [&json!({"data": {"id": "campaña-ñ"}})]
        );
    }
    let own = distinct(messages(&topics, OWN));
    let names: BTreeSet<&str> = own.iter().map(|message| message["record"]["evento"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        BTreeSet::from(["campaña-creada", "clic-registrado", "conversion-registrada", "impresion-registrada"])
    );
    assert!(own.iter().all(|message| message["record"]["id"] == *event_id(message)));
    let exact = own.iter().find(|message| message["record"]["evento"] == "conversion-registrada").unwrap();
    assert_eq!(exact["record"]["valor"], "99999999999.9900");
}

/// Every posting of the ledger is an event that says what it is for and why.
#[test]
fn what_the_ledger_posts_is_announced() {
    let topics = BROKER.lock().unwrap().namespace();
    let home = Home::with(topics.environment());
    let _up = home.serve("up");
    let terms = json!({"id": "t-1", "vigente_desde": "2026-01-01T00:00:00Z", "reglas": [
        {"tipo": "CPA", "tipo_conversion": "VENTA", "porcentaje": "7"}]});
    let answer =
        http::send(home.http(), "PUT", "/marketing-influencers/campanas/cmp-1/comisiones", &terms.to_string()).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    post(
        &home,
        "/tracking/conversiones",
        &json!({
            "id": "con-1", "campaña_id": "cmp-1", "influencer_id": "inf-1", "valor": "150000.10", "moneda": "COP",
            "timestamp": "2026-01-02T00:00:30Z",
        }),
    );
    post(&home, "/tracking/reversiones", &json!({"id": "rev-1", "conversion_id": "con-1", "valor": "50000"}));
    let mut events = Vec::new();
    wait_until("both postings are announced", || {
        events = distinct(messages(&topics, "comision-calculada"));
        let in_favour = |event: &Value| event["record"]["monto_comision"].as_str().unwrap().parse::<f64>().unwrap();
        // Who asks between the two sees one posting less, for a refund that came first.
        (events.iter().map(in_favour).sum::<f64>() - 7_000.01).abs() < 0.001
    });
    let first = &events[0]["record"];
    let said = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        [
            "campaña_id",
            "influencer_id",
            "moneda",
            "concepto",
            "causa",
            "conversion_id",
            "terminos_id",
            "monto_comision"
        ]
        .map(said),
        ["cmp-1", "inf-1", "COP", "COMISION", "CONVERSION", "con-1", "t-1", "10500.0100"]
    );
    assert_eq!((first["pago_id"].as_str(), first["regla"].as_i64()), (Some("1"), Some(1)));
    let reversal = &events[1]["record"];
    assert_eq!((reversal["concepto"].as_str(), reversal["revierte_pago_id"].as_str()), (Some("REVERSION"), Some("1")));
    assert!(events.iter().all(|event| event["key"] == "cmp-1/inf-1"));
}

/// Alpes and the broker die while the relay works; also just between the receipts and the position.
#[test]
fn whatever_dies_everything_is_announced_in_order() {
    let mut broker = BROKER.lock().unwrap();
    let topics = broker.namespace();
    let home = Home::with(topics.environment());
    let mut up = home.serve("up");
    send(&home, 0..3_000);
    assert!(up.kill());
    let mut up = home.serve("up");
    send(&home, 3_000..6_000);
    broker.kill();
    std::thread::sleep(Duration::from_secs(1));
    assert!(up.is_running());
    broker.restart();
    drop(up);
    {
        let mut command = home.command("up");
        command.env("ALPES_RELAY", "off");
        let mut up = alpes::Running::start(command);
        send(&home, 6_000..9_000);
        assert!(up.kill());
    }
    if cfg!(feature = "failpoints") {
        let mut command = home.command("up");
        command.env("FAILPOINTS", "relay::sent=return");
        let mut aborted = alpes::Running::start(command);
        wait_until("it aborts", || !aborted.is_running());
    }
    let _up = home.serve("up");
    send(&home, 9_000..10_000);
    wait_until_announced(&home, 10_000);
    assert_announced(&topics, 10_000);
}

/// What was counted before there was a broker is history; `alpes relay` in a process of its own announces the rest.
#[test]
fn a_database_that_meets_a_broker_announces_from_then_on() {
    let topics = BROKER.lock().unwrap().namespace();
    let home = Home::new();
    {
        let mut up = home.serve("up");
        send(&home, 0..100);
        wait_until_counted(&home, 100);
        up.terminate();
        assert!(up.wait().success());
    }
    let with_broker = |arguments: &str| {
        let mut command = home.command(arguments);
        command.envs(topics.environment()).env("ALPES_RELAY", "off");
        command
    };
    let mut up = alpes::Running::start(with_broker("up"));
    wait_until("it answers", || http::get(home.http(), "/health/live").is_ok());
    send(&home, 100..300);
    wait_until_counted(&home, 300);
    assert_eq!(metric(&home, "alpes_relay_events_total"), None);
    up.terminate();
    assert!(up.wait().success());
    let mut relay = alpes::Running::start(with_broker("relay"));
    wait_until("all is announced", || metric(&home, "alpes_relay_events_total") == Some(400.0));
    relay.terminate();
    assert!(relay.wait().success());
    let first =
        distinct(messages(&topics, IMPRESSIONS)).iter().map(|message| message["record"]["id"].to_string()).min();
    assert_eq!(first.unwrap(), r#""imp-000100""#);
}
