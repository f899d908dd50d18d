//! The server process: started, asked and stopped.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::ClusterError;
use super::account::Account;
use super::binaries::Binaries;
use super::places::Places;
use super::{configuration, initdb};

const DATABASE: &str = "alpes";
/// PostgreSQL's code for a database that is not there.
const NO_DATABASE: &str = "3D000";
/// PostgreSQL's code for a database that another process has just made.
const DATABASE_EXISTS: &str = "42P04";
/// After a crash of the machine, up to 8 GB of log are read again before anybody is let in: minutes on a slow disk.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// The processes of a server that was killed need a moment to notice before a new one may start.
const STARTS_MAX: u32 = 5;
const START_PAUSE: Duration = Duration::from_secs(1);
/// A start takes a second or less: whoever waits longer should know for what.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// How often a server that starts up is asked again.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A stop writes every changed page: 2 GB at most.
const STOP_SECONDS_MAX: u32 = 300;

/// The server of one cluster.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) account: Account,
    pub(super) places: Places,
    pub(super) binaries: Binaries,
}

impl Server {
    /// How to connect to its database. Nothing is left to the environment's PG variables.
    pub(super) fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.places.socket)
            .port(configuration::PORT)
            .username(initdb::ROLE)
            .database(DATABASE)
            .ssl_mode(PgSslMode::Disable)
    }

    /// Makes the cluster if there is none.
    pub(super) async fn make(&self) -> Result<(), ClusterError> {
        initdb::make(&self.places.data, &self.binaries, &self.account).await
    }

    /// Returns when the server runs and our database is open, whatever state it was found in:
    /// stopped, starting, recovering, stopping. The caller holds the start lock.
    pub(super) async fn ensure_ready(&self) -> Result<(), ClusterError> {
        let begun = Instant::now();
        let (mut starts, mut told) = (0, false);
        loop {
            if !self.is_running() {
                starts += 1;
                self.start_or_pause(starts).await?;
            }
            match self.open_database().await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > READY_WITHIN => {
                    return Err(ClusterError::Connect(error));
                }
                Err(error) if !told && begun.elapsed() > TELL_AFTER => {
                    told = true;
                    tracing::info!(%error, "waiting for PostgreSQL to accept connections");
                }
                Err(_) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }

    /// One start of few. A server that refuses may still be in the way of its own remains.
    async fn start_or_pause(&self, starts: u32) -> Result<(), ClusterError> {
        match self.start().await {
            Err(error @ ClusterError::Program { .. }) if starts < STARTS_MAX => {
                tracing::debug!(%error, "PostgreSQL did not start; trying again");
                tokio::time::sleep(START_PAUSE).await;
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the server's main process lives. A number in a file proves little: after a crash
    /// another program may have it, in a container even soon. So its folder is asked for, else its
    /// socket.
    pub(super) fn is_running(&self) -> bool {
        match self.recorded_process() {
            None => false,
            Some(process) => match fs::read_link(process.join("cwd")) {
                Ok(folder) => folder == self.places.data,
                Err(_) => UnixStream::connect(self.socket()).is_ok(),
            },
        }
    }

    /// Stops the server, ending what is still connected.
    pub(super) async fn stop(&self) -> Result<(), ClusterError> {
        if !self.is_running() {
            return Ok(());
        }
        self.pg_ctl(&format!("stop -s -w -m fast -t {STOP_SECONDS_MAX}"), &[]).await?;
        // Empty now, and made again at the next start: nothing is to be left lying around.
        let _ = fs::remove_dir(&self.places.socket);
        Ok(())
    }

    async fn start(&self) -> Result<(), ClusterError> {
        self.forget_another_program();
        self.places.open_socket_folder(&self.account)?;
        self.configure().await?;
        if let Some(pages) = configuration::huge_pages_wanted() {
            tracing::info!(
                "PostgreSQL would count faster in huge pages, from some million events on: \
                            sysctl -w vm.nr_hugepages={pages} before the next start"
            );
        }
        let options = format!("start -s -w -t {}", READY_WITHIN.as_secs());
        let log = self.start_log();
        let started = self.pg_ctl(&options, &[OsStr::new("-l"), log.as_os_str()]).await;
        started.map_err(|error| self.with_log(error))
    }

    async fn pg_ctl(&self, options: &str, more: &[&OsStr]) -> Result<(), ClusterError> {
        let data = [OsStr::new("-D"), self.places.data.as_os_str()];
        let options = options.split_whitespace().map(OsStr::new);
        let arguments = options.chain(data).chain(more.iter().copied());
        self.account.run(&self.binaries.program("pg_ctl"), arguments).await.map(drop)
    }

    /// Opens our database, and makes it the first time.
    async fn open_database(&self) -> Result<(), sqlx::Error> {
        let options = self.connect_options();
        match options.connect().await {
            Ok(connection) => connection.close().await,
            Err(error) if has_code(&error, NO_DATABASE) => create_database(&options).await,
            Err(error) => Err(error),
        }
    }

    /// Writes our configuration, with the best compression of the log that these binaries know.
    async fn configure(&self) -> Result<(), ClusterError> {
        self.write_configuration("lz4")?;
        let question = ["-C", "wal_compression", "-D"].map(OsStr::new);
        let arguments = question.into_iter().chain([self.places.data.as_os_str()]);
        if self.account.run(&self.binaries.program("postgres"), arguments).await.is_err() {
            self.write_configuration("pglz")?;
        }
        Ok(())
    }

    fn write_configuration(&self, wal_compression: &str) -> Result<(), ClusterError> {
        let path = self.places.data.join(configuration::FILE);
        let unfinished = path.with_extension("tmp");
        let text = configuration::text(&self.places.socket, wal_compression);
        fs::write(&unfinished, text).map_err(|source| ClusterError::folder(&unfinished, source))?;
        self.account.give(&unfinished)?;
        fs::rename(&unfinished, &path).map_err(|source| ClusterError::folder(&path, source))
    }

    /// The entry in `/proc` of the process that the cluster's file names, living or not.
    fn recorded_process(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let pid: u32 = text.lines().next()?.trim().parse().ok()?;
        Some(Path::new("/proc").join(pid.to_string()))
    }

    /// PostgreSQL itself tells a dead process from a living one, but not a living one of another
    /// program that runs under the same account: it would refuse to start. Only where that is
    /// certain is its file removed.
    fn forget_another_program(&self) {
        let folder = self.recorded_process().and_then(|process| fs::read_link(process.join("cwd")).ok());
        if folder.is_some_and(|folder| folder != self.places.data) {
            let _ = fs::remove_file(self.pid_file());
        }
    }

    /// `pg_ctl` only says that the server did not start: why is in the log.
    fn with_log(&self, error: ClusterError) -> ClusterError {
        const LINES: usize = 5;
        let ClusterError::Program { program, output } = error else {
            return error;
        };
        let log = newest_log(&self.places.data).unwrap_or_else(|| self.start_log());
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
        ClusterError::Program { program, output: format!("{output} ({}: {last})", log.display()) }
    }

    fn pid_file(&self) -> PathBuf {
        self.places.data.join("postmaster.pid")
    }

    fn socket(&self) -> PathBuf {
        self.places.socket.join(format!(".s.PGSQL.{}", configuration::PORT))
    }

    fn start_log(&self) -> PathBuf {
        self.places.data.join("start.log")
    }
}

/// PostgreSQL writes to the first log until its collector runs, then to one of the week's.
fn newest_log(data: &Path) -> Option<PathBuf> {
    let week = fs::read_dir(data.join("log")).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = week.chain([data.join("start.log")]);
    logs.max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok())
}

async fn create_database(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection: PgConnection = options.clone().database("postgres").connect().await?;
    let statement = format!("CREATE DATABASE {DATABASE} ENCODING 'UTF8' TEMPLATE template0");
    let created = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await;
    connection.close().await?;
    match created {
        Err(error) if !has_code(&error, DATABASE_EXISTS) => Err(error),
        _ => Ok(()),
    }
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
}
