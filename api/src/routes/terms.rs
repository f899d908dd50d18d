//! `campañas/{id}/comisiones`: commission terms, defined and listed.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::terms::{self, Pay};
use schemas::{ConversionKind, Currency, Kind};
use serde::Serialize;
use sinks::TENANT;
use sqlx::FromRow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query, with_keys};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What `PUT /marketing-influencers/campañas/{id}/comisiones` takes.
#[derive(ToSchema)]
#[schema(as = DefinirComisiones)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct TermsBody {
    /// The id of this version; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "terms-1")]
    id: Option<String>,
    /// The first event time that they hold for: a whole minute, past or future. Missing: the minute of now.
    #[schema(example = "2026-01-01T00:00:00Z")]
    vigente_desde: Option<String>,
    /// Whom they are for; null or missing: everybody who has no terms of their own at that time.
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    /// What is not named earns nothing.
    reglas: Vec<RuleBody>,
}

/// One rule.
#[derive(ToSchema)]
#[schema(as = ReglaEnviada)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct RuleBody {
    /// `CPM` (every thousand impressions), `CPC` (every click) or `CPA` (every conversion of a kind).
    #[schema(example = "CPA")]
    tipo: String,
    /// For CPA: `VENTA`, `REGISTRO`, `SUSCRIPCION`, `DESCARGAR` or `CLICK`.
    #[schema(example = "VENTA")]
    tipo_conversion: Option<String>,
    /// Up to the first tier, for each thousand, click or conversion. Like all amounts a number or a decimal text, taken
    /// exactly as written.
    #[schema(value_type = Option<f64>)]
    monto: Option<String>,
    /// Of all amounts of the rule: `COP`, `USD` or `EUR`. With `monto` it is `COP` where it is missing. With `porcentaje` the
    /// rule is for conversions in this currency alone, or for those in any where it is missing; there may be one such rule
    /// for each currency.
    #[schema(example = "COP")]
    moneda: Option<String>,
    /// For CPA, instead of `monto`: of the conversion's amount, in its currency, rounded half to even.
    #[schema(value_type = Option<f64>, example = 7)]
    porcentaje: Option<String>,
    /// For CPA: a conversion below it, or in another currency, earns nothing. With `porcentaje` it needs a `moneda`.
    #[schema(value_type = Option<f64>, example = 50_000)]
    venta_minima: Option<String>,
    /// The most that the rule brings an influencer in one `periodo`. With `porcentaje` it needs a `moneda`.
    #[schema(value_type = Option<f64>, example = 2_000_000)]
    tope: Option<String>,
    /// Other rates from so much in one `periodo` on; ascending, 20 at most. With `porcentaje` they need a `moneda`.
    escalones: Option<Vec<TierBody>>,
    /// What the rate of a tier is for: `MARGINAL` (missing: this), what lies within the tier; `RETROACTIVA`, all of the
    /// period once it has reached the tier. Only with `escalones`.
    #[schema(example = "MARGINAL")]
    escala: Option<String>,
    /// What `tope` and `escalones` look at, and needed with them: `DIA` or `MES` of event time in UTC, or `TOTAL`.
    #[schema(example = "MES")]
    periodo: Option<String>,
}

/// From where on another rate holds.
#[derive(ToSchema)]
#[schema(as = EscalonEnviado)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct TierBody {
    /// Above 0: so many impressions, clicks or conversions, as a whole number; with `porcentaje` so much money in `moneda`
    /// that conversions were worth.
    #[schema(value_type = f64, example = 10_000_000)]
    desde: String,
    /// Where the rule has a `monto`.
    #[schema(value_type = Option<f64>)]
    monto: Option<String>,
    /// Where the rule has a `porcentaje`.
    #[schema(value_type = Option<f64>, example = 8.5)]
    porcentaje: Option<String>,
}

/// Defines commission terms. They are durable when this answers; back-dated ones change what the past has earned.
#[utoipa::path(put, path = "/marketing-influencers/campañas/{id}/comisiones", tag = "marketing-influencers",
    request_body = TermsBody,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn define(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::DefineCommissions, of_campaign(&campaign, &body)?, prefer).await
}

/// The body with the path's campaign as its first key; all else stays as it was sent.
pub(crate) fn of_campaign(campaign: &str, body: &Bytes) -> Result<Bytes, ApiError> {
    with_keys(&[("campaña_id", campaign)], body)
}

/// A version of terms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminos)]
pub(crate) struct Terms {
    #[schema(example = "terms-1")]
    id: String,
    /// Of two versions that begin at the same time, the greater one holds.
    version: i32,
    #[serde(rename = "vigente_desde")]
    valid_from: Time,
    /// Where the next version for the same people takes over; null: not yet.
    #[serde(rename = "vigente_hasta")]
    valid_until: Option<Time>,
    /// Null: everybody who has no terms of their own at that time.
    influencer_id: Option<String>,
    #[serde(rename = "reglas")]
    rules: Vec<Rule>,
    #[serde(rename = "fecha_definicion")]
    defined_at: Time,
}

/// One rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Regla)]
pub(crate) struct Rule {
    #[serde(rename = "tipo")]
    #[schema(example = "CPA")]
    basis: &'static str,
    #[serde(rename = "tipo_conversion", skip_serializing_if = "Option::is_none")]
    #[schema(example = "VENTA")]
    conversion: Option<&'static str>,
    /// Up to the first tier, for each thousand, click or conversion.
    #[serde(rename = "monto", skip_serializing_if = "Option::is_none")]
    amount: Option<Exact>,
    /// Of all amounts of the rule. With `porcentaje`: the rule is for conversions in it alone; missing: in any.
    #[serde(rename = "moneda", skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// Up to the first tier, of the conversion's amount.
    #[serde(rename = "porcentaje", skip_serializing_if = "Option::is_none")]
    percent: Option<Exact>,
    /// A conversion below it, or in another currency, earns nothing.
    #[serde(rename = "venta_minima", skip_serializing_if = "Option::is_none")]
    minimum: Option<Exact>,
    /// The most that the rule brings an influencer in one `periodo`.
    #[serde(rename = "tope", skip_serializing_if = "Option::is_none")]
    cap: Option<Exact>,
    /// Other rates from so much in one `periodo` on, ascending.
    #[serde(rename = "escalones", skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<Tier>,
    /// With `escalones`. `MARGINAL`: a rate is for what lies within its tier; `RETROACTIVA`: for all of the period.
    #[serde(rename = "escala", skip_serializing_if = "Option::is_none")]
    #[schema(example = "MARGINAL")]
    scale: Option<&'static str>,
    /// With `tope` or `escalones`, what they look at: `DIA` or `MES` of event time in UTC, or `TOTAL`.
    #[serde(rename = "periodo", skip_serializing_if = "Option::is_none")]
    #[schema(example = "MES")]
    period: Option<&'static str>,
}

/// From where on another rate holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Escalon)]
pub(crate) struct Tier {
    /// So many impressions, clicks or conversions; with `porcentaje` so much money in the rule's currency.
    #[serde(rename = "desde")]
    since: Exact,
    #[serde(rename = "monto", skip_serializing_if = "Option::is_none")]
    amount: Option<Exact>,
    #[serde(rename = "porcentaje", skip_serializing_if = "Option::is_none")]
    percent: Option<Exact>,
}

#[derive(Debug, FromRow)]
struct Row {
    id: String,
    version: i32,
    valid_from: Time,
    valid_until: Option<Time>,
    influencer: Option<String>,
    defined_at: Time,
}

impl From<&terms::Rule> for Rule {
    fn from(rule: &terms::Rule) -> Self {
        // Where there is an amount, there is a currency.
        let code = rule.currency.map_or("", Currency::code);
        let money = |amount: Decimal| Exact::amount(amount, code);
        let tier = |tier: &terms::Tier| match rule.pay {
            Pay::Percent(_) => {
                Tier { since: money(tier.since), amount: None, percent: Some(Exact::decimal(tier.rate)) }
            }
            Pay::Flat(_) => Tier { since: Exact::decimal(tier.since), amount: Some(money(tier.rate)), percent: None },
        };
        let (amount, percent) = match rule.pay {
            Pay::Flat(flat) => (Some(money(flat.amount())), None),
            Pay::Percent(percent) => (None, Some(Exact::decimal(percent))),
        };
        Self {
            basis: rule.basis.name(),
            conversion: rule.basis.conversion().map(ConversionKind::name),
            amount,
            currency: rule.currency.map(|currency| currency.code().into()),
            percent,
            minimum: rule.minimum.map(money),
            cap: rule.cap.map(money),
            tiers: rule.tiers.iter().map(tier).collect(),
            scale: (!rule.tiers.is_empty()).then(|| rule.scale.name()),
            period: rule.is_periodic().then(|| rule.period.name()),
        }
    }
}

/// Versions of a campaign's terms, the latest beginning first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaTerminos)]
pub(crate) struct Page {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign: String,
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "terminos")]
    terms: Vec<Terms>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

const LIST: &str = "
SELECT t.id, t.terms AS version, t.valid_from, nullif(t.valid_until, 'infinity') AS valid_until, i.name AS influencer,
       t.defined_at
FROM campaign_names c JOIN terms_in_force t USING (campaign) LEFT JOIN influencer_names i USING (influencer)
WHERE c.tenant = $1 AND c.name = $2 AND (t.valid_from, t.id) < ($3, $4)
ORDER BY t.valid_from DESC, t.id DESC LIMIT $5";

/// The versions of a campaign's terms, the latest beginning first.
#[utoipa::path(get, path = "/marketing-influencers/campañas/{id}/comisiones", tag = "marketing-influencers",
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after = params.after()?.unwrap_or(TimeKey::NEWEST);
    let rows: Vec<Row> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(&campaign)
        .bind(DateTime::<Utc>::from(after.time))
        .bind(&after.id)
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let next = next_page(&rows, params.limit, |row| TimeKey { time: row.valid_from.into(), id: row.id.clone() });
    let mut rules = rules(&state, &rows).await?;
    let with_rules = |row: Row| Terms {
        rules: rules.remove(&row.version).unwrap_or_default(),
        id: row.id,
        version: row.version,
        valid_from: row.valid_from,
        valid_until: row.valid_until,
        influencer_id: row.influencer,
        defined_at: row.defined_at,
    };
    let terms: Vec<_> = rows.into_iter().map(with_rules).collect();
    Ok(Json(Page { campaign, total: terms.len(), terms, next }))
}

/// The rules of these versions, in the order in which they were sent; terms never change, so that a second look sees what
/// belongs to the first.
async fn rules(state: &ApiState, rows: &[Row]) -> Result<HashMap<i32, Vec<Rule>>, ApiError> {
    let versions: Vec<_> = rows.iter().map(|row| row.version).collect();
    let known = sinks::ledger::rules::read(&state.pool, &versions).await?;
    let mut rules: HashMap<i32, Vec<Rule>> = HashMap::new();
    for (key, rule) in known.into_iter().collect::<BTreeMap<_, _>>() {
        rules.entry(key.terms).or_default().push(rule.as_ref().into());
    }
    Ok(rules)
}
