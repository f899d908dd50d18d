//! Reversals: sent, looked up, listed beside their conversion.

use insta::assert_json_snapshot;

use crate::support::Api;
use crate::world::{line, sample, write};

const PATH: &str = "/tracking/reversiones";

/// The sample world with `rows` of reversals: id, conversion, kind, dispute, amount, currency.
async fn with(rows: &[&str]) -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    write(&api, &sample()).await;
    add(&api, rows).await;
    api
}

/// One after the other: each a minute later than the one before.
async fn add(api: &Api, rows: &[&str]) {
    for row in rows {
        api.sql(&format!(
            "INSERT INTO reversals (id, conversion_id, kind, dispute_id, amount, currency, tenant, reason, event_time,
                                    published_at, line, ledger, entry, index)
             SELECT {row}, 1, NULL, '2026-01-05T00:00:00Z'::timestamptz + count(*) * interval '1 minute',
                    '2026-01-05T12:00:00Z', 1, 0, 50 + count(*), -1 FROM reversals"
        ))
        .await;
    }
}

/// `devuelto`, `exceso` and `en_disputa` as they are written.
async fn sums(api: &Api, conversion: &str) -> [String; 3] {
    let answer = api.get(&format!("/tracking/conversiones/{conversion}/reversiones")).await;
    let text = String::from_utf8(answer.bytes).unwrap();
    ["devuelto", "exceso", "en_disputa"].map(|key| {
        let (_, rest) = text.split_once(&format!("\"{key}\":")).unwrap();
        rest[..rest.find([',', '}']).unwrap()].to_owned()
    })
}

#[tokio::test]
async fn they_are_durable_when_they_are_accepted() {
    let api = Api::start().await;
    let whole = r#"{"id":"rev-1","conversion_id":"conv-1"}"#;
    let answer = api.post(PATH, whole).await;
    assert_eq!(answer.status, 202);
    assert!(
        answer.header("location").starts_with("/tracking/comandos/rev-1?comando=registrar-reversion&posicion=log-")
    );
    assert_eq!(api.get(answer.header("location")).await.json()["estado"], "EN_QUEUED");
    let lost = r#"{"conversion_id":"conv-1","valor":"12.50","moneda":"USD","motivo":"fraude","tipo":"DISPUTA_PERDIDA","disputa_id":"d"}"#;
    assert_eq!(api.post(PATH, lost).await.status, 202);
    let batched = format!(r#"{{"comando":"registrar-reversion",{}"#, &whole[1..]);
    assert_eq!(api.post_with("/tracking/lotes", &[], batched).await.json()["aceptados"], 1);
    let log = api.log().await;
    assert_eq!(log.iter().map(|(_, kind, ..)| *kind).collect::<Vec<_>>(), [Some(3), Some(3), None]);
    assert!(
        log.iter().all(|(partition, ..)| *partition == log[0].0 && *partition < 4),
        "one conversion, one line: {log:?}"
    );
}

#[tokio::test]
async fn faults_are_answered_and_not_logged() {
    let api = Api::start().await;
    for (name, body) in [
        ("reversal_empty", r#"{}"#),
        ("reversal_of_nothing", r#"{"conversion_id":"c","valor":0}"#),
        ("reversal_negative", r#"{"conversion_id":"c","valor":-5}"#),
        ("reversal_null", r#"{"conversion_id":"c","valor":null}"#),
        ("reversal_too_precise", r#"{"conversion_id":"c","valor":"1.005"}"#),
        ("reversal_of_what_kind", r#"{"conversion_id":"c","tipo":"REEMBOLSO"}"#),
        ("reversal_of_no_dispute", r#"{"conversion_id":"c","tipo":"DISPUTA_ABIERTA"}"#),
        ("reversal_refund_of_dispute", r#"{"conversion_id":"c","disputa_id":"d"}"#),
        (
            "reversal_everything_at_once",
            r#"{"id":"","conversion_id":5,"valor":-1,"moneda":"XXX","tipo":"x","timestamp":"9999-01-01T00:00:00Z","motivo":[]}"#,
        ),
    ] {
        let answer = api.post(PATH, body).await;
        assert_eq!(answer.status, 422, "{name}");
        assert_json_snapshot!(name, answer.shown());
    }
    assert_eq!(api.log().await, []);
}

#[tokio::test]
async fn they_are_listed_beside_their_conversion() {
    let api = with(&[
        "'rev-1', 'conv-1', 1, NULL, 50000, 'COP'",
        "'rev-2', 'conv-1', 1, NULL, 20000.5, NULL",
        "'rev-3', 'conv-1', 1, NULL, 9, 'USD'",
        "'rev-4', 'conv-1', 2, 'dis-1', 30000, 'COP'",
        "'rev-5', 'nadie', 1, NULL, NULL, NULL",
    ])
    .await;
    let path = "/tracking/queries/conversiones/conv-1/reversiones";
    assert_json_snapshot!("reversals", api.get(path).await.shown());
    assert_json_snapshot!(
        "reversals_before",
        api.get("/tracking/queries/conversiones/nadie/reversiones").await.shown()
    );
    assert_json_snapshot!("reversals_none", api.get("/tracking/queries/conversiones/conv-2/reversiones").await.shown());
    assert_json_snapshot!("reversals_unknown", api.get("/tracking/queries/conversiones/x/reversiones").await.shown());
    assert_eq!(api.get("/tracking/conversiones/conv-1/reversiones").await.json(), api.get(path).await.json());
    assert_json_snapshot!("reversal", api.get("/tracking/reversiones/rev-4").await.shown());
    assert_json_snapshot!("no_reversal", api.get("/tracking/reversiones/conv-1").await.shown());
    let page = api.get(&format!("{path}?limit=3")).await.json();
    let rest = api.get(&format!("{path}?limit=3&cursor={}", page["siguiente"].as_str().unwrap())).await.json();
    assert_eq!((&page["reversiones"][2]["id"], &rest["reversiones"][0]["id"]), (&"rev-2".into(), &"rev-1".into()));
    assert_eq!((&rest["total"], &rest["devuelto"]), (&1.into(), &page["devuelto"]));
}

#[tokio::test]
async fn what_they_come_to() {
    let api = with(&["'a', 'conv-2', 1, NULL, 5, NULL"]).await;
    assert_eq!(sums(&api, "conv-2").await, ["5.00", "0.00", "0.00"]);
    // Everything on top of a part is more than there is.
    add(&api, &["'b', 'conv-2', 1, NULL, NULL, NULL"]).await;
    assert_eq!(sums(&api, "conv-2").await, ["19.99", "5.00", "0.00"]);

    // A dispute is what its latest verdict says; without an amount of its own, as it was opened; else all.
    add(&api, &["'c', 'conv-1', 2, 'd', 60000, 'COP'"]).await;
    assert_eq!(sums(&api, "conv-1").await, ["0.00", "0.00", "60000.00"]);
    add(&api, &["'d', 'conv-1', 3, 'd', NULL, NULL"]).await;
    assert_eq!(sums(&api, "conv-1").await, ["0.00", "0.00", "0.00"]);
    add(&api, &["'e', 'conv-1', 4, 'd', NULL, NULL", "'f', 'conv-1', 2, 'other', NULL, NULL"]).await;
    assert_eq!(sums(&api, "conv-1").await, ["60000.00", "0.00", "150000.00"]);
    // One in another currency comes to nothing.
    add(&api, &["'g', 'conv-1', 1, NULL, 1, 'EUR'", "'h', 'conv-1', 4, 'third', 1, 'USD'"]).await;
    assert_eq!(sums(&api, "conv-1").await, ["60000.00", "0.00", "150000.00"]);
    assert_eq!(sums(&api, "nadie").await, ["null", "null", "null"]);
}

#[tokio::test]
async fn what_became_of_one() {
    let api = Api::start().await;
    line(&api, 9, "2026-01-05T12:00:00Z").await;
    let key = schemas::ClaimKey::new(schemas::Kind::RecordReversal, "rev-1").id;
    api.sql(&format!(
        "UPDATE log_heads SET next = 12 WHERE partition = 0;
         INSERT INTO claims (tenant, kind, id, content, line, ledger, entry, index, day)
         VALUES (1, 3, '{key}', '{key}', 1, 0, 5, -1, '2026-01-05')"
    ))
    .await;
    let state = async |place: &str| {
        api.get(&format!("/tracking/comandos/rev-1?comando=registrar-reversion{place}")).await.json()["estado"].clone()
    };
    assert_eq!(state("&posicion=log-0/0:5:-1").await, "REGISTRADO");
    assert_eq!(state("&posicion=log-0/0:6:-1").await, "DUPLICADO");
    assert_eq!(state("&posicion=log-0/0:10:-1").await, "EN_QUEUED");
    assert_eq!(state("").await, "REGISTRADO");
    assert_eq!(api.get("/tracking/comandos/rev-1?comando=registrar-conversion").await.status, 404);
    let all = "INSERT INTO lines (flow, source, live, ledger, entry, index)
               SELECT 'tracking', 'log-' || n, true, 0, 1000, -1 FROM generate_series(0, 3) AS n
               ON CONFLICT (flow, source) DO UPDATE SET entry = 1000";
    api.sql(all).await;
    let waited = api.post_with(PATH, &[("prefer", "wait=5")], r#"{"id":"rev-1","conversion_id":"conv-1"}"#).await;
    assert_eq!((waited.status.as_u16(), &waited.json()["estado"]), (200, &"DUPLICADO".into()));
}
