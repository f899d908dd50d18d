//! A Pulsar cluster as Alpes uses it: how to reach it, and which topics mean what.

pub mod admin;
mod error;

use futures::future::{try_join, try_join_all};
use pulsar::{Authentication, ConnectionRetryOptions, OperationRetryOptions, Pulsar, TokioExecutor, message::proto};
use schemas::Position;
use std::path::PathBuf;
use std::time::Duration;

pub use admin::Admin;
pub use error::BrokerError;

/// The topic of Alpes' own commands, partitioned. Partition 0 is for campaigns, the others are for tracking: the line
/// of a campaign is never behind a million impressions, and adding partitions moves none of it.
pub const COMMANDS: &str = "alpes-comandos";
/// The topic of Alpes' own events.
pub const EVENTS: &str = "alpes-eventos";
/// What the ledger posts.
pub const COMMISSION_CALCULATED: &str = "comision-calculada";
/// The topic of the users' event of an impression or click.
pub const IMPRESSION_REGISTERED: &str = "evento-impresion-registrada";
/// The topic of the users' event of a conversion.
pub const CONVERSION_REGISTERED: &str = "evento-conversion-registrada";
/// The topics of the users' tracking commands.
pub const TRACKING_TOPICS: [&str; 2] = ["comando-registrar-impresion", "comando-registrar-conversion"];
/// The subscription of all lines. A reset of its cursor makes Alpes read again what is above its own positions.
pub const SUBSCRIPTION: &str = "alpes";
/// Pulsar's number for Avro schemas.
const AVRO: i32 = proto::schema::Type::Avro as i32;

/// How long an operation may take until it has failed: a send without a receipt, a lookup. Less than what a client of
/// the API waits.
const OPERATION_MAX: Duration = Duration::from_secs(10);
/// The longest pause between two tries to connect: a broker that comes back is found within it.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// Tries to connect before whoever needs the broker is told, and decides.
const RETRIES_MAX: u32 = 5;
/// How often a topic that is being made is asked for its partitions, and how many times: 2 s.
const MADE_PAUSE: Duration = Duration::from_millis(50);
/// The same.
const MADE_TRIES: u32 = 40;
/// What a certificate begins with in PEM form.
const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// Sends that wait for the socket of one broker; more wait at the sender.
const OUTBOUND_MAX: usize = 1_000;

/// Where the cluster is, and how it lets us in.
#[derive(Debug, Clone)]
pub struct PulsarSettings {
    /// `pulsar://host:6650`, or `pulsar+ssl://host:6651`.
    pub url: String,
    /// `http://host:8080`.
    pub admin: String,
    /// Tenant and namespace of all topics: `public/default`.
    pub namespace: String,
    /// A token (JWT), where the cluster asks for one.
    pub token: Option<Token>,
    /// The certificates that sign the cluster's, where they are not the usual ones.
    pub certificates: Option<PathBuf>,
    /// Partitions that [`COMMANDS`] and [`EVENTS`] are made with, where they are not there yet.
    pub partitions: u32,
    /// Topics of campaign commands.
    pub campaign_topics: Vec<String>,
    /// Topics whose producers' ids cannot be trusted: positions take their place.
    pub ids_by_position: Vec<String>,
}

impl PulsarSettings {
    /// What is in the file with certificates, where one is named.
    fn read_certificates(&self) -> Result<Option<Vec<u8>>, BrokerError> {
        let Some(path) = &self.certificates else { return Ok(None) };
        let unusable = |why: String| BrokerError::Certificates { file: path.clone(), why };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        // A file without any is no error to those who parse it: it would only let nobody in.
        let holds_any = bytes.windows(PEM_CERTIFICATE.len()).any(|window| window == PEM_CERTIFICATE);
        if holds_any { Ok(Some(bytes)) } else { Err(unusable("it holds no certificate in PEM form".into())) }
    }
}

/// A secret; prints as `***`.
#[derive(Clone)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A connection to the cluster. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    /// The client; shared, it keeps one connection for each broker.
    pub client: Pulsar<TokioExecutor>,
    /// The admin interface.
    pub admin: Admin,
    /// What it was made from.
    pub settings: PulsarSettings,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Broker {
    /// Connects; fails when nobody answers within a few tries.
    pub async fn connect(settings: &PulsarSettings) -> Result<Self, BrokerError> {
        let mut builder = Pulsar::builder(&settings.url, TokioExecutor)
            .with_connection_retry_options(ConnectionRetryOptions {
                max_backoff: RETRY_MAX,
                max_retries: RETRIES_MAX,
                connection_timeout: OPERATION_MAX,
                ..ConnectionRetryOptions::default()
            })
            .with_operation_retry_options(OperationRetryOptions {
                operation_timeout: OPERATION_MAX,
                retry_delay: RETRY_MAX,
                ..OperationRetryOptions::default()
            })
            .with_outbound_channel_size(OUTBOUND_MAX);
        if let Some(Token(token)) = &settings.token {
            let data = token.clone().into_bytes();
            builder = builder.with_auth(Authentication { name: "token".into(), data });
        }
        if let Some(certificates) = settings.read_certificates()? {
            builder = builder.with_certificate_chain(certificates);
        }
        let admin = Admin::new(settings)?;
        let client = match builder.build().await {
            Ok(client) => client,
            Err(error) => {
                // The client keeps to itself what TLS or the broker said; the admin interface wants the same of us.
                admin.knock().await?;
                return Err(error.into());
            }
        };
        Ok(Self { client, admin, settings: settings.clone() })
    }

    /// The full name of a topic of ours.
    pub fn topic(&self, name: &str) -> String {
        format!("persistent://{}/{name}", self.settings.namespace)
    }

    /// Makes the topics that lines read, where they are not there.
    pub async fn make_topics(&self) -> Result<(), BrokerError> {
        let single = TRACKING_TOPICS.into_iter().chain(self.settings.campaign_topics.iter().map(String::as_str));
        // All at once: a broker that has just started takes its time for the first of everything.
        try_join(try_join_all(single.map(|topic| self.make_single(topic))), self.make_commands()).await?;
        Ok(())
    }

    /// Makes a topic without partitions, where there is none of its name.
    async fn make_single(&self, topic: &str) -> Result<(), BrokerError> {
        match self.client.lookup_partitioned_topic_number(self.topic(topic)).await? {
            0 => self.admin.create(topic).await,
            _ => Ok(()),
        }
    }

    /// Makes [`COMMANDS`], where it is not there. Somebody else may be making it just now, and the broker then says for
    /// a moment that it has no partitions: whoever believed it would send everything to the first.
    pub async fn make_commands(&self) -> Result<(), BrokerError> {
        self.admin.create_partitioned(COMMANDS, self.settings.partitions).await?;
        for _ in 0..MADE_TRIES {
            if self.command_partitions().await? > 0 {
                return Ok(());
            }
            tokio::time::sleep(MADE_PAUSE).await;
        }
        Err(BrokerError::Incomplete { path: self.topic(COMMANDS), what: "partitions" })
    }

    /// As [`partitions`](Self::partitions), for a topic of events, which is made where it is not there: ours with partitions.
    pub async fn event_partitions(&self, topic: &str) -> Result<Vec<String>, BrokerError> {
        if topic == EVENTS {
            self.admin.create_partitioned(EVENTS, self.settings.partitions).await?;
        } else {
            self.make_single(topic).await?;
        }
        self.partitions(topic).await
    }

    /// How many partitions [`COMMANDS`] has.
    pub async fn command_partitions(&self) -> Result<u32, BrokerError> {
        Ok(self.client.lookup_partitioned_topic_number(self.topic(COMMANDS)).await?)
    }

    /// The partitions of a topic by their own names; the topic itself, where it has none.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<String>, BrokerError> {
        match self.client.lookup_partitioned_topic_number(self.topic(topic)).await? {
            0 => Ok(vec![topic.to_owned()]),
            partitions => Ok((0..partitions).map(|partition| partition_name(topic, partition)).collect()),
        }
    }
}

/// An Avro schema, as a producer registers it.
pub fn avro_schema(name: &str, text: &str) -> proto::Schema {
    proto::Schema { name: name.to_owned(), schema_data: text.as_bytes().to_vec(), r#type: AVRO, properties: Vec::new() }
}

/// The name of a partition of a partitioned topic.
pub fn partition_name(topic: &str, partition: u32) -> String {
    format!("{topic}-partition-{partition}")
}

/// Where a message lies. A broker that took it for a duplicate of its own says -1:-1, and has not stored it.
pub fn stored_at(receipt: &proto::CommandSendReceipt) -> Result<Position, BrokerError> {
    let id = receipt.message_id.as_ref().ok_or(BrokerError::Unstored)?;
    match (i64::try_from(id.ledger_id), i64::try_from(id.entry_id)) {
        (Ok(ledger), Ok(entry)) => Ok(Position { ledger, entry, index: id.batch_index.unwrap_or(-1) }),
        _ => Err(BrokerError::Unstored),
    }
}
