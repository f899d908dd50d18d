//! Partitions are added while Alpes runs: they are found, and nothing is lost.

use super::alpes::{Home, Running, wait_until};
use super::storm::{assert_sample_counted, load_at};
use super::{http, lines, statistics, topics, wait_until_counted};

const TOPIC: &str = "alpes-comandos";
/// Lines per second: the load lasts about a minute, longer than it takes to find new partitions.
const RATE: u32 = 1_600;
/// As many as the users make of 5.
const PARTITIONS: usize = 8;

/// How many partitions have a line that has counted something.
fn read(home: &Home) -> usize {
    let reads = |line: &serde_json::Value| {
        line["source"].as_str().unwrap().starts_with(TOPIC) && line["messages"].as_i64().unwrap() > 0
    };
    lines(home).iter().filter(|line| reads(line)).count()
}

fn restarted(home: &Home, mut api: Running) -> Running {
    api.terminate();
    assert!(api.wait().success());
    home.serve("api")
}

#[test]
fn added_partitions_are_found_and_read() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let api = home.serve("api");
    let _worker = super::storm::worker(&home);
    let mut load = load_at(&home, RATE);
    wait_until("the first partitions are read", || read(&home) == 4);
    assert_eq!(topics.tell("POST", TOPIC, "/partitions", &PARTITIONS.to_string()).status, 204);
    assert!(load.is_running(), "the load ended too early");
    wait_until("all tracking partitions are read", || read(&home) == PARTITIONS - 1);
    println!("{}", load.finish());
    assert_sample_counted(&home);
    // A new process spreads keys the same way.
    let _api = restarted(&home, api);
    for id in 0..50 {
        let body = format!(r#"{{"id":"later-{id}","campaña_id":"later-{}"}}"#, id % 10);
        assert_eq!(http::post(home.http(), "/tracking/impresiones", &body).unwrap().status, 202);
    }
    wait_until_counted(&home);
    assert_eq!(statistics(&home, "later-3")["total_impresiones"], 5);
    home.run("verify");
}
