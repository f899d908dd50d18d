//! Lines out of a stream of bytes, each within the size of a command.

use bytes::{Bytes, BytesMut};
use schemas::message::PAYLOAD_BYTES_MAX;

/// Cuts a stream into lines. Empty ones are counted and skipped; of one that is too long, only the start is kept.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: BytesMut,
    /// How much of `pending` is known to hold no end of a line.
    searched: usize,
    number: u64,
    /// The start of the present line was given out already: what follows of it is dropped.
    skipping: bool,
}

impl Lines {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next line with its number, counted from 1; nothing until more bytes come.
    pub(crate) fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.pending[self.searched..]) else {
                self.searched = self.pending.len();
                return self.start_of_a_long_one();
            };
            let line = self.pending.split_to(self.searched + end + 1).freeze();
            self.searched = 0;
            if let Some(line) = self.line(line.slice(..line.len() - 1)) {
                return Some(line);
            }
        }
    }

    /// What follows the last end of a line.
    pub(crate) fn last(&mut self) -> Option<(u64, Bytes)> {
        let line = self.pending.split().freeze();
        self.line(line)
    }

    fn line(&mut self, line: Bytes) -> Option<(u64, Bytes)> {
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        self.number += 1;
        let is_long = line.len() > PAYLOAD_BYTES_MAX;
        let kept = line.slice(..line.len().min(PAYLOAD_BYTES_MAX));
        (is_long || !line.trim_ascii().is_empty()).then_some((self.number, kept))
    }

    fn start_of_a_long_one(&mut self) -> Option<(u64, Bytes)> {
        if self.pending.len() <= PAYLOAD_BYTES_MAX {
            return None;
        }
        let start = self.pending.split().freeze();
        self.searched = 0;
        if std::mem::replace(&mut self.skipping, true) {
            return None;
        }
        self.number += 1;
        Some((self.number, start.slice(..PAYLOAD_BYTES_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(body: &[u8], cut: usize) -> Vec<(u64, Bytes)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for bytes in body.chunks(cut) {
            lines.push(bytes);
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        found.extend(lines.last());
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line() {
        let long = "x".repeat(3 * PAYLOAD_BYTES_MAX);
        let blank = " ".repeat(3 * PAYLOAD_BYTES_MAX);
        let body = format!("a\n{long}\nb\n\n{blank}");
        for cut in [1_000, 70_000, usize::MAX] {
            let found = lines(body.as_bytes(), cut);
            let short: Vec<_> = found.iter().map(|(number, line)| (*number, line.len())).collect();
            let max = PAYLOAD_BYTES_MAX;
            assert_eq!(short, [(1, 1), (2, max), (3, 1), (5, max)], "cut {cut}");
        }
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_stream_is_cut(body in "[ab \r\n]{0,80}", cut in 1usize..20) {
            let wanted: Vec<_> = body.split('\n').enumerate()
                .filter(|(_, line)| !line.trim_ascii().is_empty())
                .map(|(n, line)| (n as u64 + 1, Bytes::copy_from_slice(line.as_bytes())))
                .collect();
            prop_assert_eq!(lines(body.as_bytes(), cut), wanted);
        }
    }
}
