//! `posicion` on the wire: where a command lies in the log, so that its outcome can be asked for.

use schemas::Position;
use serde::Deserialize;
use sinks::Receipt;
use std::fmt;
use std::str::FromStr;

/// The longest name of a source: a Pulsar topic's full name is far shorter.
const SOURCE_BYTES_MAX: usize = 255;

/// A place in a source partition. As text: `log-2/0:17:-1`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place {
    /// The source partition.
    pub(crate) source: String,
    /// The place in it.
    pub(crate) position: Position,
}

impl From<Receipt> for Place {
    fn from(receipt: Receipt) -> Self {
        Self { source: (*receipt.source).into(), position: receipt.position }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.position)
    }
}

/// Not `source/ledger:entry:index`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no es una posición; use la de la cabecera Location, como log-2/0:17:-1")
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        // Sources may hold slashes, positions do not.
        let (source, position) = text.rsplit_once('/').ok_or(NoPlace)?;
        let is_name = !source.is_empty() && source.len() <= SOURCE_BYTES_MAX && !source.contains(char::is_control);
        let position = position.parse().ok().filter(|_| is_name).ok_or(NoPlace)?;
        Ok(Self { source: source.into(), position })
    }
}

impl TryFrom<String> for Place {
    type Error = NoPlace;

    fn try_from(text: String) -> Result<Self, NoPlace> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for (source, position) in [
            ("log-2", Position::offset(17)),
            ("persistent://public/default/alpes-comandos-partition-3", Position { ledger: 8, entry: 1, index: 4 }),
        ] {
            let place = Place { source: source.into(), position };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!(Place { source: "log-2".into(), position: Position::offset(17) }.to_string(), "log-2/0:17:-1");
    }

    #[test]
    fn refuses_what_is_no_place() {
        for text in ["", "log-2", "/0:1:-1", "log-2/0:1", "log-2/0:1:2:3", "log-2/a:b:c", "log\0/0:1:-1"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
    }
}
