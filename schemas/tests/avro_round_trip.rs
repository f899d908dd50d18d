//! What the edge puts on Alpes' own topic means what the JSON meant: generated bodies, sound and not.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use schemas::avro::{WriterSchema, command, raw_command, schema_text};
use schemas::message::PAYLOAD_BYTES_MAX;
use schemas::wire::{Context, Privacy, Record, decode, decode_avro};
use schemas::{Command, EventKind, Faults, Kind, Position, Timestamp};
use uuid::Uuid;

const ASSIGNED: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);

fn judge(record: Record, assigned_id: Option<Uuid>) -> Result<String, Faults> {
    let published_at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
    let context = Context { source: "test", position: Position::offset(7), published_at, assigned_id };
    // `Debug` shows all of a command: its content and its defaults, too.
    record.validate(context, Privacy::AsSent).map(|command| format!("{command:?}"))
}

fn read(datum: &[u8]) -> Result<Record, Faults> {
    decode_avro(&WriterSchema::pinned("alpes-comandos").unwrap(), datum)
}

/// Sends `json` as the edge would and returns what it meant; checks that both ends agree.
fn sent(kind: Option<Kind>, json: &str, assigned: Option<Uuid>) -> Option<Result<String, Faults>> {
    let raw = raw_command(json.as_bytes()).unwrap();
    let same_raw = |kind| decode(kind, json.as_bytes()).and_then(|record| judge(record, None));
    assert_eq!(read(&raw).and_then(|record| judge(record, None)), same_raw(None), "{json}");

    let record = decode(kind, json.as_bytes()).ok()?;
    let meant = judge(record.clone(), assigned);
    match command(&record, assigned).unwrap() {
        Some(datum) => assert_eq!(judge(read(&datum).unwrap(), None), meant, "{json}"),
        None => assert!(meant.is_err(), "{json} is sound, yet it was not encoded"),
    }
    Some(meant)
}

/// What any field may be sent as, soundly or not.
const ANY: [&str; 5] = ["null", r#""""#, r#"" ""#, "7", "[]"];

fn field(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    // Sound values mostly: a body with many fields has to be sound now and then.
    prop_oneof![
        6 => Just(None),
        12 => prop::sample::select(values).prop_map(move |value| Some(format!(r#""{name}":{value}"#))),
        1 => prop::sample::select(&ANY[..]).prop_map(move |value| Some(format!(r#""{name}":{value}"#))),
    ]
}

fn body(
    fields: impl Strategy<Value = Vec<Option<String>>>,
    comando: &'static [&'static str],
) -> impl Strategy<Value = String> {
    (fields, field("comando", comando), Just("\"extra\":{\"x\":[1]}")).prop_map(|(fields, comando, extra)| {
        let fields: Vec<String> = fields.into_iter().chain([comando, Some(extra.into())]).flatten().collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn tracking() -> impl Strategy<Value = String> {
    let fields = vec![
        field("id", &[r#""a""#, r#""7f3c0b6a-8a3a-4a39-9f0e-0a6c1c8f7b11""#, r#""ñandú\n""#, r#"" a""#]).boxed(),
        Just(Some(r#""campaña_id":"cmp""#.to_owned())).boxed(),
        field("influencer_id", &[r#""inf""#, "null", r#""""#]).boxed(),
        field("usuario_id", &[r#""u""#, "null", r#""\u0000""#]).boxed(),
        field("tipo_evento", &[r#""IMPRESION""#, r#""CLICK""#, r#""CLICK""#]).boxed(),
        field("tipo_conversion", &[r#""VENTA""#, r#""CLICK""#, r#""NADA""#]).boxed(),
        field(
            "valor",
            &["0", "-0.0", "150000.0", r#""19.990""#, "0.01", "999999999999.99", r#""007""#, "1e2", "0.005", "-1"],
        )
        .boxed(),
        field("moneda", &[r#""COP""#, r#""USD""#, r#""EUR""#, r#""XXX""#]).boxed(),
        field("user_agent", &[r#""Mozilla/5.0""#, "null"]).boxed(),
        field("ip_address", &[r#""::1""#, r#""""#]).boxed(),
        field("referrer", &[r#""https://x""#]).boxed(),
        field(
            "timestamp",
            &[r#""2026-01-01T00:00:00""#, r#""2026-01-01T00:00:00.5-05:00""#, r#""2027-01-01T00:00:00Z""#],
        )
        .boxed(),
    ];
    body(fields, &[r#""registrar-impresion""#, r#""registrar-conversion""#])
}

fn campaign() -> impl Strategy<Value = String> {
    let fields = vec![
        field("id", &[r#""cmp-1""#]).boxed(),
        field("nombre", &[r#""Lanzamiento""#, "null", r#""""#]).boxed(),
        field("producto", &[r#""P""#, "null"]).boxed(),
        field("presupuesto", &["1000000", "null", r#""12.50""#, "999999999999.99", "1e6"]).boxed(),
        field("moneda", &[r#""USD""#, "null"]).boxed(),
        field("marca", &[r#""M""#, r#""""#]).boxed(),
        field("influencers_ids", &["[]", r#"["a","ñ"]"#, "null", r#"["a",null]"#, r#"[""]"#]).boxed(),
        field("politica_presupuesto", &[r#""detener""#, "null", r#""parar""#]).boxed(),
        field("fecha_inicio", &[r#""2026-01-01T00:00:00Z""#, "null", r#""2026-01-01T00:00:30Z""#]).boxed(),
        field("fecha_fin", &[r#""2026-01-02T00:00:00Z""#, "null"]).boxed(),
        field("conversiones", &["[]", r#"[{"b":1.50,"a":"ñ"} , 2]"#, "null", r#"["VENTA"]"#, "{}"]).boxed(),
    ];
    body(fields, &[r#""crear-campaña""#, r#""crear-campana""#])
}

fn reversal() -> impl Strategy<Value = String> {
    let fields = vec![
        field("id", &[r#""r""#, r#"" r""#]).boxed(),
        Just(Some(r#""conversion_id":"c""#.to_owned())).boxed(),
        field("valor", &["150000.0", r#""19.990""#, "0.01", "0", "-1", "0.005"]).boxed(),
        field("moneda", &[r#""COP""#, r#""USD""#, r#""XXX""#]).boxed(),
        field("motivo", &[r#""talla ñ""#, "null", r#""\u0000""#]).boxed(),
        field("timestamp", &[r#""2026-01-01T00:00:00""#, r#""2027-01-01T00:00:00Z""#]).boxed(),
        field("tipo", &[r#""DEVOLUCION""#, r#""DISPUTA_ABIERTA""#, r#""DISPUTA_GANADA""#, r#""DISPUTA_PERDIDA""#])
            .boxed(),
        field("disputa_id", &[r#""d""#, r#""d""#, "null"]).boxed(),
    ];
    body(fields, &[r#""registrar-reversion""#])
}

/// Whatever the campaigns flow handles besides new campaigns and terms.
fn changes() -> impl Strategy<Value = String> {
    const MINUTES: &[&str] = &[r#""2026-01-01T00:00:00Z""#, r#""2026-01-01T00:01:00-05:00""#, r#""ayer""#];
    let fields = vec![
        field("id", &[r#""x""#]).boxed(),
        field("campaña_id", &[r#""cmp""#, r#""cmp""#, r#""ñ""#]).boxed(),
        field("influencer_id", &[r#""inf""#]).boxed(),
        field("nombre", &[r#""N""#, r#""ñ""#]).boxed(),
        field("producto", &[r#""P""#]).boxed(),
        field("marca", &[r#""M""#]).boxed(),
        field("presupuesto", &["1000000", r#""12.50""#, "0.001"]).boxed(),
        field("moneda", &[r#""USD""#, r#""COP""#]).boxed(),
        field("politica_presupuesto", &[r#""detener""#, r#""alertar""#]).boxed(),
        field("fecha_inicio", MINUTES).boxed(),
        field("fecha_fin", MINUTES).boxed(),
        field("desde", MINUTES).boxed(),
        field("motivo", &[r#""porque sí""#]).boxed(),
        field("email", &[r#""a@b""#, r#""ab""#]).boxed(),
        field("cedula", &[r#""1.020""#]).boxed(),
    ];
    body(
        fields,
        &[r#""editar-campaña""#, r#""pausar-campana""#, r#""registrar-influencer""#, r#""retirar-influencer""#],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn tracking_commands_mean_the_same(json in tracking(), assigned in any::<bool>()) {
        let kinds = [None, Some(Kind::RecordImpression), Some(Kind::RecordClick), Some(Kind::RecordConversion)];
        for kind in kinds {
            let _ = sent(kind, &json, assigned.then_some(ASSIGNED));
        }
    }

    #[test]
    fn reversals_mean_the_same(json in reversal(), assigned in any::<bool>()) {
        for kind in [None, Some(Kind::RecordReversal)] {
            let _ = sent(kind, &json, assigned.then_some(ASSIGNED));
        }
    }

    #[test]
    fn changes_of_campaigns_mean_the_same(json in changes(), assigned in any::<bool>()) {
        let kinds = Kind::COMMANDS.into_iter().filter(|kind| !kind.is_tracking()).map(Some);
        for kind in kinds.chain([None]).filter(|kind| *kind != Some(Kind::DefineCommissions)) {
            let _ = sent(kind, &json, assigned.then_some(ASSIGNED));
        }
    }

    #[test]
    fn campaigns_mean_the_same(json in campaign(), assigned in any::<bool>()) {
        for kind in [None, Some(Kind::CreateCampaign)] {
            let _ = sent(kind, &json, assigned.then_some(ASSIGNED));
        }
    }
}

#[test]
fn a_click_comes_back_as_a_click() {
    for (kind, json) in [
        (Kind::RecordClick, r#"{"id":"a","campaña_id":"c"}"#),
        (Kind::RecordClick, r#"{"id":"a","campaña_id":"c","tipo_evento":"CLICK"}"#),
        (Kind::RecordImpression, r#"{"id":"a","campaña_id":"c","tipo_evento":"CLICK"}"#),
    ] {
        let record = decode(Some(kind), json.as_bytes()).unwrap();
        let datum = command(&record, None).unwrap().unwrap();
        let context =
            Context { source: "t", position: Position::START, published_at: Timestamp::EPOCH, assigned_id: None };
        let Command::Track(event) = read(&datum).unwrap().validate(context, Privacy::AsSent).unwrap() else {
            panic!("no event")
        };
        assert_eq!(event.kind, EventKind::Click, "{json}");
    }
    let other = decode(Some(Kind::RecordClick), br#"{"id":"a","campa\u00f1a_id":"c","tipo_evento":"IMPRESION"}"#);
    assert!(command(&other.unwrap(), None).unwrap().is_none());
}

#[test]
fn the_assigned_id_stands_in_for_none_only() {
    let meant = |json| sent(Some(Kind::RecordImpression), json, Some(ASSIGNED)).unwrap().unwrap();
    assert!(meant(r#"{"campaña_id":"c"}"#).contains(&ASSIGNED.to_string()));
    assert!(!meant(r#"{"id":"a","campaña_id":"c"}"#).contains(&ASSIGNED.to_string()));
}

#[test]
fn a_command_of_full_length_travels_either_way() {
    let start = r#"{"campaña_id":"c","referrer":""#;
    let json = format!("{start}{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX - start.len() - 2));
    assert_eq!(json.len(), PAYLOAD_BYTES_MAX);
    assert!(sent(Some(Kind::RecordImpression), &json, Some(ASSIGNED)).unwrap().is_ok());
    let crowd = format!(r#"{{"id":"c","influencers_ids":["a"{}]}}"#, r#","a""#.repeat(16_000));
    assert!(sent(Some(Kind::CreateCampaign), &crowd, None).unwrap().is_ok());
}

#[test]
fn what_a_raw_command_says_is_judged_as_json() {
    let code = |json: &str| {
        let raw = raw_command(json.as_bytes()).unwrap();
        read(&raw).and_then(|record| judge(record, None)).unwrap_err().code().name()
    };
    assert_eq!(code("{"), "malformado");
    assert_eq!(code("{}"), "campo_faltante");
    assert_eq!(code(r#"{"comando":"borrar-todo"}"#), "comando_desconocido");
    assert_eq!(code(r#"{"comando":"registrar-reversion"}"#), "campo_faltante");
    assert_eq!(code(r#"{"comando":"registrar-conversion","id":"c","campaña_id":"c","valor":-1}"#), "valor_invalido");
}

#[test]
fn terms_mean_the_same() {
    let rules = r#"[{"tipo":"CPM","monto":1.50},{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"7"}]"#;
    for json in [
        format!(
            r#"{{"id":"t","campaña_id":"c","influencer_id":"i","vigente_desde":"2026-01-01T00:00:00Z","reglas":{rules}}}"#
        ),
        format!(r#"{{"campaña_id":"c","influencer_id":null,"reglas":{rules}}}"#),
        r#"{"id":"t","campaña_id":"c","reglas":[{"tipo":"CPM","monto":1,"tope":"5.0","periodo":"DIA",
            "escalones":[{"desde":1000,"monto":0.50}]}]}"#
            .into(),
        r#"{"id":"t","campaña_id":"c","reglas":[]}"#.into(),
        r#"{"id":"t","campaña_id":"c","reglas":[{"tipo":"CPM"}]}"#.into(),
        r#"{"id":"t","reglas":null}"#.into(),
    ] {
        let assigned = Uuid::from_u128(7);
        let sent = decode(Some(Kind::DefineCommissions), json.as_bytes()).unwrap();
        let datum = command(&sent, Some(assigned)).unwrap().unwrap();
        let (sent, got) = (judge(sent, Some(assigned)), judge(read(&datum).unwrap(), None));
        assert_eq!(format!("{sent:?}"), format!("{got:?}"), "{json}");
    }
    // A null where null is a fault cannot be said in Avro: it travels as it was sent.
    let null = decode(Some(Kind::DefineCommissions), br#"{"campa\u00f1a_id":"c","vigente_desde":null,"reglas":[]}"#);
    assert!(command(&null.unwrap(), None).unwrap().is_none());
}

#[test]
fn an_alpes_command_says_what_it_is() {
    // All null, an unknown comando, and ones that say too little.
    let fields = schema_text("alpes-comandos").unwrap().matches("\"name\"").count() - 1;
    let with = |comando: &[u8]| [comando, &vec![0; fields - 1]].concat();
    let code = |datum: &[u8]| {
        read(datum).and_then(|record| judge(record, None)).map_err(|faults| faults.code().name()).unwrap_err()
    };
    let text = |text: &str| [&[2, (text.len() * 2) as u8][..], text.as_bytes()].concat();
    assert_eq!(code(&with(&[0])), "campo_faltante");
    assert_eq!(code(&with(&text(""))), "campo_faltante");
    assert_eq!(code(&with(&text("borrar-todo"))), "comando_desconocido");
    assert_eq!(code(&with(&text("tick"))), "comando_desconocido");
    assert_eq!(code(&with(&text("registrar-reversion"))), "campo_faltante");
    let negative =
        [text("registrar-conversion"), text("c"), text("c"), vec![0; 4], vec![2, 2, 0xff], vec![0; fields - 8]]
            .concat();
    assert_eq!(code(&negative), "valor_invalido");
}
