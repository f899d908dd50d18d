//! A file as a source: NDJSON, plain or compressed, each line a message whose position is its offset.

use bytes::Bytes;
use operators::Batch;
use schemas::message::{Origin, PAYLOAD_BYTES_MAX};
use schemas::{Position, RawMessage, Span, Timestamp};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

use crate::source::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, NothingToAcknowledge};
use crate::{Source, SourceError};

/// Bytes read from the disk at once.
const READ_BYTES: usize = 1024 * 1024;

/// Which lines of a file a flow wants to see; the others are passed over, and are part of no batch.
pub type LineFilter = fn(&[u8]) -> bool;

/// A file being read by a thread of its own.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    batches: mpsc::Receiver<io::Result<Batch<RawMessage>>>,
}

/// How far a file has been read, in bytes as they lie on the disk.
#[derive(Debug, Clone, Default)]
pub struct ReadProgress(Arc<AtomicU64>);

impl ReadProgress {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The name of a file as a source, by the digest of its bytes on the disk.
pub fn source_name(digest: &str) -> String {
    format!("file-{digest}")
}

impl FileSource {
    /// Reads `path` from after `position` on; all its lines count as published at `published_at`.
    pub fn open(
        path: &Path,
        digest: &str,
        position: Position,
        published_at: Timestamp,
        wanted: LineFilter,
        progress: ReadProgress,
    ) -> Result<Self, SourceError> {
        let lines = Lines::open(path, position, progress)?;
        let (sender, batches) = mpsc::channel(1);
        std::thread::Builder::new().name("file reader".into()).spawn(move || {
            let mut reader = BatchReader { lines, after: position, published_at, wanted };
            while let Some(batch) = reader.next_batch().transpose() {
                let failed = batch.is_err();
                if sender.blocking_send(batch).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { name: source_name(digest), batches })
    }
}

impl Source for FileSource {
    type Acks = NothingToAcknowledge;

    fn name(&self) -> &str {
        &self.name
    }

    fn acks(&self) -> NothingToAcknowledge {
        NothingToAcknowledge
    }

    async fn next_batch(&mut self) -> Result<Option<Batch<RawMessage>>, SourceError> {
        self.batches.recv().await.transpose().map_err(SourceError::from)
    }
}

/// Gathers lines into batches.
struct BatchReader {
    lines: Lines,
    after: Position,
    published_at: Timestamp,
    wanted: LineFilter,
}

impl BatchReader {
    /// The next batch; none at the end of the file. All lines of a batch share one buffer.
    fn next_batch(&mut self) -> io::Result<Option<Batch<RawMessage>>> {
        let mut buffer = Vec::new();
        let mut found: Vec<(Position, Range<usize>)> = Vec::new();
        while found.len() < BATCH_MESSAGES_MAX && buffer.len() < BATCH_BYTES_MAX {
            let start = buffer.len();
            let Some(offset) = self.lines.next(&mut buffer)? else { break };
            let line = &buffer[start..];
            if line.iter().all(u8::is_ascii_whitespace) || !(self.wanted)(line) {
                buffer.truncate(start);
            } else {
                found.push((Position::offset(offset as i64), start..buffer.len()));
            }
        }
        let Some((through, _)) = found.last() else { return Ok(None) };
        let span = Span { after: self.after, through: *through, messages: found.len() as u64 };
        self.after = *through;
        let buffer = Bytes::from(buffer);
        let message = |(position, range)| RawMessage {
            origin: Origin {
                position,
                published_at: self.published_at,
                assigned_id: None,
                replay_of: None,
                payload: buffer.slice(range),
            },
            kind: None,
        };
        Ok(Some(Batch::new(found.into_iter().map(message).collect(), span)))
    }
}

/// The lines of a file with their offsets in decompressed bytes.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    offset: u64,
    skip_through: Position,
}

impl Lines {
    fn open(path: &Path, position: Position, progress: ReadProgress) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let compressed = matches!(extension, "gz" | "zst");
        // A plain file is taken up at the line that was committed last; a compressed one is read again up to it.
        let offset = if compressed { 0 } else { position.entry.max(0) as u64 };
        file.seek(SeekFrom::Start(offset))?;
        progress.0.store(offset, Ordering::Relaxed);
        let counted = BufReader::with_capacity(READ_BYTES, Counted { file, progress });
        let reader: Box<dyn BufRead + Send> = match extension {
            "gz" => Box::new(BufReader::with_capacity(READ_BYTES, flate2::bufread::MultiGzDecoder::new(counted))),
            "zst" => Box::new(BufReader::with_capacity(READ_BYTES, zstd::Decoder::with_buffer(counted)?)),
            _ => Box::new(counted),
        };
        Ok(Self { reader, offset, skip_through: position })
    }

    /// Appends the next line after the skipped ones to `buffer`, without its end; returns the offset of its start.
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let start = buffer.len();
        loop {
            let offset = self.offset;
            if !self.read_line(buffer)? {
                return Ok(None);
            }
            if Position::offset(offset as i64) > self.skip_through {
                return Ok(Some(offset));
            }
            buffer.truncate(start);
        }
    }

    /// Reads one line, keeping [`PAYLOAD_BYTES_MAX`] bytes of it and one more, so that what is too long stays so.
    fn read_line(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let start = buffer.len();
        let mut any = false;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Ok(any);
            }
            any = true;
            let newline = memchr::memchr(b'\n', available);
            let line = &available[..newline.unwrap_or(available.len())];
            let room = (PAYLOAD_BYTES_MAX + 1).saturating_sub(buffer.len() - start);
            buffer.extend_from_slice(&line[..line.len().min(room)]);
            let consumed = newline.map_or(available.len(), |at| at + 1);
            self.reader.consume(consumed);
            self.offset += consumed as u64;
            if newline.is_some() {
                if buffer.len() > start && buffer.last() == Some(&b'\r') {
                    buffer.pop();
                }
                return Ok(true);
            }
        }
    }
}

struct Counted {
    file: File,
    progress: ReadProgress,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(into)?;
        self.progress.0.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The digest by which a file is known again: BLAKE3 of its bytes as they lie on the disk.
pub fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_all(path: &Path, position: Position) -> Vec<(i64, String)> {
        let lines = Lines::open(path, position, ReadProgress::default()).unwrap();
        let mut reader = BatchReader { lines, after: position, published_at: Timestamp::EPOCH, wanted: |_| true };
        let mut found = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            for message in batch.items {
                let text = String::from_utf8_lossy(&message.origin.payload).into_owned();
                found.push((message.origin.position.entry, text));
            }
        }
        found
    }

    #[test]
    fn lines_have_the_same_offsets_however_the_file_is_packed() {
        let folder = std::env::temp_dir().join(format!("alpes-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let text = b"{\"a\":1}\n\n  \n{\"b\":2}\r\n{\"c\":3}";
        let expect: Vec<_> =
            [(0, "{\"a\":1}"), (12, "{\"b\":2}"), (21, "{\"c\":3}")].map(|(o, t)| (o, t.to_owned())).into();
        let plain = folder.join("x.ndjson");
        std::fs::write(&plain, text).unwrap();
        let zst = folder.join("x.ndjson.zst");
        std::fs::write(&zst, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        let gz = folder.join("x.ndjson.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap();
        for path in [&plain, &zst, &gz] {
            assert_eq!(read_all(path, Position::START), expect, "{path:?}");
            assert_eq!(read_all(path, Position::offset(0)), expect[1..], "{path:?}");
            assert_eq!(read_all(path, Position::offset(12)), expect[2..], "{path:?}");
            assert_eq!(read_all(path, Position::offset(21)), [], "{path:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
