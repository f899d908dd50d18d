//! Connections that belong to one writer each, never to a pool: a cancelled query cannot poison somebody else's.

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

/// A connection with the server-side time limits that keep a stuck writer from holding locks for ever.
pub async fn connect(options: &PgConnectOptions, role: &str) -> Result<PgConnection, sqlx::Error> {
    options
        .clone()
        .application_name(&format!("alpes {role}"))
        .options([
            // A batch of 50,000 takes under a second; ten minutes means that something is broken.
            ("statement_timeout", "600s"),
            ("lock_timeout", "60s"),
            ("idle_in_transaction_session_timeout", "60s"),
            // Notices a client machine that vanished, so that its locks are freed.
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("timezone", "UTC"),
            // Every statement here is planned for huge arrays; compiling them costs more than it brings.
            ("jit", "off"),
        ])
        .connect()
        .await
}
