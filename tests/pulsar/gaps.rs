//! Somebody drops messages that were not read: nothing is passed over in silence, and no more is lost than was dropped.

use serde_json::Value;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

use alpes::cluster::{Cluster, ClusterSettings};
use alpes::config::PostgresChoice;

use super::alpes::{Home, wait_until};
use super::broker::Namespace;
use super::storm::worker;
use super::{http, lines, statistics, topics, wait_until_counted};

const TOPIC: &str = "comando-registrar-impresion";

fn send(topics: &Namespace, ids: std::ops::Range<u32>) {
    let lines: String = ids.map(|id| format!("{{\"id\":\"{id}\",\"campaña_id\":\"cut\"}}\n")).collect();
    topics.python("produce.py", TOPIC, &[], &lines);
}

fn counted(home: &Home) -> i64 {
    statistics(home, "cut")["total_impresiones"].as_i64().unwrap_or(0)
}

/// Drops what the topic holds, read or not. The ledger that is being written is not dropped: unloading ends it.
fn drop_all(topics: &Namespace) {
    let first_ledger = || {
        let stats: Value = serde_json::from_str(&topics.ask("GET", TOPIC, "/internalStats").body).unwrap();
        stats["ledgers"][0]["ledgerId"].as_i64()
    };
    let full = first_ledger().unwrap();
    topics.ask("PUT", TOPIC, "/unload");
    wait_until("the ledger is gone", || {
        topics.ask("DELETE", TOPIC, "/truncate");
        first_ledger().is_some_and(|first| first > full)
    });
}

/// The source and the position behind its gap, as `alpes workers` shows them.
fn gap(home: &Home) -> Option<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().map(str::to_owned);
    lines(home).iter().find_map(|line| text(line, "source").zip(text(line, "gap")))
}

/// The line has stopped where it should, says so everywhere, and goes on when it is told to.
fn assert_stops_until_accepted(home: &Home, metrics: &str, before: i64, after: i64) {
    wait_until("the line stops at the gap", || gap(home).is_some());
    assert_eq!(counted(home), before);
    let (source, next) = gap(home).unwrap();
    let log = std::fs::read_to_string(home.data().join("log")).unwrap();
    let command = format!("workers accept-gap {source} {next}");
    assert!(log.contains("data is missing") && log.contains(&command), "{command}");
    assert!(home.run("workers").contains(&command));
    let shown = http::get(metrics, "/metrics").unwrap().body;
    assert!(shown.contains("alpes_line_gaps_total{source=\"comando-registrar-impresion\"}"), "{shown}");
    home.run(&command);
    wait_until("the line goes on", || counted(home) == after);
    assert_eq!(gap(home), None);
    wait_until_counted(home);
    home.run("verify");
}

#[test]
fn what_was_skipped_but_is_still_there_is_read_all_the_same() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let _api = home.serve("api");
    let mut first = worker(&home);
    wait_until("the topic is there", || lines(&home).len() > 5);
    send(&topics, 0..20);
    wait_until("the first are counted", || counted(&home) == 20);
    first.terminate();
    assert!(first.wait().success());
    send(&topics, 20..50);
    assert_eq!(topics.ask("POST", TOPIC, "/subscription/alpes/skip_all").status, 204);
    send(&topics, 50..60);
    let _second = worker(&home);
    wait_until("all are counted", || counted(&home) == 60);
    home.run("verify");
}

#[test]
fn what_was_dropped_while_no_worker_was_there_stops_the_line() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let mut up = home.serve("up");
    wait_until("the topic is there", || lines(&home).len() > 5);
    send(&topics, 0..20);
    wait_until("the first are counted", || counted(&home) == 20);
    up.terminate();
    assert!(up.wait().success());
    topics.retain(r#"{"retentionTimeInMinutes": 0, "retentionSizeInMB": 0}"#);
    send(&topics, 20..50);
    drop_all(&topics);
    // The cursor goes on naming the last message that was dropped, also once the topic is loaded anew.
    topics.ask("PUT", TOPIC, "/unload");
    let _up = home.serve("up");
    send(&topics, 50..60);
    assert_stops_until_accepted(&home, home.http(), 20, 30);
}

#[test]
fn what_was_dropped_before_a_slow_worker_read_it_stops_the_line() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let _api = home.serve("api");
    let address = super::alpes::free_address();
    let mut slow = home.start(&format!("pipeline --http {address}"));
    wait_until("the topic is there", || lines(&home).len() > 5);
    send(&topics, 0..20);
    wait_until("the first are counted", || counted(&home) == 20);
    topics.retain(r#"{"retentionTimeInMinutes": 0, "retentionSizeInMB": 0}"#);
    let (runtime, settings) = (Runtime::new().unwrap(), cluster(&home));
    let cluster = runtime.block_on(Cluster::join(&settings)).unwrap();
    let mut connection = runtime.block_on(cluster.connect_options().connect()).unwrap();
    // No epoch begins as long as somebody holds this lock.
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(sinks::locks::FACTS);
    runtime.block_on(sqlx::Executor::execute(&mut connection, lock)).unwrap();
    send(&topics, 20..50);
    let seen = "SELECT count(*) FROM lines WHERE source LIKE 'comando-registrar-impresion@%' AND (next_ledger, next_entry) > (ledger, entry)";
    wait_until("the closer sees what waits", || {
        runtime.block_on(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut connection)).unwrap() == 1
    });
    assert!(slow.kill());
    drop_all(&topics);
    runtime.block_on(connection.close()).unwrap();
    runtime.block_on(cluster.leave()).unwrap();
    send(&topics, 50..60);
    let _next = home.start(&format!("pipeline --http {address}"));
    assert_stops_until_accepted(&home, &address, 20, 30);
}

fn cluster(home: &Home) -> ClusterSettings {
    ClusterSettings { data: home.data().into(), postgres: PostgresChoice::Auto, database_url: None }
}
