//! `outbox`: low-volume events, written with their cause and relayed after it.

use schemas::CommandId;
use sqlx::types::Uuid;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

/// Puts one event in. Its id is made from topic and cause, so that a relay that sends twice sends the same id.
pub(crate) async fn insert(
    writer: &mut Writer<'_>,
    topic: &str,
    cause: &CommandId,
    payload: &[u8],
) -> Result<(), SinkError> {
    let event_id = event_id(topic, cause);
    sqlx::query("INSERT INTO outbox (tenant, topic, key, event_id, payload) VALUES ($1, $2, $3, $4, $5)")
        .bind(TENANT)
        .bind(topic)
        .bind(&**cause)
        .bind(event_id)
        .bind(payload)
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

fn event_id(topic: &str, cause: &CommandId) -> Uuid {
    schemas::ids::derived_uuid(&format!("{topic}/{}", &**cause))
}
