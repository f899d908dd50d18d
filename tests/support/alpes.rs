//! The real program, run as people run it: in a data folder of its own, on ports of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::http;
use super::reaper::DataFolder;

/// Longer than anything here takes on a busy machine: what is not so by then will never be.
const PATIENCE: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Below the ports that systems give to outgoing connections, which could take a port while its owner restarts.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
/// What a failed test shows of its programs' log.
const LOG_LINES: usize = 60;

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(ASK_EVERY);
    }
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (std::process::id() as u16).wrapping_mul(50).wrapping_add(number) % PORTS;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// Where `alpes` runs: its data folder, its address, its log.
#[derive(Debug)]
pub(crate) struct Home {
    data: DataFolder,
    http: String,
    environment: Vec<(&'static str, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with([])
    }

    /// With more in its programs' environment.
    pub(crate) fn with(environment: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { data: DataFolder::new(), http: free_address(), environment: environment.into_iter().collect() }
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where commands go.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// A subcommand, with its arguments as in a shell without quotes, and nothing of this process's environment.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let log = OpenOptions::new().create(true).append(true).open(self.data().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_alpes"));
        command.args(arguments.split_whitespace()).stdin(Stdio::null()).stderr(log).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("ALPES_DATA", self.data()).env("ALPES_HTTP", &self.http).env("ALPES_QUERIES", free_address());
        command
    }

    pub(crate) fn start(&self, arguments: &str) -> Running {
        Running::start(self.command(arguments))
    }

    /// Runs a subcommand to its good end, and gives what it printed.
    pub(crate) fn run(&self, arguments: &str) -> String {
        self.start(arguments).finish()
    }

    /// Starts a subcommand that answers on this home's address, and waits until it does.
    pub(crate) fn serve(&self, arguments: &str) -> Running {
        let running = self.start(arguments);
        wait_until("it answers", || http::get(&self.http, "/health/live").is_ok());
        running
    }

    /// Waits until everything that was accepted has been counted.
    pub(crate) fn wait_until_counted(&self) {
        let counted = |answer: http::Answer| answer.status == 200 && answer.body.contains(r#""retraso_ms":0}"#);
        wait_until("everything is counted", || http::get(&self.http, "/health/ready").is_ok_and(counted));
    }

    /// The number of PostgreSQL's main process, while it runs.
    pub(crate) fn postgres(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postgres/postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.data().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
        }
    }
}

/// A process of `alpes`. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: File,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let output = tempfile::tempfile().unwrap();
        let child = command.stdout(output.try_clone().unwrap()).spawn().unwrap();
        Self { child, output }
    }

    #[allow(dead_code)] // not every test sends signals
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`, while it runs; false if it had ended before.
    pub(crate) fn kill(&mut self) -> bool {
        let was_running = self.is_running();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        was_running
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        signal("TERM", self.child.id());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_until("a process ends", || !self.is_running());
        self.child.wait().unwrap()
    }

    /// Waits for its end, good or bad; gives what it printed.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let (status, mut printed) = (self.wait(), String::new());
        self.output.rewind().unwrap();
        self.output.read_to_string(&mut printed).unwrap();
        (status, printed)
    }

    /// Waits for its good end; gives what it printed.
    pub(crate) fn finish(self) -> String {
        let (status, printed) = self.end();
        assert!(status.success(), "{status}: {printed}");
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(sent.success(), "no SIG{name} for {process}");
}
