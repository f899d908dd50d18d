//! Where a message stands in its source.

use std::fmt;
use std::str::FromStr;

/// A message's place in one partition of a source. Ordered; a later message has a greater position.
///
/// | source | ledger | entry | index |
/// |---|---|---|---|
/// | log in PostgreSQL | 0 | offset | -1 |
/// | file | 0 | offset of the line in decompressed bytes | -1 |
/// | Pulsar | ledger | entry | index within the batch, -1 without one |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The ledger, where the source has them.
    pub ledger: i64,
    /// The entry within the ledger.
    pub entry: i64,
    /// The message within the entry.
    pub index: i32,
}

impl Position {
    /// Before every message.
    pub const START: Self = Self { ledger: -1, entry: -1, index: -1 };

    /// The position `offset` of a source that only counts: the log in PostgreSQL, a file.
    pub const fn offset(offset: i64) -> Self {
        Self { ledger: 0, entry: offset, index: -1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.ledger, self.entry, self.index)
    }
}

/// Not `ledger:entry:index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(NoPosition);
        let (ledger, entry, index) = (next()?, next()?, next()?);
        let position = Self {
            ledger: ledger.parse().map_err(|_| NoPosition)?,
            entry: entry.parse().map_err(|_| NoPosition)?,
            index: index.parse().map_err(|_| NoPosition)?,
        };
        if parts.next().is_some() { Err(NoPosition) } else { Ok(position) }
    }
}

/// The stretch `(after, through]` of one partition that a batch covers, dropped and rejected messages included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The position before the first message.
    pub after: Position,
    /// The position of the last message.
    pub through: Position,
    /// How many messages of its flow lie in it (ticks not counted).
    pub messages: u64,
}
