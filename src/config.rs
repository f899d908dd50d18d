//! The settings: read once, from flags, then the environment, then a file, then defaults.
//!
//! [`Settings`] is the table. A setting is one field: its comment is what `--help` and `alpes
//! config` say about it, its attribute gives the flag, the variable and the default. It is built in
//! `main` and handed down; nothing reads the environment later.

mod file;
mod origin;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use pipeline::run::Keep;
use sinks::pulsar::{PulsarSettings, Token};

use crate::cluster::ClusterSettings;
pub use file::FileError;
use file::SettingsFile;
pub use origin::{Entry, Origin};
pub use values::{DatabaseUrl, DatabaseUrlError, LogFormat, PostgresChoice, Privacy, RawRows, Relay, RelayFrom};

/// Where a Pulsar broker listens.
const BROKER_PORT: u16 = 6650;
/// Where its admin interface listens.
const ADMIN_PORT: u16 = 8080;
/// The same, with TLS.
const ADMIN_TLS_PORT: u16 = 8443;

/// Every setting of Alpes, parsed and checked.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Folder of everything Alpes keeps: the embedded PostgreSQL, its log and its locks
    #[arg(
        long, env = "ALPES_DATA", default_value_os_t = values::default_data(),
        value_name = "FOLDER", global = true
    )]
    pub data: PathBuf,

    /// File with settings, one `NAME = "value"` a line [default: alpes.toml in ALPES_DATA, then
    /// here]
    #[arg(long, env = "ALPES_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Address of the API: commands, queries, panel
    #[arg(
        long, env = "ALPES_HTTP", default_value = "127.0.0.1:8000", value_parser = values::address,
        value_name = "HOST:PORT", global = true
    )]
    pub http: String,

    /// Address of the queries on a port of their own
    #[arg(
        long, env = "ALPES_QUERIES", default_value = "127.0.0.1:8001",
        value_parser = values::address, value_name = "HOST:PORT", global = true
    )]
    pub queries: String,

    /// PostgreSQL to use, also in SQLAlchemy's form; unset: one of our own, in ALPES_DATA
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", global = true)]
    pub database_url: Option<DatabaseUrl>,

    /// Binaries of the embedded PostgreSQL: `auto` (installed, else downloaded), `download`, or
    /// their folder
    #[arg(long, env = "ALPES_POSTGRES", default_value = "auto", value_name = "CHOICE", global = true)]
    pub postgres: PostgresChoice,

    /// Host of the Pulsar broker, at pulsar://HOST:6650; unset: the log is in PostgreSQL
    #[arg(long, env = "BROKER_HOST", value_name = "HOST", global = true)]
    pub broker_host: Option<String>,

    /// URL of the Pulsar broker, in place of BROKER_HOST
    #[arg(long, env = "PULSAR_URL", value_name = "URL", global = true)]
    pub pulsar_url: Option<String>,

    /// URL of Pulsar's admin interface [default: http://BROKER_HOST:8080; https://HOST:8443 with pulsar+ssl://HOST]
    #[arg(long, env = "PULSAR_ADMIN", value_name = "URL", global = true)]
    pub pulsar_admin: Option<String>,

    /// Token (JWT) for Pulsar, where the cluster asks for one
    #[arg(long, env = "PULSAR_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    pub pulsar_token: Option<String>,

    /// File with the certificates that sign the cluster's, for pulsar+ssl:// and https:// [default: the usual ones]
    #[arg(long, env = "PULSAR_CA", value_name = "FILE", global = true)]
    pub pulsar_ca: Option<PathBuf>,

    /// Tenant and namespace of the topics
    #[arg(
        long, env = "PULSAR_NAMESPACE", default_value = "public/default", value_parser = values::namespace,
        value_name = "TENANT/NAME", global = true
    )]
    pub pulsar_namespace: String,

    /// Partitions that alpes-comandos (one for campaigns, the others for tracking) and alpes-eventos are made with
    #[arg(
        long, env = "PULSAR_PARTITIONS", default_value = "5", value_parser = clap::value_parser!(u32).range(2..=1_000),
        value_name = "N", global = true
    )]
    pub pulsar_partitions: u32,

    /// Topics of campaign commands
    #[arg(
        long,
        env = "PULSAR_CAMPAIGN_TOPICS",
        default_value = "comandos-campana,crear-campaña",
        value_delimiter = ',',
        value_name = "TOPICS",
        global = true
    )]
    pub pulsar_campaign_topics: Vec<String>,

    /// Topics whose producers give one id to many commands: there a command's position is its id, and what is sent
    /// twice is counted twice
    #[arg(long, env = "PULSAR_IDS_BY_POSITION", value_delimiter = ',', value_name = "TOPICS", global = true)]
    pub pulsar_ids_by_position: Vec<String>,

    /// Whether `up` and `pipeline` publish events to Pulsar themselves; `off` where an `alpes relay` does
    #[arg(long, env = "ALPES_RELAY", default_value = "on", value_name = "SWITCH", global = true)]
    pub relay: Relay,

    /// What a database that counted without Pulsar announces when Pulsar is first switched on: what comes from `now`
    /// on, or everything from the `beginning`. Decided once
    #[arg(long, env = "ALPES_RELAY_FROM", default_value = "now", value_name = "POINT", global = true)]
    pub relay_from: RelayFrom,

    /// What is logged, as a tracing filter: `info`, `debug`, `warn,alpes=debug`
    #[arg(
        long, env = "ALPES_LOG", default_value = "info,sqlx=warn,pulsar=warn",
        value_parser = values::log_filter, value_name = "FILTER", global = true
    )]
    pub log: String,

    /// Form of the log on stderr
    #[arg(long, env = "ALPES_LOG_FORMAT", default_value = "text", value_name = "FORM", global = true)]
    pub log_format: LogFormat,

    /// Days a command stays in the log after every line has read it
    #[arg(
        long, env = "ALPES_LOG_RETENTION_DAYS", default_value = "7", value_parser = values::days,
        value_name = "DAYS", global = true
    )]
    pub log_retention_days: u32,

    /// IP addresses and user agents: kept as sent, truncated, or dropped
    #[arg(long, env = "ALPES_PRIVACY", default_value = "as-sent", value_name = "WAY", global = true)]
    pub privacy: Privacy,

    /// Rows of impressions and clicks: kept, or dropped once they are counted: a third faster and half the space, but
    /// they cannot be listed, looked up, announced or counted again. Conversions are always kept
    #[arg(long, env = "ALPES_RAW_ROWS", default_value = "keep", value_name = "WAY", global = true)]
    pub raw_rows: RawRows,

    /// Seconds a window stays open for late events before it is closed
    #[arg(
        long = "grace-seconds", env = "ALPES_GRACE_SECONDS", default_value = "600",
        value_parser = values::seconds, value_name = "SECONDS", global = true
    )]
    pub grace: Duration,
}

impl Settings {
    /// The part that decides which PostgreSQL is used.
    pub fn cluster(&self) -> ClusterSettings {
        ClusterSettings {
            data: self.data.clone(),
            postgres: self.postgres.clone(),
            database_url: self.database_url.clone(),
        }
    }

    /// What is kept of events.
    pub fn keep(&self) -> Keep {
        Keep { privacy: self.privacy.into(), raw_rows: self.raw_rows.into() }
    }

    /// The Pulsar cluster, if one is named: then commands go there.
    pub fn pulsar(&self) -> Option<PulsarSettings> {
        let of_host = |host: &String| format!("pulsar://{host}:{BROKER_PORT}");
        let url = self.pulsar_url.clone().or_else(|| self.broker_host.as_ref().map(of_host))?;
        let admin = self.pulsar_admin.clone().unwrap_or_else(|| admin_of(&url));
        Some(PulsarSettings {
            url,
            admin,
            namespace: self.pulsar_namespace.clone(),
            token: self.pulsar_token.clone().map(Token),
            certificates: self.pulsar_ca.clone(),
            partitions: self.pulsar_partitions,
            campaign_topics: self.pulsar_campaign_topics.clone(),
            ids_by_position: self.pulsar_ids_by_position.clone(),
        })
    }
}

/// Where the admin interface of a broker is by default.
fn admin_of(url: &str) -> String {
    let host = host_of(url);
    if url.starts_with("pulsar+ssl://") {
        format!("https://{host}:{ADMIN_TLS_PORT}")
    } else {
        format!("http://{host}:{ADMIN_PORT}")
    }
}

/// The host in `scheme://host:port/…`.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', ',']).next().unwrap_or(rest);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line itself is wrong, or it only asked for help or the version.
    #[error(transparent)]
    Usage(clap::Error),
    /// The settings file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// One setting has a value that does not parse.
    #[error("{name}: '{value}', from {origin}, is not valid: {reason}. Mend it there{remedy}")]
    Invalid {
        /// The setting.
        name: String,
        /// What it was set to, without secrets.
        value: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
        /// The way back to the default.
        remedy: String,
    },
}

/// Parses a command line whose root flattens [`Settings`], and tells where each setting came from.
///
/// The first pass takes every setting as bare text: only so is it known which ones are left to the
/// file. The file's values then stand as flags before the others, and the second pass checks all
/// alike.
pub fn parse<C>(arguments: impl IntoIterator<Item = OsString>) -> Result<(C, Vec<Entry>), ConfigError>
where
    C: CommandFactory + FromArgMatches,
{
    let entries = origin::table(&C::command());
    let command = without_empty_variables(C::command());
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();

    let bare = as_text(command.clone(), &entries).try_get_matches_from(&arguments).map_err(ConfigError::Usage)?;
    let file = SettingsFile::find(&bare, &entries)?;
    let entries = origin::resolve(entries, &bare, file.as_ref());
    for entry in entries.iter().filter(|entry| matches!(entry.origin, Origin::File(_))) {
        let value = entry.value.as_deref().unwrap_or_default();
        arguments.insert(arguments.len().min(1), format!("--{}={value}", entry.flag).into());
    }
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| C::from_arg_matches(&matches))
        .map_err(|error| explain(error, &entries))?;
    Ok((parsed, entries))
}

/// Compose files pass `NAME=${NAME:-}`: an empty variable means that nothing was set.
fn without_empty_variables(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_env().and_then(std::env::var_os) {
        Some(value) if value.is_empty() => arg.env(Resettable::Reset),
        _ => arg,
    })
}

fn as_text(command: Command, entries: &[Entry]) -> Command {
    entries.iter().fold(command, |command, entry| {
        command.mut_arg(&entry.id, |arg| arg.value_parser(clap::value_parser!(OsString)))
    })
}

/// Clap knows the flag and the fault; people set variables and files too, so the message names
/// those.
fn explain(error: clap::Error, entries: &[Entry]) -> ConfigError {
    let invalid = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.split_whitespace().next().unwrap_or_default().to_owned(),
        _ => return ConfigError::Usage(error),
    };
    let Some(entry) = entries.iter().find(|entry| invalid == format!("--{}", entry.flag)) else {
        return ConfigError::Usage(error);
    };
    ConfigError::Invalid {
        name: entry.name.clone(),
        value: entry.shown().unwrap_or_default(),
        origin: entry.origin.clone(),
        reason: reason(&error),
        remedy: match &entry.default {
            Some(default) => format!(", or remove it for the default, {default}"),
            None => ", or remove it".to_owned(),
        },
    }
}

fn reason(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        return format!("it must be one of {}", valid.join(", "));
    }
    std::error::Error::source(error).map_or_else(|| "it has no value".to_owned(), ToString::to_string)
}

fn text(matches: &ArgMatches, id: &str) -> Option<String> {
    matches.get_one::<OsString>(id).map(|value| value.to_string_lossy().into_owned())
}

fn is_set(matches: &ArgMatches, id: &str) -> Option<Origin> {
    match matches.value_source(id)? {
        ValueSource::CommandLine => Some(Origin::Flag),
        ValueSource::EnvVariable => Some(Origin::Environment),
        _ => None,
    }
}
