//! The types of settings that are more than text, and how they are read.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// A command may stay in the log for ten years: longer is a mistyped number.
const LOG_RETENTION_DAYS_MAX: u32 = 3_650;
/// A window may stay open for thirty days: longer is a mistyped number.
const GRACE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
const MASK: &str = "***";

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether a process relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Relay {
    /// It does, beside its other work.
    On,
    /// Another process does.
    Off,
}

/// Where the relay of a database begins that has counted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RelayFrom {
    /// Behind what was counted.
    Now,
    /// At its first row.
    Beginning,
}

/// What becomes of IP addresses and user agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Privacy {
    /// Stored as they came.
    AsSent,
    /// Stored without the part that tells people apart.
    Truncate,
    /// Not stored.
    Drop,
}

impl From<Privacy> for schemas::wire::Privacy {
    fn from(privacy: Privacy) -> Self {
        match privacy {
            Privacy::AsSent => Self::AsSent,
            Privacy::Truncate => Self::Truncate,
            Privacy::Drop => Self::Drop,
        }
    }
}

/// What becomes of the rows of impressions and clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RawRows {
    /// Stored.
    Keep,
    /// Counted only.
    Drop,
}

impl From<RawRows> for sinks::impressions::RawRows {
    fn from(raw_rows: RawRows) -> Self {
        match raw_rows {
            RawRows::Keep => Self::Keep,
            RawRows::Drop => Self::Drop,
        }
    }
}

/// Which binaries run the embedded PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresChoice {
    /// The newest that is installed, else a downloaded one.
    Auto,
    /// A downloaded one, whatever is installed.
    Download,
    /// The ones in this folder.
    Folder(PathBuf),
}

impl FromStr for PostgresChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "download" => Self::Download,
            folder => Self::Folder(folder.into()),
        })
    }
}

/// Why a `DATABASE_URL` is none.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// It names another kind of database, or no database at all.
    #[error("it must begin with postgresql://, postgres:// or postgresql+driver://")]
    Scheme,
    /// Something after the scheme is wrong.
    #[error("after its scheme, {0}")]
    Rest(#[source] sqlx::Error),
}

/// A PostgreSQL of the user's own. Prints without its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    options: PgConnectOptions,
    shown: String,
}

impl DatabaseUrl {
    /// How to connect to it.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// SQLAlchemy names its driver in the scheme (`postgresql+psycopg2`); the rest is the usual
    /// URL.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(DatabaseUrlError::Scheme)?;
        let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _driver)| dialect);
        if !matches!(dialect, "postgresql" | "postgres") {
            return Err(DatabaseUrlError::Scheme);
        }
        let options = format!("postgresql://{rest}").parse().map_err(DatabaseUrlError::Rest)?;
        Ok(Self { options, shown: masked(text) })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A URL without its password, wherever the URL may hold one. Works on text that is no URL, too.
pub(super) fn masked(url: &str) -> String {
    if !url.contains("://") && !url.contains('@') {
        return MASK.to_owned();
    }
    let url = without_password_parameter(url);
    let Some((credentials, host)) = url.rsplit_once('@') else {
        return url;
    };
    let start = credentials.find("://").map_or(0, |scheme| scheme + "://".len());
    match credentials[start..].find(':') {
        Some(colon) => format!("{}:{MASK}@{host}", &credentials[..start + colon]),
        None => url,
    }
}

fn without_password_parameter(url: &str) -> String {
    const PARAMETER: &str = "password=";
    let Some(start) = url.find(PARAMETER).map(|at| at + PARAMETER.len()) else {
        return url.to_owned();
    };
    let end = url[start..].find('&').map_or(url.len(), |length| start + length);
    format!("{}{MASK}{}", &url[..start], &url[end..])
}

/// The data folder of a user who chose none: root's is the system's, others' is in their home.
pub(super) fn default_data() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/alpes");
    }
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("alpes-data"), |share| share.join("alpes"))
}

/// An address to listen on. Names are allowed, and resolved when it is bound.
pub(super) fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("it must be HOST:PORT, such as 127.0.0.1:8000".to_owned()),
    }
}

pub(super) fn namespace(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((tenant, name)) if !tenant.is_empty() && !name.is_empty() && !name.contains('/') => Ok(text.to_owned()),
        _ => Err("it must be TENANT/NAME, such as public/default".to_owned()),
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; it must be a tracing filter, such as info,sqlx=warn")),
    }
}

pub(super) fn days(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|days| *days <= LOG_RETENTION_DAYS_MAX)
        .ok_or_else(|| format!("it must be a whole number of days from 0 to {LOG_RETENTION_DAYS_MAX}"))
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= GRACE_SECONDS_MAX)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("it must be a whole number of seconds from 0 to {GRACE_SECONDS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_may_be_sqlalchemys() {
        for scheme in ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg"] {
            let url: DatabaseUrl = format!("{scheme}://ana:s3cret@db:5433/alpes").parse().unwrap();
            let options = url.connect_options();
            assert_eq!((options.get_host(), options.get_port()), ("db", 5433), "{scheme}");
            assert_eq!((options.get_username(), options.get_database()), ("ana", Some("alpes")), "{scheme}");
            assert_eq!(url.to_string(), format!("{scheme}://ana:***@db:5433/alpes"));
        }
    }

    #[test]
    fn a_database_url_may_name_a_socket() {
        let url: DatabaseUrl = "postgresql:///alpes?host=/run/postgresql&user=ana".parse().unwrap();
        assert_eq!(url.connect_options().get_socket().unwrap(), &PathBuf::from("/run/postgresql"));
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["mysql://localhost/x", "localhost:5432", "postgresql", "postgresql://h:notaport/x"] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn passwords_never_show() {
        let cases = [
            ("postgresql://ana:s3cret@db/alpes", "postgresql://ana:***@db/alpes"),
            ("postgresql://ana:s3:cr@et@db/alpes", "postgresql://ana:***@db/alpes"),
            ("postgresql://ana@db/alpes", "postgresql://ana@db/alpes"),
            ("postgresql://ana:s3?cret@db/alpes", "postgresql://ana:***@db/alpes"),
            ("postgresql:///alpes?password=s3@ret&user=ana", "postgresql:///alpes?password=***&user=ana"),
            ("ana:s3cret@db", "ana:***@db"),
        ];
        for (url, shown) in cases {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn an_address_needs_a_host_and_a_port() {
        for good in ["127.0.0.1:8000", "localhost:80", "[::1]:8000", "0.0.0.0:0"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["8000", ":8000", "localhost", "localhost:port", "localhost:70000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
