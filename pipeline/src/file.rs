//! A file as a source: NDJSON, plain or compressed, each line a message whose position is its offset.
//!
//! One thread reads the file and deals its lines out to several partitions, so that several lines write at once.

use bytes::Bytes;
use operators::Batch;
use schemas::message::{Encoding, Origin, PAYLOAD_BYTES_MAX};
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

/// Deals a line out to one of a number of partitions, or to none: then it is passed over. It must depend on nothing
/// but the line's bytes, or a file taken up again would be dealt out differently.
pub type Route = fn(line: &[u8], partitions: usize) -> Option<usize>;

/// One partition of a file that is being read.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    batches: mpsc::Receiver<io::Result<Batch<RawMessage>>>,
}

/// A file to read, and how.
#[derive(Debug, Clone)]
pub struct FileSpec<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// By what it is known: see [`digest`].
    pub digest: &'a str,
    /// When all its lines count as published.
    pub published_at: Timestamp,
}

/// One flow's share of a file.
#[derive(Debug, Clone)]
pub struct Share {
    /// How its lines are dealt out.
    pub route: Route,
    /// Where each of its partitions stands.
    pub after: Vec<Position>,
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

/// The name of a file's partition as a source.
pub fn source_name(digest: &str, partition: usize) -> String {
    format!("file-{digest}-{partition}")
}

impl FileSource {
    /// Reads the file once for all shares, each partition from after its position on.
    pub fn open(spec: &FileSpec<'_>, shares: &[Share], progress: ReadProgress) -> Result<Vec<Vec<Self>>, SourceError> {
        let first = shares.iter().flat_map(|share| &share.after).min().copied().unwrap_or(Position::START);
        let lines = Lines::open(spec.path, first, progress)?;
        let (mut dealers, mut sources) = (Vec::new(), Vec::new());
        for share in shares {
            let (mut decks, mut of_share) = (Vec::new(), Vec::new());
            for (partition, after) in share.after.iter().enumerate() {
                let (sender, batches) = mpsc::channel(1);
                decks.push(Deck::new(*after, spec.published_at, sender));
                of_share.push(Self { name: source_name(spec.digest, partition), batches });
            }
            dealers.push((share.route, decks));
            sources.push(of_share);
        }
        std::thread::Builder::new().name("file reader".into()).spawn(move || deal(lines, dealers))?;
        Ok(sources)
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

/// Reads all lines and deals them out. Stops early when somebody stops listening.
fn deal(mut lines: Lines, mut dealers: Vec<(Route, Vec<Deck>)>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let offset = match lines.next(&mut line) {
            Ok(Some(offset)) => offset,
            Ok(None) => break,
            // One partition that hears of it is enough to stop the whole backfill.
            Err(error) => return drop(dealers[0].1[0].sender.blocking_send(Err(error))),
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        for (route, decks) in &mut dealers {
            if let Some(partition) = route(&line, decks.len())
                && decks[partition].push(offset, &line).is_err()
            {
                return;
            }
        }
    }
    for deck in dealers.iter_mut().flat_map(|(_, decks)| decks) {
        // Whoever has stopped listening will read these lines again.
        let _ = deck.send();
    }
}

/// The partition has stopped listening.
struct Gone;

/// Gathers the lines of one partition into batches. All lines of a batch share one buffer.
struct Deck {
    after: Position,
    published_at: Timestamp,
    sender: mpsc::Sender<io::Result<Batch<RawMessage>>>,
    buffer: Vec<u8>,
    found: Vec<(Position, Range<usize>)>,
}

impl Deck {
    const fn new(
        after: Position,
        published_at: Timestamp,
        sender: mpsc::Sender<io::Result<Batch<RawMessage>>>,
    ) -> Self {
        Self { after, published_at, sender, buffer: Vec::new(), found: Vec::new() }
    }

    fn push(&mut self, offset: u64, line: &[u8]) -> Result<(), Gone> {
        let position = Position::offset(offset as i64);
        if position <= self.after {
            return Ok(());
        }
        let start = self.buffer.len();
        self.buffer.extend_from_slice(line);
        self.found.push((position, start..self.buffer.len()));
        if self.found.len() < BATCH_MESSAGES_MAX && self.buffer.len() < BATCH_BYTES_MAX {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Result<(), Gone> {
        let Some((through, _)) = self.found.last() else { return Ok(()) };
        let span = Span { after: self.after, through: *through, messages: self.found.len() as u64 };
        self.after = *through;
        let buffer = Bytes::from(replace_with_room(&mut self.buffer));
        let message = |(position, range)| RawMessage {
            origin: Origin {
                position,
                published_at: self.published_at,
                assigned_id: None,
                replay_of: None,
                payload: buffer.slice(range),
                encoding: Encoding::Json,
            },
            kind: None,
        };
        let batch = Batch::new(replace_with_room(&mut self.found).into_iter().map(message).collect(), span);
        self.sender.blocking_send(Ok(batch)).map_err(|_| Gone)
    }
}

/// Takes what was gathered, leaving room for about as much: a list that grew would be copied again and again.
fn replace_with_room<T>(gathered: &mut Vec<T>) -> Vec<T> {
    let room = gathered.len() + gathered.len() / 16;
    std::mem::replace(gathered, Vec::with_capacity(room))
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
        let route: Route = |line, partitions| Some(line.len() % partitions);
        let spec = FileSpec { path, digest: "x", published_at: Timestamp::EPOCH };
        let share = Share { route, after: vec![position; 2] };
        let mut found = Vec::new();
        for mut source in FileSource::open(&spec, &[share], ReadProgress::default()).unwrap().remove(0) {
            while let Some(batch) = source.batches.blocking_recv() {
                for message in batch.unwrap().items {
                    let text = String::from_utf8_lossy(&message.origin.payload).into_owned();
                    found.push((message.origin.position.entry, text));
                }
            }
        }
        found.sort();
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
