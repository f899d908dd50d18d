//! Is anything missing between two messages of a topic?

use schemas::Position;

/// Entries between the one at `after` and the one at `at`, where that can be told from the numbers alone: within a
/// ledger, or at the beginning of one.
pub(super) fn skipped(after: Position, at: Position) -> Option<u64> {
    let entries = if at.ledger == after.ledger {
        at.entry - after.entry - 1
    } else {
        // That the ledger before was read to its end is for the caller to know.
        return (at.entry > 0).then(|| u64::try_from(at.entry).unwrap_or(0));
    };
    Some(u64::try_from(entries).unwrap_or(0))
}

/// Whether messages are missing between `after` and `at`, in a topic that has `ledgers` (with how many entries each) and
/// was `seen` to hold an entry before. Ledgers that are gone say nothing any more: what was seen of them does. A line that
/// has read nothing begins with the first entry that the topic holds.
pub(super) fn is_gap(after: Position, at: Position, ledgers: &[(i64, i64)], seen: Option<(i64, i64)>) -> bool {
    if seen.is_some_and(|seen| seen > (after.ledger, after.entry) && seen < (at.ledger, at.entry)) {
        return true;
    }
    if at.ledger == after.ledger {
        return at.entry > after.entry + 1;
    }
    let unread = |&(ledger, entries): &(i64, i64)| {
        (ledger == after.ledger && entries > after.entry + 1)
            || (after.ledger < ledger && ledger < at.ledger && entries > 0)
    };
    at.entry > 0 || ledgers.iter().any(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ledger: i64, entry: i64) -> Position {
        Position { ledger, entry, index: -1 }
    }

    #[test]
    fn the_next_entry_is_no_gap() {
        assert!(!is_gap(Position::START, at(7, 0), &[(7, 0)], None));
        assert!(!is_gap(Position::START, at(7, 0), &[(5, 0), (7, 0)], Some((7, 4))));
        assert!(!is_gap(at(7, 12), at(7, 13), &[(7, 0)], None));
        assert!(!is_gap(Position { index: 3, ..at(7, 12) }, Position { index: 0, ..at(7, 13) }, &[(7, 0)], None));
        assert!(!is_gap(at(7, 12), at(9, 0), &[(7, 13), (8, 0), (9, 0)], None));
        assert!(!is_gap(at(7, 12), at(9, 0), &[(9, 0)], None), "nobody knows of any more");
        assert!(!is_gap(at(7, 12), at(9, 0), &[(9, 0)], Some((7, 12))));
        assert!(!is_gap(at(7, 12), at(9, 0), &[(9, 0)], Some((9, 0))));
    }

    #[test]
    fn what_is_left_out_is_a_gap() {
        assert!(is_gap(Position::START, at(7, 12), &[(7, 0)], None));
        assert!(is_gap(Position::START, at(9, 0), &[(7, 13), (9, 0)], None));
        assert!(is_gap(Position::START, at(9, 0), &[(9, 0)], Some((7, 12))));
        assert!(is_gap(at(7, 12), at(7, 14), &[(7, 0)], None));
        assert!(is_gap(at(7, 12), at(9, 0), &[(7, 14), (9, 0)], None));
        assert!(is_gap(at(7, 12), at(9, 0), &[(7, 13), (8, 1), (9, 0)], None));
        assert!(is_gap(at(7, 12), at(9, 1), &[(9, 0)], None));
        assert!(is_gap(at(7, 12), at(9, 0), &[(9, 0)], Some((7, 13))));
        assert!(is_gap(at(7, 12), at(9, 0), &[(9, 0)], Some((8, 0))));
    }

    #[test]
    fn counts_what_was_skipped() {
        assert_eq!(skipped(at(7, 12), at(7, 13)), Some(0));
        assert_eq!(skipped(at(7, 12), at(7, 15)), Some(2));
        assert_eq!(skipped(at(7, 12), at(8, 2)), Some(2));
        assert_eq!(skipped(at(7, 12), at(8, 0)), None);
    }
}
