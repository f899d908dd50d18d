//! A cluster that speaks only TLS, and lets in only those who have its token.

use std::path::PathBuf;
use std::process::Command;

use super::alpes::{Home, free_address, wait_until};
use super::broker::Broker;
use super::reaper::DataFolder;
use super::{http, statistics, wait_until_counted};

/// A token of the right form, from another secret.
const FORGED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbHBlcyJ9.zjTRj8JS7WEdYz95Jlpf2lPpPpVOqzHE7jFn0w8KAi4";

/// The cluster, with what it takes to get in.
struct Fortress {
    _broker: Broker,
    folder: DataFolder,
    ports: [String; 2],
}

impl Fortress {
    fn build() -> Self {
        let folder = DataFolder::new();
        let ports = [(); 2].map(|()| free_address().rsplit_once(':').unwrap().1.to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulsar/security.sh");
        let made = Command::new("/bin/sh").arg(script).args(&ports).current_dir(folder.path()).status().unwrap();
        assert!(made.success());
        let broker = Broker::start_with(&folder.path().join("settings"));
        let fortress = Self { _broker: broker, folder, ports };
        wait_until("the broker listens", || {
            fortress.ports.iter().all(|port| std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok())
        });
        fortress
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.file("token")).unwrap()
    }

    /// Alpes with this token and these certificates.
    fn visitor(&self, token: &str, certificates: Option<PathBuf>) -> Home {
        let certificates = certificates.map_or_else(String::new, |file| file.to_str().unwrap().to_owned());
        Home::with([
            ("PULSAR_URL", format!("pulsar+ssl://127.0.0.1:{}", self.ports[0])),
            ("PULSAR_ADMIN", format!("https://127.0.0.1:{}", self.ports[1])),
            ("PULSAR_TOKEN", token.to_owned()),
            ("PULSAR_CA", certificates),
        ])
    }
}

fn post(home: &Home, id: usize) -> http::Answer {
    let body = format!(r#"{{"id":"{id}","campaña_id":"safe"}}"#);
    http::post(home.http(), "/tracking/impresiones", &body).unwrap()
}

/// Commands are refused for now, and the log names the setting to mend.
fn assert_kept_out(home: &Home, says: &str) {
    let _up = home.serve("up");
    let refused = post(home, 0);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("\"status\":503"), "{refused:?}");
    let log = || std::fs::read_to_string(home.data().join("log")).unwrap();
    wait_until("the log says why", || {
        log().lines().any(|line| line.contains("topics cannot be listed") && line.contains(says))
    });
    assert!(!log().contains("panicked"), "{}", log());
}

#[test]
fn whoever_has_the_token_and_the_certificates_is_let_in() {
    let fortress = Fortress::build();
    let home = fortress.visitor(&fortress.token(), Some(fortress.file("ca.pem")));
    let _up = home.serve("up");
    wait_until("commands are taken in", || post(&home, 0).status == 202);
    for id in 1..200 {
        assert_eq!(post(&home, id).status, 202);
    }
    wait_until("they are counted", || statistics(&home, "safe")["total_impresiones"] == 200);
    wait_until_counted(&home);
    home.run("verify");

    assert_kept_out(&fortress.visitor(FORGED, Some(fortress.file("ca.pem"))), "PULSAR_TOKEN");
    assert_kept_out(&fortress.visitor("", Some(fortress.file("ca.pem"))), "PULSAR_TOKEN");
    assert_kept_out(&fortress.visitor(&fortress.token(), None), "PULSAR_CA");
    assert_kept_out(&fortress.visitor(&fortress.token(), Some(fortress.file("nowhere"))), "PULSAR_CA");
    assert_kept_out(&fortress.visitor(&fortress.token(), Some(fortress.file("token"))), "PULSAR_CA");
}
