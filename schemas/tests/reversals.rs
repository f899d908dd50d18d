//! Reversals as they are sent: what is read, what is refused, and in which words.

#![allow(clippy::unwrap_used)]

use schemas::wire::{Context, Privacy, decode};
use schemas::{ClaimKey, Command, Currency, Faults, Kind, Position, Reversal, ReversalKind, Timestamp};

const PUBLISHED: &str = "2026-06-01T12:00:00Z";

fn read(json: &str) -> Result<Reversal, Faults> {
    let context = Context {
        source: "test",
        position: Position::offset(7),
        published_at: Timestamp::parse(PUBLISHED).unwrap(),
        assigned_id: None,
    };
    match decode(None, json.as_bytes())?.validate(context, Privacy::AsSent)? {
        Command::Reverse(reversal) => Ok(reversal),
        _ => panic!("not a reversal"),
    }
}

/// The codes of all faults, in order of judgement.
fn codes(read: Result<Reversal, Faults>) -> Vec<&'static str> {
    read.map_or_else(|faults| faults.iter().map(|fault| fault.code.name()).collect(), |_| Vec::new())
}

/// One of the conversion `c`.
fn reversal(fields: &str) -> Result<Reversal, Faults> {
    read(&format!(r#"{{"comando":"registrar-reversion","id":"r","conversion_id":"c"{fields}}}"#))
}

#[test]
fn reversals_say_what_they_take_back() {
    let whole = reversal("").unwrap();
    assert_eq!((&*whole.id, &*whole.conversion, whole.kind), ("r", "c", ReversalKind::Refund));
    assert_eq!((whole.amount, whole.currency, whole.dispute, whole.reason), (None, None, None, None));
    assert_eq!(whole.event_time.to_string(), PUBLISHED);
    let part = reversal(
        r#","valor":"19.90","moneda":"USD","motivo":"talla","tipo":"DISPUTA_PERDIDA","disputa_id":"d",
           "timestamp":"2026-05-01T00:00:00Z""#,
    )
    .unwrap();
    assert_eq!((part.amount, part.currency), ("19.9".parse().ok(), Some(Currency::Usd)));
    assert_eq!((part.kind, part.dispute.as_deref()), (ReversalKind::DisputeLost, Some("d")));
    assert_eq!((part.reason.as_deref(), part.event_time.to_string()), (Some("talla"), "2026-05-01T00:00:00Z".into()));
    assert_eq!(part.conversion_key(), ClaimKey::new(Kind::RecordConversion, "c"));
    // The same said otherwise, and other things.
    let content = |fields: &str| reversal(fields).unwrap().content;
    assert_eq!(content(r#","valor":5"#), content(r#","valor":"5.00","motivo":null,"disputa_id":"""#));
    for other in ["", r#","valor":6"#, r#","valor":5,"moneda":"USD""#, r#","valor":5,"motivo":"x""#] {
        assert_ne!(content(r#","valor":5"#), content(other), "{other}");
    }
    let step = |kind: &str, dispute: &str| content(&format!(r#","tipo":"{kind}","disputa_id":"{dispute}""#));
    assert_ne!(step("DISPUTA_ABIERTA", "d"), step("DISPUTA_GANADA", "d"));
    assert_ne!(step("DISPUTA_ABIERTA", "d"), step("DISPUTA_ABIERTA", "e"));
}

#[test]
fn reversals_that_might_mean_other_money_are_refused() {
    let long = format!(r#","motivo":"{}""#, "x".repeat(1_001));
    for (fields, expect) in [
        (r#","valor":null"#, &["valor_invalido"][..]),
        (r#","valor":0"#, &["valor_invalido"]),
        (r#","valor":-0.0"#, &["valor_invalido"]),
        (r#","valor":-1"#, &["valor_invalido"]),
        (r#","valor":"1.005""#, &["valor_invalido"]),
        (r#","valor":1e3"#, &["valor_invalido"]),
        (r#","valor":true"#, &["malformado"]),
        (r#","moneda":"XXX","valor":0"#, &["moneda_desconocida", "valor_invalido"]),
        (r#","moneda":null"#, &["moneda_desconocida"]),
        (r#","tipo":"DEVOLUCIÓN""#, &["valor_invalido"]),
        (r#","tipo":null"#, &["valor_invalido"]),
        (r#","tipo":1,"disputa_id":7"#, &["malformado", "malformado"]),
        (r#","tipo":"NADA","disputa_id":"d""#, &["valor_invalido"]),
        (r#","disputa_id":"d""#, &["valor_invalido"]),
        (r#","disputa_id":null"#, &[]),
        (r#","tipo":"DEVOLUCION","disputa_id":" d""#, &["valor_invalido", "valor_invalido"]),
        (r#","tipo":"DISPUTA_ABIERTA""#, &["campo_faltante"]),
        (r#","tipo":"DISPUTA_GANADA","disputa_id":null"#, &["campo_faltante"]),
        (r#","tipo":"DISPUTA_PERDIDA","disputa_id":" ""#, &["campo_faltante"]),
        (r#","tipo":"DISPUTA_PERDIDA","disputa_id":"d","valor":0"#, &["valor_invalido"]),
        (r#","timestamp":"2026-06-01T12:05:01Z""#, &["futuro"]),
        (r#","timestamp":"ayer""#, &["timestamp_invalido"]),
        (r#","motivo":["x"]"#, &["malformado"]),
        (&long, &["valor_invalido"]),
    ] {
        assert_eq!(codes(reversal(fields)), expect, "{fields}");
    }
    let with = |ids: &str| codes(read(&format!(r#"{{"comando":"registrar-reversion"{ids}}}"#)));
    for ids in [r#","id":"r""#, r#","id":"r","conversion_id":null"#, r#","id":"","conversion_id":"c""#] {
        assert_eq!(with(ids), ["campo_faltante"], "{ids}");
    }
    assert_eq!(with(&format!(r#","conversion_id":"{}""#, "x".repeat(256))), ["valor_invalido"]);
    let told = |fields: &str| reversal(fields).unwrap_err().to_string();
    assert_eq!(told(r#","valor":0"#), "valor: es 0; dé un importe mayor que 0, u omítalo para todo");
    assert_eq!(told(r#","valor":null"#), "valor: es null; omítalo o dé un importe para revertir una parte");
}
