//! `late_events`: every event that came for a closed window, for those who must know of it.

use chrono::{DateTime, Utc};
use schemas::LateEvent;

use crate::SinkError;
use crate::epoch::Writer;
use crate::windows::numbered;

const INSERT: &str = "
INSERT INTO late_events (campaign, influencer, start, event_time, published_at, line, ledger, entry, index)
SELECT r.campaign, r.influencer, r.start, r.event_time, r.published_at, $1, r.ledger, r.entry, r.index
FROM unnest($2::int[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bigint[],
            $9::int[]) AS r(campaign, influencer, start, event_time, published_at, ledger, entry, index)";

/// Lists late events. Those of files are left out: a file is history by nature.
pub(crate) async fn insert(writer: &mut Writer<'_>, late: &[LateEvent]) -> Result<(), SinkError> {
    if late.is_empty() || !writer.live {
        return Ok(());
    }
    metrics::counter!("alpes_late_events_total").increment(late.len() as u64);
    let keys = late.iter().map(|event| numbered(writer, &event.window)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(INSERT)
        .bind(writer.line)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.2).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.1).collect::<Vec<_>>())
        .bind(late.iter().map(|event| DateTime::<Utc>::from(event.event_time)).collect::<Vec<_>>())
        .bind(late.iter().map(|event| DateTime::<Utc>::from(event.published_at)).collect::<Vec<_>>())
        .bind(late.iter().map(|event| event.position.ledger).collect::<Vec<_>>())
        .bind(late.iter().map(|event| event.position.entry).collect::<Vec<_>>())
        .bind(late.iter().map(|event| event.position.index).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}
