//! Lock files. The system releases a lock when its process ends, even by `kill -9`.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::ClusterError;

/// How often a taken lock is tried again. Waiting in the system instead would hold a thread at
/// shutdown.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Waits until nobody else holds the lock.
pub(super) async fn exclusive(path: &Path) -> Result<File, ClusterError> {
    wait(path, File::try_lock).await
}

/// Waits until nobody holds the lock exclusively.
pub(super) async fn shared(path: &Path) -> Result<File, ClusterError> {
    wait(path, File::try_lock_shared).await
}

/// Gives a shared lock up for an exclusive one; false if others still share it.
pub(super) fn became_exclusive(file: &File) -> Result<bool, ClusterError> {
    file.unlock().map_err(ClusterError::Lock)?;
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(ClusterError::Lock(error)),
    }
}

async fn wait(path: &Path, attempt: fn(&File) -> Result<(), TryLockError>) -> Result<File, ClusterError> {
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
    let file = open.map_err(|source| ClusterError::folder(path, source))?;
    loop {
        match attempt(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY_EVERY).await,
            Err(TryLockError::Error(error)) => return Err(ClusterError::Lock(error)),
        }
    }
}
