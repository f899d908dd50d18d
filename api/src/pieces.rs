//! A range of time in as few stored sums as it takes: days and hours where it covers them whole, minutes at its edges.

use chrono::{DateTime, Utc};
use schemas::Timestamp;
use std::time::Duration;

use crate::time::{DAY, HOUR, MINUTE};

/// `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Range {
    /// Whether an instant lies in it.
    pub(crate) fn contains(self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.to
    }

    /// What of it lies in `other`, with which it has something in common.
    pub(crate) fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// How long it is.
    pub(crate) fn width(self) -> Duration {
        Duration::from_micros(self.to.micros().saturating_sub(self.from.micros()).unsigned_abs())
    }

    /// The least stretch of whole aligned units of `width` that holds it.
    pub(crate) fn widened(self, width: Duration) -> Self {
        Self { from: self.from.floor(width), to: ceil(self.to, width) }
    }

    /// The starts of its units of `width`, in order.
    pub(crate) fn starts(self, width: Duration) -> impl Iterator<Item = Timestamp> {
        (self.from.micros()..self.to.micros()).step_by(width.as_micros() as usize).map(Timestamp::from_micros)
    }
}

/// What sums are stored by: minutes in `windows`, hours and days in `rollups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grain {
    Minute,
    Hour,
    Day,
}

impl Grain {
    /// Its width.
    pub(crate) const fn width(self) -> Duration {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// The letter in `rollups.grain`; `m` for windows, which have no row there.
    pub(crate) const fn letter(self) -> &'static str {
        match self {
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }
}

/// A stretch to be read from one grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) grain: Grain,
    pub(crate) range: Range,
}

/// Splits `range` into at most five pieces, none coarser than `coarsest`.
///
/// Hours and days are used only where they end at or before `closed_through`, for only then are they whole. They stay
/// right when windows are closed meanwhile, so `closed_through` may be a little old: what comes late is added to the
/// window and to its roll-ups in one transaction.
pub(crate) fn split(range: Range, closed_through: Option<Timestamp>, coarsest: Grain) -> Vec<Piece> {
    let closed = Range { to: closed_through.map_or(range.from, |closed| closed.min(range.to)), ..range };
    let whole = |grain: Grain, else_at| match whole(closed, grain.width()) {
        Some(whole) if grain <= coarsest => whole,
        _ => Range { from: else_at, to: else_at },
    };
    let hours = whole(Grain::Hour, range.to);
    let days = whole(Grain::Day, hours.to);
    [
        (Grain::Minute, range.from, hours.from),
        (Grain::Hour, hours.from, days.from),
        (Grain::Day, days.from, days.to),
        (Grain::Hour, days.to, hours.to),
        (Grain::Minute, hours.to, range.to),
    ]
    .into_iter()
    .filter(|(_, from, to)| from < to)
    .map(|(grain, from, to)| Piece { grain, range: Range { from, to } })
    .collect()
}

/// The stretch of whole aligned units of `width` within `range`.
fn whole(range: Range, width: Duration) -> Option<Range> {
    let from = ceil(range.from, width);
    let to = range.to.floor(width);
    (from < to).then_some(Range { from, to })
}

/// The first start of a unit of `width` that is not before `instant`.
fn ceil(instant: Timestamp, width: Duration) -> Timestamp {
    instant.plus(width - Duration::from_micros(1)).floor(width)
}

/// Where pieces begin, and where they end, for PostgreSQL.
pub(crate) fn bounds(pieces: &[Piece]) -> (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) {
    let bounds = |piece: &Piece| (DateTime::from(piece.range.from), DateTime::from(piece.range.to));
    pieces.iter().map(bounds).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_micros(n * 60_000_000)
    }

    const WEEK_MINUTES: i64 = 7 * 24 * 60;

    proptest! {
        /// Brute force: every minute of the range is covered once, by a unit that is whole, closed and allowed.
        #[test]
        fn pieces_cover_the_range_once(
            from in 0..WEEK_MINUTES, length in 0..WEEK_MINUTES, closed in proptest::option::of(0..2 * WEEK_MINUTES),
            coarsest in prop::sample::select(vec![Grain::Minute, Grain::Hour, Grain::Day]),
        ) {
            let range = Range { from: minute(from), to: minute(from + length) };
            let closed = closed.map(minute);
            let pieces = split(range, closed, coarsest);
            prop_assert!(pieces.len() <= 5);
            let mut covered = Vec::new();
            for Piece { grain, range } in &pieces {
                prop_assert!(*grain <= coarsest);
                prop_assert_eq!(range.from.floor(grain.width()), range.from);
                prop_assert_eq!(range.to.floor(grain.width()), range.to);
                prop_assert!(*grain == Grain::Minute || closed.is_some_and(|closed| range.to <= closed));
                covered.extend((range.from.micros()..range.to.micros()).step_by(60_000_000));
            }
            let wanted: Vec<i64> = (range.from.micros()..range.to.micros()).step_by(60_000_000).collect();
            prop_assert_eq!(covered, wanted);
            // As few as it takes: no minutes where an allowed closed hour would fit.
            let long = |piece: &&Piece| piece.range.to.micros() - piece.range.from.micros() >= 2 * 3_600_000_000;
            for piece in pieces.iter().filter(long).filter(|piece| piece.grain == Grain::Minute) {
                prop_assert!(coarsest == Grain::Minute || closed.is_none_or(|closed| closed < piece.range.from.plus(2 * HOUR)));
            }
        }
    }
}
