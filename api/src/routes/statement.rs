//! `pagos/influencers/{id}/estado-de-cuenta`: what was owed before, line by line to what is owed after it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::campaigns::KnownCurrency;
use super::postings::{Filter, Line, Numbers, Order, Row, posted, read};
use crate::amounts::Exact;
use crate::balances::{self, Owed};
use crate::edge::{Id, Query};
use crate::error::Problem;
use crate::page::{Cursor, Limit, NoCursor, next_page};
use crate::statement::{Statement, csv, html, sections};
use crate::sums::Subject;
use crate::time::{Time, TimeParam};
use crate::{ApiError, ApiState};

/// Lines of a statement as CSV or HTML: some 4 MB of HTML, 200 printed pages. JSON has pages instead.
const LINES_MAX: usize = 10_000;

/// The range, the currency, and how the statement is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Posted at this instant or later; all before it is in the opening balance.
    #[param(value_type = Option<String>, example = "2026-01-01T00:00:00Z")]
    desde: Option<TimeParam>,
    /// Posted before this instant.
    #[param(value_type = Option<String>, example = "2026-02-01T00:00:00Z")]
    hasta: Option<TimeParam>,
    /// Only this currency: `COP`, `USD` or `EUR`.
    #[param(value_type = Option<String>, example = "COP")]
    moneda: Option<KnownCurrency>,
    /// `json`, `csv` or `html` (to print); missing: what `Accept` asks for, else JSON.
    #[param(value_type = Option<String>, example = "html")]
    formato: Option<Format>,
    /// JSON: rows of the page, 1 to 1,000. The others have all lines, 10,000 at most.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<Limit>,
    /// JSON: `siguiente` of the page before.
    #[serde(alias = "siguiente")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// `formato`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Format {
    Json,
    Csv,
    Html,
}

impl TryFrom<String> for Format {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "html" => Ok(Self::Html),
            _ => Err("debe ser json, csv o html"),
        }
    }
}

impl Format {
    /// The first media type of `Accept` that there is.
    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let known = |media: &str| match media.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some(Self::Csv),
            "text/html" => Some(Self::Html),
            "application/json" => Some(Self::Json),
            _ => None,
        };
        accept.split(',').find_map(known).unwrap_or(Self::Json)
    }
}

/// A statement of account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EstadoDeCuenta)]
pub(crate) struct Page {
    #[schema(example = "inf-001")]
    influencer_id: String,
    #[serde(rename = "desde")]
    from: Option<Time>,
    #[serde(rename = "hasta")]
    to: Option<Time>,
    /// Of the whole range, on every page: the lines of all pages sum up from the one to the other.
    #[serde(rename = "saldos")]
    balances: Vec<Balances>,
    /// Rows in this answer.
    total: usize,
    /// Oldest first.
    #[serde(rename = "lineas")]
    lines: Vec<Line>,
    /// The cursor of the next page, if there may be one. What is posted meanwhile is not on it.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// What was owed in one currency before the range and after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SaldosDeEstado)]
pub(crate) struct Balances {
    #[serde(rename = "moneda")]
    #[schema(example = "COP")]
    currency: String,
    #[serde(rename = "saldo_inicial")]
    opening: Exact,
    /// The sum of all lines.
    #[serde(rename = "movimiento")]
    change: Exact,
    #[serde(rename = "saldo_final")]
    closing: Exact,
}

/// Where a page ends, and where the statement does: what is posted between two pages belongs to neither.
#[derive(Debug, Clone, Copy)]
struct Place {
    until: i64,
    posting: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.until, self.posting)
    }
}

impl FromStr for Place {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (until, posting) = text.split_once('/').ok_or(NoCursor)?;
        let number = |text: &str| text.parse().ok().filter(|number| (0..i64::MAX).contains(number)).ok_or(NoCursor);
        Ok(Self { until: number(until)?, posting: number(posting)? })
    }
}

/// A statement of account: opening balance, postings, closing balance, by currency. As CSV or HTML in one piece.
#[utoipa::path(get, path = "/pagos/influencers/{id}/estado-de-cuenta", tag = "pagos",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001"), Params),
    responses(
        (status = OK, content((Page = "application/json"), (String = "text/csv"), (String = "text/html"))),
        (status = NOT_FOUND, body = Problem), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_influencer(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (from, to) = posted(params.desde, params.hasta)?;
    let place: Option<Place> = params.cursor.as_ref().map(Cursor::key).transpose()?;
    let format = params.formato.unwrap_or_else(|| Format::accepted(&headers));
    refuse_pages_of(format, &params)?;
    let number = Subject::influencer(&state.pool, &id).await?.number;
    let number = number.ok_or_else(|| ApiError::not_found("Not Found"))?;
    let mut numbers = Numbers::posted(&state.pool, from, to).await?;
    numbers.until = place.map_or(numbers.until, |place| place.until);
    let opening = owed(&state, number, numbers.from, params.moneda).await?;
    let closing = owed(&state, number, numbers.until, params.moneda).await?;
    numbers.from = numbers.from.max(place.map_or(0, |place| place.posting + 1));
    let currency = params.moneda.map(|KnownCurrency(currency)| currency);
    let filter = Filter { influencer: Some(number), currency, numbers, ..Filter::default() };
    if format == Format::Json {
        let limit = params.limit.unwrap_or_default();
        let rows = read(&state.pool, &filter, Order::OldestFirst, limit.rows()).await?;
        let next = next_page(&rows, limit, |row| Place { until: numbers.until, posting: row.posting });
        let (total, lines) = (rows.len(), rows.into_iter().map(Line::from).collect());
        let (from, to) = (from.map(Into::into), to.map(Into::into));
        let balances = between(opening, closing);
        return Ok(Json(Page { influencer_id: id, from, to, balances, total, lines, next }).into_response());
    }
    let mut rows = read(&state.pool, &filter, Order::OldestFirst, LINES_MAX + 1).await?;
    let cut_at = rows.get(LINES_MAX).map(|row: &Row| row.posted_at.into());
    rows.truncate(LINES_MAX);
    let sections = sections(opening, rows, closing, cut_at.is_some());
    let statement = Statement { influencer_id: id, from, to, sections, cut_at };
    Ok(if format == Format::Csv { as_csv(&statement) } else { as_html(&statement) })
}

/// Only JSON has pages; to leave a `limit` unheard would look like a statement that is whole.
fn refuse_pages_of(format: Format, params: &Params) -> Result<(), ApiError> {
    let name = if params.limit.is_some() { "limit" } else { "cursor" };
    if format == Format::Json || params.limit.is_none() && params.cursor.is_none() {
        return Ok(());
    }
    Err(ApiError::parameter(name, "solo con formato=json; acorte el rango con desde y hasta"))
}

/// What was owed before a posting, in one currency or in all.
async fn owed(
    state: &ApiState,
    influencer: i32,
    before: i64,
    currency: Option<KnownCurrency>,
) -> Result<Vec<Owed>, sqlx::Error> {
    let mut owed = balances::owed_before(&state.pool, influencer, before).await?;
    owed.retain(|owed| currency.is_none_or(|KnownCurrency(currency)| owed.currency == currency.code()));
    Ok(owed)
}

fn between(opening: Vec<Owed>, closing: Vec<Owed>) -> Vec<Balances> {
    let opening: BTreeMap<String, _> = opening.into_iter().map(|it| (it.currency, it.amount)).collect();
    let balances = |Owed { currency, amount }: Owed| {
        let opening = opening.get(&currency).copied().unwrap_or_default();
        Balances {
            opening: Exact::amount(opening, &currency),
            change: Exact::amount(amount.saturating_sub(opening), &currency),
            closing: Exact::amount(amount, &currency),
            currency,
        }
    };
    closing.into_iter().map(balances).collect()
}

fn as_csv(statement: &Statement) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"estado-de-cuenta.csv\""),
    ];
    (headers, csv(statement)).into_response()
}

/// Should a text ever get through unescaped, the browser still runs and loads nothing.
fn as_html(statement: &Statement) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, html(statement)).into_response()
}
