//! Closed hours as series by minutes told them last: a dashboard asks for the same hours over and over.
//!
//! What a closed hour tells changes by events that come late, and by what decides who earns. So it is kept under the number
//! of its events and the generation of the facts, which only go up. They are read before what is kept under them, which
//! may be newer than they say and is never older.
//!
//! Hours are kept in quarters, so that a range which does not begin with an hour reads little more than it asks for.

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use schemas::Timestamp;
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::pieces::{Grain, Range, split};
use crate::routes::series::Point;
use crate::sums::Subject;
use crate::time::HOUR;

/// Quarters kept, of any campaigns' hours: 24 MB when all are of busy ones (measured as 500 hours).
const QUARTERS_MAX: usize = 2_000;

/// A quarter of an hour.
const QUARTER: Duration = Duration::from_secs(15 * 60);

/// The points of a stretch, in order.
type Points = Arc<[Point]>;

/// Points of closed hours.
#[derive(Debug)]
pub(crate) struct ClosedHours(Cache<Quarter, Points>);

/// What a quarter of a closed hour is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Quarter {
    campaign: i32,
    start: Timestamp,
    /// Of the whole hour.
    events: i64,
    generation: i64,
}

/// A part of a series. A quarter of a closed hour is read as a whole, however much of it was asked for.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) range: Range,
    /// What is known of it; none: it is to be read.
    points: Option<Points>,
    quarter: Option<Quarter>,
}

impl Stretch {
    /// One that is to be read, and not kept.
    pub(crate) const fn unread(range: Range) -> Self {
        Self { range, points: None, quarter: None }
    }

    /// Whether it is to be read.
    pub(crate) const fn is_unread(&self) -> bool {
        self.points.is_none()
    }
}

impl Default for ClosedHours {
    fn default() -> Self {
        Self(Cache::new(QUARTERS_MAX))
    }
}

impl ClosedHours {
    /// Splits a range of minutes into quarters of closed hours, known or not, and what lies around them. Only where the
    /// campaign has a currency of its own: where it has none, a point is told in the one that is the first of all points.
    pub(crate) async fn split(
        &self,
        pool: &PgPool,
        campaign: &Subject,
        range: Range,
    ) -> Result<Vec<Stretch>, sqlx::Error> {
        let (Some(number), Some(_)) = (campaign.number, &campaign.currency) else {
            return Ok(vec![Stretch::unread(range)]);
        };
        let mut stretches = Vec::new();
        for piece in split(range.widened(HOUR), campaign.closed_through(), Grain::Hour) {
            if piece.grain == Grain::Minute {
                stretches.push(Stretch::unread(piece.range.within(range)));
                continue;
            }
            let events = events(pool, number, piece.range).await?;
            stretches.extend(piece.range.within(range.widened(QUARTER)).starts(QUARTER).map(|start| {
                let events = events.get(&start.floor(HOUR)).copied().unwrap_or_default();
                let quarter = Quarter { campaign: number, start, events, generation: campaign.generation };
                let range = Range { from: start, to: start.plus(QUARTER) };
                Stretch { range, points: self.0.get(&quarter), quarter: Some(quarter) }
            }));
        }
        Ok(stretches)
    }

    /// The points of a stretch: those that are known, or what `read` makes, which is kept if it is of a closed hour.
    pub(crate) fn points(&self, stretch: Stretch, read: impl FnOnce(Range) -> Points) -> Points {
        let Stretch { range, points, quarter } = stretch;
        points.unwrap_or_else(|| {
            let points = read(range);
            if let Some(quarter) = quarter {
                self.0.insert(quarter, points.clone());
            }
            points
        })
    }
}

const EVENTS: &str = "
SELECT start, impressions + clicks + conversions FROM rollups
WHERE campaign = $1 AND grain = 'h' AND influencer = -1 AND start >= $2 AND start < $3";

/// How many events the closed hours of a range have; those that have none are left out.
async fn events(pool: &PgPool, campaign: i32, hours: Range) -> Result<HashMap<Timestamp, i64>, sqlx::Error> {
    let [from, to] = [hours.from, hours.to].map(DateTime::<Utc>::from);
    let rows: Vec<(DateTime<Utc>, i64)> =
        sqlx::query_as(EVENTS).bind(campaign).bind(from).bind(to).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(start, events)| (start.into(), events)).collect())
}
