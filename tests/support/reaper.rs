//! Stops the PostgreSQL of a test and removes its data, however the test ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

/// Reads the folder's name, then waits for the end of its input, which comes with the end of the test process at the
/// latest. The fifth line of the file names the folder of the socket.
const SCRIPT: &str = r#"
    read -r data; cat >/dev/null
    file="$data/postgres/postmaster.pid"
    if [ -e "$file" ]; then
        server=$(sed -n 1p "$file"); socket=$(sed -n 5p "$file")
        kill -INT "$server"
        while kill -0 "$server"; do sleep 0.1; done
    fi
    rm -rf "$data" ${socket:+"$socket"}
"#;

/// A data folder that is gone, with all that ran in it, soon after this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Open as long as the folder is wanted.
    _reaper: ChildStdin,
}

impl DataFolder {
    pub(crate) fn new() -> Self {
        let path = tempfile::tempdir().expect("no temporary folder").keep();
        let mut reaper = reaper();
        writeln!(reaper, "{}", path.display()).expect("the reaper is gone");
        Self { path, _reaper: reaper }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// In a group of its own, so that a Ctrl-C that ends the test does not end it, too.
fn reaper() -> ChildStdin {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().expect("no shell").stdin.take().expect("it was piped")
}
