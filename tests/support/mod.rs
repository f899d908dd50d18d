//! A database of its own for every test that asks for one.
//!
//! The server is the one that `ALPES_TEST_DATABASE_URL` names, else an embedded one that lives as long as this test
//! process. Migrations run once; each test gets a copy of what they made.

#![allow(clippy::expect_used)]

mod reaper;

use std::sync::atomic::{AtomicU32, Ordering};

use alpes::cluster::{Cluster, ClusterSettings};
use alpes::config::{DatabaseUrl, PostgresChoice};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::OnceCell;

use reaper::DataFolder;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    options: PgConnectOptions,
    /// Kept until the process is gone.
    _data: Option<DataFolder>,
}

/// A fresh database with all tables, nothing in them.
#[allow(dead_code)] // one test begins earlier
pub(crate) async fn database() -> PgConnectOptions {
    copy_of(&template()).await
}

/// A fresh database without any table.
#[allow(dead_code)] // not every test begins so early
pub(crate) async fn empty_database() -> PgConnectOptions {
    copy_of("template0").await
}

/// A copy of a database of this server that nobody is connected to.
#[allow(dead_code)] // not every test copies
pub(crate) async fn copy(options: &PgConnectOptions) -> PgConnectOptions {
    copy_of(options.get_database().expect("it was made with a name")).await
}

async fn copy_of(database: &str) -> PgConnectOptions {
    let server = SERVER.get_or_init(Server::start).await;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    server.create(&database_name(&number.to_string()), database).await
}

fn template() -> String {
    database_name("template")
}

fn database_name(what: &str) -> String {
    format!("alpes_test_{}_{what}", std::process::id())
}

impl Server {
    async fn start() -> Self {
        let server = match std::env::var("ALPES_TEST_DATABASE_URL") {
            Ok(url) => {
                let url: DatabaseUrl = url.parse().expect("ALPES_TEST_DATABASE_URL is no database");
                Self { options: url.connect_options(), _data: None }
            }
            Err(_) => Self::embedded().await,
        };
        let template = server.create(&template(), "template0").await;
        sinks::migrate(&template).await.expect("the migrations do not run");
        server
    }

    async fn embedded() -> Self {
        let data = DataFolder::new();
        let settings =
            ClusterSettings { data: data.path().to_owned(), postgres: PostgresChoice::Auto, database_url: None };
        let cluster = Cluster::join(&settings).await.expect("no PostgreSQL starts");
        let options = cluster.connect_options();
        // Nothing here outlives its server, so nobody needs to wait for the disk.
        Self { options: options.options([("synchronous_commit", "off")]), _data: Some(data) }
    }

    async fn create(&self, name: &str, template: &str) -> PgConnectOptions {
        let mut connection = self.options.connect().await.expect("the test server is not there");
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("no database for this test");
        connection.close().await.expect("the test server is gone");
        self.options.clone().database(name)
    }
}
