//! `impressions`: the raw rows of impressions and clicks, by COPY.

use schemas::{Envelope, EventKind, TrackingEvent};

use crate::copy::CopyRows;
use crate::epoch::Writer;
use crate::{SinkError, raw_days};

const COPY: &str = "COPY impressions (campaign, influencer, event_time, day, click, line, ledger, entry, index, \
                    published_at, id, user_id, user_agent, ip_address, referrer) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 15;
/// A row's usual size in bytes, to size the buffer once.
const ROW_BYTES: usize = 320;

/// Writes the impressions and clicks among `events`, sorted by campaign and time so that neighbours in the indexes are
/// neighbours in the batch.
pub(crate) async fn copy(writer: &mut Writer<'_>, events: &[Envelope<TrackingEvent>]) -> Result<(), SinkError> {
    let is_row = |event: &&Envelope<TrackingEvent>| !matches!(event.body.kind, EventKind::Conversion { .. });
    let mut sorted = Vec::with_capacity(events.len());
    for event in events.iter().filter(is_row) {
        sorted.push((writer.campaigns.number(&event.body.campaign)?, event));
    }
    if sorted.is_empty() {
        return Ok(());
    }
    sorted.sort_unstable_by_key(|(campaign, event)| (*campaign, event.body.event_time, event.origin.position));
    let mut rows = CopyRows::new(sorted.len() * ROW_BYTES);
    for (campaign, event) in &sorted {
        push(&mut rows, writer, *campaign, event)?;
    }
    let mut copy = writer.connection.copy_in_raw(COPY).await?;
    copy.send(rows.finish()).await?;
    copy.finish().await?;
    raw_days::extend(writer, sorted.iter().map(|(_, event)| event.body.event_time)).await
}

fn push(
    rows: &mut CopyRows,
    writer: &Writer<'_>,
    campaign: i32,
    event: &Envelope<TrackingEvent>,
) -> Result<(), SinkError> {
    let Envelope { origin, body } = event;
    rows.row(COLUMNS)
        .i32(campaign)
        .i32(writer.influencers.number_or_nobody(body.influencer.as_deref())?)
        .timestamp(body.event_time)
        .date(writer.day)
        .bool(body.kind == EventKind::Click)
        .i32(writer.line)
        .i64(origin.position.ledger)
        .i64(origin.position.entry)
        .i32(origin.position.index)
        .timestamp(origin.published_at)
        .text(&body.id)
        .optional_text(body.user.as_deref())
        .optional_text(body.user_agent.as_deref())
        .optional_text(body.ip_address.as_deref())
        .optional_text(body.referrer.as_deref());
    Ok(())
}
