//! What can go wrong between Alpes and a Pulsar cluster, with the setting to look at where one is to blame.

use pulsar::error::{ConnectionError, ConsumerError, ProducerError, ServiceDiscoveryError};
use pulsar::message::proto::ServerError;
use schemas::avro::AvroError;
use std::error::Error;
use std::path::PathBuf;

/// What a broker or its admin interface says to somebody whom it does not know, or who may not do what he wants.
const NOT_LET_IN: [u16; 2] = [401, 403];

/// Something between us and the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The binary protocol.
    #[error("pulsar: {0}{advice}", advice = advice_of_client(.0))]
    Client(#[from] pulsar::Error),
    /// The file with certificates cannot be used.
    #[error("PULSAR_CA: {file}: {why}", file = file.display())]
    Certificates {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The admin interface cannot be reached.
    #[error("pulsar admin: {0}: {cause}{advice}", cause = cause(.0), advice = advice_of_admin(.0))]
    Admin(#[from] reqwest::Error),
    /// The admin interface refused.
    #[error("pulsar admin: {status} for {path}: {reason}{advice}", advice = advice_of_status(*status))]
    Refused {
        /// What was asked for.
        path: String,
        /// The answer's status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// An answer that cannot be understood.
    #[error("pulsar admin: {path} has no {what}")]
    Incomplete {
        /// What was asked for.
        path: String,
        /// What was missing.
        what: &'static str,
    },
    /// What was to be sent cannot be encoded; a defect of Alpes, not of the data.
    #[error("pulsar: {0}")]
    Encoding(#[from] AvroError),
    /// A receipt for something that is not there.
    #[error("pulsar: the broker has not stored the message")]
    Unstored,
    /// A consumer that ended, or went deaf.
    #[error("pulsar: {0}")]
    Consumer(String),
}

impl From<ConsumerError> for BrokerError {
    fn from(error: ConsumerError) -> Self {
        Self::Client(error.into())
    }
}

const TOKEN: &str = "; is PULSAR_TOKEN the token that the cluster wants, and may it use PULSAR_NAMESPACE?";
const CERTIFICATES: &str = "; does PULSAR_CA hold the certificates that sign the cluster's?";
const PLAIN: &str = "; https:// in PULSAR_ADMIN is for a port that speaks TLS";
const URL: &str = "; does PULSAR_URL lead to the broker, with pulsar+ssl:// where it speaks TLS?";

fn advice_of_client(error: &pulsar::Error) -> &'static str {
    let connection = match error {
        pulsar::Error::Connection(error)
        | pulsar::Error::Consumer(ConsumerError::Connection(error))
        | pulsar::Error::Producer(ProducerError::Connection(error))
        | pulsar::Error::ServiceDiscovery(ServiceDiscoveryError::Connection(error)) => error,
        _ => return "",
    };
    match connection {
        ConnectionError::PulsarError(Some(ServerError::AuthenticationError | ServerError::AuthorizationError), _) => {
            TOKEN
        }
        // The client does not say what was fatal; whoever connects has asked the admin interface before.
        ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::Other => URL,
        _ => "",
    }
}

fn advice_of_admin(error: &reqwest::Error) -> &'static str {
    if error.is_connect() { advice_of_tls(error) } else { "" }
}

fn advice_of_status(status: u16) -> &'static str {
    if NOT_LET_IN.contains(&status) { TOKEN } else { "" }
}

fn advice_of_tls(error: &(dyn Error + 'static)) -> &'static str {
    match causes(error).find_map(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => CERTIFICATES,
        Some(rustls::Error::InvalidMessage(_)) => PLAIN,
        _ => "",
    }
}

/// What is at the bottom of an error that only says that a request failed.
fn cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and what it comes from. An I/O error does not give what it wraps as its source.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| (*error).source())
    })
}
