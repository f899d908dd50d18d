//! A real Pulsar broker for tests, in a folder and on ports of its own. It ends with the test process at the latest.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::alpes::{free_address, signal, wait_until};
use super::http;
use super::reaper::DataFolder;

/// Runs the broker until the end of its input, which comes with the end of the test process at the latest.
const SCRIPT: &str = r#"
    "$0" run "$1" --port "$2" --admin-port "$3" --with "$4" >>"$1/log" 2>&1 &
    echo $! >"$1/pid"; cat >/dev/null; kill -9 $!
"#;

/// A broker. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    data: DataFolder,
    port: String,
    admin_port: String,
    running: Option<ChildStdin>,
}

impl Broker {
    /// Starts one and waits until it serves.
    pub(crate) fn start() -> Self {
        let mut broker = Self::new();
        broker.restart();
        broker
    }

    fn new() -> Self {
        let port = |address: String| address.rsplit_once(':').unwrap().1.to_owned();
        let (port, admin_port) = (port(free_address()), port(free_address()));
        Self { data: DataFolder::new(), port, admin_port, running: None }
    }

    /// Starts one with more settings, which may set its ports anew; does not wait for it.
    #[allow(dead_code)] // only the tests of TLS do
    pub(crate) fn start_with(settings: &Path) -> Self {
        let mut broker = Self::new();
        broker.spawn(settings);
        broker
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        signal("KILL", self.process());
        let address = format!("127.0.0.1:{}", self.port);
        wait_until("the broker is gone", || std::net::TcpStream::connect(&address).is_err());
        self.running = None;
    }

    /// Starts it again on what it left, and waits until it serves.
    pub(crate) fn restart(&mut self) {
        self.spawn(Path::new("/dev/null"));
        wait_until("the broker serves", || {
            http::get(&self.admin_address(), "/admin/v2/namespaces/public/default").is_ok_and(|it| it.status == 200)
        });
    }

    fn spawn(&mut self, settings: &Path) {
        let _ = std::fs::remove_file(self.data.path().join("pid"));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).arg(script("scripts/pulsar.sh")).arg(self.data.path());
        command.args([&self.port, &self.admin_port]).arg(settings);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.running = command.spawn().unwrap().stdin.take();
    }

    fn process(&self) -> u32 {
        std::fs::read_to_string(self.data.path().join("pid")).unwrap().trim().parse().unwrap()
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("pulsar://127.0.0.1:{}", self.port)
    }

    fn admin_address(&self) -> String {
        format!("127.0.0.1:{}", self.admin_port)
    }

    /// A namespace that nobody else uses.
    pub(crate) fn namespace(&self) -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("public/test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace { url: self.url(), admin: self.admin_address(), name };
        namespace.admin("PUT", &format!("/admin/v2/namespaces/{}", namespace.name), "");
        // What a test reads again must still be there.
        namespace.retain(r#"{"retentionTimeInMinutes": 60, "retentionSizeInMB": 1000}"#);
        namespace
    }
}

/// Topics of one test.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    url: String,
    admin: String,
    name: String,
}

impl Namespace {
    /// What tells `alpes` to use it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("PULSAR_URL", self.url.clone()),
            ("PULSAR_ADMIN", format!("http://{}", self.admin)),
            ("PULSAR_NAMESPACE", self.name.clone()),
        ]
    }

    /// The full name of a topic.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("persistent://{}/{name}", self.name)
    }

    /// Asks the admin interface about a topic: `what` is what follows its name.
    pub(crate) fn ask(&self, method: &str, topic: &str, what: &str) -> http::Answer {
        self.tell(method, topic, what, "")
    }

    /// The same with a body.
    pub(crate) fn tell(&self, method: &str, topic: &str, what: &str, json: &str) -> http::Answer {
        let topic: String = topic.bytes().map(escaped).collect();
        self.admin(method, &format!("/admin/v2/persistent/{}/{topic}{what}", self.name), json)
    }

    /// How long what was acknowledged is kept.
    pub(crate) fn retain(&self, retention: &str) {
        self.admin("POST", &format!("/admin/v2/namespaces/{}/retention", self.name), retention);
    }

    /// All versions of a topic's schema.
    #[allow(dead_code)] // only the tests of schemas ask
    pub(crate) fn schemas(&self, topic: &str) -> http::Answer {
        self.admin("GET", &format!("/admin/v2/schemas/{}/{topic}/schemas", self.name), "")
    }

    /// Lets producers register whatever they like.
    #[allow(dead_code)] // the same
    pub(crate) fn allow_any_schema(&self) {
        let path = format!("/admin/v2/namespaces/{}/schemaCompatibilityStrategy", self.name);
        let answer = self.admin("PUT", &path, r#""ALWAYS_COMPATIBLE""#);
        assert!(answer.status < 300, "{answer:?}");
    }

    fn admin(&self, method: &str, path: &str, json: &str) -> http::Answer {
        let answer = http::send(&self.admin, method, path, json).unwrap();
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
        answer
    }

    /// Runs a program of tests/python with this cluster's URL and a topic; gives what it printed.
    pub(crate) fn python(&self, program: &str, topic: &str, arguments: &[&str], input: &str) -> String {
        use std::io::Write;
        let mut command = Command::new(script("scripts/python.sh"));
        command.arg(script("tests/python").join(program)).arg(&self.url).arg(self.topic(topic)).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {topic}: {said}");
        // A program that was given more than it needed has closed its input.
        let _ = writer.join().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
