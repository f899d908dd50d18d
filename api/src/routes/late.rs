//! `campañas/{id}/tardios`: what came after its window was closed. It was counted all the same.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use schemas::{Position, Timestamp};
use serde::Serialize;
use sqlx::FromRow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::edge::{Id, Query};
use crate::error::Problem;
use crate::page::{Cursor, NoCursor, PageParams, TimeKey, next_page};
use crate::place::Place;
use crate::sums::Subject;
use crate::time::Time;
use crate::{ApiError, ApiState};

/// A campaign's late events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tardios)]
pub(crate) struct Page {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    /// Rows in this answer.
    total: usize,
    #[serde(rename = "tardios")]
    late: Vec<Late>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
}

/// An event that came after its window was closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tardio)]
pub(crate) struct Late {
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    /// The start of the window that it corrected.
    #[serde(rename = "ventana")]
    window: Time,
    /// When it happened.
    timestamp: Time,
    /// When it was accepted.
    created_at: Time,
    /// Where it lies in the log.
    #[serde(rename = "posicion")]
    #[schema(example = "log-2/0:17:-1")]
    place: String,
}

#[derive(Debug, FromRow)]
struct Row {
    influencer_id: Option<String>,
    start: Time,
    event_time: Time,
    published_at: Time,
    line: i32,
    source: String,
    ledger: i64,
    entry: i64,
    index: i32,
}

impl Row {
    fn key(&self) -> LateKey {
        LateKey { time: self.event_time.into(), line: self.line, position: self.position() }
    }

    fn position(&self) -> Position {
        Position { ledger: self.ledger, entry: self.entry, index: self.index }
    }
}

impl From<Row> for Late {
    fn from(row: Row) -> Self {
        let position = row.position();
        Self {
            influencer_id: row.influencer_id,
            window: row.start,
            timestamp: row.event_time,
            created_at: row.published_at,
            place: Place { source: row.source, position }.to_string(),
        }
    }
}

/// The order of the list: newest first, then by place.
#[derive(Debug)]
struct LateKey {
    time: Timestamp,
    line: i32,
    position: Position,
}

impl fmt::Display for LateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.time.micros(), self.line, self.position)
    }
}

impl FromStr for LateKey {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let TimeKey { time, id } = text.parse()?;
        let Place { source, position } = id.parse().map_err(|_| NoCursor)?;
        Ok(Self { time, line: source.parse().map_err(|_| NoCursor)?, position })
    }
}

const LIST: &str = "
SELECT n.name AS influencer_id, e.start, e.event_time, e.published_at, e.line, l.source, e.ledger, e.entry, e.index
FROM late_events e
JOIN lines l USING (line)
LEFT JOIN influencer_names n USING (influencer)
WHERE e.campaign = $1 AND ($2::timestamptz IS NULL OR (
    e.event_time <= $2 AND (e.event_time, e.line, e.ledger, e.entry, e.index) < ($2, $3, $4, $5, $6)))
ORDER BY e.event_time DESC, e.line DESC, e.ledger DESC, e.entry DESC, e.index DESC LIMIT $7";

/// A campaign's late events: counted, their windows corrected, listed here. Newest first.
#[utoipa::path(get, path = "/campañas/{id}/tardios", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), PageParams),
    responses((status = OK, body = Page), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let after: Option<LateKey> = params.after()?;
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let rows: Vec<Row> = match campaign.number {
        Some(number) => {
            sqlx::query_as(LIST)
                .bind(number)
                .bind(after.as_ref().map(|key| DateTime::<Utc>::from(key.time)))
                .bind(after.as_ref().map(|key| key.line))
                .bind(after.as_ref().map(|key| key.position.ledger))
                .bind(after.as_ref().map(|key| key.position.entry))
                .bind(after.as_ref().map(|key| key.position.index))
                .bind(params.limit.rows() as i64)
                .fetch_all(&state.pool)
                .await?
        }
        None => Vec::new(),
    };
    let next = next_page(&rows, params.limit, Row::key);
    let late: Vec<Late> = rows.into_iter().map(Into::into).collect();
    Ok(Json(Page { campaign_id: id, total: late.len(), late, next }))
}
