//! Pulsar's admin interface, for what its protocol cannot say: whether a topic is still the same one, how far it goes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, StatusCode};
use schemas::Position;
use serde_json::Value;
use std::time::Duration;

use super::{BrokerError, COMMANDS, PulsarSettings};

/// How long an answer may take: nothing here is asked for while commands are on their way.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// What may stand unescaped in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The admin interface of the cluster, for the topics of one namespace. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    url: String,
    namespace: String,
    token: Option<String>,
}

/// A schema as it was registered.
#[derive(Debug, Clone)]
pub struct Schema {
    /// `AVRO`, or something else.
    pub kind: String,
    /// Its text.
    pub text: String,
}

/// What a topic holds.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Its last entry; the index is as great as can be.
    pub last: Position,
    /// Its ledgers that are still there, with how many entries each has; the one that is being written says 0.
    pub ledgers: Vec<(i64, i64)>,
    /// The last entry that the subscription has acknowledged, where there is one of that name.
    pub acknowledged: Option<Position>,
}

impl Extent {
    /// The first entry behind the one at `committed` that is there, or was there until somebody acknowledged it.
    pub fn next(&self, committed: (i64, i64)) -> Option<(i64, i64)> {
        let acknowledged = self.acknowledged.map(|it| (it.ledger, it.entry));
        let beyond = self.ends().chain(acknowledged).filter(|end| end.1 >= 0 && *end > committed);
        // A ledger is there from its first entry on, or not at all.
        beyond.map(|(ledger, _)| (ledger, if ledger == committed.0 { committed.1 + 1 } else { 0 })).min()
    }

    /// Whether there is an entry behind the one at `committed`.
    pub fn reaches_beyond(&self, committed: (i64, i64)) -> bool {
        self.ends().any(|end| end.1 >= 0 && end > committed)
    }

    /// The last entry of each ledger; -1 where it has none.
    fn ends(&self) -> impl Iterator<Item = (i64, i64)> {
        let ledgers = self.ledgers.iter().map(|(ledger, entries)| (*ledger, entries - 1));
        ledgers.chain([(self.last.ledger, self.last.entry)])
    }

    /// Whether the subscription has acknowledged an entry behind the one at `committed` that is still there. After a
    /// restart the broker names the beginning of a ledger, whose entry is -1, for the end of the one before.
    pub fn acknowledged_beyond(&self, committed: (i64, i64)) -> bool {
        let Some(acknowledged) = self.acknowledged else { return false };
        let before = self.ledgers.iter().filter(|(ledger, _)| *ledger < acknowledged.ledger);
        let last_entries = before.map(|(ledger, entries)| (*ledger, entries - 1));
        let mut known = last_entries.chain([(acknowledged.ledger, acknowledged.entry)]);
        known.any(|(ledger, entry)| entry >= 0 && (ledger, entry) > committed)
    }

    /// Before everything that is still there.
    pub fn beginning(&self) -> Position {
        let first = self.ledgers.first().map_or(-1, |(ledger, _)| *ledger);
        Position { ledger: first, entry: -1, index: -1 }
    }
}

impl Admin {
    /// Of the cluster of `settings`.
    pub fn new(settings: &PulsarSettings) -> Result<Self, BrokerError> {
        // An error only says that somebody chose the cryptography before us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().no_proxy().timeout(ANSWER_MAX);
        if let Some(certificates) = settings.read_certificates()? {
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(&certificates)?);
        }
        Ok(Self {
            client: builder.build()?,
            url: settings.admin.trim_end_matches('/').to_owned(),
            namespace: settings.namespace.clone(),
            token: settings.token.as_ref().map(|token| token.0.clone()),
        })
    }

    /// Whether we are let in.
    pub async fn knock(&self) -> Result<(), BrokerError> {
        let path = format!("{}/partitions", self.path(COMMANDS));
        self.ask(Method::GET, &path, None, &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    /// Makes a partitioned topic; one that is there stays as it is.
    pub async fn create_partitioned(&self, topic: &str, partitions: u32) -> Result<(), BrokerError> {
        let path = format!("{}/partitions", self.path(topic));
        self.ask(Method::PUT, &path, Some(partitions.into()), &[StatusCode::CONFLICT]).await.map(drop)
    }

    /// Makes a topic without partitions; one that is there stays as it is.
    pub async fn create(&self, topic: &str) -> Result<(), BrokerError> {
        self.ask(Method::PUT, &self.path(topic), None, &[StatusCode::CONFLICT]).await.map(drop)
    }

    /// The instant at which the topic was made, in milliseconds: it tells it from one of the same name before it.
    pub async fn incarnation(&self, topic: &str) -> Result<i64, BrokerError> {
        let path = format!("{}/stats", self.path(topic));
        let stats = self.ask(Method::GET, &path, None, &[]).await?;
        let made = stats["topicCreationTimeStamp"].as_i64().filter(|made| *made > 0);
        made.ok_or(BrokerError::Incomplete { path, what: "topicCreationTimeStamp" })
    }

    /// The schema that is registered on a topic under `version`, as messages name it; none where there is no such one.
    ///
    /// The client could ask for it, too, but through the consumer, which answers nothing as long as its queue is full.
    pub async fn schema(&self, topic: &str, version: u64) -> Result<Option<Schema>, BrokerError> {
        let path = format!("/admin/v2/schemas/{}/{}/schema/{version}", self.namespace, escaped(topic));
        let answer = self.ask(Method::GET, &path, None, &[StatusCode::NOT_FOUND]).await?;
        let text = |key: &str| answer[key].as_str().map(str::to_owned);
        Ok(text("type").zip(text("data")).map(|(kind, text)| Schema { kind, text }))
    }

    /// Messages that `subscription` has not acknowledged.
    pub async fn backlog(&self, topic: &str, subscription: &str) -> Result<i64, BrokerError> {
        let path = format!("{}/stats?getPreciseBacklog=true", self.path(topic));
        let stats = self.ask(Method::GET, &path, None, &[]).await?;
        let backlog = stats["subscriptions"][subscription]["msgBacklog"].as_i64();
        backlog.ok_or(BrokerError::Incomplete { path, what: "msgBacklog" })
    }

    /// What the topic holds, and how far `subscription` has acknowledged it.
    pub async fn extent(&self, topic: &str, subscription: &str) -> Result<Extent, BrokerError> {
        let path = format!("{}/internalStats", self.path(topic));
        let stats = self.ask(Method::GET, &path, None, &[]).await?;
        let last = entry_position(&stats["lastConfirmedEntry"]);
        let ledgers = stats["ledgers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ledger = |ledger: &Value| Some((ledger["ledgerId"].as_i64()?, ledger["entries"].as_i64()?));
        Ok(Extent {
            last: last.ok_or(BrokerError::Incomplete { path, what: "lastConfirmedEntry" })?,
            ledgers: ledgers.iter().filter_map(ledger).collect(),
            acknowledged: entry_position(&stats["cursors"][subscription]["markDeletePosition"]),
        })
    }

    /// Moves a subscription's cursor behind `position`: the next message is the one after it. Closes its consumers. The
    /// position must not lie beyond the topic's last: the broker would pass over everything without a word.
    pub async fn reset_cursor(&self, topic: &str, subscription: &str, position: Position) -> Result<(), BrokerError> {
        let path = format!("{}/subscription/{}/resetcursor", self.path(topic), escaped(subscription));
        let body = serde_json::json!({
            "ledgerId": position.ledger, "entryId": position.entry, "partitionIndex": -1, "excluded": true,
        });
        self.ask(Method::POST, &path, Some(body), &[]).await.map(drop)
    }

    fn path(&self, topic: &str) -> String {
        format!("/admin/v2/persistent/{}/{}", self.namespace, escaped(topic))
    }

    /// The answer; null where there is none, or where its status is one of `fine`.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        fine: &[StatusCode],
    ) -> Result<Value, BrokerError> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() || fine.contains(&status) {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        Err(BrokerError::Refused { path: path.to_owned(), status: status.as_u16(), reason: reason(status, &text) })
    }
}

/// Why the broker refused: its servlets say it on a page of HTML, which is for no log.
fn reason(status: StatusCode, text: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    answer["reason"].as_str().or(status.canonical_reason()).unwrap_or_default().to_owned()
}

fn escaped(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// `12:5`, an entry as a whole.
fn entry_position(value: &Value) -> Option<Position> {
    let (ledger, entry) = value.as_str()?.split_once(':')?;
    Some(Position { ledger: ledger.parse().ok()?, entry: entry.parse().ok()?, index: i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(last: (i64, i64), acknowledged: (i64, i64)) -> Extent {
        let position = |(ledger, entry)| Position { ledger, entry, index: i32::MAX };
        Extent {
            last: position(last),
            ledgers: vec![(6, 10), (7, 0), (9, 0)],
            acknowledged: Some(position(acknowledged)),
        }
    }

    #[test]
    fn what_was_acknowledged_but_not_committed_is_noticed() {
        assert!(!extent((9, 3), (9, 2)).acknowledged_beyond((9, 2)));
        assert!(extent((9, 3), (9, 2)).acknowledged_beyond((9, 1)));
        assert!(extent((9, 3), (9, 2)).acknowledged_beyond((6, 9)));
        assert!(!extent((9, 3), (9, -1)).acknowledged_beyond((6, 9)), "the end of the ledger before");
        assert!(extent((9, 3), (9, -1)).acknowledged_beyond((6, 8)));
        assert!(extent((9, 3), (9, -1)).acknowledged_beyond((-1, -1)));
    }

    #[test]
    fn what_comes_next_is_known() {
        assert_eq!(extent((9, 3), (9, 2)).next((6, 4)), Some((6, 5)));
        assert_eq!(extent((9, 3), (9, 2)).next((6, 9)), Some((9, 0)));
        assert_eq!(extent((9, 3), (9, 2)).next((9, 2)), Some((9, 3)));
        assert_eq!(extent((9, 3), (9, 2)).next((9, 3)), None);
        assert_eq!(extent((9, -1), (9, -1)).next((-1, -1)), Some((6, 0)));
        assert_eq!(extent((9, 3), (4, 7)).next((4, 6)), Some((4, 7)), "gone, but acknowledged by whom?");
    }

    #[test]
    fn what_has_not_been_read_is_noticed() {
        assert!(!extent((9, -1), (9, -1)).reaches_beyond((6, 9)), "an empty ledger after the last entry");
        assert!(extent((9, -1), (9, -1)).reaches_beyond((6, 8)));
        assert!(extent((9, 0), (9, -1)).reaches_beyond((6, 9)));
        assert!(!extent((9, 0), (9, 0)).reaches_beyond((9, 0)));
    }
}
