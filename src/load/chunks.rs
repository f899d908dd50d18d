//! A file in pieces of whole lines, each packed as the body of one request.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use indicatif::ProgressBar;
use schemas::message::PAYLOAD_BYTES_MAX;
use tokio::sync::mpsc;

/// Lines of a request at most: what the server appends at once.
const LINES_MAX: usize = 2_000;
/// Bytes of a request, before packing, from which on it is full.
const BODY_BYTES: usize = 1024 * 1024;
/// Bytes read from the disk at once.
const READ_BYTES: usize = 256 * 1024;
/// Chunks ready before they are wanted: packing goes on while the network is waited for.
const CHUNKS_AHEAD: usize = 2;
/// zstd's fastest: a third of the bytes, for less time than they take on a network.
const ZSTD_LEVEL: i32 = 1;

/// The body of one request.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Where it begins in the unpacked file, in bytes.
    pub(super) offset: u64,
    /// The number of its first line in the file, from 1.
    pub(super) first_line: u64,
    /// How many lines it has, empty ones included.
    pub(super) lines: u64,
    /// The lines, zstd.
    pub(super) body: Bytes,
}

/// Cuts a file into chunks.
pub(super) struct Chunks<R> {
    reader: R,
    lines_max: usize,
    offset: u64,
    next_line: u64,
}

impl Chunks<Box<dyn BufRead + Send>> {
    /// Reads `path` in a thread of its own; `-` is standard input. The bar moves with the bytes read.
    pub(super) fn read(
        path: &Path,
        bar: ProgressBar,
        lines_at_once: Option<usize>,
    ) -> io::Result<mpsc::Receiver<io::Result<Chunk>>> {
        let lines_max = lines_at_once.unwrap_or(LINES_MAX).clamp(1, LINES_MAX);
        let mut chunks = Self { reader: open(path, bar)?, lines_max, offset: 0, next_line: 1 };
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        std::thread::Builder::new().name("file reader".into()).spawn(move || {
            while let Some(chunk) = chunks.next_chunk().transpose() {
                let failed = chunk.is_err();
                if sender.blocking_send(chunk).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(receiver)
    }
}

fn open(path: &Path, bar: ProgressBar) -> io::Result<Box<dyn BufRead + Send>> {
    let buffered = |reader: Box<dyn Read + Send>| BufReader::with_capacity(READ_BYTES, reader);
    if path == Path::new("-") {
        return Ok(Box::new(buffered(Box::new(io::stdin()))));
    }
    let file = buffered(Box::new(bar.wrap_read(File::open(path)?)));
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(buffered(Box::new(flate2::bufread::MultiGzDecoder::new(file)))),
        Some("zst") => Box::new(buffered(Box::new(zstd::Decoder::with_buffer(file)?))),
        _ => Box::new(file),
    })
}

impl<R: BufRead> Chunks<R> {
    fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let (offset, first_line) = (self.offset, self.next_line);
        let mut lines = Vec::new();
        let mut count = 0;
        while count < self.lines_max && lines.len() < BODY_BYTES && self.read_line(&mut lines)? {
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        self.next_line += count as u64;
        let body = zstd::bulk::compress(&lines, ZSTD_LEVEL)?.into();
        Ok(Some(Chunk { offset, first_line, lines: count as u64, body }))
    }

    /// Appends a line. Of one that is too long only so much that it still is: it becomes a reject, not a memory hog.
    fn read_line(&mut self, lines: &mut Vec<u8>) -> io::Result<bool> {
        let mut room = PAYLOAD_BYTES_MAX + 1;
        let mut any = false;
        loop {
            let available = self.reader.fill_buf()?;
            let end = memchr::memchr(b'\n', available);
            let line = &available[..end.unwrap_or(available.len())];
            any |= !available.is_empty();
            lines.extend_from_slice(&line[..line.len().min(room)]);
            room = room.saturating_sub(line.len());
            let at_the_end = available.is_empty();
            let consumed = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(consumed);
            self.offset += consumed as u64;
            if end.is_some() || at_the_end {
                lines.extend(any.then_some(b'\n'));
                return Ok(any);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &[u8], lines_max: usize) -> Vec<(u64, u64, u64, String)> {
        // A tiny buffer, so that lines span reads.
        let reader = BufReader::with_capacity(7, text);
        let mut chunks = Chunks { reader, lines_max, offset: 0, next_line: 1 };
        let mut found = Vec::new();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            let body = String::from_utf8(zstd::decode_all(&chunk.body[..]).unwrap()).unwrap();
            found.push((chunk.offset, chunk.first_line, chunk.lines, body));
        }
        found
    }

    #[test]
    fn lines_stay_whole() {
        let found = chunks(b"first line\n\nthird line\nno end", 2);
        let expect = [(0, 1, 2, "first line\n\n"), (12, 3, 2, "third line\nno end\n")];
        assert_eq!(found, expect.map(|(offset, first, lines, body)| (offset, first, lines, body.to_owned())));
        assert_eq!(chunks(b"", 2), []);
    }

    #[test]
    fn a_chunk_ends_with_its_bytes() {
        let line = format!("{}\n", "x".repeat(PAYLOAD_BYTES_MAX - 1));
        let found = chunks(line.repeat(20).as_bytes(), 1_000);
        assert_eq!(found.iter().map(|chunk| chunk.2).collect::<Vec<_>>(), [16, 4]);
    }

    #[test]
    fn what_is_too_long_stays_too_long() {
        let text = format!("{}\nnext\n", "x".repeat(3 * PAYLOAD_BYTES_MAX));
        let [(_, _, 2, body)] = &chunks(text.as_bytes(), 10)[..] else { panic!("one chunk of two lines") };
        assert_eq!(body.len(), PAYLOAD_BYTES_MAX + 1 + "\nnext\n".len());
    }
}
