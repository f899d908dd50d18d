//! Schemas evolve while messages of all versions lie in a topic.

use serde_json::{Value, json};

use super::alpes::Home;
use super::broker::Namespace;
use super::{http, statistics, topics, wait_until_counted};

const TOPIC: &str = "comando-registrar-impresion";

/// Publishes `count` impressions as a producer of another version of the record does; `more` is in each of them.
fn send(topics: &Namespace, campaign: &str, count: usize, version: &[&str], more: &Value) {
    let line = |n| {
        let mut line = json!({"id": format!("{campaign}-{n}"), "influencer_id": "inf-1"});
        for (name, value) in more.as_object().unwrap() {
            line[name] = value.clone();
        }
        format!("{line}\n")
    };
    topics.python("produce.py", TOPIC, version, &(0..count).map(line).collect::<String>());
}

fn versions(topics: &Namespace) -> usize {
    let answer = topics.schemas(TOPIC);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["getSchemaResponses"].as_array().unwrap().len()
}

#[test]
fn messages_of_every_version_are_counted() {
    let topics = topics();
    let home = Home::with(topics.environment());
    let old = json!({"campaña_id": "old"});
    let new = json!({"campaña_id": "new", "dispositivo": "móvil"});
    send(&topics, "old", 300, &[], &old);
    send(&topics, "new", 200, &["--field", "dispositivo"], &new);
    send(&topics, "batched", 200, &["--field", "dispositivo", "--batch", "50"], &json!({"campaña_id": "new"}));
    topics.allow_any_schema();
    send(&topics, "less", 100, &["--without", "referrer", "--without", "ip_address"], &json!({"campaña_id": "less"}));
    let _up = home.serve("up");
    send(&topics, "after", 100, &[], &json!({"campaña_id": "old"}));
    wait_until_counted(&home);
    assert_eq!(versions(&topics), 3);
    for (campaign, count) in [("old", 400), ("new", 400), ("less", 100)] {
        assert_eq!(statistics(&home, campaign)["total_impresiones"], count, "{campaign}");
    }
    home.run("verify");
}

#[test]
fn what_lacks_a_required_field_becomes_rejects_and_blocks_nobody() {
    let topics = topics();
    let home = Home::with(topics.environment());
    topics.allow_any_schema();
    let _up = home.serve("up");
    send(&topics, "before", 10, &[], &json!({"campaña_id": "kept"}));
    send(&topics, "lacking", 20, &["--without", "campaña_id"], &json!({}));
    send(&topics, "after", 10, &[], &json!({"campaña_id": "kept"}));
    wait_until_counted(&home);
    assert_eq!(statistics(&home, "kept")["total_impresiones"], 20);
    let answer = http::get(home.http(), "/rechazos?limit=1000").unwrap();
    let page: Value = serde_json::from_str(&answer.body).unwrap();
    let rejects = page["rechazos"].as_array().unwrap();
    assert_eq!(rejects.len(), 20, "{rejects:?}");
    assert!(rejects.iter().all(|reject| reject.to_string().contains("campaña_id")), "{rejects:?}");
    home.run("verify");
}
