//! `pagos/comisiones`: the ledger's postings, newest first.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::commission::{Cause, Concept};
use schemas::{Currency, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::campaigns::KnownCurrency;
use crate::amounts::Exact;
use crate::edge::{Query, TextParam};
use crate::error::Problem;
use crate::page::{Cursor, Limit, next_page};
use crate::sums::Subject;
use crate::time::{AFTER_ALL, Time, TimeParam};
use crate::{ApiError, ApiState};

/// Which postings, and a page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Only of this campaign; also `campana`.
    #[serde(rename = "campaña", alias = "campana")]
    #[param(value_type = Option<String>, example = "cmp-123")]
    campaign: Option<TextParam>,
    /// Only of this influencer.
    #[param(value_type = Option<String>, example = "inf-001")]
    influencer: Option<TextParam>,
    /// `PENDIENTE`, `APROBADA` or `PAGADA`.
    #[param(value_type = Option<String>, example = "APROBADA")]
    estado: Option<PostingState>,
    /// Posted at this instant or later.
    #[param(value_type = Option<String>, example = "2026-01-01T00:00:00Z")]
    desde: Option<TimeParam>,
    /// Posted before this instant.
    #[param(value_type = Option<String>, example = "2026-02-01T00:00:00Z")]
    hasta: Option<TimeParam>,
    /// `COP`, `USD` or `EUR`.
    #[param(value_type = Option<String>, example = "COP")]
    moneda: Option<KnownCurrency>,
    /// Rows of the page, 1 to 1,000.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// `siguiente` of the page before.
    #[serde(alias = "siguiente")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// `estado` of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = EstadoComision)]
pub(crate) enum PostingState {
    /// Held: not approved for payment.
    #[serde(rename = "PENDIENTE")]
    Pending,
    /// To be paid.
    #[serde(rename = "APROBADA")]
    Approved,
    /// Paid.
    #[serde(rename = "PAGADA")]
    Paid,
}

impl PostingState {
    /// On the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDIENTE",
            Self::Approved => "APROBADA",
            Self::Paid => "PAGADA",
        }
    }
}

impl TryFrom<String> for PostingState {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let all = [Self::Pending, Self::Approved, Self::Paid];
        all.into_iter().find(|state| state.name() == name).ok_or("debe ser PENDIENTE, APROBADA o PAGADA")
    }
}

/// A posting of the ledger.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Asiento)]
pub(crate) struct Line {
    /// Its number in the ledger.
    #[schema(example = 17)]
    pub(crate) id: i64,
    /// `COMISION`, or `REVERSION` of one.
    #[serde(rename = "concepto")]
    #[schema(example = "COMISION")]
    pub(crate) concept: &'static str,
    /// Why: `CONVERSION`, `VENTANAS` (impressions and clicks), `TERMINOS` (other terms for what had happened already) or
    /// `REVERSION`.
    #[serde(rename = "causa")]
    #[schema(example = "CONVERSION")]
    pub(crate) cause: &'static str,
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    pub(crate) campaign_id: String,
    #[schema(example = "inf-001")]
    pub(crate) influencer_id: String,
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    pub(crate) currency: String,
    /// In the influencer's favour; below 0 to their disadvantage.
    #[serde(rename = "monto")]
    pub(crate) amount: Exact,
    #[serde(rename = "estado")]
    pub(crate) state: PostingState,
    /// Why it is held: `PRESUPUESTO` or `DISPUTA`.
    #[serde(rename = "motivo_retencion", skip_serializing_if = "Option::is_none")]
    #[schema(example = "PRESUPUESTO")]
    pub(crate) held_for: Option<&'static str>,
    /// The conversion that it is about; null: impressions, clicks, or all of a period.
    #[serde(rename = "conversion_id")]
    pub(crate) conversion_id: Option<String>,
    /// The event time that it is about.
    #[serde(rename = "ventana_desde")]
    pub(crate) event_from: Time,
    /// Until when; of a conversion the same.
    #[serde(rename = "ventana_hasta")]
    pub(crate) event_to: Time,
    /// The id of the version of terms.
    #[serde(rename = "terminos_id")]
    #[schema(example = "terms-1")]
    pub(crate) terms_id: String,
    /// The rule's number in it, from 1.
    #[serde(rename = "regla")]
    #[schema(example = 1)]
    pub(crate) rule: i16,
    /// The posting that this takes back (a part of).
    #[serde(rename = "revierte")]
    pub(crate) reverses: Option<i64>,
    /// What is owed to the influencer in this currency after it.
    #[serde(rename = "saldo")]
    pub(crate) balance: Exact,
    /// When it was posted.
    #[serde(rename = "fecha")]
    pub(crate) posted_at: Time,
}

/// A posting as it is read.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) posting: i64,
    pub(crate) posted_at: Time,
    pub(crate) campaign_id: String,
    pub(crate) influencer_id: String,
    pub(crate) currency: String,
    pub(crate) in_favour: Decimal,
    pub(crate) concept: String,
    pub(crate) cause: String,
    pub(crate) conversion: Option<String>,
    pub(crate) event_from: Time,
    pub(crate) event_to: Time,
    pub(crate) terms_id: String,
    pub(crate) rule: i16,
    pub(crate) reverses: Option<i64>,
    pub(crate) balance: Decimal,
    pub(crate) held: Option<String>,
}

impl From<Row> for Line {
    fn from(row: Row) -> Self {
        Self {
            id: row.posting,
            concept: if row.is_reversal() { Concept::Reversal.name() } else { Concept::Commission.name() },
            // The table holds no other letters.
            cause: Cause::from_letter(&row.cause).map_or("", Cause::name),
            amount: Exact::amount(row.in_favour, &row.currency),
            state: if row.held.is_some() { PostingState::Pending } else { PostingState::Approved },
            held_for: row.held.map(|reason| if reason == "d" { "DISPUTA" } else { "PRESUPUESTO" }),
            balance: Exact::amount(row.balance, &row.currency),
            campaign_id: row.campaign_id,
            influencer_id: row.influencer_id,
            currency: row.currency,
            conversion_id: row.conversion,
            event_from: row.event_from,
            event_to: row.event_to,
            terms_id: row.terms_id,
            rule: row.rule,
            reverses: row.reverses,
            posted_at: row.posted_at,
        }
    }
}

impl Row {
    /// Whether it takes back what was earned.
    pub(crate) fn is_reversal(&self) -> bool {
        self.concept == Concept::Reversal.letter()
    }
}

/// Which postings: by their numbers, and by what else is asked for.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) campaign: Option<i32>,
    pub(crate) influencer: Option<i32>,
    pub(crate) currency: Option<Currency>,
    pub(crate) commission: Option<i64>,
    pub(crate) state: Option<PostingState>,
    pub(crate) numbers: Numbers,
}

/// Numbers of postings, `[from, until)`. The ledger is append-only: what lies between two numbers never changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Numbers {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// Which end of the numbers comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

const NUMBERS: &str = r#"
SELECT coalesce(first_posting_since($1), 1) AS "from", coalesce(first_posting_since($2), posting + 1) AS until
FROM ledger_head"#;

impl Numbers {
    /// What was posted at `from` or later and before `to`; as far as there are such ends.
    pub(crate) async fn posted(
        pool: &PgPool,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Self, sqlx::Error> {
        let instant = |end: Option<Timestamp>| end.map(DateTime::<Utc>::from);
        sqlx::query_as(NUMBERS).bind(instant(from)).bind(instant(to)).fetch_one(pool).await
    }
}

/// Names are looked up for the page alone.
const NAMED: &str = "
) SELECT p.posting, p.posted_at, c.name AS campaign_id, i.name AS influencer_id, p.currency, p.in_favour, p.concept,
         p.cause, p.conversion, p.event_from, p.event_to, t.id AS terms_id, p.rule, p.reverses, p.balance, p.held
FROM page p JOIN campaign_names c ON c.campaign = p.campaign JOIN influencer_names i ON i.influencer = p.influencer
JOIN terms t ON t.terms = p.terms ORDER BY p.posting";

/// Of several reasons for holding a posting, the dispute is named: a verdict comes before any budget.
const PAGE: &str = "
WITH page AS MATERIALIZED (
    SELECT p.posting, p.posted_at, p.campaign, p.influencer, p.currency, p.concept::text, p.cause::text, p.conversion,
           p.event_from, p.event_to, p.terms, p.rule, p.reverses, p.balance,
           (SELECT max(h.reason::text) FROM held_postings h WHERE h.posting = p.posting) AS held,
           CASE p.credit WHEN 'p' THEN p.amount ELSE -p.amount END AS in_favour
    FROM postings p WHERE p.posting >= ";

/// At most `limit` postings that `filter` lets through. The statement has only the conditions that there are, so that each
/// combination is planned for itself.
pub(crate) async fn read(pool: &PgPool, filter: &Filter, order: Order, limit: usize) -> Result<Vec<Row>, sqlx::Error> {
    let Filter { numbers, campaign, influencer, currency, commission, state } = filter;
    let mut query = QueryBuilder::<Postgres>::new(PAGE);
    query.push_bind(numbers.from).push(" AND p.posting < ").push_bind(numbers.until);
    if let Some(campaign) = campaign {
        query.push(" AND p.campaign = ").push_bind(campaign);
    }
    if let Some(influencer) = influencer {
        query.push(" AND p.influencer = ").push_bind(influencer);
    }
    if let Some(currency) = currency {
        query.push(" AND p.currency = ").push_bind(currency.code());
    }
    if let Some(commission) = commission {
        query.push(" AND p.commission = ").push_bind(commission);
    }
    match state {
        Some(PostingState::Pending) => query.push(" AND p.posting IN (SELECT posting FROM held_postings)"),
        Some(PostingState::Approved) => {
            query.push(" AND NOT EXISTS (SELECT FROM held_postings h WHERE h.posting = p.posting)")
        }
        Some(PostingState::Paid) => query.push(" AND false"),
        None => &mut query,
    };
    let direction = if order == Order::NewestFirst { " DESC" } else { "" };
    query.push(" ORDER BY p.posting").push(direction).push(" LIMIT ").push_bind(limit as i64);
    query.push(NAMED).push(direction).build_query_as().fetch_all(pool).await
}

/// Postings, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaComisiones)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "comisiones")]
    postings: Vec<Line>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// What was posted for commissions, newest first. Nothing for a campaign or an influencer that nobody has heard of.
#[utoipa::path(get, path = "/pagos/comisiones", tag = "pagos", params(Params),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Query(params): Query<Params>,
) -> Result<Json<Page>, ApiError> {
    let (from, to) = posted(params.desde, params.hasta)?;
    let before: Option<i64> = params.cursor.as_ref().map(Cursor::key).transpose()?;
    let Some(mut filter) = filter(&state.pool, &params).await? else { return Ok(Json(page(Vec::new(), params.limit))) };
    filter.numbers = Numbers::posted(&state.pool, from, to).await?;
    filter.numbers.until = filter.numbers.until.min(before.unwrap_or(i64::MAX));
    let rows = read(&state.pool, &filter, Order::NewestFirst, params.limit.rows()).await?;
    Ok(Json(page(rows, params.limit)))
}

fn page(rows: Vec<Row>, limit: Limit) -> Page {
    let next = next_page(&rows, limit, |row| row.posting);
    Page { total: rows.len(), postings: rows.into_iter().map(Line::from).collect(), next }
}

/// The ends of a range of postings, in order if there are both.
pub(crate) fn posted(
    from: Option<TimeParam>,
    to: Option<TimeParam>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let (from, to) = (from.map(|TimeParam(from)| from), to.map(|TimeParam(to)| to));
    super::range(from.unwrap_or(Timestamp::EPOCH), to.unwrap_or(AFTER_ALL))?;
    Ok((from, to))
}

/// None where a name is not known, so that nothing can be found.
async fn filter(pool: &PgPool, params: &Params) -> Result<Option<Filter>, sqlx::Error> {
    let mut filter = Filter { state: params.estado, ..Filter::default() };
    filter.currency = params.moneda.map(|KnownCurrency(currency)| currency);
    if let Some(TextParam(name)) = &params.campaign {
        filter.campaign = Subject::campaign(pool, name).await?.number;
    }
    if let Some(TextParam(name)) = &params.influencer {
        filter.influencer = Subject::influencer(pool, name).await?.number;
    }
    let is_known = filter.campaign.is_some() == params.campaign.is_some()
        && filter.influencer.is_some() == params.influencer.is_some();
    Ok(is_known.then_some(filter))
}
