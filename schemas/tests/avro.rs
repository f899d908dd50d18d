//! Avro as producers send it and as Alpes sends it: the recorded messages, hostile bytes, schemas that evolve.

#![allow(clippy::unwrap_used)]

use schemas::avro::{
    AlpesEvent, ConversionRegistered, EventName, ImpressionRegistered, WriterSchema, campaign_created,
    conversion_registered, impression_registered, raw_command, registered, schema_text,
};
use schemas::message::PAYLOAD_BYTES_MAX;
use schemas::money::INTEGER_DIGITS_MAX;
use schemas::wire::{Context, Privacy, decode, decode_avro};
use schemas::{Command, Currency, EventKind, Faults, Kind, Money, Position, Timestamp};
use serde_json::Value;
use std::time::{Duration, Instant};
use uuid::Uuid;

const TOPICS: [&str; 9] = [
    "comando-registrar-impresion",
    "comando-registrar-conversion",
    "comandos-campana",
    "eventos-campana",
    "evento-impresion-registrada",
    "evento-conversion-registrada",
    "alpes-comandos",
    "alpes-eventos",
    "comision-calculada",
];

fn recorded(topic: &str) -> Vec<(Vec<u8>, Value)> {
    let messages: Value = serde_json::from_str(include_str!("data/recorded_messages.json")).unwrap();
    let messages = messages[topic].as_array().unwrap().clone();
    messages.into_iter().map(|it| (bytes(it["hex"].as_str().unwrap()), it["decoded"].clone())).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn context() -> Context<'static> {
    Context {
        source: "test",
        position: Position::offset(7),
        published_at: Timestamp::parse("2027-01-01T00:00:00Z").unwrap(),
        assigned_id: None,
    }
}

fn read(topic: &str, payload: &[u8]) -> Result<Command, Faults> {
    let schema = WriterSchema::pinned(topic).unwrap();
    decode_avro(&schema, payload)?.validate(context(), Privacy::AsSent)
}

fn read_json(kind: Kind, json: &Value) -> Result<Command, Faults> {
    decode(Some(kind), json.to_string().as_bytes())?.validate(context(), Privacy::AsSent)
}

/// All that is in a command, content included.
fn shown(command: &Command) -> String {
    format!("{command:?}")
}

#[track_caller]
fn refused(topic: &str, payload: &[u8], expect: &[&str]) -> String {
    let faults = read(topic, payload).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.code.name()).collect::<Vec<_>>(), expect, "{faults:?}");
    faults.iter().map(|fault| fault.detail.clone()).collect::<Vec<_>>().join("; ")
}

/// One string field of the users' records: branch, length, bytes.
fn text(text: &str) -> Vec<u8> {
    let mut out = vec![2];
    let mut length = (text.len() as u64) << 1;
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(text.as_bytes());
    out
}

/// A `ComandoRegistrarConversion` of `cmp` with this amount.
fn conversion(valor: f32) -> Vec<u8> {
    let mut out = [text("c"), text("cmp"), vec![0, 0, 0, 2]].concat();
    out.extend(valor.to_le_bytes());
    out.extend([0; 5]);
    out
}

#[test]
fn recorded_tracking_commands_read_as_the_same_json_would() {
    for (topic, kind) in [
        ("comando-registrar-impresion", Kind::RecordImpression),
        ("comando-registrar-conversion", Kind::RecordConversion),
    ] {
        for (payload, mut decoded) in recorded(topic) {
            // What is "" in Avro would be missing in JSON; an amount of f32 is its shortest decimal.
            decoded.as_object_mut().unwrap().retain(|_, value| value != "");
            if decoded["valor"] == 99_999_997_952.0 {
                decoded["valor"] = 100_000_000_000_u64.into();
            }
            match (read(topic, &payload), read_json(kind, &decoded)) {
                (Ok(avro), Ok(json)) => {
                    assert_eq!(shown(&avro).replace("inexact: true", "inexact: false"), shown(&json));
                }
                (Err(avro), Err(json)) => assert_eq!(avro, json),
                (avro, json) => panic!("{topic}: {avro:?} but {json:?}"),
            }
        }
    }
    let (payload, _) = &recorded("comando-registrar-conversion")[1];
    let Command::Track(event) = read("comando-registrar-conversion", payload).unwrap() else { panic!("no event") };
    let EventKind::Conversion { amount, inexact, .. } = event.kind else { panic!("no conversion") };
    assert_eq!((amount.to_string().as_str(), inexact), ("100000000000.00 COP", true));
    assert_eq!((&*event.id, event.influencer, event.user), ("conv-124", None, None));
}

#[test]
fn recorded_campaigns_read_as_the_same_json_would() {
    for topic in ["comandos-campana", "crear-campaña"] {
        for (payload, decoded) in recorded("comandos-campana") {
            let mut json = decoded["data"].clone();
            json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let avro = read(topic, &payload).unwrap();
            assert_eq!(shown(&avro), shown(&read_json(Kind::CreateCampaign, &json).unwrap()));
        }
    }
    assert_eq!(refused("comandos-campana", &[0], &["campo_faltante"]), "falta; dé la campaña en data");
}

#[test]
fn when_a_campaign_was_passed_on_is_not_content() {
    let (payload, _) = recorded("comandos-campana").remove(0);
    let mut later = payload.clone();
    *later.last_mut().unwrap() ^= 1;
    let content = |payload: &[u8]| read("comandos-campana", payload).unwrap().content();
    assert_eq!(content(&payload), content(&later));
}

#[test]
fn a_blank_id_is_none_and_null_is_missing() {
    let id = |sent: &[u8]| {
        let payload = [sent, &text("cmp"), &[0; 7]].concat();
        read("comando-registrar-impresion", &payload).unwrap().id().to_string()
    };
    let from_position = id(&[0]);
    assert_eq!((id(&text("")), id(&text(" \t"))), (from_position.clone(), from_position));
    assert_eq!(id(&text("a")), "a");
    refused("comando-registrar-impresion", &[0; 9], &["campo_faltante"]);
}

#[test]
fn floats_are_judged_like_amounts() {
    let amount = |valor: f32| {
        let Command::Track(event) = read("comando-registrar-conversion", &conversion(valor)).unwrap() else {
            panic!("no event")
        };
        let EventKind::Conversion { amount, inexact, .. } = event.kind else { panic!("no conversion") };
        (amount.to_string(), inexact, event.content)
    };
    for (valor, expect, inexact) in [
        (19.99, "19.99 COP", false),
        (100.1, "100.10 COP", false),
        (-0.0, "0.00 COP", false),
        (131_072.01, "131072.02 COP", true),
        (16_777_216.0, "16777216.00 COP", false),
    ] {
        let (read, is_inexact, content) = amount(valor);
        assert_eq!((&*read, is_inexact), (expect, inexact));
        let json = serde_json::json!({"id": "c", "campaña_id": "cmp", "valor": read.trim_end_matches(" COP")});
        assert_eq!(content, read_json(Kind::RecordConversion, &json).unwrap().content(), "{valor}");
    }
    for valor in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -f32::MIN_POSITIVE, 1e12, f32::MAX] {
        refused("comando-registrar-conversion", &conversion(valor), &["valor_invalido"]);
    }
}

/// Catalogue 57: 48 cuts and all others.
#[test]
fn a_datum_that_is_cut_anywhere_is_refused() {
    for topic in ["comando-registrar-impresion", "comando-registrar-conversion", "comandos-campana"] {
        for (payload, _) in recorded(topic) {
            for end in 0..payload.len() {
                refused(topic, &payload[..end], &["malformado"]);
            }
        }
    }
    let raw = raw_command(br#"{"comando":"registrar-impresion","campa\u00f1a_id":"c"}"#).unwrap();
    for end in 0..raw.len() {
        refused("alpes-comandos", &raw[..end], &["malformado"]);
    }
}

/// Catalogue 58 to 63.
#[test]
fn hostile_bytes_are_refused_and_told_why() {
    const TOPIC: &str = "comando-registrar-impresion";
    let (sound, _) = recorded(TOPIC).remove(0);
    let junk = refused(TOPIC, &[&*sound, b"junk"].concat(), &["malformado"]);
    assert!(junk.starts_with("sobran 4 de 120 bytes después del registro Avro ComandoRegistrarImpresion"), "{junk}");
    for branch in [&[14][..], &[1], &[0xff; 10]] {
        refused(TOPIC, branch, &["malformado"]);
    }
    let i64_max = [2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for length in [&i64_max[..], &[2, 1], &[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
        refused(TOPIC, length, &["malformado"]);
    }
    refused(TOPIC, &[2, 2, 0xff], &["malformado"]);
    // Lists of i64::MAX items, and of i64::MIN with a size.
    let list = [&[2, 0, 0, 0, 0, 0, 0, 2][..], &i64_max[1..]].concat();
    refused("comandos-campana", &list, &["malformado"]);
    let list = [&[2, 0, 0, 0, 0, 0, 0, 2][..], &[0xff; 9], &[0x01, 0]].concat();
    refused("comandos-campana", &list, &["malformado"]);
    assert!(refused(TOPIC, br#"{"id":"a"}"#, &["malformado"]).starts_with("parece JSON"));
    assert!(refused(TOPIC, b"", &["malformado"]).starts_with("el mensaje está vacío"));
    let long = [text("a"), text("c"), vec![0; 6], text(&"x".repeat(PAYLOAD_BYTES_MAX))].concat();
    assert!(refused(TOPIC, &long, &["malformado"]).ends_with("el máximo es 65536"));
}

#[test]
fn no_bytes_panic() {
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for topic in ["comando-registrar-impresion", "comando-registrar-conversion", "comandos-campana", "alpes-comandos"] {
        for length in (0..2_000).map(|n| n % 60) {
            let payload: Vec<u8> = (0..length).map(|_| random() % 8).collect();
            let _ = read(topic, &payload);
        }
        for (sound, _) in TOPICS[..3].iter().flat_map(|topic| recorded(topic)) {
            for at in 0..sound.len() {
                let mut payload = sound.clone();
                payload[at] ^= random();
                let _ = read(topic, &payload);
            }
        }
    }
}

fn evolved(topic: &str, change: impl FnOnce(&mut Vec<Value>)) -> Result<WriterSchema, String> {
    let mut schema: Value = serde_json::from_str(schema_text(topic).unwrap()).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    WriterSchema::evolved(topic, &schema.to_string()).map_err(|error| error.to_string())
}

fn field(name: &str, of: &str) -> Value {
    serde_json::from_str(&format!(r#"{{"name":"{name}","type":{of},"default":null}}"#)).unwrap()
}

/// Catalogue 63 and 64: fields reordered, left out and added are read by the schema they were written with.
#[test]
fn a_later_schema_is_read_by_its_own_fields() {
    const TOPIC: &str = "comando-registrar-conversion";
    let schema = evolved(TOPIC, |fields| {
        fields.retain(|field| field["name"] != "user_agent");
        fields.reverse();
        fields.insert(1, field("canal", r#"["null","string"]"#));
        fields.push(field("mapa", r#"["null",{"type":"map","values":["null",{"type":"array","items":"long"}]}]"#));
        fields.push(field("exacto", r#"["null",{"type":"bytes","logicalType":"decimal","precision":60,"scale":1}]"#));
    })
    .unwrap();
    assert_eq!(
        (schema.kind(), schema.name().len()),
        (Some(Kind::RecordConversion), "ComandoRegistrarConversion".len() + 17)
    );
    assert!(WriterSchema::named(schema.name()).is_none());
    let valor = [&[2][..], &19.99_f32.to_le_bytes()].concat();
    let map = [&[2, 2, 2, b'k', 2, 4, 1, 3, 0, 0][..]].concat();
    let exact = [&[2, 60][..], &[0xff; 30]].concat();
    let head = [text("2026-01-01T00:00:00"), text("web"), vec![0, 0], text("USD"), valor, vec![0, 0, 0]].concat();
    let payload = [head, text("cmp"), text("a"), map, exact].concat();
    let command = decode_avro(&schema, &payload).unwrap().validate(context(), Privacy::AsSent).unwrap();
    let json = serde_json::json!({"id": "a", "campaña_id": "cmp", "valor": 19.99, "moneda": "USD",
        "timestamp": "2026-01-01T00:00:00Z"});
    assert_eq!(shown(&command), shown(&read_json(Kind::RecordConversion, &json).unwrap()));
    for end in 0..payload.len() {
        assert!(decode_avro(&schema, &payload[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_schema_that_could_misread_or_stop_the_line_is_refused() {
    const TOPIC: &str = "comando-registrar-conversion";
    let added = |of: &str| evolved(TOPIC, |fields| fields.push(field("x", of)));
    for of in [r#"["null","string"]"#, r#"["null",{"type":"int"}]"#, r#"["string","null"]"#] {
        added(of).unwrap();
    }
    let deep = |depth: usize| {
        format!(r#"["null",{}"long"{}]"#, r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth))
    };
    added(&deep(6)).unwrap();
    for (of, why) in [
        (r#""string""#, "not nullable"),
        (r#"["null",{"type":"array","items":"null"}]"#, "which is not read"),
        (r#"["null",{"type":"array","items":{"type":"record","name":"R","fields":[]}}]"#, "has no fields"),
        (r#"["null",{"type":"array","items":{"type":"fixed","name":"F","size":0}}]"#, "which is not read"),
        (r#"["null","ComandoRegistrarConversion"]"#, "which is not read"),
        (&deep(7), "too deep"),
        (&deep(60), "too deep"),
    ] {
        let error = added(of).unwrap_err();
        assert!(error.contains(why), "{of}: {error}");
    }
    let with = |name: &str, of: &str| {
        evolved(TOPIC, |fields| {
            let at = fields.iter().position(|field| field["name"] == name).unwrap();
            fields[at] = field(name, of);
        })
    };
    for (name, of) in [
        ("valor", r#"["null","double"]"#),
        ("valor", r#"["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]"#),
        ("id", r#"["string","null"]"#),
        ("id", r#""string""#),
        ("id", r#"["null","string","long"]"#),
    ] {
        assert!(with(name, of).unwrap_err().contains("another type"), "{name}: {of}");
    }
    assert!(evolved(TOPIC, |fields| fields.push(fields[0].clone())).unwrap_err().contains("id is there twice"));
    let decimal = |precision: u32| {
        format!(r#"["null",{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":4}}]"#)
    };
    for (precision, accepted) in [(18, true), (19, false)] {
        let schema = evolved("alpes-comandos", |fields| fields[7] = field("valor", &decimal(precision)));
        assert_eq!(schema.is_ok(), accepted);
    }
    let refuse = |topic: &str, text: &str| WriterSchema::evolved(topic, text).unwrap_err().to_string();
    let other = schema_text("comando-registrar-impresion").unwrap();
    assert!(refuse(TOPIC, other).contains("is not the record"));
    let namespaced = schema_text(TOPIC).unwrap().replacen("\"fields\"", "\"namespace\":\"n\",\"fields\"", 1);
    assert!(refuse(TOPIC, &namespaced).contains("is not the record"));
    assert!(refuse("otro", other).contains("no command travels"));
    assert!(refuse(TOPIC, &" ".repeat(64 * 1024 + 1)).contains("longer than"));
    for text in ["", "{", "\"string\"", "[]", "{}", "null", &"[".repeat(60_000)] {
        refuse(TOPIC, text);
    }
}

/// Catalogue 61 and 62: no list and no depth costs more than its bytes.
#[test]
fn the_worst_datum_of_a_later_schema_is_quick() {
    let of = r#"["null",{"type":"array","items":{"type":"array","items":["null","long"]}}]"#;
    let schema = evolved("comando-registrar-impresion", |fields| fields.push(field("x", of))).unwrap();
    // 8,000 lists that each say they hold 9,999 items, and nothing that ends them.
    let list = [[2, 0x80, 0x7d].to_vec(), [0x9e, 0x9c, 0x01].repeat(8_000)].concat();
    let payload = [&text("a")[..], &text("c"), &[0; 7], &list].concat();
    let start = Instant::now();
    assert!(decode_avro(&schema, &payload).is_err());
    assert!(start.elapsed() < Duration::from_millis(50), "{:?}", start.elapsed());
}

#[test]
fn events_have_the_recorded_bytes() {
    let some = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    for (expect, it) in recorded("evento-impresion-registrada") {
        let [influencer, user, agent, ip, referrer] =
            ["influencer_id", "usuario_id", "user_agent", "ip_address", "referrer"].map(|name| some(&it[name]));
        let event = ImpressionRegistered {
            id: it["id"].as_str().unwrap(),
            campaign: it["campaña_id"].as_str().unwrap(),
            influencer: influencer.as_deref(),
            user: user.as_deref(),
            event_type: it["tipo_evento"].as_str().unwrap(),
            user_agent: agent.as_deref(),
            ip_address: ip.as_deref(),
            referrer: referrer.as_deref(),
            timestamp: it["timestamp"].as_str().unwrap(),
        };
        assert_eq!(impression_registered(&event).unwrap(), expect);
    }
    for (expect, it) in recorded("evento-conversion-registrada") {
        let [influencer, user, agent, ip, referrer] =
            ["influencer_id", "usuario_id", "user_agent", "ip_address", "referrer"].map(|name| some(&it[name]));
        // Both the amount that was meant and the one that f32 made of it go out as the same f32.
        for written in [it["valor"].to_string(), it["valor"].to_string().replace("99999997952.0", "99999999999.99")] {
            let event = ConversionRegistered {
                id: it["id"].as_str().unwrap(),
                campaign: it["campaña_id"].as_str().unwrap(),
                influencer: influencer.as_deref(),
                user: user.as_deref(),
                conversion_type: it["tipo_conversion"].as_str().unwrap(),
                amount: Money::parse(&written, Currency::Cop).unwrap(),
                user_agent: agent.as_deref(),
                ip_address: ip.as_deref(),
                referrer: referrer.as_deref(),
                timestamp: it["timestamp"].as_str().unwrap(),
            };
            assert_eq!(conversion_registered(&event).unwrap(), expect);
        }
    }
    for (expect, it) in recorded("campana-creada") {
        assert_eq!(campaign_created(it["data"]["id"].as_str().unwrap()).unwrap(), expect);
    }
}

#[test]
fn our_own_event_says_what_the_users_cannot() {
    let event = AlpesEvent {
        event: EventName::ConversionRegistered,
        id: Uuid::nil(),
        command_id: "c",
        campaign: "cmp",
        influencer: None,
        user: None,
        event_type: None,
        conversion_type: Some("VENTA"),
        amount: Some(Money::parse("999999999999.99", Currency::Usd).unwrap()),
        timestamp: None,
    };
    // 9,999,999,999,999,900 ten-thousandths, big-endian.
    let valor = [&[2, 14][..], &9_999_999_999_999_900_u64.to_be_bytes()[1..]].concat();
    let expect = [
        text("conversion-registrada"),
        text("00000000-0000-0000-0000-000000000000"),
        text("c"),
        text("cmp"),
        vec![0, 0, 0],
        text("VENTA"),
        valor,
        text("USD"),
        vec![0],
    ];
    assert_eq!(registered(&event).unwrap(), expect.concat());
}

#[test]
fn our_decimals_hold_every_amount() {
    for (topic, names) in [("alpes-comandos", &["valor", "presupuesto"][..]), ("alpes-eventos", &["valor"])] {
        let schema: Value = serde_json::from_str(schema_text(topic).unwrap()).unwrap();
        for field in
            schema["fields"].as_array().unwrap().iter().filter(|field| names.contains(&field["name"].as_str().unwrap()))
        {
            let [precision, scale] = ["precision", "scale"].map(|name| field["type"][1][name].as_u64().unwrap());
            assert!(Currency::ALL.iter().all(|currency| u64::from(currency.exponent()) <= scale));
            assert!(precision - scale >= INTEGER_DIGITS_MAX as u64);
        }
    }
}

/// What the broker holds is what `registered/` holds: the users' texts for ever, ours with nullable additions.
#[test]
fn schemas_only_evolve_as_the_broker_allows() {
    for topic in TOPICS {
        let path = format!("{}/avro/registered/{topic}.avsc", env!("CARGO_MANIFEST_DIR"));
        let (before, now) = (std::fs::read_to_string(path).unwrap(), schema_text(topic).unwrap());
        if !topic.starts_with("alpes-") && topic != "comision-calculada" {
            assert_eq!(now, before, "{topic} is not ours to change");
            continue;
        }
        let [before, now]: [Value; 2] = [&*before, now].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!((&now["name"], &now["type"]), (&before["name"], &before["type"]));
        let [before, now] = [&before, &now].map(|schema| schema["fields"].as_array().unwrap());
        for field in before {
            assert!(now.contains(field), "{topic}: {field} was registered and is changed or gone");
        }
        for field in now {
            assert!(field["type"][0] == "null" && field.get("default") == Some(&Value::Null), "{topic}: {field}");
        }
    }
}
