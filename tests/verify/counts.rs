//! What was counted.

use schemas::RawMessage;
use sinks::Flow;
use sqlx::postgres::PgConnectOptions;

use super::{Tampered, assert_sound, close, message, run_line, support, tick};

fn impression(id: u8, minute: u8, influencer: &str) -> String {
    format!(
        r#"{{"comando":"registrar-impresion","id":"imp-{id}","campaña_id":"cmp-{}","influencer_id":"{influencer}",
            "tipo_evento":"{}","timestamp":"2026-01-01T00:{minute:02}:30Z"}}"#,
        id % 2,
        if id.is_multiple_of(3) { "CLICK" } else { "IMPRESION" },
    )
}

fn conversion(id: u8, minute: u8, amount: &str, currency: &str) -> String {
    format!(
        r#"{{"comando":"registrar-conversion","id":"con-{id}","campaña_id":"cmp-{}","influencer_id":"inf-1",
            "valor":"{amount}","moneda":"{currency}","timestamp":"2026-01-01T00:{minute:02}:45Z"}}"#,
        id % 2,
    )
}

/// A refund, a lost dispute, one that is open, and one of a conversion that never came.
fn reversals() -> Vec<String> {
    [
        r#""id":"rev-0","conversion_id":"con-0""#,
        r#""id":"rev-1","conversion_id":"con-0","valor":"5","tipo":"DISPUTA_PERDIDA","disputa_id":"dis-1""#,
        r#""id":"rev-2","conversion_id":"con-9","tipo":"DISPUTA_ABIERTA","disputa_id":"dis-2""#,
    ]
    .map(|fields| format!(r#"{{"comando":"registrar-reversion",{fields},"timestamp":"2026-01-01T00:30:00Z"}}"#))
    .into()
}

/// All that may change a campaign, and what may not: claimed ids, released ones, duplicates.
const CAMPAIGN_CHANGES: [&str; 11] = [
    r#"{"comando":"editar-campaña","id":"e-1","campaña_id":"cmp-0","nombre":"N","fecha_fin":"2026-02-01T00:00:00Z"}"#,
    r#"{"comando":"reanudar-campaña","id":"r-1","campaña_id":"cmp-0"}"#, // it is active
    r#"{"comando":"pausar-campaña","id":"p-1","campaña_id":"cmp-0","desde":"2026-01-01T00:05:00Z"}"#,
    r#"{"comando":"pausar-campaña","id":"p-1","campaña_id":"cmp-0","desde":"2026-01-01T00:05:00Z"}"#,
    r#"{"comando":"reanudar-campaña","id":"r-1","campaña_id":"cmp-0"}"#,
    r#"{"comando":"finalizar-campaña","id":"f-1","campaña_id":"cmp-0"}"#,
    r#"{"comando":"registrar-influencer","id":"i-1","influencer_id":"inf-1","nombre":"Ana"}"#,
    r#"{"comando":"registrar-influencer","id":"i-2","influencer_id":"inf-1","nombre":"Ana Ñ."}"#,
    r#"{"comando":"agregar-influencer","id":"a-1","campaña_id":"cmp-0","influencer_id":"inf-9"}"#,
    r#"{"comando":"retirar-influencer","id":"d-1","campaña_id":"cmp-0","influencer_id":"inf-1"}"#,
    r#"{"comando":"retirar-influencer","id":"d-2","campaña_id":"nope","influencer_id":"inf-1"}"#,
];

/// A database in which everything has happened: duplicates, rejects, replays, closed windows, late events, reversals,
/// campaigns.
async fn sound() -> PgConnectOptions {
    let options = support::database().await;
    let mut messages: Vec<RawMessage> = (0..20u8)
        .map(|i| impression(i % 16, i, if i % 4 == 0 { "" } else { "inf-1" }))
        .chain((0..8u8).map(|i| conversion(i, i, "19.99", if i < 4 { "COP" } else { "USD" })))
        .chain([conversion(50, 1, "-1", "COP"), conversion(51, 1, "1", "XXX"), "{".into()])
        .enumerate()
        .map(|(offset, payload)| message(offset as i64, payload, None))
        .collect();
    messages.push(tick(messages.len() as i64));
    run_line(&options, Flow::Tracking, "log-0", &messages).await;
    for partition in 1..4 {
        run_line(&options, Flow::Tracking, &format!("log-{partition}"), &[tick(0)]).await;
    }
    close(&options).await;

    let reversals = reversals().into_iter().enumerate();
    let reversals = reversals.map(|(i, payload)| message(90 + i as i64, payload, None)).collect::<Vec<_>>();
    run_line(&options, Flow::Tracking, "log-0", &reversals).await;

    let late = [
        (impression(101, 3, "inf-2"), None),
        (conversion(102, 3, "5.5", "EUR"), None),
        (conversion(50, 1, "1", "COP"), Some(1)), // mended
        (conversion(51, 1, "1", "YYY"), Some(2)), // not mended
    ];
    let late =
        late.into_iter().enumerate().map(|(i, (payload, replay_of))| message(100 + i as i64, payload, replay_of));
    run_line(&options, Flow::Tracking, "log-0", &late.collect::<Vec<_>>()).await;
    run_line(&options, Flow::Tracking, "file-x", &[message(0, impression(200, 5, "inf-3"), None)]).await;
    let campaigns = ["cmp-0", "0a0b0c0d-0000-4000-8000-000000000001"].into_iter().enumerate();
    let campaigns =
        campaigns.map(|(i, id)| message(i as i64, format!(r#"{{"comando":"crear-campaña","id":"{id}"}}"#), None));
    let terms =
        r#"{"comando":"definir-comisiones","id":"t-1","campaña_id":"cmp-0","reglas":[{"tipo":"CPC","monto":1}]}"#;
    let changes = (2..).zip([terms].into_iter().chain(CAMPAIGN_CHANGES)).map(|(i, line)| message(i, line.into(), None));
    run_line(&options, Flow::Campaigns, "log-4", &campaigns.chain(changes).collect::<Vec<_>>()).await;
    options
}

#[tokio::test]
async fn what_the_lines_wrote_is_sound() {
    assert_sound(&sound().await, false).await;
}

/// What is changed by hand, and which comparisons notice.
const CHANGES: &[(&str, &[&str])] = &[
    // A row in the middle: the ends of the day's span stay as they are.
    ("DELETE FROM impressions WHERE id = 'imp-7'", &["windows", "campaign totals", "claims of raw rows"]),
    (
        "INSERT INTO impressions SELECT * FROM impressions WHERE id = 'imp-7'",
        &["windows", "campaign totals", "claims of raw rows", "ids of raw rows"],
    ),
    ("UPDATE impressions SET click = NOT click WHERE id = 'imp-7'", &["windows", "campaign totals"]),
    ("UPDATE conversions SET amount = amount + 0.01 WHERE id = 'con-3'", &["window amounts", "campaign total amounts"]),
    (
        "UPDATE windows SET clicks = clicks + 1 WHERE start = '2026-01-01T00:07:00Z'",
        &["windows", "campaign totals of windows", "roll-ups"],
    ),
    ("INSERT INTO windows VALUES (1, '2026-01-01T05:00:00Z', 1, 0, 0, 0)", &["windows"]),
    (
        "UPDATE window_amounts SET amount = 0 WHERE start = '2026-01-01T00:02:00Z'",
        &["window amounts", "campaign total amounts of windows", "roll-up amounts"],
    ),
    ("DELETE FROM window_amounts", &["window amounts", "campaign total amounts of windows", "roll-up amounts"]),
    (
        "UPDATE campaign_totals SET impressions = impressions - 1 WHERE campaign = 1 AND summand = 1",
        &["campaign totals", "campaign totals of windows"],
    ),
    ("DELETE FROM campaign_total_amounts", &["campaign total amounts", "campaign total amounts of windows"]),
    ("DELETE FROM rollups WHERE grain = 'd' AND influencer = -1", &["roll-ups"]),
    ("UPDATE rollups SET conversions = conversions + 1 WHERE grain = 't'", &["roll-ups"]),
    ("UPDATE rollups SET start = start + interval '1 hour' WHERE grain = 'h'", &["roll-ups"]),
    ("UPDATE rollup_amounts SET amount = amount * 2 WHERE grain = 'h' AND currency = 'USD'", &["roll-up amounts"]),
    ("UPDATE facts SET closed_through = '2026-01-01T00:05:00Z'", &["roll-ups", "roll-up amounts"]),
    ("DELETE FROM claims WHERE kind = 2 AND entry = 24", &["claims of raw rows", "lines: accepted"]),
    ("UPDATE claims SET day = day + 1 WHERE entry = 3", &["claims of raw rows"]),
    ("UPDATE lines SET duplicates = duplicates + 1 WHERE source = 'log-0'", &["lines: messages"]),
    ("UPDATE lines SET accepted = accepted - 1, messages = messages - 1 WHERE source = 'file-x'", &["lines: accepted"]),
    ("UPDATE lines SET entry = entry - 2 WHERE source = 'log-0'", &["lines: positions"]),
    ("DELETE FROM rejects WHERE code = 'malformado'", &["rejects"]),
    (
        "INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, published_at, payload)
      VALUES (1, 2, 0, 0, -1, 'futuro', '', '[]', now(), '')",
        &["rejects"],
    ),
    ("UPDATE rejects SET replays = 0, resolved_at = NULL", &["rejects"]),
    ("UPDATE windows SET revision = 9 WHERE start = '2026-01-01T00:07:00Z'", &["windows: revisions"]),
    ("UPDATE windows SET revision = 0", &["windows: revisions"]),
    ("UPDATE late_events SET event_time = event_time + interval '1 second'", &["late events"]),
    ("UPDATE late_events SET entry = entry + 1000", &["late events"]),
    ("INSERT INTO late_events SELECT * FROM late_events LIMIT 1", &["late events"]),
    ("UPDATE raw_days SET event_to = event_to - interval '1 minute'", &["days of raw rows"]),
    ("DELETE FROM raw_days", &["days of raw rows"]),
    ("DELETE FROM influencer_names WHERE name = 'inf-2'", &["names"]),
    (
        "UPDATE campaigns SET id = 'cmp-9' WHERE id = 'cmp-0'",
        &["campaigns: names", "campaigns: announced", "campaigns: claims"],
    ),
    ("DELETE FROM outbox WHERE key = 'cmp-0'", &["campaigns: announced"]),
    ("UPDATE outbox SET payload = '\\x00'", &["campaigns: announced"]),
    (
        "INSERT INTO outbox (tenant, topic, key, event_id, payload)
         SELECT tenant, topic, key, gen_random_uuid(), payload FROM outbox",
        &["campaigns: announced"],
    ),
    ("DELETE FROM reversals WHERE id = 'rev-1'", &["claims of raw rows", "lines: reversals", "reversals: claims"]),
    ("UPDATE reversals SET entry = entry + 1000 WHERE id = 'rev-2'", &["claims of raw rows"]),
    ("UPDATE reversals SET id = 'rev-9' WHERE id = 'rev-2'", &["reversals: claims"]),
    (
        "DELETE FROM claims WHERE kind = 3 AND entry = 91",
        &["claims of raw rows", "lines: accepted", "reversals: claims"],
    ),
    ("UPDATE lines SET reversals = reversals + 1 WHERE source = 'log-0'", &["lines: reversals"]),
    ("UPDATE terms SET id = 't-2'", &["terms: claims"]),
    ("DELETE FROM campaign_edits", &["edits: claims"]),
    ("UPDATE campaign_edits SET campaign = 99", &["campaign edits"]),
    ("DELETE FROM campaign_states WHERE state = 'PAUSADA'", &["campaign states", "pauses: claims"]),
    ("UPDATE campaign_states SET id = 'r-2' WHERE state = 'ACTIVA'", &["resumptions: claims"]),
    ("UPDATE campaign_states SET valid_from = '2020-01-01T00:00:00Z' WHERE state = 'FINALIZADA'", &["campaign states"]),
    ("UPDATE campaign_states SET campaign = 99 WHERE state = 'PAUSADA'", &["campaign states"]),
    ("DELETE FROM campaign_states WHERE state = 'FINALIZADA'", &["ends: claims"]),
    ("UPDATE memberships SET campaign = 99 WHERE member", &["memberships"]),
    ("UPDATE memberships SET member = NOT member", &["additions: claims", "removals: claims"]),
    ("DELETE FROM influencer_registrations WHERE id = 'i-1'", &["registrations: claims"]),
    ("DELETE FROM influencers", &["influencers"]),
    ("UPDATE influencers SET id = 'inf-2'", &["influencers"]),
    ("DELETE FROM campaigns WHERE id = 'cmp-0'", &["campaigns: claims", "campaigns: announced"]),
];

#[tokio::test]
async fn every_comparison_notices() {
    let mut tampered = Tampered::new(sound().await);
    for (change, noticed_by) in CHANGES {
        tampered.change(change, noticed_by).await;
    }
    tampered.assert_all_noticed(false).await;
}
