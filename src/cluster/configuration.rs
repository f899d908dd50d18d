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
/// Buffers from which on huge pages are worth a word: with 2 GB a file takes a seventh less CPU at ten million claims.
const HUGE_PAGES_FROM_MIB: u64 = 1_024;
/// What PostgreSQL shares besides its buffers: a sixteenth of them with room to spare.
const SHARED_BESIDES_SHARE: u64 = 16;
/// The log between two checkpoints. The more, the less often pages of the claims' key are logged whole; and the longer it is
/// until PostgreSQL is back after the machine has crashed: 36 s for all of 8 GB, where the memory suggests a quick machine.
const MAX_WAL_MIB_MAX: u64 = 8_192;
/// Below this a busy line would make a checkpoint every few seconds.
const MAX_WAL_MIB_MIN: u64 = 1_024;
/// The log takes a third of what the memory is, so that a small machine, with a small disk, keeps little.
const MAX_WAL_SHARE: u64 = 3;

/// The whole text of [`FILE`].
pub(super) fn text(socket: &Path, wal_compression: &str) -> String {
    let memory = memory_mib();
    let buffers = shared_buffers_mib(memory);
    let cache = memory.map_or(buffers * 2, |memory| memory / 2).max(buffers);
    let max_wal = max_wal_mib(memory);
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

# Buffers for the hot pages; the system's cache holds the rest. In huge pages where enough of them are reserved.
shared_buffers = {buffers}MB
huge_pages = try
effective_cache_size = {cache}MB
work_mem = 16MB
maintenance_work_mem = 128MB

# Checkpoints write each hot page once more: few of them, spread out, with small page images.
max_wal_size = {max_wal}MB
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
# Rows that are only inserted are not visited for that: hardly anything is asked of their indexes alone, and each page would
# be logged whole once more. What was the first to come is visited when its transactions' numbers are to be used again.
autovacuum_vacuum_insert_threshold = -1
autovacuum_analyze_scale_factor = 0.2
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

fn max_wal_mib(memory_mib: Option<u64>) -> u64 {
    memory_mib.map_or(MAX_WAL_MIB_MIN, |memory| (memory / MAX_WAL_SHARE).clamp(MAX_WAL_MIB_MIN, MAX_WAL_MIB_MAX))
}

/// How many huge pages are to be reserved for the buffers to lie in them; none where they are, where buffers are small, or
/// where the system has no such pages.
pub(super) fn huge_pages_wanted() -> Option<u64> {
    huge_pages(shared_buffers_mib(memory_mib()), &fs::read_to_string("/proc/meminfo").ok()?)
}

fn huge_pages(buffers_mib: u64, meminfo: &str) -> Option<u64> {
    let page_kib = number(meminfo, "Hugepagesize:").filter(|kib| *kib > 0)?;
    let wanted = (buffers_mib + buffers_mib / SHARED_BESIDES_SHARE) * 1024 / page_kib;
    let free = number(meminfo, "HugePages_Free:")?;
    (buffers_mib >= HUGE_PAGES_FROM_MIB && free < wanted).then_some(wanted)
}

/// The memory of this machine or of this container, whichever is less; unknown where the system has
/// no `/proc`.
fn memory_mib() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|meminfo| number(&meminfo, "MemTotal:"))
        .map(|kib| kib / 1024);
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = limits.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    [machine, container.map(|bytes| bytes / MIB)].into_iter().flatten().min()
}

/// What `/proc/meminfo` says of something, in kB or in pages.
fn number(meminfo: &str, what: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(what))?;
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
        assert_eq!(number("MemTotal:       24683560 kB\nMemFree: 1 kB\n", "MemTotal:"), Some(24_683_560));
        assert_eq!(number("nothing", "MemTotal:"), None);
    }

    #[test]
    fn the_log_between_checkpoints_follows_the_memory() {
        let cases = [(None, 1_024), (Some(1_024), 1_024), (Some(12_000), 4_000), (Some(64_000), 8_192)];
        for (memory, wal) in cases {
            assert_eq!(max_wal_mib(memory), wal, "{memory:?}");
        }
    }

    #[test]
    fn huge_pages_are_wanted_where_they_pay_and_are_missing() {
        let meminfo = |free| format!("HugePages_Total: 1200\nHugePages_Free: {free}\nHugepagesize: 2048 kB\n");
        assert_eq!(huge_pages(2_048, &meminfo(0)), Some(1_088));
        assert_eq!(huge_pages(2_048, &meminfo(1_088)), None);
        assert_eq!(huge_pages(512, &meminfo(0)), None);
        assert_eq!(huge_pages(2_048, "MemTotal: 24683560 kB"), None);
    }

    #[test]
    fn no_commit_is_ever_lost() {
        let text = text(Path::new("/tmp/alpes-00000000"), "lz4");
        for line in ["fsync = on", "synchronous_commit = on", "full_page_writes = on", "listen_addresses = ''"] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
