//! Where the parts of an embedded cluster lie.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::ClusterError;
use super::account::Account;

/// Where root keeps what PostgreSQL's account must reach when the data folder is closed to it.
const SHELTER: &str = "/var/lib/alpes";
/// Sockets lie here: their paths may be 107 bytes long at most, a data folder's may be any length.
const SOCKETS: &str = "/tmp";
/// What others need to pass through a folder without seeing what it holds.
const PASS: u32 = 0o011;
/// A socket's folder is the door to the cluster: for its account alone.
const PRIVATE: u32 = 0o700;
const MODE_BITS: u32 = 0o7777;

/// The data folder.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
}

impl Home {
    /// Makes the data folder if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, ClusterError> {
        fs::create_dir_all(path)
            .and_then(|()| path.canonicalize())
            .map(|path| Self { path })
            .map_err(|source| ClusterError::folder(path, source))
    }

    pub(super) fn start_lock(&self) -> PathBuf {
        self.path.join("start.lock")
    }

    pub(super) fn cluster_lock(&self) -> PathBuf {
        self.path.join("cluster.lock")
    }

    /// The cluster, or a link to it.
    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }
}

/// The folders of a cluster.
#[derive(Debug)]
pub(super) struct Places {
    /// PostgreSQL's data folder.
    pub(super) data: PathBuf,
    /// Where downloaded binaries go.
    pub(super) downloads: PathBuf,
    /// The folder of the socket.
    pub(super) socket: PathBuf,
}

impl Places {
    /// Decides where the cluster lies: where it lay before, else in the data folder, else in the
    /// shelter.
    pub(super) async fn settle(home: &Home, account: &Account) -> Result<Self, ClusterError> {
        if matches!(account, Account::Other { .. }) {
            // If the folder cannot be opened, the question below finds out.
            let _ = open_for_passing(&home.path);
        }
        let cluster = home.cluster();
        if let Ok(target) = fs::read_link(&cluster) {
            let downloads = match account {
                Account::Own => home.path.clone(),
                Account::Other { .. } => SHELTER.into(),
            };
            return Ok(Self::new(home.path.join(target), downloads));
        }
        if account.can_enter(&home.path).await {
            return Ok(Self::new(cluster, home.path.clone()));
        }
        if cluster.exists() {
            return Err(ClusterError::Closed { account: account.name().to_owned(), path: home.path.clone() });
        }
        let data = shelter(&cluster).map_err(|source| ClusterError::folder(Path::new(SHELTER), source))?;
        tracing::info!(
            account = account.name(), cluster = %data.display(),
            "PostgreSQL's account cannot enter ALPES_DATA; \
             the cluster lies elsewhere, with a link to it"
        );
        Ok(Self::new(data, SHELTER.into()))
    }

    fn new(data: PathBuf, downloads: PathBuf) -> Self {
        let digest = blake3::hash(data.as_os_str().as_encoded_bytes()).to_hex();
        let socket = Path::new(SOCKETS).join(format!("alpes-{}", &digest[..8]));
        Self { data, downloads, socket }
    }

    /// Makes the folder of the socket, and makes sure that it is ours: anybody can make one in
    /// there.
    pub(super) fn open_socket_folder(&self, account: &Account) -> Result<(), ClusterError> {
        let path = &self.socket;
        let failed = |source| ClusterError::folder(path, source);
        match DirBuilder::new().mode(PRIVATE).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(path).map_err(failed)?;
        let ours = [account.uid(), nix::unistd::geteuid().as_raw()].contains(&found.uid());
        if !found.is_dir() || !ours {
            return Err(ClusterError::Squatted { path: path.clone() });
        }
        fs::set_permissions(path, Permissions::from_mode(PRIVATE)).map_err(failed)?;
        account.give(path)
    }
}

/// Lets every account pass through a folder, whatever the umask was.
pub(super) fn open_for_passing(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & MODE_BITS;
    fs::set_permissions(folder, Permissions::from_mode(mode | PASS))
}

/// A place for a cluster outside of its data folder. The link comes first: whatever is half made
/// later is then found again through it. The name is new each time, so that no other data folder
/// ever meets it.
fn shelter(link: &Path) -> io::Result<PathBuf> {
    let clusters = Path::new(SHELTER).join("clusters");
    fs::create_dir_all(&clusters)?;
    open_for_passing(Path::new(SHELTER))?;
    open_for_passing(&clusters)?;
    let data = clusters.join(Uuid::now_v7().simple().to_string());
    symlink(&data, link)?;
    Ok(data)
}
