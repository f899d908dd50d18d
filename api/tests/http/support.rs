//! What every test needs: a PostgreSQL for this test process, a database for each test, the API over it.
//!
//! The server is the one that `ALPES_TEST_DATABASE_URL` names, else one that is made from the installed binaries and
//! that ends with this process.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::ApiState;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use sinks::{LogWriter, PostgresLog};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::OnceCell;
use tower::ServiceExt;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);
/// How long a server may take to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

struct Server {
    options: PgConnectOptions,
    /// Open until the process is gone.
    _reaper: Option<ChildStdin>,
}

/// The API over a database of its own.
pub(crate) struct Api {
    /// May write, unlike the API's own.
    pub(crate) pool: PgPool,
    pub(crate) state: Arc<ApiState>,
    pub(crate) router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let options = database().await;
        Self::over(options.clone(), LogWriter::start(PostgresLog::new(options)))
    }

    pub(crate) fn over(options: PgConnectOptions, log: LogWriter) -> Self {
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let state = ApiState::new(log, api::read_pool(&options), operators::commission::settle, metrics);
        let router = api::commands_router(state.clone());
        let pool =
            PgPoolOptions::new().max_connections(2).connect_lazy_with(options.clone().options([("timezone", "UTC")]));
        Self { pool, state, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.post_with(path, &[("content-type", "application/json")], body).await
    }

    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let request = headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Runs a statement that writes.
    pub(crate) async fn sql(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// The log as it lies: partition, kind, whether it has an assigned id, payload.
    pub(crate) async fn log(&self) -> Vec<(i32, Option<i16>, bool, String)> {
        let rows: Vec<(i32, Option<i16>, bool, Vec<u8>)> = sqlx::query_as(
            r#"SELECT partition, kind, assigned_id IS NOT NULL, payload FROM log ORDER BY partition, "offset""#,
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.into_iter().map(|(p, kind, id, bytes)| (p, kind, id, String::from_utf8_lossy(&bytes).into())).collect()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What tests compare: status, headers that matter, body, without what changes from run to run.
    pub(crate) fn shown(&self) -> Value {
        let mut body = self.json();
        scrub(&mut body);
        let mut shown = serde_json::json!({"status": self.status.as_u16(), "body": body});
        for name in ["content-type", "allow", "retry-after", "preference-applied"] {
            if !self.header(name).is_empty() && self.header(name) != "application/json" {
                shown[name] = self.header(name).into();
            }
        }
        shown
    }
}

/// Hides the values that no two runs share.
fn scrub(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match key.as_str() {
                    "retraso_ms" | "segundos" if value.is_number() => *value = "[n]".into(),
                    _ => scrub(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(scrub),
        _ => {}
    }
}

/// A fresh database with all tables, nothing in them.
pub(crate) async fn database() -> PgConnectOptions {
    let server = SERVER.get_or_init(Server::start).await;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    server.create(&database_name(&number.to_string()), &database_name("template")).await
}

fn database_name(what: &str) -> String {
    format!("api_test_{}_{what}", std::process::id())
}

impl Server {
    async fn start() -> Self {
        let server = match std::env::var("ALPES_TEST_DATABASE_URL") {
            Ok(url) => {
                let options = url.parse().expect("ALPES_TEST_DATABASE_URL is no database");
                Self { options, _reaper: None }
            }
            Err(_) => Self::make().await,
        };
        let template = server.create(&database_name("template"), "template0").await;
        sinks::migrate(&template).await.expect("the migrations do not run");
        server
    }

    /// A cluster in a temporary folder, on a Unix socket, made by an account that PostgreSQL accepts.
    async fn make() -> Self {
        let folder = tempfile::Builder::new().prefix("api").tempdir().expect("no temporary folder").keep();
        let account = unprivileged(&folder);
        let mut initdb = Command::new(binary("initdb"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        let made = run_as(&mut initdb, account).arg(folder.join("data")).output().expect("initdb does not run");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let reaper = start(&folder, account);
        let options = PgConnectOptions::new_without_pgpass().socket(&folder).username("postgres").database("postgres");
        let wait = async {
            while options.connect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_MAX, wait).await.expect("PostgreSQL does not start");
        Self { options, _reaper: Some(reaper) }
    }

    async fn create(&self, name: &str, template: &str) -> PgConnectOptions {
        let mut connection = self.options.connect().await.expect("the test server is not there");
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("no database for this test");
        connection.close().await.expect("the test server is gone");
        self.options.clone().database(name)
    }
}

/// Starts the server, with a shell that stops it and cleans up when this process is gone, however it ends.
fn start(folder: &Path, account: Option<(u32, u32)>) -> ChildStdin {
    const SCRIPT: &str = r#"
        "$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c max_connections=200 \
            -c full_page_writes=off >"$2/log" 2>&1 &
        read -r _; kill -INT $!; wait $!; rm -rf "$2"
    "#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(binary("postgres")).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut reaper = run_as(&mut command, account).spawn().expect("no shell").stdin.take().expect("it was piped");
    reaper.flush().expect("the reaper is gone");
    reaper
}

/// As root: an account that PostgreSQL accepts, which the folder is given to.
fn unprivileged(folder: &Path) -> Option<(u32, u32)> {
    if folder.metadata().expect("the folder is there").uid() != 0 {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("no accounts");
    let account = |name: &str| {
        let mut fields = accounts.lines().map(|line| line.split(':')).find(|f| f.clone().next() == Some(name))?.skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let (uid, gid) = account("postgres").or_else(|| account("nobody")).expect("no account for PostgreSQL");
    chown(folder, Some(uid), Some(gid)).expect("the folder cannot be given away");
    Some((uid, gid))
}

fn run_as(command: &mut Command, account: Option<(u32, u32)>) -> &mut Command {
    command.current_dir("/");
    match account {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// An installed binary: on the PATH, else where distributions put them, newest first.
fn binary(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|binary| binary.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; set ALPES_TEST_DATABASE_URL"))
}
