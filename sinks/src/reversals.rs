//! `reversals`: refunds and disputes as they came, and marks for what they may change. They are few, so INSERTs over arrays
//! do.

use chrono::{DateTime, Utc};
use schemas::{Currency, Envelope, Reversal};
use sqlx::types::Uuid;
use std::collections::BTreeSet;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO reversals (tenant, line, id, conversion_id, kind, dispute_id, amount, currency, reason, event_time,
                       published_at, ledger, entry, index)
SELECT $1, $2, r.id, r.conversion_id, r.kind, r.dispute_id, r.amount, r.currency, r.reason, r.event_time,
       r.published_at, r.ledger, r.entry, r.index
FROM unnest($3::text[], $4::text[], $5::smallint[], $6::text[], $7::numeric[], $8::text[], $9::text[],
            $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::int[])
     AS r(id, conversion_id, kind, dispute_id, amount, currency, reason, event_time, published_at, ledger, entry,
          index)";

/// Writes the reversals, and a mark for every conversion that they name. Whether it has come is for whoever settles the
/// marks to see: it may come later.
pub(crate) async fn insert(writer: &mut Writer<'_>, reversals: &[Envelope<Reversal>]) -> Result<(), SinkError> {
    if reversals.is_empty() {
        return Ok(());
    }
    rows(writer, reversals).await?;
    marks(writer, reversals).await?;
    count(writer, reversals).await
}

async fn rows(writer: &mut Writer<'_>, reversals: &[Envelope<Reversal>]) -> Result<(), SinkError> {
    let bodies = || reversals.iter().map(|reversal| &reversal.body);
    let positions = || reversals.iter().map(|reversal| reversal.origin.position);
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(writer.line)
        .bind(bodies().map(|reversal| &*reversal.id).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| &*reversal.conversion).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| reversal.kind.number()).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| reversal.dispute.as_deref()).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| reversal.amount).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| reversal.currency.map(Currency::code)).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| reversal.reason.as_deref()).collect::<Vec<_>>())
        .bind(bodies().map(|reversal| DateTime::<Utc>::from(reversal.event_time)).collect::<Vec<_>>())
        .bind(reversals.iter().map(|it| DateTime::<Utc>::from(it.origin.published_at)).collect::<Vec<_>>())
        .bind(positions().map(|position| position.ledger).collect::<Vec<_>>())
        .bind(positions().map(|position| position.entry).collect::<Vec<_>>())
        .bind(positions().map(|position| position.index).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

async fn marks(writer: &mut Writer<'_>, reversals: &[Envelope<Reversal>]) -> Result<(), SinkError> {
    let conversions: BTreeSet<Uuid> = reversals.iter().map(|reversal| reversal.body.conversion_key().id).collect();
    sqlx::query("INSERT INTO unsettled_conversions (conversion) SELECT unnest($1::uuid[])")
        .bind(Vec::from_iter(conversions))
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

/// For the relay, which makes no events of them.
async fn count(writer: &mut Writer<'_>, reversals: &[Envelope<Reversal>]) -> Result<(), SinkError> {
    sqlx::query("UPDATE lines SET reversals = reversals + $2 WHERE line = $1")
        .bind(writer.line)
        .bind(reversals.len() as i64)
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}
