//! The account that runs PostgreSQL, which refuses to run as root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::{Output, Stdio};

use nix::unistd::{Uid, User, geteuid};
use tokio::process::Command;

use super::ClusterError;
use super::places::Home;

/// Tried in this order: the account of an installed PostgreSQL, then the one that every system has.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// Who runs PostgreSQL.
#[derive(Debug)]
pub(super) enum Account {
    /// We ourselves.
    Own,
    /// An unprivileged account, since we are root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// A cluster keeps the account that owns it, even if a better one appears later.
    pub(super) fn choose(home: &Home) -> Result<Self, ClusterError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        let owner = fs::metadata(home.cluster()).ok().map(|cluster| Uid::from_raw(cluster.uid()));
        let owner = owner.filter(|uid| !uid.is_root()).and_then(|uid| User::from_uid(uid).ok().flatten());
        owner
            .or_else(|| ACCOUNTS.iter().find_map(|name| User::from_name(name).ok().flatten()))
            .map(|user| Self::Other { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
            .ok_or(ClusterError::NoAccount)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Own => "this account",
            Self::Other { name, .. } => name,
        }
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Own => geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    /// Whether the account can go into a folder: asked of the system, which alone knows every rule.
    /// The shell is there, since initdb needs it too.
    pub(super) async fn can_enter(&self, folder: &Path) -> bool {
        if matches!(self, Self::Own) {
            return true;
        }
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", ":"]).current_dir(folder);
        command.status().await.is_ok_and(|status| status.success())
    }

    /// Gives one file or folder to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => {
                lchown(path, Some(*uid), Some(*gid)).map_err(|source| ClusterError::folder(path, source))
            }
        }
    }

    /// Gives a folder and all it holds to the account.
    pub(super) fn give_tree(&self, path: &Path) -> Result<(), ClusterError> {
        let failed = |source| ClusterError::folder(path, source);
        self.give(path)?;
        if fs::symlink_metadata(path).map_err(failed)?.is_dir() {
            for entry in fs::read_dir(path).map_err(failed)? {
                self.give_tree(&entry.map_err(failed)?.path())?;
            }
        }
        Ok(())
    }

    /// Runs a program of PostgreSQL as the account and gives what it printed.
    pub(super) async fn run(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<String, ClusterError> {
        let output = self.command(program).args(arguments).output().await;
        let output = output.map_err(|source| ClusterError::Spawn { program: program.to_owned(), source })?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(ClusterError::Program { program: program.to_owned(), output: last_words(&output) }),
        }
    }

    /// A program in a group of its own, so that a Ctrl-C in the terminal reaches us alone; started
    /// where every account may be, without the variables that would send PostgreSQL elsewhere.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }
}

/// What a program said before it failed: PostgreSQL's tools put the cause in their last lines.
fn last_words(output: &Output) -> String {
    const LINES: usize = 6;
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => output.status.to_string(),
        lines => lines[lines.len().saturating_sub(LINES)..].join(" "),
    }
}
