//! What happens to topics and databases in the life of a cluster.

use std::process::Command;
use std::time::Duration;

use super::alpes::{Home, wait_until};
use super::storm::{assert_sample_counted, load};
use super::{http, statistics, topics, wait_until_counted};

/// How often all partitions are unloaded.
const UNLOADS: u32 = 3;
/// Between two unloads.
const CALM: Duration = Duration::from_secs(1);

fn post_impressions(home: &Home, campaign: &str, ids: std::ops::Range<u32>) {
    for id in ids {
        let body = format!(r#"{{"id":"{campaign}-{id}","campaña_id":"{campaign}"}}"#);
        assert_eq!(http::post(home.http(), "/tracking/impresiones", &body).unwrap().status, 202);
    }
}

#[test]
fn unloaded_topics_are_read_on() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let _up = home.serve("up");
    let mut load = load(&home);
    for _ in 0..UNLOADS {
        assert!(load.is_running(), "the load ended too early");
        for partition in 0..5 {
            topics.ask("PUT", &format!("alpes-comandos-partition-{partition}"), "/unload");
        }
        std::thread::sleep(CALM);
    }
    println!("{}", load.finish());
    assert_sample_counted(&home);
}

#[test]
fn a_topic_that_was_made_again_is_another_topic() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let _up = home.serve("up");
    let send = |ids: std::ops::Range<u32>| {
        let lines: String = ids.map(|id| format!("{{\"id\":\"{id}\",\"campaña_id\":\"again\"}}\n")).collect();
        topics.python("produce.py", "comando-registrar-impresion", &[], &lines);
    };
    send(0..20);
    wait_until("the first are counted", || statistics(&home, "again")["total_impresiones"] == 20);
    assert_eq!(topics.ask("DELETE", "comando-registrar-impresion", "?force=true").status, 204);
    send(10..50);
    wait_until("the others are counted", || statistics(&home, "again")["total_impresiones"] == 50);
    wait_until_counted_but_the_deleted(&home);
    home.run("verify");
}

/// The line over the deleted topic has nothing to read any more, and nobody knows how much waits there.
fn wait_until_counted_but_the_deleted(home: &Home) {
    wait_until("the watermark goes on", || {
        statistics(home, "again")["retraso_ms"].as_i64().is_some_and(|lag| lag < 20_000)
    });
}

#[test]
fn a_database_from_a_backup_reads_again_what_it_forgot() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let mut up = home.serve("up");
    post_impressions(&home, "kept", 0..50);
    wait_until_counted(&home);
    up.terminate();
    assert!(up.wait().success());
    let (cluster, backup) = (home.data().join("postgres"), home.data().join("backup"));
    copy(&cluster, &backup);
    let mut up = home.serve("up");
    post_impressions(&home, "kept", 50..100);
    post_impressions(&home, "forgotten", 0..50);
    wait_until_counted(&home);
    up.terminate();
    assert!(up.wait().success());
    std::fs::remove_dir_all(&cluster).unwrap();
    copy(&backup, &cluster);
    let _up = home.serve("up");
    wait_until("what was forgotten is counted again", || statistics(&home, "forgotten")["total_impresiones"] == 50);
    // Another partition's line reads it.
    wait_until("nothing of the other campaign is missing", || statistics(&home, "kept")["total_impresiones"] == 100);
    wait_until_counted(&home);
    assert_eq!(statistics(&home, "kept")["total_impresiones"], 100);
    home.run("verify");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn commands_are_taken_in_while_postgresql_is_away() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let _up = home.serve("up");
    post_impressions(&home, "away", 0..10);
    wait_until_counted(&home);
    let killed = home.postgres().unwrap();
    super::alpes::signal("STOP", killed);
    post_impressions(&home, "away", 10..200);
    super::alpes::signal("CONT", killed);
    super::alpes::signal("KILL", killed);
    post_impressions(&home, "away", 200..250);
    wait_until("all are counted", || statistics_if_there(&home, "away") == Some(250));
    home.run("verify");
}

/// Queries fail while PostgreSQL is away.
fn statistics_if_there(home: &Home, campaign: &str) -> Option<i64> {
    let answer = http::get(home.http(), &format!("/tracking/queries/campanas/{campaign}/estadisticas")).ok()?;
    let statistics: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
    statistics["total_impresiones"].as_i64()
}
