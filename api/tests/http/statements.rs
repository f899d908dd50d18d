//! Statements and balances: every line adds up, whatever the range and however it is written.

use axum::body::Body;
use axum::http::Request;
use insta::{assert_json_snapshot, assert_snapshot};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::ledger::{BACKDATED, FIRST, REFUNDED, all, settled};
use crate::lists::scattered;
use crate::support::{Answer, Api};
use crate::world::{close, line, settle, terms, write};

const PATH: &str = "/pagos/influencers/inf-001/estado-de-cuenta";

fn text(answer: Answer) -> String {
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.bytes).unwrap()
}

/// Floats are exact enough for the amounts of tests.
pub(crate) fn decimal(value: &Value) -> Decimal {
    value.to_string().parse::<Decimal>().unwrap().normalize()
}

async fn get_as(api: &Api, path: &str, accept: &str) -> Answer {
    api.send(Request::get(path).header("accept", accept).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_statement_is_json_csv_or_a_page_to_print() {
    let api = settled().await;
    assert_json_snapshot!("statement", api.get(&format!("{PATH}?desde={BACKDATED}&limit=2")).await.shown());
    let csv = api.get(&format!("{PATH}?formato=csv")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_snapshot!("statement_csv", text(csv));
    let html = api.get(&format!("{PATH}?formato=html&desde={BACKDATED}")).await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert_snapshot!("statement_html", text(html));
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, kind) in [
        (browser, "text/html; charset=utf-8"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json, text/html", "application/json"),
    ] {
        assert_eq!(get_as(&api, PATH, accept).await.header("content-type"), kind, "{accept}");
    }
    assert_eq!(get_as(&api, &format!("{PATH}?formato=json"), browser).await.header("content-type"), "application/json");
    for (name, query) in [
        ("statement_format", "formato=pdf"),
        ("statement_pages", "formato=csv&limit=10"),
        ("statement_cursor", "cursor=MQ"),
        ("statement_range", "desde=2026-01-02T00:00:00Z&hasta=2026-01-01T00:00:00Z"),
    ] {
        assert_json_snapshot!(name, api.get(&format!("{PATH}?{query}")).await.shown());
    }
    assert_eq!(api.get("/pagos/influencers/nadie/estado-de-cuenta").await.status, 404);
}

#[tokio::test]
async fn whoever_was_only_seen_has_an_empty_statement() {
    let api = Api::start().await;
    api.sql("INSERT INTO influencer_names (tenant, name) VALUES (1, '=nuevo<b>')").await;
    let path = "/pagos/influencers/%3Dnuevo%3Cb%3E";
    assert_json_snapshot!("statement_empty", api.get(&format!("{path}/estado-de-cuenta")).await.shown());
    assert_eq!(text(api.get(&format!("{path}/estado-de-cuenta?formato=csv")).await).lines().count(), 1);
    let html = text(api.get(&format!("{path}/estado-de-cuenta?formato=html")).await);
    assert!(html.contains("=nuevo&lt;b&gt;") && !html.contains("<b>") && html.contains("No hay movimientos"));
    assert_json_snapshot!("balance_empty", api.get(&format!("{path}/saldo")).await.shown());
}

#[tokio::test]
async fn a_statement_that_is_cut_says_so() {
    let api = settled().await;
    api.sql(
        "INSERT INTO postings
         SELECT posting + n, '2026-01-09T10:00:00Z', 'g', 'p', campaign, influencer, currency, 1, concept, cause, commission,
                terms, rule, conversion, event_from, event_to, quantity_before, quantity_after, exact_after, total_before,
                total_after, reverses, balance + n, hash
         FROM postings, generate_series(1, 10000) n WHERE posting = 17;
         UPDATE ledger_head SET posting = 10017",
    )
    .await;
    let csv = text(api.get(&format!("{PATH}?formato=csv&moneda=COP")).await);
    let lines: Vec<&str> = csv.lines().collect();
    // Header, opening, lines, closing, note; eleven lines were there before.
    assert_eq!(lines.len(), 1 + 1 + 10_000 + 1 + 1);
    assert!(lines[10_001].ends_with(&format!(",{},", 24_003 + 9_989)), "{}", lines[10_001]);
    assert_eq!(lines[10_002], format!("COP,,,,SALDO_FINAL,,,,,,,,,,,{},", 24_003 + 9_989));
    assert!(lines[10_003].starts_with(",,,,NOTA,") && lines[10_003].contains("desde=2026-01-09T10:00:00Z"));
    let html = text(api.get(&format!("{PATH}?formato=html")).await);
    assert!(html.contains("Solo se muestran las primeras 10000 líneas"));
    let whole = api.get(&format!("{PATH}?formato=csv&moneda=COP&hasta=2026-01-09T00:00:00Z")).await;
    assert!(!text(whole).contains("NOTA"));
}

#[tokio::test]
async fn balances_are_told_as_of_any_time() {
    let api = settled().await;
    let path = "/pagos/influencers/inf-001/saldo";
    assert_json_snapshot!("balance_now", api.get(path).await.shown());
    assert_json_snapshot!("balance_then", api.get(&format!("{path}?a_fecha={FIRST}")).await.shown());
    for (at, saldos) in [
        ("2026-01-06T09:59:59.999999Z", serde_json::json!({})),
        (BACKDATED, serde_json::json!({"COP": 25003.0, "USD": 0.0})),
        ("2026-01-08T09:59:59.999999Z", serde_json::json!({"COP": 25003.0, "USD": 0.0})),
        (REFUNDED, serde_json::json!({"COP": 24003.0, "USD": 0.0})),
        ("2200-01-01T00:00:00Z", serde_json::json!({"COP": 24003.0, "USD": 0.0})),
    ] {
        assert_eq!(api.get(&format!("{path}?a_fecha={at}")).await.json()["saldos"], saldos, "{at}");
    }
    assert_eq!(api.get("/pagos/influencers/nadie/saldo").await.status, 404);
    assert_json_snapshot!("balance_time", api.get(&format!("{path}?a_fecha=hoy")).await.shown());
}

/// Two influencers in two currencies, settled in four portions on four days.
pub(crate) async fn scattered_world() -> (Api, [&'static str; 4]) {
    let api = Api::start().await;
    line(&api, 1_000, "2026-01-05T12:00:00Z").await;
    let mut events = scattered(300, 11);
    events.iter_mut().for_each(|event| event.campaign = "cmp-123");
    write(&api, &events).await;
    let rules = [
        "1, 0, 333.33, 'USD', NULL, NULL, NULL, 't', false, '{}', '{}'",
        "2, 0, 0.07, 'USD', NULL, NULL, NULL, 'd', false, '{5}', '{0.031}'",
        "3, 1, NULL, NULL, 6.5, NULL, NULL, 't', false, '{}', '{}'",
    ];
    terms(&api, "general", None, "2025-01-01T00:00:00Z", &rules).await;
    let days = ["2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z"];
    for (day, closed) in days.iter().zip(["2026-01-01T08:00:00Z", "2026-01-01T20:00:00Z", "2026-01-02T12:30:00Z"]) {
        close(&api, closed).await;
        settle(&api, 'w', day).await;
    }
    terms(&api, "ana", Some("inf-1"), "2026-01-01T06:00:00Z", &rules[2..]).await;
    settle(&api, 't', days[3]).await;
    (api, days)
}

/// Brute force: what all lines of a list sum up to, by currency.
fn sums<'a>(lines: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Decimal> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for line in lines {
        *sums.entry(line["moneda"].as_str().unwrap().into()).or_default() += decimal(&line["monto"]);
    }
    sums
}

#[tokio::test]
async fn every_line_adds_up() {
    let (api, days) = scattered_world().await;
    let ends: Vec<Option<&str>> =
        [None].into_iter().chain(days.map(Some)).chain([Some("2026-03-01T00:00:00Z")]).collect();
    let postings = all(&api, "/pagos/comisiones?influencer=inf-1&", "comisiones", 1000).await;
    assert!(postings.len() > 20, "{} postings", postings.len());
    for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to))) {
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            continue;
        }
        let end = |name: &str, end: Option<&str>| end.map(|end| format!("{name}={end}&")).unwrap_or_default();
        let path = format!("/pagos/influencers/inf-1/estado-de-cuenta?{}{}", end("desde", from), end("hasta", to));
        let is_before = |line: &Value, end: Option<&str>| end.is_some_and(|end| line["fecha"].as_str() < Some(end));
        let is_within = |line: &&Value| !is_before(line, from) && (to.is_none() || is_before(line, to));
        let mut wanted: Vec<Value> = postings.iter().filter(is_within).cloned().collect();
        wanted.reverse();
        let lines = all(&api, &path, "lineas", 7).await;
        assert_eq!(lines, wanted, "{path}");
        let opening = sums(postings.iter().filter(|line| is_before(line, from)));
        let (mut balances, statement) = (opening.clone(), api.get(&path).await.json());
        for line in &lines {
            let balance = balances.entry(line["moneda"].as_str().unwrap().into()).or_default();
            *balance += decimal(&line["monto"]);
            assert_eq!(balance.normalize(), decimal(&line["saldo"]), "{path}");
        }
        for row in statement["saldos"].as_array().unwrap() {
            let currency = row["moneda"].as_str().unwrap();
            let (before, after) = (opening.get(currency).copied().unwrap_or_default(), balances[currency]);
            assert_eq!(decimal(&row["saldo_inicial"]), before.normalize(), "{path}");
            assert_eq!(decimal(&row["saldo_final"]), after.normalize(), "{path}");
            assert_eq!(decimal(&row["movimiento"]), (after - before).normalize(), "{path}");
        }
        assert_eq!(statement["saldos"].as_array().unwrap().len(), balances.len(), "{path}");
        let csv = text(api.get(&format!("{path}formato=csv")).await);
        assert_eq!(csv.lines().count(), 1 + lines.len() + 2 * balances.len(), "{path}");
    }
}

/// The views say what every window has earned; however much is closed, settled or marked, ranges are their sums.
#[tokio::test]
async fn ranges_have_earned_the_sum_of_their_windows() {
    let (api, _) = scattered_world().await;
    let ends = ["2026-01-01T00:00:00Z", "2026-01-01T07:20:00Z", "2026-01-01T18:00:00Z", "2026-01-02T11:40:00Z"];
    let mark = "
        INSERT INTO unsettled SELECT DISTINCT campaign, influencer, date_trunc('hour', start, 'UTC'), 't'::\"char\"
        FROM windows WHERE influencer > 0 AND start >= '2026-01-01T12:00:00Z'";
    // Nothing marked; then some hours, with terms that hold for them already; then with spans that do not earn.
    for round in 0..3 {
        if round == 1 {
            let dearer = ["3, 1, NULL, NULL, 9.75, NULL, NULL, 't', false, '{}', '{}'"];
            terms(&api, "dearer", Some("inf-2"), "2026-01-01T12:00:00Z", &dearer).await;
            api.sql(mark).await;
        }
        if round == 2 {
            api.sql(
                "INSERT INTO not_earning (campaign, since, until)
                 SELECT campaign, timestamptz '2026-01-01T13:05:00Z', timestamptz '2026-01-01T13:25:00Z'
                 FROM campaign_names;
                 INSERT INTO not_earning SELECT campaign, influencer, '2026-01-02T09:00:00Z'::timestamptz, 'infinity'
                 FROM campaign_names, influencer_names n WHERE n.name = 'inf-1'",
            )
            .await;
            api.sql(mark).await;
        }
        for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to))).filter(|(a, b)| a < b) {
            let path = format!("/tracking/queries/campanas/cmp-123/estadisticas?desde={from}&hasta={to}");
            let answer = api.get(&path).await.json();
            assert_eq!(earned(&answer), brute_force(&api, from, to).await, "{path}");
            let path = format!("/tracking/queries/campanas/cmp-123/serie?granularidad=minuto&desde={from}&hasta={to}");
            let series =
                api.get(&path.replace("minuto", "hora").replace(":20:", ":00:").replace(":40:", ":00:")).await.json();
            for point in series["puntos"].as_array().unwrap() {
                let from = point["inicio"].as_str().unwrap();
                let to = from.replace(":00:00Z", ":59:59Z");
                assert_eq!(earned(point), brute_force(&api, from, &to).await, "{path} at {from}");
            }
        }
    }
}

fn earned(answer: &Value) -> BTreeMap<String, Decimal> {
    let earned = answer["comision_devengada"].as_object().unwrap();
    earned.iter().map(|(currency, sum)| (currency.clone(), decimal(sum))).collect()
}

async fn brute_force(api: &Api, from: &str, to: &str) -> BTreeMap<String, Decimal> {
    let statement = format!(
        "SELECT currency, round_half_even(sum(commission), 2) FROM window_commissions
         WHERE start >= '{from}' AND start < '{to}' GROUP BY currency HAVING sum(commission) <> 0"
    );
    let rows: Vec<(String, Decimal)> =
        sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&api.pool).await.unwrap();
    rows.into_iter().map(|(currency, sum)| (currency, sum.normalize())).collect()
}
