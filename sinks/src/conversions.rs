//! `conversions`: the raw rows of conversions. A twentieth of the events, so one INSERT over arrays does.

use chrono::{DateTime, Utc};
use schemas::{ConversionKind, Envelope, EventKind, Money, TrackingEvent};

use crate::epoch::Writer;
use crate::{SinkError, raw_days};

const INSERT: &str = "
INSERT INTO conversions (campaign, influencer, event_time, day, kind, amount, currency, line, ledger, entry, index,
                         published_at, id, user_id, user_agent, ip_address, referrer, inexact)
SELECT r.campaign, r.influencer, r.event_time, $1, r.kind, r.amount, r.currency, $2, r.ledger, r.entry, r.index,
       r.published_at, r.id, r.user_id, r.user_agent, r.ip_address, r.referrer, r.inexact
FROM unnest($3::int[], $4::int[], $5::timestamptz[], $6::smallint[], $7::numeric[], $8::text[], $9::bigint[],
            $10::bigint[], $11::int[], $12::timestamptz[], $13::text[], $14::text[], $15::text[], $16::text[],
            $17::text[], $18::bool[])
     AS r(campaign, influencer, event_time, kind, amount, currency, ledger, entry, index, published_at, id, user_id,
          user_agent, ip_address, referrer, inexact)";

struct Row<'a> {
    campaign: i32,
    influencer: i32,
    kind: ConversionKind,
    amount: Money,
    inexact: bool,
    event: &'a Envelope<TrackingEvent>,
}

/// Writes conversions.
pub(crate) async fn insert(writer: &mut Writer<'_>, events: &[Envelope<TrackingEvent>]) -> Result<(), SinkError> {
    let rows = rows(writer, events)?;
    if rows.is_empty() {
        return Ok(());
    }
    let time = |row: &Row<'_>| DateTime::<Utc>::from(row.event.body.event_time);
    sqlx::query(INSERT)
        .bind(writer.day)
        .bind(writer.line)
        .bind(rows.iter().map(|row| row.campaign).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.influencer).collect::<Vec<_>>())
        .bind(rows.iter().map(time).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.amount.amount()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.amount.currency().code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.origin.position.ledger).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.origin.position.entry).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.origin.position.index).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| DateTime::<Utc>::from(row.event.origin.published_at)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.event.body.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.body.user.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.body.user_agent.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.body.ip_address.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event.body.referrer.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.inexact).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    raw_days::extend(writer, rows.iter().map(|row| row.event.body.event_time)).await
}

fn rows<'a>(writer: &Writer<'_>, events: &'a [Envelope<TrackingEvent>]) -> Result<Vec<Row<'a>>, SinkError> {
    let mut rows = Vec::new();
    for event in events {
        let EventKind::Conversion { kind, amount, inexact } = event.body.kind else { continue };
        let campaign = writer.campaigns.number(&event.body.campaign)?;
        let influencer = writer.influencers.number_or_nobody(event.body.influencer.as_deref())?;
        rows.push(Row { campaign, influencer, kind, amount, inexact, event });
    }
    Ok(rows)
}
