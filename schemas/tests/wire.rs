//! What is read, what is refused, and in which words: the catalogue of bad inputs as rows of data.

#![allow(clippy::unwrap_used)]

use schemas::wire::{Context, Privacy, decode};
use schemas::{CampaignCommand, Command, Content, EventKind, Faults, Kind, Position, Timestamp};

const PUBLISHED: &str = "2026-06-01T12:00:00Z";

fn read(kind: Option<Kind>, json: &str) -> Result<Command, Faults> {
    let context = Context {
        source: "test",
        position: Position::offset(7),
        published_at: Timestamp::parse(PUBLISHED).unwrap(),
        assigned_id: None,
    };
    decode(kind, json.as_bytes())?.validate(context, Privacy::AsSent)
}

/// The codes of all faults, in order of judgement.
fn codes(kind: Option<Kind>, json: &str) -> Vec<&'static str> {
    match read(kind, json) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code.name()).collect(),
    }
}

#[track_caller]
fn impression(json: &str, expect: &[&str]) {
    assert_eq!(codes(Some(Kind::RecordImpression), json), expect, "{json}");
}

#[track_caller]
fn conversion(fields: &str, expect: &[&str]) {
    let json = format!(r#"{{"id":"c","campaña_id":"cmp"{fields}}}"#);
    assert_eq!(codes(Some(Kind::RecordConversion), &json), expect, "{json}");
}

fn content(kind: Kind, json: &str) -> Content {
    read(Some(kind), json).unwrap().content()
}

#[test]
fn what_is_not_json_is_malformed() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for json in ["", " ", "{", "[1]", "1", "null", "\"x\"", "{\"id\":\"a\"} x", "\u{feff}{}", &deep] {
        impression(json, &["malformado"]);
    }
    // Ignored, however deep, without recursion; but where a value is looked at, depth has a limit.
    let with = |key: &str| codes(Some(Kind::RecordImpression), &format!(r#"{{"campaña_id":"c","{key}":{deep}}}"#));
    assert_eq!((with("x"), with("id")), (vec![], vec!["malformado"]));
    let invalid_utf8 = decode(Some(Kind::RecordImpression), b"{\"id\":\"\xff\"}").unwrap_err();
    assert_eq!(invalid_utf8.code().name(), "malformado");
    // A key twice: which one was meant is not for us to guess.
    impression(r#"{"id":"a","campaña_id":"c","campaña_id":"d"}"#, &["malformado"]);
    conversion(r#","valor":1,"valor":9999"#, &["malformado"]);
}

#[test]
fn a_wrong_type_is_malformed_and_told_with_the_other_faults() {
    impression(r#"{"id":5,"campaña_id":"c"}"#, &["malformado"]);
    impression(r#"{"id":"a","campaña_id":["c"]}"#, &["malformado"]);
    impression(r#"{"id":{},"timestamp":"x"}"#, &["malformado", "campo_faltante", "timestamp_invalido"]);
    impression(r#"{"id":"a","campaña_id":"c","timestamp":1735732800}"#, &["malformado"]);
    conversion(r#","valor":true"#, &["malformado"]);
    // What a record does not have may have any type.
    impression(r#"{"id":"a","campaña_id":"c","valor":[],"extra":{"x":1}}"#, &[]);
}

#[test]
fn required_values_must_be_there() {
    impression("{}", &["campo_faltante"]);
    for id in ["null", "\"\"", "\"  \""] {
        impression(&format!(r#"{{"id":{id},"campaña_id":"c"}}"#), &["campo_faltante"]);
        impression(&format!(r#"{{"id":"a","campaña_id":{id}}}"#), &["campo_faltante"]);
    }
    impression(r#"{"campaña_id":"c"}"#, &[]);
    impression(&format!(r#"{{"id":"{}","campaña_id":"c"}}"#, "x".repeat(255)), &[]);
    impression(&format!(r#"{{"id":"{}","campaña_id":"c"}}"#, "x".repeat(256)), &["valor_invalido"]);
    impression(r#"{"id":" a","campaña_id":"c"}"#, &["valor_invalido"]);
    impression(r#"{"id":"a\u0000","campaña_id":"c"}"#, &["valor_invalido"]);
}

#[test]
fn what_may_be_missing_may_be_null_or_empty() {
    for value in ["null", "\"\""] {
        for field in ["influencer_id", "usuario_id", "user_agent", "ip_address", "referrer"] {
            impression(&format!(r#"{{"id":"a","campaña_id":"c","{field}":{value}}}"#), &[]);
        }
    }
}

#[test]
fn hostile_texts_are_plain_data() {
    let json =
        r#"{"id":"'); DROP TABLE claims; --","campaña_id":"=cmd|x","user_agent":"\u001b[2J\r\n","referrer":"../%00"}"#;
    let Command::Track(event) = read(Some(Kind::RecordImpression), json).unwrap() else { panic!("not an event") };
    assert_eq!(&*event.id, "'); DROP TABLE claims; --");
    assert_eq!(event.user_agent.as_deref(), Some("\u{1b}[2J\r\n"));
}

#[test]
fn times_are_instants_of_our_age() {
    let at = |time: &str| format!(r#"{{"id":"a","campaña_id":"c","timestamp":{time}}}"#);
    for time in ["\"2026-01-01T00:00:00Z\"", "\"1970-01-01T00:00:00\"", "\"2026-06-01T12:05:00Z\""] {
        impression(&at(time), &[]);
    }
    for time in
        ["null", "\"\"", "\"ayer\"", "\"2026-02-30T00:00:00Z\"", "\"2026-01-01T24:00:01Z\"", "\"1969-12-31T00:00:00Z\""]
    {
        impression(&at(time), &["timestamp_invalido"]);
    }
    for time in ["\"2026-06-01T12:05:00.000001Z\"", "\"9999-12-31T23:59:59Z\""] {
        impression(&at(time), &["futuro"]);
    }
    let Command::Track(event) = read(Some(Kind::RecordImpression), r#"{"id":"a","campaña_id":"c"}"#).unwrap() else {
        panic!("not an event")
    };
    assert_eq!(event.event_time.to_string(), PUBLISHED);
}

#[test]
fn amounts_are_exact_or_refused() {
    for (written, amount) in [
        ("150000.0", "150000"),
        ("\"12.5\"", "12.5"),
        ("0", "0"),
        ("-0", "0"),
        ("99999999999.99", "99999999999.99"),
        ("0.1", "0.1"),
    ] {
        let json = format!(r#"{{"id":"c","campaña_id":"cmp","valor":{written}}}"#);
        let Command::Track(event) = read(Some(Kind::RecordConversion), &json).unwrap() else { panic!("not an event") };
        let EventKind::Conversion { amount: read, .. } = event.kind else { panic!("not a conversion") };
        assert_eq!(read.amount().to_string(), amount, "{written}");
    }
    for valor in [
        "-1",
        "\"-0.01\"",
        "0.005",
        "19.999",
        "1e5",
        "1e400",
        "null",
        "\"\"",
        "\"NaN\"",
        "\"1_000\"",
        "\"+5\"",
        "\"1,50\"",
        "1234567890123",
    ] {
        conversion(&format!(r#","valor":{valor}"#), &["valor_invalido"]);
    }
    conversion(r#","valor":NaN"#, &["malformado"]);
    conversion(r#","tipo_conversion":"NADA""#, &["valor_invalido"]);
    for tipo in ["VENTA", "REGISTRO", "SUSCRIPCION", "DESCARGAR", "CLICK"] {
        conversion(&format!(r#","tipo_conversion":"{tipo}""#), &[]);
    }
}

#[test]
fn currencies_are_exact_codes() {
    for moneda in ["\"usd\"", "\"US\"", "\"XXX\"", "\"\"", "null"] {
        conversion(&format!(r#","moneda":{moneda}"#), &["moneda_desconocida"]);
    }
    // The amount is judged all the same, and the currency's code comes first.
    conversion(r#","moneda":"XXX","valor":-1"#, &["moneda_desconocida", "valor_invalido"]);
}

#[test]
fn a_line_says_what_it_is() {
    let line = |comando: &str| format!(r#"{{{comando}"id":"a","campaña_id":"c"}}"#);
    assert_eq!(codes(None, &line(r#""comando":"registrar-impresion","#)), [""; 0]);
    assert_eq!(codes(None, &line("")), ["campo_faltante"]);
    assert_eq!(codes(None, &line(r#""comando":null,"#)), ["campo_faltante"]);
    assert_eq!(codes(None, &line(r#""comando":7,"#)), ["malformado"]);
    assert_eq!(codes(None, &line(r#""comando":"borrar-todo","#)), ["comando_desconocido"]);
    assert_eq!(codes(None, &line(r#""comando":"tick","#)), ["comando_desconocido"]);
    assert_eq!(codes(None, &line(r#""comando":"registrar-reversion","#)), ["campo_faltante"]);
    let escaped = r#"{"comando":"crear-campa\u00f1a","id":"a"}"#;
    assert_eq!(read(None, escaped).unwrap().kind(), Kind::CreateCampaign);
}

#[test]
fn a_click_is_an_impression_that_says_so() {
    let click = r#"{"id":"a","campaña_id":"c","tipo_evento":"CLICK"}"#;
    let plain = r#"{"id":"a","campaña_id":"c"}"#;
    assert_eq!(content(Kind::RecordImpression, click), content(Kind::RecordClick, plain));
    assert_eq!(content(Kind::RecordClick, click), content(Kind::RecordClick, plain));
    assert_ne!(content(Kind::RecordImpression, plain), content(Kind::RecordClick, plain));
    assert_eq!(
        codes(Some(Kind::RecordClick), r#"{"id":"a","campaña_id":"c","tipo_evento":"IMPRESION"}"#),
        ["valor_invalido"]
    );
    impression(r#"{"id":"a","campaña_id":"c","tipo_evento":"VISTA"}"#, &["valor_invalido"]);
}

#[test]
fn content_is_what_was_said_not_how() {
    let same = [
        r#"{"id":"a","campaña_id":"c","valor":150000,"timestamp":"2026-01-01T12:00:00Z"}"#,
        r#"{"valor":"150000.00","id":"a","campa\u00f1a_id":"c","timestamp":"2026-01-01T12:00:00"}"#,
        r#"{"id":"a","campaña_id":"c","valor":150000.0,"timestamp":"2026-01-01T07:00:00-05:00","influencer_id":null,"ip_address":"::1"}"#,
        r#"{"id":"a","campaña_id":"c","valor":150000.0,"timestamp":"2026-01-01T12:00:00.000Z","influencer_id":"","user_agent":"x","referrer":"y"}"#,
    ];
    for other in &same[1..] {
        assert_eq!(content(Kind::RecordConversion, same[0]), content(Kind::RecordConversion, other), "{other}");
    }
    for other in [
        r#"{"id":"b","campaña_id":"c","valor":150000,"timestamp":"2026-01-01T12:00:00Z"}"#,
        r#"{"id":"a","campaña_id":"d","valor":150000,"timestamp":"2026-01-01T12:00:00Z"}"#,
        r#"{"id":"a","campaña_id":"c","valor":150000.01,"timestamp":"2026-01-01T12:00:00Z"}"#,
        r#"{"id":"a","campaña_id":"c","valor":150000,"timestamp":"2026-01-01T12:00:01Z"}"#,
        r#"{"id":"a","campaña_id":"c","valor":150000,"timestamp":"2026-01-01T12:00:00Z","influencer_id":"i"}"#,
    ] {
        assert_ne!(content(Kind::RecordConversion, same[0]), content(Kind::RecordConversion, other), "{other}");
    }
}

#[test]
fn a_message_without_id_gets_the_same_one_whenever_it_is_read() {
    let id = |json| read(Some(Kind::RecordImpression), json).unwrap().id().to_string();
    assert_eq!(id(r#"{"campaña_id":"c"}"#), id(r#"{"campaña_id":"c"}"#));
}

#[test]
fn campaigns_are_read_as_the_users_write_them() {
    let users = r#"{"id":"cmp-1","nombre":"L","producto":"P","presupuesto":1000000,"moneda":"COP","marca":"M",
        "influencers_ids":["a","b"],"conversiones":[]}"#;
    let Command::Campaign(CampaignCommand::Create(campaign)) = read(Some(Kind::CreateCampaign), users).unwrap() else {
        panic!("not a campaign")
    };
    assert_eq!((campaign.budget.to_string(), campaign.influencers.len()), ("1000000.00 COP".into(), 2));
    let check = |json: &str, expect: &[&str]| assert_eq!(codes(Some(Kind::CreateCampaign), json), expect, "{json}");
    check("{}", &[]);
    check(r#"{"id":"c","nombre":null,"moneda":null,"presupuesto":null,"influencers_ids":null}"#, &[]);
    check(r#"{"id":"c","presupuesto":1000.5}"#, &[]);
    check(r#"{"id":"c","presupuesto":-1}"#, &["valor_invalido"]);
    check(r#"{"id":"c","moneda":"XXX"}"#, &["moneda_desconocida"]);
    check(r#"{"id":"c","influencers_ids":"a"}"#, &["malformado"]);
    check(r#"{"id":"c","influencers_ids":[""]}"#, &["campo_faltante"]);
    check(r#"{"id":"c","conversiones":{}}"#, &["malformado"]);
}

/// What later versions of this command may say is no part of the content that was claimed before there were any.
#[test]
fn a_campaigns_later_keys_are_content_only_where_they_are_sent() {
    let check = |json: &str, expect: &[&str]| assert_eq!(codes(Some(Kind::CreateCampaign), json), expect, "{json}");
    let dated = |start: &str, end: &str| format!(r#"{{"id":"c","fecha_inicio":{start},"fecha_fin":{end}}}"#);
    check(&dated(r#""2026-01-01T00:00:00Z""#, "null"), &[]);
    check(&dated(r#""2026-01-01T00:00:30Z""#, "7"), &["malformado", "timestamp_invalido"]);
    check(&dated(r#""2026-01-02T00:00:00Z""#, r#""2026-01-02T00:00:00Z""#), &["valor_invalido"]);
    check(r#"{"id":"c","politica_presupuesto":"detener"}"#, &[]);
    check(r#"{"id":"c","politica_presupuesto":"parar"}"#, &["valor_invalido"]);
    let said = |json: &str| content(Kind::CreateCampaign, json);
    let plain = said(r#"{"id":"c","influencers_ids":["a"]}"#);
    // As it was recorded when there were no other keys.
    assert_eq!(plain.0, [1, 198, 47, 110, 141, 6, 252, 19, 177, 218, 155, 223, 35, 98, 9, 206]);
    assert_eq!(plain, said(r#"{"id":"c","influencers_ids":["a"],"fecha_fin":null,"politica_presupuesto":null}"#));
    assert_ne!(plain, said(r#"{"id":"c","influencers_ids":["a"],"politica_presupuesto":"alertar"}"#));
    assert_ne!(plain, said(r#"{"id":"c","influencers_ids":["a"],"fecha_fin":"2026-01-01T00:00:00Z"}"#));
}

#[test]
fn privacy_keeps_what_it_may() {
    let json = br#"{"id":"a","campa\u00f1a_id":"c","ip_address":"203.0.113.77","user_agent":"Mozilla/5.0 (X11)"}"#;
    for (privacy, ip, agent) in [
        (Privacy::AsSent, Some("203.0.113.77"), Some("Mozilla/5.0 (X11)")),
        (Privacy::Truncate, Some("203.0.113.0"), Some("Mozilla/5.0")),
        (Privacy::Drop, None, None),
    ] {
        let context =
            Context { source: "test", position: Position::START, published_at: Timestamp::EPOCH, assigned_id: None };
        let command = decode(Some(Kind::RecordImpression), json).unwrap().validate(context, privacy).unwrap();
        let Command::Track(event) = command else { panic!("not an event") };
        assert_eq!((event.ip_address.as_deref(), event.user_agent.as_deref()), (ip, agent), "{privacy:?}");
    }
}
