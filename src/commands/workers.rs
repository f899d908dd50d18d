//! `alpes workers`: which process reads what, how far it has come, and how much is waiting.

mod stored;

use schemas::{Position, Timestamp};
use serde_json::{Value, json};
use sinks::pulsar::{Admin, PulsarSettings, SUBSCRIPTION};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::CommandError;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::console;
use stored::StoredLine;

/// Arguments of `alpes workers`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Results as JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List every line (the default)
    List,
    /// Accept that messages are missing, so that a line goes on behind the gap
    AcceptGap {
        /// What it reads, as the alarm names it
        source: String,
        /// The position of the message behind the gap, as the alarm names it
        position: String,
    },
}

/// Lists the lines, or lets one go on.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let cluster = Cluster::join(&settings.cluster()).await?;
    let outcome = act(args, &cluster.connect_options(), settings.pulsar()).await;
    cluster.leave().await?;
    outcome
}

async fn act(
    Args { action, json }: Args,
    options: &PgConnectOptions,
    pulsar: Option<PulsarSettings>,
) -> Result<(), CommandError> {
    sinks::migrate(options).await?;
    let mut connection = options.clone().application_name("alpes workers").connect().await?;
    match action {
        None | Some(Action::List) => {
            let lines = stored::all(&mut connection).await?;
            list(lines, pulsar.as_ref().map(Admin::new).transpose()?, json).await
        }
        Some(Action::AcceptGap { source, position }) => {
            let position: Position =
                position.parse().map_err(|_| format!("'{position}' is no position, such as 12:5:-1"))?;
            if stored::accept_gap(&mut connection, &source, position).await? == 0 {
                return Err(format!("no line reads {source}; `alpes workers` lists them").into());
            }
            console::line(format!("{source}: goes on behind the gap at {position}"));
            Ok(())
        }
    }
}

async fn list(lines: Vec<StoredLine>, admin: Option<Admin>, json: bool) -> Result<(), CommandError> {
    let mut listed = Vec::with_capacity(lines.len());
    for line in &lines {
        let waiting = match (&admin, line.source.split_once('@')) {
            (Some(admin), Some((topic, _))) => admin.backlog(topic, SUBSCRIPTION).await.ok(),
            _ => line.unread,
        };
        listed.push((line, waiting));
    }
    if json {
        console::line(Value::from_iter(listed.iter().map(|(line, waiting)| as_json(line, *waiting))));
        return Ok(());
    }
    console::line(format!(
        "{:<10} {:<48} {:<28} {:>6} {:>18} {:>12} {:>10} {:>8}",
        "FLOW", "SOURCE", "OWNER", "EPOCH", "POSITION", "MESSAGES", "WAITING", "LAG"
    ));
    for (line, waiting) in &listed {
        let owner = if line.connected { line.owner.as_deref().unwrap_or("?") } else { "-" };
        let waiting = waiting.map_or("?".to_owned(), |waiting| waiting.to_string());
        let lag = line.lag_seconds(Timestamp::now()).map_or("?".to_owned(), |lag| format!("{lag} s"));
        console::line(format!(
            "{:<10} {:<48} {owner:<28} {:>6} {:>18} {:>12} {waiting:>10} {lag:>8}",
            line.flow,
            line.source,
            line.epoch,
            line.position().to_string(),
            line.messages
        ));
    }
    for (StoredLine { source, gap, .. }, _) in listed {
        let Some(next) = gap else { continue };
        console::line(format!(
            "{source} has stopped: messages before {next} are missing. Once the loss is accepted, \
             `alpes workers accept-gap {source} {next}` lets it go on"
        ));
    }
    Ok(())
}

fn as_json(line: &StoredLine, waiting: Option<i64>) -> Value {
    json!({
        "flow": line.flow,
        "source": line.source,
        "owner": line.owner,
        "connected": line.connected,
        "epoch": line.epoch,
        "position": line.position().to_string(),
        "messages": line.messages,
        "accepted": line.accepted,
        "duplicates": line.duplicates,
        "rejected": line.rejected,
        "waiting": waiting,
        "gap": line.gap,
        "watermark": line.watermark.map(|watermark| Timestamp::from(watermark).to_string()),
        "lag_seconds": line.lag_seconds(Timestamp::now()),
        "updated_at": Timestamp::from(line.updated_at).to_string(),
    })
}
