//! The configuration of the embedded PostgreSQL: for a small machine, many inserts and no lost
//! commit.

use std::fs;
use std::path::Path;

/// Included at the end of `postgresql.conf` and written again at every start, so that a new Alpes
/// brings its new settings. `ALTER SYSTEM` still wins over it.
pub(super) const FILE: &str = "alpes.conf";

const MIB: u64 = 1024 * 1024;
/// Enough for the key of claims over forty million random ids: where it does not fit, every claim reads and writes a page.
/// The rest is better left to the system's own cache.
const SHARED_BUFFERS_MIB_MAX: u64 = 2_048;
/// Where the memory is not known.
const SHARED_BUFFERS_MIB_USUAL: u64 = 512;
/// Below this PostgreSQL spends its time reading pages again.
const SHARED_BUFFERS_MIB_MIN: u64 = 32;
/// The share of the memory that PostgreSQL's manual gives to its buffers.
const SHARED_BUFFERS_SHARE: u64 = 4;

/// The whole text of [`FILE`].
pub(super) fn text(socket: &Path, wal_compression: &str) -> String {
    let memory = memory_mib();
    let buffers = shared_buffers_mib(memory);
    let cache = memory.map_or(buffers * 2, |memory| memory / 2).max(buffers);
    let socket = socket.display().to_string().replace('\'', "''");
    format!(
        "# Written by Alpes at every start; ALTER SYSTEM wins over it.

# Reached through a socket in a folder of its account alone: no port, no password.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
port = {PORT}
cluster_name = 'alpes'
# Every role may run as several processes, each with a pool of its own.
max_connections = 200
# A transaction can touch many daily partitions, each with its indexes.
max_locks_per_transaction = 256

# A commit that was answered is on the disk: the promise behind every 202.
fsync = on
synchronous_commit = on
full_page_writes = on

# Buffers for the hot pages; the system's cache holds the rest.
shared_buffers = {buffers}MB
effective_cache_size = {cache}MB
work_mem = 16MB
maintenance_work_mem = 128MB

# Checkpoints write each hot page once more: few of them, spread out, with small page images.
max_wal_size = 4GB
min_wal_size = 512MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
# A new segment is not filled with zeros, and synced, before it is written: commits had waited for that for 100 ms, and the
# disk wrote everything twice. A commit is on the disk either way.
wal_init_zero = off
wal_compression = {wal_compression}
# Lets the background, not the epochs, write evicted pages.
bgwriter_delay = 50ms
bgwriter_lru_maxpages = 400

# Short queries: compiling them costs more than it saves. Two cores: one helper for a query at most.
jit = off
max_parallel_workers_per_gather = 1
# Solid state disks read anywhere at nearly one price.
random_page_cost = 1.1

# Tables that only grow, and hot counters: little work, often, before it becomes much.
autovacuum_naptime = 20s
autovacuum_max_workers = 2
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_cost_limit = 1000

timezone = 'UTC'
log_timezone = 'UTC'

# One file for each day of the week, each overwritten after a week: the log never fills the disk.
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_checkpoints = off
log_line_prefix = '%m [%p] '
"
    )
}

/// The number in the socket's name; no port is opened.
pub(super) const PORT: u16 = 5432;

fn shared_buffers_mib(memory_mib: Option<u64>) -> u64 {
    memory_mib.map_or(SHARED_BUFFERS_MIB_USUAL, |memory| {
        (memory / SHARED_BUFFERS_SHARE).clamp(SHARED_BUFFERS_MIB_MIN, SHARED_BUFFERS_MIB_MAX)
    })
}

/// The memory of this machine or of this container, whichever is less; unknown where the system has
/// no `/proc`.
fn memory_mib() -> Option<u64> {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|meminfo| total_kib(&meminfo)).map(|kib| kib / 1024);
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = limits.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    [machine, container.map(|bytes| bytes / MIB)].into_iter().flatten().min()
}

fn total_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_follow_the_memory() {
        let cases = [(None, 512), (Some(64), 32), (Some(1024), 256), (Some(24_000), 2_048)];
        for (memory, buffers) in cases {
            assert_eq!(shared_buffers_mib(memory), buffers, "{memory:?}");
        }
    }

    #[test]
    fn memory_is_read_from_meminfo() {
        assert_eq!(total_kib("MemTotal:       24683560 kB\nMemFree: 1 kB\n"), Some(24_683_560));
        assert_eq!(total_kib("nothing"), None);
    }

    #[test]
    fn no_commit_is_ever_lost() {
        let text = text(Path::new("/tmp/alpes-00000000"), "lz4");
        for line in ["fsync = on", "synchronous_commit = on", "full_page_writes = on", "listen_addresses = ''"] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
