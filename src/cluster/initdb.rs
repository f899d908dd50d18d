//! A new cluster: made beside its place, then renamed.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::account::Account;
use super::binaries::Binaries;
use super::{ClusterError, configuration};

/// The superuser, and the only role.
pub(super) const ROLE: &str = "alpes";

/// Makes the cluster if there is none. It gets its name as the very last step, so that a half-made
/// one never has it; each attempt has a name of its own, for the maker of the last may still run.
pub(super) async fn make(data: &Path, binaries: &Binaries, account: &Account) -> Result<(), ClusterError> {
    sweep(data);
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let version = binaries.major;
    tracing::info!(cluster = %data.display(), version, "making the embedded PostgreSQL");
    let partial = sibling(data, &Uuid::now_v7().simple().to_string());
    let failed = |source| ClusterError::folder(&partial, source);
    fs::create_dir(&partial).map_err(failed)?;
    account.give(&partial)?;
    account.run(&binaries.program("initdb"), arguments(&partial)).await?;
    include_configuration(&partial).map_err(failed)?;
    fs::rename(&partial, data).and_then(|()| sync_parent(data)).map_err(failed)
}

/// UTF-8, and sorted by bytes: the same order on every system, and the order that exports promise.
/// No password, since the folder of the socket lets only its account in. Checksums find a failing
/// disk.
fn arguments(partial: &Path) -> Vec<OsString> {
    let options = ["--encoding=UTF8", "--locale=C", "--auth=trust", "--data-checksums", "--no-instructions"];
    let role = format!("--username={ROLE}");
    let mut arguments: Vec<OsString> = options.map(OsString::from).into();
    arguments.extend([role.into(), "-D".into(), partial.as_os_str().to_owned()]);
    arguments
}

fn include_configuration(data: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
    writeln!(file, "\ninclude_if_exists = '{}'", configuration::FILE)?;
    file.sync_all()
}

/// Removes what was half made. What cannot go now, since its maker still runs, goes the next time.
fn sweep(data: &Path) {
    let prefix = sibling(data, "").file_name().unwrap_or_default().as_encoded_bytes().to_owned();
    let entries = data.parent().and_then(|parent| fs::read_dir(parent).ok());
    for entry in entries.into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(&prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A name beside the cluster for one that is being made.
fn sibling(data: &Path, suffix: &str) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(format!(".partial-{suffix}"));
    data.with_file_name(name)
}

/// Without this a power cut could take the new name back.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_half_made_clusters_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("postgres");
        for name in ["postgres", "postgres.partial-1", "postgresql-17.9.0"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        sweep(&data);
        assert!(data.exists() && folder.path().join("postgresql-17.9.0").exists());
        assert!(!folder.path().join("postgres.partial-1").exists());
    }
}
