//! `alpes rejects replay`: rejects into the log once more. The line that reads them there counts them, once, or rejects
//! them again.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use schemas::message::{Encoding, PAYLOAD_BYTES_MAX};
use schemas::wire::{Context, Privacy};
use schemas::{Code, Faults, Timestamp};
use serde_json::json;
use sinks::{LogEntry, LogWriter, PartitionKey, PostgresLog};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::stored::{Stored, by_ids, open_after};
use super::{CommandError, codes};
use crate::console;

/// Rejects in memory at once: 64 KB each at most.
const REJECTS_AT_ONCE: usize = 200;

/// Arguments of `alpes rejects replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their numbers
    #[arg(required_unless_present = "all", value_name = "ID")]
    ids: Vec<i64>,
    /// All that are not resolved
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Of all, only those with this code
    #[arg(long, value_name = "CODE", requires = "all", value_parser = codes())]
    code: Option<String>,
    /// File with the mended command, in place of the one that was rejected; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    body: Option<PathBuf>,
}

/// What became of the rejects.
#[derive(Debug, Default)]
struct Tally {
    replayed: u64,
    faulty: u64,
    unknown: u64,
}

/// The way back into the log.
struct Replay {
    log: LogWriter,
    mended: Option<Bytes>,
    json: bool,
    tally: Tally,
}

pub(super) async fn run(
    args: &Args,
    json: bool,
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), CommandError> {
    let mended = args.body.as_deref().map(read).transpose()?;
    if mended.is_some() && args.ids.len() != 1 {
        return Err("a mended body belongs to one reject: give one ID with --body".into());
    }
    let log = LogWriter::start(PostgresLog::new(options.clone()));
    let mut replay = Replay { log, mended, json, tally: Tally::default() };
    if args.all {
        replay.all(connection, args.code.as_deref()).await?;
    } else {
        replay.these(connection, &args.ids).await?;
    }
    replay.summarise();
    // What was asked for by number should have gone; of all, those that are still faulty were to be expected.
    let Tally { faulty, unknown, .. } = replay.tally;
    if !args.all && faulty + unknown > 0 {
        return Err(format!("{} of {} rejects were not replayed", faulty + unknown, args.ids.len()).into());
    }
    Ok(())
}

/// Reads no more than would be too much.
fn read(path: &Path) -> Result<Bytes, CommandError> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?)
    };
    let mut body = Vec::new();
    source.take(PAYLOAD_BYTES_MAX as u64 + 1).read_to_end(&mut body)?;
    Ok(body.into())
}

impl Replay {
    async fn all(&mut self, connection: &mut PgConnection, code: Option<&str>) -> Result<(), CommandError> {
        let mut after = 0;
        loop {
            let ids = open_after(connection, after, code, REJECTS_AT_ONCE as i64).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = *last;
            self.these(connection, &ids).await?;
        }
    }

    async fn these(&mut self, connection: &mut PgConnection, ids: &[i64]) -> Result<(), CommandError> {
        for ids in ids.chunks(REJECTS_AT_ONCE) {
            let rejects = by_ids(connection, ids).await?;
            for id in ids.iter().filter(|id| rejects.iter().all(|reject| reject.reject != **id)) {
                self.tally.unknown += 1;
                self.say(*id, "DESCONOCIDO", "there is no such reject");
            }
            self.append(&rejects).await?;
        }
        Ok(())
    }

    async fn append(&mut self, rejects: &[Stored]) -> Result<(), CommandError> {
        let (mut ids, mut entries) = (Vec::new(), Vec::new());
        for reject in rejects {
            // A mended command is written in JSON, whatever the reject was.
            let (payload, encoding) = match self.mended.clone() {
                Some(mended) => (mended, Encoding::Json),
                None => (Bytes::from(reject.payload.clone()), reject.encoding()),
            };
            match entry(reject, payload, encoding, Timestamp::now()) {
                Ok(entry) => {
                    ids.push(reject.reject);
                    entries.push(entry);
                }
                Err(faults) => {
                    self.tally.faulty += 1;
                    self.say(reject.reject, "RECHAZADO", &format!("still {}: {faults}", faults.code()));
                }
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let receipts = self.log.append_all(entries, None).await?;
        for (id, receipt) in ids.into_iter().zip(receipts) {
            self.tally.replayed += 1;
            self.say(id, "EN_QUEUED", &format!("in the log at {}/{}", receipt.source, receipt.position));
        }
        Ok(())
    }

    fn say(&self, id: i64, state: &str, detail: &str) {
        if self.json {
            console::line(json!({"id": id, "estado": state, "detalle": detail}));
        } else {
            console::line(format!("reject {id}: {}", console::printable(detail)));
        }
    }

    fn summarise(&self) {
        if !self.json {
            let Tally { replayed, faulty, unknown } = self.tally;
            console::line(format!("{replayed} replayed, {faulty} still faulty, {unknown} unknown"));
        }
    }
}

/// A reject as a message that mends it, judged before it goes: what is still faulty would only come back.
fn entry(reject: &Stored, payload: Bytes, encoding: Encoding, now: Timestamp) -> Result<LogEntry, Faults> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Faults::one(Code::Malformed, "", format!("tiene más de {PAYLOAD_BYTES_MAX} bytes")));
    }
    let kind = reject.kind();
    let record = encoding.decode(kind, &payload)?;
    let published_at = record.replayed_at(reject.published_at(), now);
    let assigned_id = reject.assigned_id();
    let context = Context { source: &reject.source, position: reject.position(), published_at, assigned_id };
    let key = PartitionKey::of(&record.validate(context, Privacy::default())?);
    Ok(LogEntry { kind, key, published_at, assigned_id, replay_of: Some(reject.reject), payload, encoding })
}
