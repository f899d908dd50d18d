//! What is owed: a world in which money has gone every way that it can.

use schemas::RawMessage;
use sinks::Flow;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::{assert_sound, close, message, run_line, support, tick};

fn terms(id: &str, campaign: &str, from: &str, rules: &str) -> String {
    format!(
        r#"{{"comando":"definir-comisiones","id":"{id}","campaña_id":"{campaign}","vigente_desde":"2026-01-01T{from}:00Z",
            "reglas":[{rules}]}}"#
    )
}

/// Of the first campaign.
const PLAIN: &str = r#"{"tipo":"CPM","monto":"333.33","moneda":"COP"},
    {"tipo":"CPC","monto":"1.11","moneda":"COP","escalones":[{"desde":"2","monto":"0.55"},{"desde":"4","monto":"0.99"}],
     "periodo":"MES"},
    {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"7.35"},
    {"tipo":"CPA","tipo_conversion":"REGISTRO","monto":"10.01","moneda":"COP","tope":"25","periodo":"DIA"}"#;
/// Of the second one.
const TIERED: &str = r#"{"tipo":"CPC","monto":"0.37","moneda":"USD","tope":"0.5","periodo":"DIA"},
    {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"3","moneda":"COP",
     "escalones":[{"desde":"150","porcentaje":"5.55"}],"escala":"RETROACTIVA","periodo":"TOTAL"},
    {"tipo":"CPA","tipo_conversion":"REGISTRO","monto":"5","moneda":"COP","venta_minima":"50"}"#;
/// Of the first one, dated back.
const LATER: &str =
    r#"{"tipo":"CPC","monto":"2","moneda":"COP"},{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"5"}"#;

fn click(id: u8, campaign: &str, influencer: &str, kind: &str) -> String {
    format!(
        r#"{{"comando":"registrar-impresion","id":"{campaign}-{influencer}-{id}","campaña_id":"{campaign}",
            "influencer_id":"{influencer}","tipo_evento":"{kind}","timestamp":"2026-01-01T00:{id:02}:10Z"}}"#
    )
}

fn conversion(id: &str, campaign: &str, influencer: &str, minute: u8, amount: &str, more: &str) -> String {
    format!(
        r#"{{"comando":"registrar-conversion","id":"{id}","campaña_id":"{campaign}","influencer_id":"{influencer}",
            "valor":"{amount}","timestamp":"2026-01-01T00:{minute:02}:20Z"{more}}}"#
    )
}

fn reversal(id: &str, conversion: &str, more: &str) -> String {
    format!(
        r#"{{"comando":"registrar-reversion","id":"{id}","conversion_id":"{conversion}",
            "timestamp":"2026-01-01T01:30:00Z"{more}}}"#
    )
}

const SIGN_UP: &str = r#","tipo_conversion":"REGISTRO""#;

/// Views, clicks and sales of two influencers in two campaigns.
fn events() -> Vec<String> {
    let mut events = Vec::new();
    for campaign in ["cmp-a", "cmp-b"] {
        for influencer in ["inf-1", "inf-2"] {
            events.extend((0..58).step_by(3).map(|id| click(id, campaign, influencer, "IMPRESION")));
            events.extend((1..58).step_by(6).map(|id| click(id, campaign, influencer, "CLICK")));
            for (number, minute) in [3u8, 9, 25, 35, 45, 52].into_iter().enumerate() {
                let id = format!("{campaign}-{influencer}-{number}");
                let sale = conversion(&format!("s-{id}"), campaign, influencer, minute, "45.55", "");
                let sign_up = conversion(&format!("r-{id}"), campaign, influencer, minute, "60", SIGN_UP);
                events.extend([sale, sign_up]);
            }
        }
        events.push(conversion(&format!("usd-{campaign}"), campaign, "inf-1", 12, "19.99", r#","moneda":"USD""#));
        events.push(conversion(&format!("small-{campaign}"), campaign, "inf-1", 13, "49.99", SIGN_UP));
    }
    events
}

fn reversals() -> Vec<String> {
    let dispute = |kind: &str| format!(r#","tipo":"DISPUTA_{kind}","disputa_id":"d""#);
    vec![
        reversal("v-1", "s-cmp-a-inf-1-0", ""),
        reversal("v-2", "s-cmp-a-inf-1-1", r#","valor":"10""#),
        reversal("v-3", "s-cmp-a-inf-1-1", r#","valor":"5.55""#),
        reversal("v-4", "s-cmp-b-inf-1-2", r#","valor":"15.01""#),
        reversal("v-5", "r-cmp-a-inf-1-0", ""),
        reversal("v-6", "r-cmp-b-inf-1-2", &dispute("ABIERTA")),
        reversal("v-7", "s-cmp-a-inf-2-0", &dispute("ABIERTA")),
        reversal("v-8", "s-cmp-a-inf-2-0", &dispute("PERDIDA")),
        reversal("v-9", "s-cmp-a-inf-2-1", &dispute("ABIERTA")),
        reversal("v-10", "s-cmp-a-inf-2-1", &dispute("GANADA")),
    ]
}

/// Pauses, removals and beginnings, all dated back.
const STATES: [&str; 4] = [
    r#"{"comando":"pausar-campaña","id":"p","campaña_id":"cmp-a","desde":"2026-01-01T00:50:00Z"}"#,
    r#"{"comando":"reanudar-campaña","id":"r","campaña_id":"cmp-a","desde":"2026-01-01T00:55:00Z"}"#,
    r#"{"comando":"retirar-influencer","id":"m","campaña_id":"cmp-a","influencer_id":"inf-2","desde":"2026-01-01T00:40:00Z"}"#,
    r#"{"comando":"editar-campaña","id":"e","campaña_id":"cmp-b","fecha_inicio":"2026-01-01T00:05:00Z",
        "fecha_fin":"2026-01-01T00:51:00Z"}"#,
];

/// Runs one flow further.
async fn send(options: &PgConnectOptions, flow: Flow, first: i64, payloads: impl IntoIterator<Item = String>) {
    let name = if matches!(flow, Flow::Campaigns) { "log-4" } else { "log-0" };
    let numbered = payloads.into_iter().zip(first..);
    let messages: Vec<RawMessage> = numbered.map(|(payload, offset)| message(offset, payload, None)).collect();
    run_line(options, flow, name, &messages).await;
}

async fn post(options: &PgConnectOptions) {
    assert!(pipeline::poster::drain(options).await.unwrap() > 0, "nothing was posted");
}

/// A database in which money has gone every way: posted, corrected by other terms, taken back, given again, not earned, held;
/// and some that waits.
pub(super) async fn sound() -> PgConnectOptions {
    let options = support::database().await;
    let campaigns = ["cmp-a", "cmp-b"].map(|id| format!(r#"{{"comando":"crear-campaña","id":"{id}"}}"#));
    let first = [terms("t-1", "cmp-a", "00:00", PLAIN), terms("t-2", "cmp-b", "00:00", TIERED)];
    send(&options, Flow::Campaigns, 0, campaigns.into_iter().chain(first)).await;
    send(&options, Flow::Tracking, 0, events()).await;
    post(&options).await;
    run_line(&options, Flow::Tracking, "log-0", &[tick(500)]).await;
    for partition in 1..4 {
        run_line(&options, Flow::Tracking, &format!("log-{partition}"), &[tick(0)]).await;
    }
    close(&options).await;
    post(&options).await;
    send(&options, Flow::Tracking, 600, reversals()).await;
    post(&options).await;
    send(&options, Flow::Campaigns, 10, [terms("t-3", "cmp-a", "00:30", LATER)]).await;
    post(&options).await;
    send(&options, Flow::Campaigns, 20, STATES.map(String::from)).await;
    post(&options).await;
    let waits = |id: &str, influencer: &str| conversion(id, "cmp-a", influencer, 20, "99.95", "");
    send(&options, Flow::Tracking, 700, [waits("s-reversed", "inf-4")]).await;
    post(&options).await;
    // Neither the conversion nor what reverses the other one is settled yet.
    send(&options, Flow::Tracking, 710, [waits("s-waits", "inf-3"), reversal("v-waits", "s-reversed", "")]).await;
    options
}

#[tokio::test]
async fn what_was_posted_is_sound() {
    assert_sound(&sound().await, true).await;
}

/// What this world is for is in it.
#[tokio::test]
async fn money_has_gone_every_way() {
    let options = sound().await;
    let mut connection = options.connect().await.unwrap();
    for what in [
        "postings WHERE concept = 'r' AND debit = 'p' AND reverses IS NOT NULL",
        "postings WHERE concept = 'c' AND debit = 'p' AND cause = 't'",
        "postings WHERE conversion IS NULL AND cause = 'w'",
        "postings WHERE conversion IS NULL AND cause = 'c'",
        "commissions WHERE conversion IS NULL AND earned < 0",
        "commissions WHERE conversion IS NOT NULL AND earned = 0",
        "commissions WHERE reversed > 0 AND reversed < earned",
        "commissions WHERE reversed > 0 AND reversed = earned",
        "held_postings",
        "unsettled",
        "unsettled_conversions",
    ] {
        let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {what}")));
        let count: i64 = count.fetch_one(&mut connection).await.unwrap();
        assert!(count > 0, "there are no {what}");
    }
}
