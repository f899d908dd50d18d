//! `outbox`: low-volume events, written with their cause and relayed after it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Uuid;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

/// An event on its way out.
pub(crate) struct OutboxEvent<'a> {
    /// Where it goes.
    pub topic: &'a str,
    /// Events of one key keep their order.
    pub key: &'a str,
    /// Made from its cause, so that a relay that sends twice sends the same id. One event may go to several topics.
    pub event_id: Uuid,
    /// Avro, as the topic's schema says.
    pub payload: &'a [u8],
}

/// Puts one event in.
pub(crate) async fn insert(writer: &mut Writer<'_>, event: OutboxEvent<'_>) -> Result<(), SinkError> {
    sqlx::query("INSERT INTO outbox (tenant, topic, key, event_id, payload) VALUES ($1, $2, $3, $4, $5)")
        .bind(TENANT)
        .bind(event.topic)
        .bind(event.key)
        .bind(event.event_id)
        .bind(event.payload)
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

/// An event that waits to be relayed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct WaitingEvent {
    pub sequence: i64,
    pub topic: String,
    pub key: String,
    pub event_id: Uuid,
    pub payload: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

/// The first `limit` events that wait, in the order of their sequence.
pub(crate) async fn waiting(connection: &mut PgConnection, limit: i64) -> Result<Vec<WaitingEvent>, sqlx::Error> {
    sqlx::query_as(
        "SELECT sequence, topic, key, event_id, payload, created_at FROM outbox
         WHERE relayed_at IS NULL ORDER BY sequence LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Remembers that events were relayed.
pub(crate) async fn mark_relayed(connection: &mut PgConnection, sequences: &[i64]) -> Result<(), sqlx::Error> {
    let update = "UPDATE outbox SET relayed_at = clock_timestamp() WHERE sequence = ANY ($1)";
    sqlx::query(update).bind(sequences).execute(connection).await?;
    Ok(())
}
