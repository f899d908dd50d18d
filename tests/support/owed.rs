//! What everybody is owed for the sample, computed from its lines alone, and what the ledger says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use ::alpes::cluster::{Cluster, ClusterSettings};
use ::alpes::config::PostgresChoice;
use chrono::DateTime;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection};

use super::alpes::Home;
use super::sample::{assert_same_lines, unpack};

/// `up` that closes windows, and so posts their commissions, as soon as their time has come.
pub(crate) const UP: &str = "up --grace-seconds 0";
/// Longer than posting the sample takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Amounts by campaign, influencer and currency.
type Amounts = BTreeMap<(String, String, String), Decimal>;

/// The rates of a campaign of the sample; all but the percentage in pesos.
struct Rates {
    per_thousand: Decimal,
    per_click: Decimal,
    percent: Decimal,
    per_sign_up: Decimal,
}

/// Lines that are whole JSON.
fn lines(file: &str) -> Vec<Value> {
    unpack(file).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}

fn rates() -> HashMap<String, Rates> {
    let rate = |terms: &Value, kind: &str, of: Option<&str>, key: &str| -> Decimal {
        let rules = terms["reglas"].as_array().unwrap();
        let rule = rules.iter().find(|it| it["tipo"] == kind && text(it, "tipo_conversion") == of).unwrap();
        text(rule, key).unwrap().parse().unwrap()
    };
    let terms = lines("campaigns.ndjson.zst").into_iter().filter(|line| line["comando"] == "definir-comisiones");
    let rates = terms.map(|terms| {
        let rates = Rates {
            per_thousand: rate(&terms, "CPM", None, "monto"),
            per_click: rate(&terms, "CPC", None, "monto"),
            percent: rate(&terms, "CPA", Some("VENTA"), "porcentaje"),
            per_sign_up: rate(&terms, "CPA", Some("REGISTRO"), "monto"),
        };
        (text(&terms, "campaña_id").unwrap().to_owned(), rates)
    });
    rates.collect()
}

/// Whether a line can be counted: it has a campaign, a time, and what a conversion needs, an amount in a known currency.
fn is_good(line: &Value) -> bool {
    let has_time = || text(line, "timestamp").is_some_and(|time| DateTime::parse_from_rfc3339(time).is_ok());
    let has_amount = || {
        let amount = text(line, "valor").and_then(|amount| amount.parse::<Decimal>().ok());
        let is_known = text(line, "moneda").is_some_and(|code| ["COP", "USD", "EUR"].contains(&code));
        is_known && amount.is_some_and(|amount| !amount.is_sign_negative())
    };
    text(line, "campaña_id").is_some() && has_time() && (line["comando"] != "registrar-conversion" || has_amount())
}

fn rounded(exact: Decimal) -> Decimal {
    exact.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven)
}

/// What the conversions bring, each rounded, and exactly what views and clicks do, by their rules.
fn earned() -> (Amounts, [Amounts; 2]) {
    let (rates, mut ids) = (rates(), HashSet::new());
    let (mut sales, mut counts) = (Amounts::new(), [Amounts::new(), Amounts::new()]);
    for line in lines("commands-100k.ndjson.zst").iter().filter(|line| is_good(line)) {
        let [command, id, campaign, influencer] =
            ["comando", "id", "campaña_id", "influencer_id"].map(|key| text(line, key).unwrap().to_owned());
        // The first one with an id counts.
        if !ids.insert((command.clone(), id)) {
            continue;
        }
        let Some(rates) = rates.get(&campaign) else { continue };
        let pesos = (campaign.clone(), influencer.clone(), "COP".to_owned());
        let own = || (campaign.clone(), influencer.clone(), text(line, "moneda").unwrap().to_owned());
        let amount = || text(line, "valor").unwrap().parse::<Decimal>().unwrap();
        let (sums, key, commission) = match (command.as_str(), text(line, "tipo_conversion")) {
            ("registrar-conversion", Some("VENTA")) => {
                (&mut sales, own(), rounded(amount() * rates.percent / Decimal::ONE_HUNDRED))
            }
            ("registrar-conversion", _) => (&mut sales, pesos, rates.per_sign_up),
            _ if text(line, "tipo_evento") == Some("CLICK") => (&mut counts[1], pesos, rates.per_click),
            _ => (&mut counts[0], pesos, rates.per_thousand / Decimal::ONE_THOUSAND),
        };
        *sums.entry(key).or_default() += commission;
    }
    (sales, counts)
}

/// What other programs computed by the minute, before views and clicks are rounded.
fn exact_by_minutes() -> Amounts {
    let mut sums = Amounts::new();
    for line in unpack("valores.csv.zst").lines().skip(1) {
        let [campaign, influencer, _, currency, _, commission] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let key = (campaign.into(), influencer.into(), currency.into());
        *sums.entry(key).or_default() += commission.parse::<Decimal>().unwrap();
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

fn sum(parts: impl IntoIterator<Item = Amounts>) -> Amounts {
    let mut sums = Amounts::new();
    for (key, amount) in parts.into_iter().flatten() {
        *sums.entry(key).or_default() += amount;
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// Conversions are rounded one by one; views and clicks once for each rule and influencer.
pub(crate) fn expected() -> String {
    let (sales, counts) = earned();
    assert_eq!(sum([sales.clone()].into_iter().chain(counts.clone())), exact_by_minutes(), "before it is rounded");
    let rounded = counts.map(|counts| counts.into_iter().map(|(key, exact)| (key, rounded(exact))).collect());
    let owed = sum([sales].into_iter().chain(rounded));
    owed.into_iter()
        .map(|((campaign, influencer, currency), amount)| {
            format!("{campaign},{influencer},{currency},{}\n", amount.normalize())
        })
        .collect()
}

const OWED: &str = r#"
SELECT concat_ws(',', c.name, i.name, b.currency, trim_scale(b.earned - b.reversed))
FROM balances b JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)
WHERE b.earned <> b.reversed ORDER BY c.name COLLATE "C", i.name COLLATE "C", b.currency COLLATE "C""#;

/// After the last event of the sample nothing is open, and nothing waits.
const SETTLED: &str = "
SELECT coalesce(closed_through > '2026-01-01T07:00:00Z', false) AND NOT EXISTS (SELECT FROM unsettled)
       AND NOT EXISTS (SELECT FROM unsettled_conversions)
FROM facts";

async fn settled(connection: &mut PgConnection) -> String {
    let begun = std::time::Instant::now();
    while !sqlx::query_scalar::<_, bool>(SETTLED).fetch_one(&mut *connection).await.unwrap() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until everything is posted");
        tokio::time::sleep(ASK_EVERY).await;
    }
    let owed: Vec<String> = sqlx::query_scalar(OWED).fetch_all(connection).await.unwrap();
    owed.iter().map(|line| format!("{line}\n")).collect()
}

/// Waits until everything is closed and posted, and gives what everybody is owed then.
pub(crate) fn of(home: &Home) -> String {
    let settings = ClusterSettings { data: home.data().to_owned(), postgres: PostgresChoice::Auto, database_url: None };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::join(&settings).await.unwrap();
        let mut connection = cluster.connect_options().connect().await.unwrap();
        let owed = settled(&mut connection).await;
        drop(connection);
        cluster.leave().await.unwrap();
        owed
    })
}

/// Everybody is owed what they should be. Some process must be posting.
pub(crate) fn assert_owed(home: &Home) {
    assert_same_lines("balances", &expected(), &of(home));
}
