//! The embedded PostgreSQL with real processes: who starts it, who stops it, and what a kill
//! leaves.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use alpes::cluster::{Cluster, ClusterSettings};
use alpes::config::PostgresChoice;
use sqlx::{ConnectOptions, Connection};

/// Tells the test below that it is the other process, and where the data folder is.
const MEMBER_DATA: &str = "ALPES_TEST_MEMBER_DATA";
/// Recovery and a new start take about a second: a machine that needs this long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of its own that joins the cluster, and leaves it when its input ends.
struct Member {
    process: Child,
    /// Kept open to the end: a process that cannot write what it says fails.
    output: BufReader<ChildStdout>,
}

impl Member {
    fn start(data: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "member", "--nocapture"])
            .env(MEMBER_DATA, data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn joined(data: &Path) -> Self {
        let mut member = Self::start(data);
        member.wait_until_joined();
        member
    }

    fn wait_until_joined(&mut self) {
        let mut line = String::new();
        while line.trim() != "joined" {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "ended before it joined");
        }
    }

    fn leave(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The other process of the tests below, which start it as one; by itself it has nothing to do.
#[tokio::test]
async fn member() {
    let Some(data) = std::env::var_os(MEMBER_DATA) else {
        return;
    };
    let cluster = Cluster::join(&settings(Path::new(&data))).await.unwrap();
    writeln!(std::io::stdout(), "\njoined").unwrap();
    let ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    ended.await.unwrap().unwrap();
    cluster.leave().await.unwrap();
}

fn settings(data: &Path) -> ClusterSettings {
    ClusterSettings { data: data.to_owned(), postgres: PostgresChoice::Auto, database_url: None }
}

async fn join(data: &Path) -> Cluster {
    Cluster::join(&settings(data)).await.unwrap()
}

/// Asks the server something, and so proves that it is there.
async fn ask(cluster: &Cluster, question: &'static str) -> String {
    let mut connection = cluster.connect_options().connect().await.unwrap();
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

/// The number of the server's main process; none when it was stopped as it should be.
fn server(data: &Path) -> Option<String> {
    let file = std::fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?;
    file.lines().next().map(str::to_owned)
}

fn kill_server(data: &Path) -> String {
    let server = server(data).unwrap();
    assert!(Command::new("kill").args(["-9", &server]).status().unwrap().success());
    server
}

fn half_made(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let partial = entries.filter(|entry| entry.file_name().to_string_lossy().contains("partial"));
    partial.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn the_first_makes_it_the_last_stops_it() {
    let data = tempfile::tempdir().unwrap();
    let first = join(data.path()).await;
    let second = join(data.path()).await;
    assert_eq!(ask(&first, "SHOW server_encoding").await, "UTF8");
    assert_eq!(ask(&first, "SHOW data_checksums").await, "on");
    assert_eq!(ask(&first, "SHOW listen_addresses").await, "");
    assert_eq!(ask(&first, "SHOW TimeZone").await, "UTC");
    assert_eq!(ask(&first, "SELECT min(x) FROM (VALUES ('a'), ('B'), ('ñ')) t(x)").await, "B");
    first.leave().await.unwrap();
    assert_eq!(ask(&second, "SELECT current_database()::text").await, "alpes");
    second.leave().await.unwrap();
    assert_eq!(server(data.path()), None);
}

#[tokio::test]
async fn processes_that_start_together_share_one() {
    let data = tempfile::tempdir().unwrap();
    let mut members: Vec<Member> = (0..3).map(|_| Member::start(data.path())).collect();
    members.iter_mut().for_each(Member::wait_until_joined);
    let server_of_all = server(data.path());
    for member in members {
        assert_eq!(server(data.path()), server_of_all);
        member.leave();
    }
    assert_eq!(server(data.path()), None);
}

#[tokio::test]
async fn a_killed_process_leaves_it_to_the_next() {
    let data = tempfile::tempdir().unwrap();
    Member::joined(data.path()).kill();
    let left = server(data.path());
    let cluster = join(data.path()).await;
    assert_eq!(server(data.path()), left);
    cluster.leave().await.unwrap();
    assert_eq!(server(data.path()), None);
}

#[tokio::test]
async fn a_server_killed_in_use_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let cluster = join(data.path()).await;
    let killed = kill_server(data.path());
    let begun = Instant::now();
    while cluster.connect_options().connect().await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the server never came back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(server(data.path()), Some(killed));
    cluster.leave().await.unwrap();
}

#[tokio::test]
async fn a_crash_of_all_is_recovered_from() {
    let data = tempfile::tempdir().unwrap();
    let member = Member::joined(data.path());
    let killed = kill_server(data.path());
    member.kill();
    let cluster = join(data.path()).await;
    assert_ne!(server(data.path()), Some(killed));
    cluster.leave().await.unwrap();
}

#[tokio::test]
async fn the_number_of_another_program_is_no_server() {
    let data = tempfile::tempdir().unwrap();
    join(data.path()).await.leave().await.unwrap();
    let file = data.path().join("postgres/postmaster.pid");
    std::fs::write(&file, format!("{}\n", std::process::id())).unwrap();
    let cluster = join(data.path()).await;
    assert_ne!(server(data.path()), Some(std::process::id().to_string()));
    cluster.leave().await.unwrap();
}

#[tokio::test]
async fn what_was_half_made_is_made_again() {
    let data = tempfile::tempdir().unwrap();
    for milliseconds in [50, 200, 400, 800] {
        let member = Member::start(data.path());
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        member.kill();
    }
    join(data.path()).await.leave().await.unwrap();
    // An initdb that outlived its process may still have written after the sweep; the next sweep
    // comes after its end.
    join(data.path()).await.leave().await.unwrap();
    assert_eq!(half_made(data.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_data_folder_may_have_a_long_name() {
    let data = tempfile::tempdir().unwrap();
    let long = data.path().join("x".repeat(150));
    let cluster = join(&long).await;
    assert_eq!(ask(&cluster, "SELECT current_user::text").await, "alpes");
    cluster.leave().await.unwrap();
}

#[tokio::test]
async fn a_database_of_the_users_own_needs_no_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut settings = settings(&data);
    settings.database_url = Some("postgresql+psycopg2://ana@db:5433/ventas".parse().unwrap());
    let cluster = Cluster::join(&settings).await.unwrap();
    assert_eq!(cluster.connect_options().get_host(), "db");
    cluster.leave().await.unwrap();
    assert!(!data.exists());
}
