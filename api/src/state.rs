//! What every handler may use.

use metrics_exporter_prometheus::PrometheusHandle;
use schemas::commission::Settle;
use sinks::LogWriter;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

use crate::closed_hours::ClosedHours;
use crate::positions::Positions;

/// Connections for queries: on few cores, more only wait for one another in PostgreSQL.
const CONNECTIONS_MAX: u32 = 16;
/// How long a query may wait for a connection before it is answered 503.
const ACQUIRE_MAX: Duration = Duration::from_secs(3);
/// A connection that was used so lately is taken to be alive, since asking it costs as much as most queries do. If
/// PostgreSQL has ended meanwhile, its query fails, as those under way do.
const TRUSTED: Duration = Duration::from_secs(1);
/// Batches read at once. Each holds a chunk (1 MiB), its window of decompression (8 MiB) and little else.
const BATCHES_MAX: usize = 32;

/// What every handler may use; shared by all requests of a process.
#[derive(Debug)]
pub struct ApiState {
    pub(crate) log: LogWriter,
    pub(crate) pool: PgPool,
    pub(crate) settle: Settle,
    pub(crate) positions: Positions,
    pub(crate) closed_hours: ClosedHours,
    pub(crate) batches: Semaphore,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) started: Instant,
}

impl ApiState {
    /// Commands go to `log`, queries are read from `pool` (see [`read_pool`]), simulations are settled by `settle`, `metrics`
    /// are shown. Needs a runtime.
    pub fn new(log: LogWriter, pool: PgPool, settle: Settle, metrics: PrometheusHandle) -> Arc<Self> {
        let (positions, batches) = (Positions::start(pool.clone()), Semaphore::new(BATCHES_MAX));
        let closed_hours = ClosedHours::default();
        Arc::new(Self { log, pool, settle, positions, closed_hours, batches, metrics, started: Instant::now() })
    }
}

/// A pool for queries: sessions that cannot write, and that end a query which takes too long. Connects when first used.
pub fn read_pool(options: &PgConnectOptions) -> PgPool {
    let options = options.clone().application_name("alpes queries").options([
        ("default_transaction_read_only", "on"),
        // No query here takes a second; ten mean that something is broken, and nobody waits that long.
        ("statement_timeout", "10s"),
        ("timezone", "UTC"),
        // Short queries: compiling them costs more than it brings.
        ("jit", "off"),
        // They are found by key whatever they ask for: planning them anew each time takes longer than running them.
        ("plan_cache_mode", "force_generic_plan"),
        // Plans are kept, so one that was made while a table was empty must not read all of it when it is not: marks come
        // by the thousands, and go.
        ("enable_seqscan", "off"),
    ]);
    // Connections live as long as the process: each new one plans every statement once more, milliseconds that somebody
    // waits for. Those that were lost are found by `is_alive`.
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_MAX)
        .test_before_acquire(false)
        .before_acquire(|connection, used| Box::pin(is_alive(connection, used.idle_for)))
        .connect_lazy_with(options)
}

/// Asks a connection that has been idle for long; one that was lost is replaced by the pool.
async fn is_alive(connection: &mut PgConnection, idle: Duration) -> Result<bool, sqlx::Error> {
    Ok(idle < TRUSTED || connection.ping().await.is_ok())
}
