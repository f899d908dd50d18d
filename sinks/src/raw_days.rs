//! `raw_days`: the span of event time that each day's raw rows cover, so that lists skip days.

use schemas::Timestamp;

use crate::SinkError;
use crate::epoch::Writer;

/// Widens the line's span of the day by `times`.
pub(crate) async fn extend(writer: &mut Writer<'_>, times: impl Iterator<Item = Timestamp>) -> Result<(), SinkError> {
    let wider = |(from, to): (Timestamp, Timestamp), (time, _)| (from.min(time), to.max(time));
    let Some((from, to)) = times.map(|time| (time, time)).reduce(wider) else { return Ok(()) };
    sqlx::query(
        "INSERT INTO raw_days AS d (day, line, event_from, event_to) VALUES ($1, $2, $3, $4)
         ON CONFLICT (day, line) DO UPDATE
         SET event_from = least(d.event_from, excluded.event_from), event_to = greatest(d.event_to, excluded.event_to)
         WHERE d.event_from > excluded.event_from OR d.event_to < excluded.event_to",
    )
    .bind(writer.day)
    .bind(writer.line)
    .bind(chrono::DateTime::from(from))
    .bind(chrono::DateTime::from(to))
    .execute(&mut *writer.connection)
    .await?;
    Ok(())
}
