//! Clients that send single commands through every outage and keep a record of what was accepted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::alpes::Home;
use super::http;

/// The campaign of all their commands.
pub(crate) const CAMPAIGN: &str = "acuse";
const CLIENTS: usize = 4;
/// Between two requests: these clients watch, the load is another's.
const PAUSE: Duration = Duration::from_millis(5);

/// The clients at work.
pub(crate) struct Recorder {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

/// The ids of all commands that were answered 202.
pub(crate) struct Record(Vec<String>);

impl Recorder {
    pub(crate) fn start(home: &Home) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |client| {
            let (address, stop) = (home.http().to_owned(), stop.clone());
            std::thread::spawn(move || send_until(&stop, &address, client))
        };
        Self { clients: (0..CLIENTS).map(start).collect(), stop }
    }

    pub(crate) fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        Record(self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect())
    }
}

/// Sends one command after the other, each again until it is accepted.
fn send_until(stop: &AtomicBool, address: &str, client: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = format!("{client}-{}", accepted.len());
        let influencer = accepted.len() % 10;
        let command = format!(r#"{{"id":"{id}","campaña_id":"{CAMPAIGN}","influencer_id":"inf-{influencer}"}}"#);
        if http::post(address, "/tracking/impresiones", &command).is_ok_and(|answer| answer.status == 202) {
            accepted.push(id);
        }
        std::thread::sleep(PAUSE);
    }
    accepted
}

impl Record {
    /// Each accepted command was counted, and none twice, although some were sent twice.
    pub(crate) fn assert_counted(&self, home: &Home) {
        let exported = home.run("export impresiones");
        let rows = exported.lines().filter(|line| line.split(',').nth(1) == Some(CAMPAIGN));
        let counted: Vec<_> = rows.filter_map(|line| line.split(',').next()).collect();
        let distinct: BTreeSet<_> = counted.iter().copied().collect();
        let lost: Vec<_> = self.0.iter().filter(|id| !distinct.contains(id.as_str())).collect();
        println!("{} accepted, {} counted", self.0.len(), counted.len());
        assert!(!self.0.is_empty(), "nothing was accepted");
        assert_eq!(lost, Vec::<&String>::new(), "accepted, but not counted");
        assert_eq!(counted.len(), distinct.len(), "counted more than once");
    }
}
