//! Why a cluster cannot be used. Each message names the setting that can mend it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file or folder of the cluster cannot be made, read or changed.
    #[error("ALPES_DATA: {path} cannot be used")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data folder cannot be locked, as on some network file systems.
    #[error("ALPES_DATA: its lock files do not work; choose a folder on a local disk")]
    Lock(#[source] io::Error),
    /// The account that runs PostgreSQL for root cannot reach the files of an existing cluster.
    #[error(
        "ALPES_DATA: PostgreSQL runs as '{account}', which cannot enter {path}: \
         open the folders above it (chmod o+x)"
    )]
    Closed {
        /// The account.
        account: String,
        /// The folder.
        path: PathBuf,
    },
    /// Root has no account to run PostgreSQL with.
    #[error(
        "PostgreSQL refuses to run as root, and this system has \
         neither an account 'postgres' nor 'nobody'"
    )]
    NoAccount,
    /// Somebody else made the folder of the socket.
    #[error("{path}, the folder for the socket, belongs to somebody else: remove it")]
    Squatted {
        /// The folder.
        path: PathBuf,
    },
    /// The folder that was named holds no usable binaries.
    #[error(
        "ALPES_POSTGRES: {folder} must hold initdb, pg_ctl and postgres of version {oldest} \
         or newer, and be open to the account that runs them"
    )]
    NoBinaries {
        /// The folder.
        folder: PathBuf,
        /// The oldest version that works.
        oldest: u32,
    },
    /// The cluster was made by another major version.
    #[error(
        "ALPES_POSTGRES: the cluster in {data} was made by PostgreSQL {made}, \
         but {folder} has {found}"
    )]
    OtherVersion {
        /// The cluster.
        data: PathBuf,
        /// What made it.
        made: u32,
        /// The binaries.
        folder: PathBuf,
        /// Their version.
        found: u32,
    },
    /// The file that tells which version made the cluster is not readable as such.
    #[error("ALPES_DATA: {path} does not tell a version of PostgreSQL")]
    UnknownVersion {
        /// The file.
        path: PathBuf,
    },
    /// PostgreSQL is not installed and cannot be downloaded.
    #[error(
        "PostgreSQL {major} is not installed and cannot be downloaded: \
         install it, or set DATABASE_URL or ALPES_POSTGRES"
    )]
    Download {
        /// The version.
        major: u32,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A program of PostgreSQL cannot be run.
    #[error("{program} cannot be run")]
    Spawn {
        /// Which one.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: PathBuf,
        /// Its last words.
        output: String,
    },
    /// PostgreSQL runs but does not let us in.
    #[error("the embedded PostgreSQL does not accept connections")]
    Connect(#[source] sqlx::Error),
}

impl ClusterError {
    pub(super) fn folder(path: &Path, source: io::Error) -> Self {
        Self::Folder { path: path.to_owned(), source }
    }
}
