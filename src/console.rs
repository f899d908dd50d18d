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

/// A text from outside, harmless on a terminal: what would move the cursor, change colours or turn the direction of
/// writing is shown by its number.
pub fn printable(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |c: char| if is_harmful(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_safe_from_texts() {
        assert_eq!(printable("año \"x\"\u{1b}[31m\r\n\u{202e}"), "año \"x\"\\u{1b}[31m\\r\\n\\u{202e}");
    }

    #[test]
    fn a_chain_is_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("the cluster does not start")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("disk\nfull"));
        assert_eq!(chain(&error), "the cluster does not start: disk full");
    }
}
