//! `rechazos`: what could not be counted, with its bytes; and another try, as it is or mended.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemas::message::Encoding;
use schemas::{Code, CommandId, Kind, Position, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sinks::{LogEntry, TENANT};
use sqlx::{FromRow, PgPool};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accept::{Answers, Sound, append, judge};
use crate::edge::{Number, OptionalBody, Prefer, PreferHeader, Query};
use crate::error::Problem;
use crate::page::{Cursor, Limit, next_page};
use crate::place::Place;
use crate::time::Time;
use crate::{ApiError, ApiState};

/// Which rejects, and a page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Only those with this code.
    #[param(value_type = Option<String>, example = "campo_faltante")]
    codigo: Option<KnownCode>,
    /// `PENDIENTE` or `RESUELTO`.
    #[param(value_type = Option<String>, example = "PENDIENTE")]
    estado: Option<RejectState>,
    /// Rows of the page, 1 to 1,000.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// `siguiente` of the page before.
    #[serde(alias = "siguiente")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// `codigo`, which must be one that Alpes knows.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct KnownCode(Code);

impl TryFrom<String> for KnownCode {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || format!("no se conoce; uno de {}", Code::ALL.map(Code::name).join(", "));
        Code::ALL.into_iter().find(|code| code.name() == name).map(Self).ok_or_else(known)
    }
}

/// `estado` of a reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = EstadoRechazo)]
enum RejectState {
    /// Not counted.
    #[serde(rename = "PENDIENTE")]
    Pending,
    /// A replay was counted, or turned out to be there already.
    #[serde(rename = "RESUELTO")]
    Resolved,
}

impl TryFrom<String> for RejectState {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "PENDIENTE" => Ok(Self::Pending),
            "RESUELTO" => Ok(Self::Resolved),
            _ => Err("debe ser PENDIENTE o RESUELTO"),
        }
    }
}

/// A message that could not be counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rechazo)]
pub(crate) struct Reject {
    #[schema(example = 17)]
    id: i64,
    #[serde(rename = "estado")]
    state: RejectState,
    /// The first fault's code.
    #[serde(rename = "codigo")]
    #[schema(example = "campo_faltante")]
    code: String,
    /// All faults in words.
    #[serde(rename = "detalle")]
    #[schema(example = "campaña_id: falta")]
    detail: String,
    /// All faults.
    #[serde(rename = "errores")]
    #[schema(value_type = Vec<crate::error::FaultBody>)]
    faults: Box<RawValue>,
    /// The kind of command, as far as it could be told.
    #[serde(rename = "comando")]
    #[schema(example = "registrar-impresion")]
    command: Option<&'static str>,
    /// The event time, as far as it could be read.
    timestamp: Option<Time>,
    /// When it was accepted.
    created_at: Time,
    /// When it was rejected.
    #[serde(rename = "rechazado")]
    rejected_at: Time,
    /// Where it lies in its source.
    #[serde(rename = "posicion")]
    #[schema(example = "log-2/0:17:-1")]
    place: String,
    /// How often it was tried again.
    #[serde(rename = "intentos")]
    replays: i32,
    /// When a replay was counted.
    #[serde(rename = "resuelto")]
    resolved_at: Option<Time>,
}

#[derive(Debug, FromRow)]
struct RejectRow {
    reject: i64,
    code: String,
    detail: String,
    faults: String,
    kind: Option<i16>,
    event_time: Option<Time>,
    published_at: Time,
    rejected_at: Time,
    source: String,
    ledger: i64,
    entry: i64,
    index: i32,
    replays: i32,
    resolved_at: Option<Time>,
}

impl RejectRow {
    fn position(&self) -> Position {
        Position { ledger: self.ledger, entry: self.entry, index: self.index }
    }
}

impl From<RejectRow> for Reject {
    fn from(row: RejectRow) -> Self {
        let position = row.position();
        Self {
            id: row.reject,
            state: if row.resolved_at.is_some() { RejectState::Resolved } else { RejectState::Pending },
            code: row.code,
            detail: row.detail,
            // The column holds JSON, checked by PostgreSQL.
            faults: RawValue::from_string(row.faults).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            command: row.kind.and_then(Kind::from_number).map(Kind::name),
            timestamp: row.event_time,
            created_at: row.published_at,
            rejected_at: row.rejected_at,
            place: Place { source: row.source, position }.to_string(),
            replays: row.replays,
            resolved_at: row.resolved_at,
        }
    }
}

/// Rejects, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaginaRechazos)]
pub(crate) struct Page {
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "rechazos")]
    rejects: Vec<Reject>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

const LIST: &str = "
SELECT r.reject, r.code, r.detail, r.faults::text, r.kind, r.event_time, r.published_at, r.rejected_at, l.source,
       r.ledger, r.entry, r.index, r.replays, r.resolved_at
FROM rejects r JOIN lines l USING (line)
WHERE r.tenant = $1 AND ($2::text IS NULL OR r.code = $2) AND ($3::boolean IS NULL OR (r.resolved_at IS NOT NULL) = $3)
  AND r.reject < $4
ORDER BY r.reject DESC LIMIT $5";

/// Rejects, newest first.
#[utoipa::path(get, path = "/rechazos", tag = "rechazos", params(Params),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Query(params): Query<Params>,
) -> Result<Json<Page>, ApiError> {
    let after: Option<i64> = params.cursor.as_ref().map(Cursor::key).transpose()?;
    let rows: Vec<RejectRow> = sqlx::query_as(LIST)
        .bind(TENANT)
        .bind(params.codigo.map(|KnownCode(code)| code.name()))
        .bind(params.estado.map(|state| state == RejectState::Resolved))
        .bind(after.unwrap_or(i64::MAX))
        .bind(params.limit.rows() as i64)
        .fetch_all(&state.pool)
        .await?;
    let next = next_page(&rows, params.limit, |row| row.reject);
    Ok(Json(Page { total: rows.len(), rejects: rows.into_iter().map(Into::into).collect(), next }))
}

/// A reject with its bytes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RechazoConCuerpo)]
pub(crate) struct RejectWithBody {
    #[serde(flatten)]
    reject: Reject,
    /// The bytes as they came, if they are text.
    #[serde(rename = "cuerpo")]
    text: Option<String>,
    /// The bytes as they came.
    #[serde(rename = "cuerpo_base64")]
    base64: String,
}

#[derive(Debug, FromRow)]
struct StoredReject {
    #[sqlx(flatten)]
    row: RejectRow,
    assigned_id: Option<Uuid>,
    payload: Vec<u8>,
    encoding: Option<String>,
}

const ONE: &str = "
SELECT r.reject, r.code, r.detail, r.faults::text, r.kind, r.event_time, r.published_at, r.rejected_at, l.source,
       r.ledger, r.entry, r.index, r.replays, r.resolved_at, r.assigned_id, r.payload, r.encoding
FROM rejects r JOIN lines l USING (line) WHERE r.tenant = $1 AND r.reject = $2";

async fn stored(pool: &PgPool, id: i64) -> Result<StoredReject, ApiError> {
    let stored: Option<StoredReject> = sqlx::query_as(ONE).bind(TENANT).bind(id).fetch_optional(pool).await?;
    stored.ok_or_else(|| ApiError::not_found("Rechazo no encontrado"))
}

/// One reject with its bytes.
#[utoipa::path(get, path = "/rechazos/{id}", tag = "rechazos",
    params(("id" = i64, Path, description = "id of the reject", example = 17)),
    responses((status = OK, body = RejectWithBody), (status = NOT_FOUND, body = Problem)))]
pub(crate) async fn one(
    State(state): State<Arc<ApiState>>,
    Number(id): Number,
) -> Result<Json<RejectWithBody>, ApiError> {
    let stored = stored(&state.pool, id).await?;
    let base64 = STANDARD.encode(&stored.payload);
    Ok(Json(RejectWithBody { reject: stored.row.into(), text: String::from_utf8(stored.payload).ok(), base64 }))
}

/// Tries a reject again, as it is or with a mended body. Trying twice changes nothing.
#[utoipa::path(post, path = "/rechazos/{id}/reprocesar", tag = "rechazos",
    request_body(content = Option<serde_json::Value>, description = "The mended command; without a body, the stored one"),
    params(("id" = i64, Path, description = "id of the reject", example = 17), PreferHeader), responses(Answers))]
pub(crate) async fn replay(
    State(state): State<Arc<ApiState>>,
    Number(id): Number,
    prefer: Prefer,
    OptionalBody(mended): OptionalBody,
) -> Result<Response, ApiError> {
    let StoredReject { row, assigned_id, payload, encoding } = stored(&state.pool, id).await?;
    // A mended command is written in JSON, whatever the reject was.
    let (payload, encoding) = match mended {
        Some(mended) => (mended, Encoding::Json),
        None => (Bytes::from(payload), Encoding::named(encoding.as_deref())),
    };
    let kind = row.kind.and_then(Kind::from_number);
    let assigned = assigned_id.map_or_else(|| position_id(&row), Ok)?;
    let published_at = published_at(&row, kind, &encoding, &payload);
    let judged = judge(kind, &encoding, &payload, published_at, assigned);
    let sound: Sound = judged.map_err(|unsound| ApiError::faults(&unsound.faults))?;
    let entry = LogEntry {
        kind,
        key: sound.key,
        published_at,
        assigned_id: sound.needs_id.then_some(assigned),
        replay_of: Some(id),
        payload,
        encoding,
    };
    append(&state, entry, sound.kind, &sound.id, prefer).await
}

/// The id that the line would have given to the message: the same at every replay, so that trying twice counts once.
fn position_id(row: &RejectRow) -> Result<Uuid, ApiError> {
    let id = CommandId::from_position(&row.source, row.position());
    Uuid::try_parse(&id).map_err(|_| ApiError::internal())
}

/// When the replay counts as published; what cannot be read will not be replayed.
fn published_at(row: &RejectRow, kind: Option<Kind>, encoding: &Encoding, payload: &[u8]) -> Timestamp {
    let first = row.published_at.into();
    encoding.decode(kind, payload).map_or(first, |record| record.replayed_at(first, Timestamp::now()))
}
