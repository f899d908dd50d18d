//! The programs of PostgreSQL: found where systems install them, else downloaded.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::places::Places;
use super::{ClusterError, download};
use crate::config::PostgresChoice;

/// The oldest version that the tests cover; older ones lack `MERGE` and LZ4 for the log.
const MAJOR_MIN: u32 = 15;
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// Where systems put versions side by side: folder of the versions, beginning of a version's name,
/// binaries in it.
const INSTALLED: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) major: u32,
    folder: PathBuf,
}

impl Binaries {
    /// Chooses the binaries: those that the setting names, of the version that made the cluster.
    pub(super) async fn find(
        choice: &PostgresChoice,
        places: &Places,
        account: &Account,
    ) -> Result<Self, ClusterError> {
        let made = version_of(&places.data)?;
        match choice {
            PostgresChoice::Folder(folder) => Self::named(folder, made, places, account).await,
            PostgresChoice::Download => download::binaries(made, places, account).await,
            PostgresChoice::Auto => match newest(installed(account).await, made) {
                Some(binaries) => Ok(binaries),
                None => download::binaries(made, places, account).await,
            },
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The binaries in a folder, if they are all there, run, and are new enough.
    pub(super) async fn at(folder: &Path, account: &Account) -> Option<Self> {
        // Through the link that a `bin` folder may hold: the programs look for their files beside
        // themselves.
        let folder = folder.join("postgres").canonicalize().ok()?.parent()?.to_owned();
        if PROGRAMS.iter().any(|name| !folder.join(name).is_file()) {
            return None;
        }
        let said = account.run(&folder.join("postgres"), ["--version"]).await.ok()?;
        major(&said).filter(|major| *major >= MAJOR_MIN).map(|major| Self { major, folder })
    }

    async fn named(folder: &Path, made: Option<u32>, places: &Places, account: &Account) -> Result<Self, ClusterError> {
        let none = || ClusterError::NoBinaries { folder: folder.to_owned(), oldest: MAJOR_MIN };
        let binaries = Self::at(folder, account).await.ok_or_else(none)?;
        match made {
            Some(made) if made != binaries.major => Err(ClusterError::OtherVersion {
                data: places.data.clone(),
                made,
                folder: folder.to_owned(),
                found: binaries.major,
            }),
            _ => Ok(binaries),
        }
    }
}

/// The major version that made a cluster, if there is one.
fn version_of(data: &Path) -> Result<Option<u32>, ClusterError> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| ClusterError::UnknownVersion { path }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::folder(&path, error)),
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15, `postgres (PostgreSQL) 19beta1` is 19.
fn major(said: &str) -> Option<u32> {
    let version = said.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The newest, or the very version that made the cluster.
fn newest(found: Vec<Binaries>, made: Option<u32>) -> Option<Binaries> {
    found
        .into_iter()
        .filter(|binaries| made.is_none_or(|made| made == binaries.major))
        .max_by_key(|binaries| binaries.major)
}

async fn installed(account: &Account) -> Vec<Binaries> {
    let mut found = Vec::new();
    for folder in candidates() {
        found.extend(Binaries::at(&folder, account).await);
    }
    found
}

fn candidates() -> BTreeSet<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|folder| folder.join("postgres").exists());
    let side_by_side = INSTALLED.iter().flat_map(|(root, name, binaries)| {
        let versions = fs::read_dir(root).into_iter().flatten().flatten();
        let named = versions.filter(move |version| version.file_name().to_string_lossy().starts_with(name));
        named.map(move |version| version.path().join(binaries))
    });
    on_path.chain(side_by_side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_what_counts() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 17.11\n", Some(17)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("no such thing", None),
            ("", None),
        ];
        for (said, expected) in cases {
            assert_eq!(major(said), expected, "{said}");
        }
    }

    #[test]
    fn a_cluster_keeps_its_version_a_new_one_takes_the_newest() {
        let of = |major: u32| Binaries { major, folder: format!("/usr/lib/postgresql/{major}/bin").into() };
        let cases = [
            (vec![15, 17, 16], None, Some(17)),
            (vec![15, 17, 16], Some(15), Some(15)),
            (vec![17], Some(15), None),
            (vec![], None, None),
        ];
        for (found, made, expected) in cases {
            let found = found.into_iter().map(of).collect();
            assert_eq!(newest(found, made).map(|binaries| binaries.major), expected);
        }
    }

    #[test]
    fn a_folder_without_a_cluster_has_no_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version_of(folder.path()).unwrap(), None);
        fs::write(folder.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(version_of(folder.path()).unwrap(), Some(15));
        fs::write(folder.path().join("PG_VERSION"), "fifteen").unwrap();
        assert!(version_of(folder.path()).is_err());
    }
}
