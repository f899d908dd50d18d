//! `impressions`: the raw rows of impressions and clicks, by COPY; or only how many there would have been.

use schemas::{Envelope, EventKind, TrackingEvent};

use crate::copy::copy;
use crate::epoch::Writer;
use crate::{SinkError, raw_days};

const COPY: &str = "COPY impressions (campaign, influencer, event_time, day, click, line, ledger, entry, index, \
                    published_at, id, user_id, user_agent, ip_address, referrer) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 15;

/// What becomes of the raw rows of impressions and clicks. Those of conversions are money, and always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawRows {
    /// They can be listed, looked up, announced, and counted again.
    #[default]
    Keep,
    /// They are counted in windows and totals, and claimed, but not stored.
    Drop,
}

/// Writes impressions and clicks, in the order of their positions.
pub(crate) async fn write(writer: &mut Writer<'_>, events: &[Envelope<TrackingEvent>]) -> Result<(), SinkError> {
    match writer.raw_rows {
        RawRows::Keep => keep(writer, events).await,
        RawRows::Drop => count_unstored(writer, events.len()).await,
    }
}

async fn count_unstored(writer: &mut Writer<'_>, events: usize) -> Result<(), SinkError> {
    let update = sqlx::query("UPDATE lines SET unstored = unstored + $2 WHERE line = $1");
    update.bind(writer.line).bind(events as i64).execute(&mut *writer.connection).await?;
    Ok(())
}

async fn keep(writer: &mut Writer<'_>, events: &[Envelope<TrackingEvent>]) -> Result<(), SinkError> {
    let Writer { connection, campaigns, influencers, line, day, .. } = writer;
    let (line, day) = (*line, *day);
    copy(connection, COPY, events, |rows, Envelope { origin, body }| {
        rows.row(COLUMNS)
            .i32(campaigns.number(&body.campaign)?)
            .i32(influencers.number_or_nobody(body.influencer.as_deref())?)
            .timestamp(body.event_time)
            .date(day)
            .bool(body.kind == EventKind::Click)
            .i32(line)
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
    })
    .await?;
    raw_days::extend(writer, events.iter().map(|event| event.body.event_time)).await
}
