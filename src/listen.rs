//! Ports: bound before anything else starts, so that a port in use costs nothing.

use std::io;

use tokio::net::TcpListener;

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "{setting}: the port of {address} is in use by another program: \
         set {setting} to a free one, or stop that program"
    )]
    InUse {
        /// The setting to change.
        setting: &'static str,
        /// Its value.
        address: String,
    },
    /// The system refuses it for another reason.
    #[error("{setting}: cannot listen on {address}")]
    Refused {
        /// The setting to change.
        setting: &'static str,
        /// Its value.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Listens on the address that a setting gives.
pub async fn bind(setting: &'static str, address: &str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { setting, address },
            _ => ListenError::Refused { setting, address, source },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_names_its_setting() {
        let first = bind("ALPES_HTTP", "127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind("ALPES_HTTP", &address).await.unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        assert!(error.to_string().contains("ALPES_HTTP"));
    }
}
