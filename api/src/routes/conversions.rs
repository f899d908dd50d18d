//! `conversiones`: recorded one by one, looked up by id, listed by campaign and by influencer.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rust_decimal::Decimal;
use schemas::{ClaimKey, ConversionKind, Kind};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use sinks::TENANT;
use sqlx::{FromRow, PgPool};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::amounts::Exact;
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, Query};
use crate::error::Problem;
use crate::page::{Cursor, PageParams, TimeKey, next_page};
use crate::raw::{Listed, list_of, newest, one_of};
use crate::sums::Subject;
use crate::time::Time;
use crate::{ApiError, ApiState};

/// What `POST /tracking/conversiones` takes. Unknown keys are ignored.
#[derive(ToSchema)]
#[schema(as = RegistrarConversion)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct ConversionBody {
    /// Unique among conversions; made by Alpes where it is missing.
    #[schema(example = "conv-123")]
    id: Option<String>,
    #[schema(rename = "campaña_id", example = "cmp-123")]
    campaign_id: String,
    /// Without one the event counts for the campaign alone.
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    #[schema(example = "usr-101")]
    usuario_id: Option<String>,
    /// `VENTA` (the default), `REGISTRO`, `SUSCRIPCION`, `DESCARGAR` or `CLICK`.
    #[schema(example = "VENTA")]
    tipo_conversion: Option<String>,
    /// A number or a decimal text, taken exactly as written; 0 where it is missing.
    #[schema(value_type = Option<f64>, example = 150000.0)]
    valor: Option<String>,
    /// `COP` (the default), `USD` or `EUR`.
    #[schema(example = "COP")]
    moneda: Option<String>,
    #[schema(example = "Mozilla/5.0")]
    user_agent: Option<String>,
    #[schema(example = "127.0.0.1")]
    ip_address: Option<String>,
    #[schema(example = "https://instagram.com")]
    referrer: Option<String>,
    /// ISO 8601; UTC where it has no zone; now where it is missing.
    #[schema(example = "2025-01-01T12:05:00Z")]
    timestamp: Option<String>,
}

/// Records a conversion. It is durable when this answers.
#[utoipa::path(post, path = "/tracking/conversiones", tag = "tracking", request_body = ConversionBody,
    params(PreferHeader), responses(Answers))]
pub(crate) async fn record(
    State(state): State<Arc<ApiState>>,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::RecordConversion, body, prefer).await
}

/// A conversion.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = Conversion)]
pub(crate) struct Conversion {
    #[schema(example = "conv-123")]
    id: String,
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    #[serde(rename = "usuario_id")]
    #[schema(example = "usr-101")]
    user_id: Option<String>,
    /// `VENTA`, `REGISTRO`, `SUSCRIPCION`, `DESCARGAR` or `CLICK`.
    #[serde(rename = "tipo_conversion", serialize_with = "conversion_type")]
    #[schema(value_type = String, example = "VENTA")]
    kind: i16,
    #[sqlx(flatten)]
    #[serde(flatten)]
    price: Price,
    user_agent: Option<String>,
    ip_address: Option<String>,
    referrer: Option<String>,
    /// When it happened.
    #[serde(rename = "timestamp")]
    event_time: Time,
    /// When it was accepted.
    #[serde(rename = "created_at")]
    published_at: Time,
}

fn conversion_type<S: Serializer>(kind: &i16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(ConversionKind::from_number(*kind).map_or("", ConversionKind::name))
}

/// What a conversion is worth: `valor` and `moneda`.
#[derive(Debug, FromRow, ToSchema)]
struct Price {
    #[schema(rename = "valor", value_type = f64, example = 150000.00)]
    amount: Decimal,
    #[schema(rename = "moneda", example = "COP")]
    currency: String,
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_map(Some(2))?;
        entries.serialize_entry("valor", &Exact::amount(self.amount, &self.currency))?;
        entries.serialize_entry("moneda", &self.currency)?;
        entries.end()
    }
}

impl Listed for Conversion {
    fn key(&self) -> TimeKey {
        TimeKey { time: self.event_time.into(), id: self.id.clone() }
    }
}

macro_rules! conversions_of {
    ($owner:literal) => {
        list_of!(
            $owner,
            "conversions",
            "conversions",
            "t.kind, t.amount, t.currency",
            "t.campaign = w.campaign AND t.influencer = w.influencer"
        )
    };
}

const ONE: &str = one_of!("conversions", "t.kind, t.amount, t.currency");
const OF_CAMPAIGN: &str = conversions_of!("campaign");
const OF_INFLUENCER: &str = conversions_of!("influencer");

/// One conversion.
#[utoipa::path(get, path = "/conversiones/{id}", tag = "consultas",
    params(("id" = String, Path, description = "id of the conversion", example = "conv-123")),
    responses((status = OK, body = Conversion), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Conversion>, ApiError> {
    let key = ClaimKey::new(Kind::RecordConversion, &id);
    let found: Option<Conversion> = sqlx::query_as(ONE)
        .bind(TENANT)
        .bind(key.kind.number())
        .bind(key.id)
        .bind(&id)
        .fetch_optional(&state.pool)
        .await?;
    found.map(Json).ok_or_else(|| ApiError::not_found("Conversión no encontrada"))
}

/// A campaign's conversions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversionesDeCampaña)]
pub(crate) struct CampaignPage {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[serde(flatten)]
    page: Page,
}

/// An influencer's conversions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversionesDeInfluencer)]
pub(crate) struct InfluencerPage {
    #[schema(example = "inf-001")]
    influencer_id: String,
    #[serde(flatten)]
    page: Page,
}

/// Rows, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaConversiones)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "conversiones")]
    conversions: Vec<Conversion>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// A campaign's conversions, newest first. Empty for an unknown campaign.
#[utoipa::path(get, path = "/campañas/{id}/conversiones", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), PageParams),
    responses((status = OK, body = CampaignPage), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<CampaignPage>, ApiError> {
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let page = page(&state.pool, OF_CAMPAIGN, campaign.number, params).await?;
    Ok(Json(CampaignPage { campaign_id: id, page }))
}

/// An influencer's conversions, newest first. Empty for an unknown influencer.
#[utoipa::path(get, path = "/influencers/{id}/conversiones", tag = "consultas",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001"), PageParams),
    responses((status = OK, body = InfluencerPage), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_influencer(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<InfluencerPage>, ApiError> {
    let influencer = Subject::influencer(&state.pool, &id).await?;
    let page = page(&state.pool, OF_INFLUENCER, influencer.number, params).await?;
    Ok(Json(InfluencerPage { influencer_id: id, page }))
}

async fn page(
    pool: &PgPool,
    statement: &'static str,
    owner: Option<i32>,
    params: PageParams,
) -> Result<Page, ApiError> {
    let cursor = params.after()?;
    let rows: Vec<Conversion> = match owner {
        Some(owner) => newest(pool, statement, owner, cursor, params.limit).await?,
        None => Vec::new(),
    };
    Ok(Page { total: rows.len(), next: next_page(&rows, params.limit, Listed::key), conversions: rows })
}
