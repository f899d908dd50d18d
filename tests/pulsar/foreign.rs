//! The users' topics as they are: what their Python clients publish is counted, whatever it is packed in; what cannot
//! be read becomes a reject with its bytes, and stops nobody.

use serde_json::{Value, json};

use super::alpes::{Home, wait_until};
use super::broker::Namespace;
use super::{http, lines, statistics, topics, wait_until_counted};

fn impression(campaign: &str, n: usize) -> String {
    let record = json!({
        "id": format!("imp-{campaign}-{n}"), "campaña_id": campaign, "influencer_id": format!("inf-{}", n % 7),
        "usuario_id": "usr-ñ", "tipo_evento": "IMPRESION", "user_agent": "Mozilla/5.0", "ip_address": "127.0.0.1",
        "referrer": "https://instagram.com", "timestamp": "2025-01-01T12:00:00Z",
    });
    format!("{record}\n")
}

fn impressions(campaign: &str, count: usize) -> String {
    (0..count).map(|n| impression(campaign, n)).collect()
}

fn conversion(id: &str, valor: f64) -> String {
    let record = json!({
        "id": id, "campaña_id": "cmp-money", "influencer_id": "", "usuario_id": "", "tipo_conversion": "VENTA",
        "valor": valor, "moneda": "COP", "user_agent": "", "ip_address": "", "referrer": "",
        "timestamp": "2025-01-01T12:05:00",
    });
    format!("{record}\n")
}

/// Every code of the rejects with how many there are of it.
fn rejects(home: &Home) -> Vec<Value> {
    let answer = http::get(home.http(), "/rechazos?limit=1000").unwrap();
    let page: Value = serde_json::from_str(&answer.body).unwrap();
    page["rechazos"].as_array().unwrap().clone()
}

#[test]
fn what_the_users_clients_publish_is_counted() {
    let (topics, home) = start();
    let _up = home.serve("up");
    let packings: [(&str, &[&str]); 6] = [
        ("plain", &[]),
        ("no-schema", &["--no-schema"]),
        ("batched", &["--batch", "100"]),
        ("lz4", &["--batch", "50", "--compression", "lz4"]),
        ("zlib", &["--compression", "zlib"]),
        ("zstd", &["--batch", "500", "--compression", "zstd", "--key", "{campaña_id}"]),
    ];
    for (campaign, packing) in packings {
        topics.python("produce.py", "comando-registrar-impresion", packing, &impressions(campaign, 1_000));
    }
    let amounts = conversion("conv-1", 19.99) + &conversion("conv-2", 150_000.0) + &conversion("conv-3", 0.1);
    topics.python("produce.py", "comando-registrar-conversion", &[], &amounts);
    // The same again: duplicates.
    topics.python("produce.py", "comando-registrar-impresion", &["--batch", "7"], &impressions("plain", 1_000));
    wait_until_counted(&home);
    for (campaign, _) in packings {
        assert_eq!(statistics(&home, campaign)["total_impresiones"], 1_000, "{campaign}");
    }
    let money = statistics(&home, "cmp-money");
    assert_eq!(money["valor_total_conversiones"].to_string(), "150020.09");
    assert_eq!(rejects(&home), Vec::<Value>::new());
    home.run("verify");
}

/// More single messages than the client receives ahead: whoever asks the consumer anything then waits for ever.
#[test]
fn a_backlog_of_single_messages_is_read() {
    let (topics, home) = start();
    topics.python("produce.py", "comando-registrar-impresion", &[], &impressions("backlog", 15_000));
    let _up = home.serve("up");
    wait_until("the backlog is counted", || statistics(&home, "backlog")["total_impresiones"] == 15_000);
    wait_until_counted(&home);
}

/// The users' record class has a default id that is made once a process: one id, many commands.
#[test]
fn a_topic_whose_ids_cannot_be_trusted_is_counted_by_position() {
    let topics = topics();
    let by_position = ("PULSAR_IDS_BY_POSITION", "comando-registrar-conversion".to_owned());
    let home = Home::with(topics.environment().into_iter().chain([by_position]));
    let _up = home.serve("up");
    let same_id: String = (1..=20).map(|n| conversion("default", f64::from(n))).collect();
    topics.python("produce.py", "comando-registrar-conversion", &["--batch", "6"], &same_id);
    topics.python("produce.py", "comando-registrar-impresion", &[], &impressions("trusted", 3).repeat(2));
    wait_until_counted(&home);
    wait_until("all are counted", || statistics(&home, "cmp-money")["total_conversiones"] == 20);
    assert_eq!(statistics(&home, "cmp-money")["valor_total_conversiones"].to_string(), "210.0");
    assert_eq!(statistics(&home, "trusted")["total_impresiones"], 3);
    assert_eq!(rejects(&home), Vec::<Value>::new());
    home.run("verify");
}

#[test]
fn campaigns_of_both_topics_are_set_up() {
    let (topics, home) = start();
    let _up = home.serve("up");
    for (topic, id) in [("comandos-campana", "cam-1"), ("crear-campaña", "cam-2")] {
        let record = json!({"data": {"id": id, "nombre": "Año nuevo", "producto": "café", "presupuesto": 1000,
            "moneda": "COP", "marca": "Ñandú", "influencers_ids": ["inf-1"], "conversiones": [],
            "fecha_creacion": 0}});
        topics.python("produce.py", topic, &[], &format!("{record}\n"));
    }
    wait_until_counted(&home);
    for id in ["cam-1", "cam-2"] {
        let answer = http::get(home.http(), "/marketing-influencers/campanas").unwrap();
        assert!(answer.body.contains(id), "{id}: {answer:?}");
    }
    assert_eq!(rejects(&home), Vec::<Value>::new());
}

#[test]
fn poison_becomes_rejects_and_blocks_nobody() {
    let (topics, home) = start();
    let _up = home.serve("up");
    let raw = |name: &str, bytes: &[u8]| {
        let file = home.data().join(name);
        std::fs::write(&file, bytes).unwrap();
        topics.python("produce.py", "comando-registrar-impresion", &["--raw", file.to_str().unwrap()], "");
    };
    topics.python("produce.py", "comando-registrar-impresion", &[], &impressions("before", 10));
    raw("json", br#"{"id":"x","campa\u00f1a_id":"c"}"#);
    raw("empty", b"");
    raw("junk", &[0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    raw("trailing", &{
        let mut datum = vec![0x02, 0x02, b'a', 0x02, 0x02, b'c'];
        datum.extend([0; 7]);
        datum.extend(b"junk");
        datum
    });
    // 100 KB: longer than a command may be.
    raw("long", &[b' '; 100 * 1024]);
    topics.python("produce.py", "comando-registrar-impresion", &["--batch", "5"], &impressions("after", 10));
    wait_until_counted(&home);
    assert_eq!(statistics(&home, "before")["total_impresiones"], 10);
    assert_eq!(statistics(&home, "after")["total_impresiones"], 10);
    let rejects = rejects(&home);
    assert_eq!(rejects.len(), 5, "{rejects:?}");
    assert!(rejects.iter().all(|reject| reject["codigo"] == "malformado"), "{rejects:?}");
    home.run("verify");
}

#[test]
fn what_is_in_pieces_or_cannot_be_unpacked_is_told() {
    let (topics, home) = start();
    let _up = home.serve("up");
    let file = home.data().join("huge");
    std::fs::write(&file, vec![b'x'; 6 * 1024 * 1024]).unwrap();
    topics.python("produce.py", "comando-registrar-impresion", &["--raw", file.to_str().unwrap(), "--chunking"], "");
    topics.python("produce.py", "comando-registrar-impresion", &[], &impressions("after", 3));
    wait_until_counted(&home);
    assert_eq!(statistics(&home, "after")["total_impresiones"], 3);
    let rejects = rejects(&home);
    assert!(rejects.len() >= 2 && rejects.iter().all(|reject| reject["codigo"] == "no_soportado"), "{rejects:?}");
    home.run("verify");
}

/// The client has no position for what it cannot unpack: at the beginning, between others, at the end.
#[test]
fn what_cannot_be_unpacked_becomes_a_reject_wherever_it_lies() {
    let (topics, home) = start();
    let send = |packing: &[&str], campaign: &str, count| {
        topics.python("produce.py", "comando-registrar-impresion", packing, &impressions(campaign, count));
    };
    send(&["--compression", "snappy"], "first", 2);
    let _up = home.serve("up");
    wait_until("the first ones are rejects", || rejects(&home).len() == 2);
    send(&[], "between", 5);
    send(&["--compression", "snappy"], "second", 1);
    send(&["--batch", "5"], "after", 5);
    send(&["--compression", "snappy"], "last", 1);
    wait_until("all are rejects", || rejects(&home).len() == 4);
    wait_until_counted(&home);
    assert!(rejects(&home).iter().all(|reject| reject["codigo"] == "no_soportado"));
    assert_eq!(statistics(&home, "between")["total_impresiones"], 5);
    assert_eq!(statistics(&home, "after")["total_impresiones"], 5);
    home.run("verify");
}

#[test]
fn commands_that_came_to_the_wrong_flow_find_their_way() {
    let (topics, home) = start();
    let _up = home.serve("up");
    // Partition 0 is for campaigns: a foreign producer whose hash is another one puts impressions there, and campaigns
    // elsewhere. The users' record is read by no topic of ours, so JSON over HTTP makes the records here.
    wait_until("the topics are there", || {
        lines(&home).iter().any(|line| line["source"].as_str().unwrap().contains('@'))
    });
    let post = |path: &str, body: &str| assert_eq!(http::post(home.http(), path, body).unwrap().status, 202);
    post("/marketing-influencers/campanas", r#"{"id":"cam-9","nombre":"n","presupuesto":1}"#);
    post("/tracking/impresiones", r#"{"id":"i-9","campaña_id":"cam-9"}"#);
    wait_until_counted(&home);
    move_messages(&topics, "alpes-comandos-partition-0", "alpes-comandos-partition-1", &home, "cam-10");
    wait_until_counted(&home);
    wait_until("the stray campaign is set up", || {
        http::get(home.http(), "/marketing-influencers/campanas").is_ok_and(|answer| answer.body.contains("cam-10"))
    });
    home.run("verify");
}

/// What an edit takes back by null has no JSON on its way through the topic.
#[test]
fn campaigns_change_over_the_topic_as_over_the_log() {
    let (_topics, home) = start();
    let _up = home.serve("up");
    let path = "/marketing-influencers/campanas";
    let body = r#"{"id":"cam-7","nombre":"n","marca":"m","fecha_fin":"2030-01-01T00:00:00Z"}"#;
    wait_until("the topics are there", || http::post(home.http(), path, body).is_ok_and(|it| it.status == 202));
    let send = |method: &str, path: &str, body: &str| http::send(home.http(), method, path, body).unwrap();
    let campaign = || -> Value {
        let answer = http::get(home.http(), &format!("{path}/cam-7")).unwrap();
        serde_json::from_str(&answer.body).unwrap()
    };
    wait_until("the campaign is set up", || campaign()["nombre"] == "n");
    let edit = r#"{"presupuesto":"12.50","marca":null,"fecha_fin":null,"politica_presupuesto":"detener"}"#;
    assert_eq!(send("PATCH", &format!("{path}/cam-7"), edit).status, 202);
    let pause = r#"{"desde":"2026-01-01T00:00:00Z","motivo":"ñ"}"#;
    assert_eq!(send("POST", &format!("{path}/cam-7/pausar"), pause).status, 202);
    wait_until("the campaign is paused", || campaign()["estado"] == "PAUSADA");
    let it = campaign();
    let now = [&it["nombre"], &it["marca"], &it["fecha_fin"], &it["politica_presupuesto"], &it["estado_motivo"]];
    assert_eq!(now, [&json!("n"), &Value::Null, &Value::Null, &json!("detener"), &json!("ñ")]);
    home.run("verify");
}

/// Publishes the campaign command that lies in one partition in another, under another id of the same length.
fn move_messages(topics: &Namespace, from: &str, to: &str, home: &Home, id: &str) {
    let read = topics.python("consume.py", from, &["peek", "1"], "");
    let message: Value = serde_json::from_str(read.lines().next().unwrap()).unwrap();
    let hex = message["raw"].as_str().unwrap();
    let mut bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let at = bytes.windows(5).position(|window| window == b"cam-9").unwrap();
    // A text is led by its length, doubled: cam-10 is one longer.
    bytes.splice(at - 1..at + 5, [&[12][..], id.as_bytes()].concat());
    let file = home.data().join("stray");
    std::fs::write(&file, bytes).unwrap();
    topics.python("produce.py", to, &["--raw", file.to_str().unwrap()], "");
}

fn start() -> (Namespace, Home) {
    let topics = topics();
    let home = Home::with(topics.environment());
    (topics, home)
}
