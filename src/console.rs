//! The one place that writes to standard output: the results of a command, never its log.

use std::fmt::Display;
use std::io::Write;

/// Writes one line. A reader that went away (`alpes config | head`) is no fault of ours.
pub fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes the last words of a command that failed, on standard error.
pub fn error(error: &(dyn std::error::Error + 'static)) {
    let _ = writeln!(std::io::stderr().lock(), "alpes: error: {}", chain(error));
}

/// An error and its causes on one line, for no log should need two to say why.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let lines: Vec<String> = causes.map(|error| error.to_string().trim().replace('\n', " ")).collect();
    lines.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("the cluster does not start")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("disk\nfull"));
        assert_eq!(chain(&error), "the cluster does not start: disk full");
    }
}
