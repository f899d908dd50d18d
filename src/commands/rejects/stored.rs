//! A reject as it lies in its table.

use chrono::{DateTime, Utc};
use schemas::message::Encoding;
use schemas::{CommandId, Kind, Position, Timestamp};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Uuid;

/// A row of `rejects`, with the name of its source.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Stored {
    pub(super) reject: i64,
    pub(super) code: String,
    pub(super) detail: String,
    faults: String,
    kind: Option<i16>,
    assigned_id: Option<Uuid>,
    event_time: Option<DateTime<Utc>>,
    published_at: DateTime<Utc>,
    pub(super) rejected_at: DateTime<Utc>,
    pub(super) payload: Vec<u8>,
    pub(super) replays: i32,
    pub(super) resolved_at: Option<DateTime<Utc>>,
    encoding: Option<String>,
    pub(super) source: String,
    ledger: i64,
    entry: i64,
    index: i32,
}

const BY_IDS: &str = "
SELECT r.reject, r.code, r.detail, r.faults::text, r.kind, r.assigned_id, r.event_time, r.published_at, r.rejected_at,
       r.payload, r.replays, r.resolved_at, r.encoding, l.source, r.ledger, r.entry, r.index
FROM rejects r JOIN lines l USING (line) WHERE r.reject = ANY ($1) ORDER BY r.reject";

/// Without the bytes: they are long, and nobody reads them in a list.
const NEWEST: &str = "
SELECT r.reject, r.code, r.detail, r.faults::text, r.kind, r.assigned_id, r.event_time, r.published_at, r.rejected_at,
       ''::bytea AS payload, r.replays, r.resolved_at, r.encoding, l.source, r.ledger, r.entry, r.index
FROM rejects r JOIN lines l USING (line)
WHERE ($1::text IS NULL OR r.code = $1) AND ($2 OR r.resolved_at IS NULL) ORDER BY r.reject DESC LIMIT $3";

const OPEN_AFTER: &str = "
SELECT reject FROM rejects
WHERE reject > $1 AND resolved_at IS NULL AND ($2::text IS NULL OR code = $2) ORDER BY reject LIMIT $3";

/// Those of `ids` that there are, in order.
pub(super) async fn by_ids(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Stored>, sqlx::Error> {
    sqlx::query_as(BY_IDS).bind(ids).fetch_all(connection).await
}

/// The newest, without their bytes.
pub(super) async fn newest(
    connection: &mut PgConnection,
    code: Option<&str>,
    resolved_too: bool,
    limit: u32,
) -> Result<Vec<Stored>, sqlx::Error> {
    sqlx::query_as(NEWEST).bind(code).bind(resolved_too).bind(i64::from(limit)).fetch_all(connection).await
}

/// The numbers of the first that are not resolved, after one.
pub(super) async fn open_after(
    connection: &mut PgConnection,
    after: i64,
    code: Option<&str>,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(OPEN_AFTER).bind(after).bind(code).bind(limit).fetch_all(connection).await
}

impl Stored {
    /// Its kind of command, as far as it could be told.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind.and_then(Kind::from_number)
    }

    /// What its bytes are written in.
    pub(super) fn encoding(&self) -> Encoding {
        Encoding::named(self.encoding.as_deref())
    }

    /// Its place in its source.
    pub(super) const fn position(&self) -> Position {
        Position { ledger: self.ledger, entry: self.entry, index: self.index }
    }

    /// When it was first published.
    pub(super) fn published_at(&self) -> Timestamp {
        self.published_at.into()
    }

    /// The id of a payload that brings none: the edge's, else the one that the line makes from its place. The same at
    /// every replay, so that trying twice counts once.
    pub(super) fn assigned_id(&self) -> Option<Uuid> {
        let made = || Uuid::try_parse(&CommandId::from_position(&self.source, self.position())).ok();
        self.assigned_id.or_else(made)
    }

    /// PENDIENTE or RESUELTO.
    pub(super) const fn state(&self) -> &'static str {
        if self.resolved_at.is_some() { "RESUELTO" } else { "PENDIENTE" }
    }

    /// Everything but the bytes, under the names of the API.
    pub(super) fn json(&self) -> Value {
        let time = |time: Option<DateTime<Utc>>| time.map(|time| Timestamp::from(time).to_string());
        json!({
            "id": self.reject,
            "estado": self.state(),
            "codigo": self.code,
            "detalle": self.detail,
            "errores": serde_json::from_str::<Value>(&self.faults).unwrap_or_default(),
            "comando": self.kind().map(Kind::name),
            "timestamp": time(self.event_time),
            "created_at": time(Some(self.published_at)),
            "rechazado": time(Some(self.rejected_at)),
            "posicion": format!("{}/{}", self.source, self.position()),
            "intentos": self.replays,
            "resuelto": time(self.resolved_at),
        })
    }
}
