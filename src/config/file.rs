//! The settings file, `alpes.toml`: the names of the environment variables, one a line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::{Entry, text};

const FILE_NAME: &str = "alpes.toml";
/// The one setting that cannot come from the file that it names.
const PATH_SETTING: &str = "ALPES_CONFIG";

/// Why the settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("the settings file {path} cannot be read (ALPES_CONFIG or --config names another)")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("the settings file {path} is not valid TOML")]
    Syntax {
        /// Where it is.
        path: PathBuf,
        /// Where in it.
        source: Box<toml::de::Error>,
    },
    /// It sets something that is no setting.
    #[error("the settings file {path} sets '{name}', which is no setting; `alpes config` lists them")]
    Unknown {
        /// Where it is.
        path: PathBuf,
        /// What it sets.
        name: String,
    },
    /// It sets a list or a table.
    #[error("the settings file {path} must set {name} to one text, number or boolean")]
    Shape {
        /// Where it is.
        path: PathBuf,
        /// What it sets.
        name: String,
    },
}

/// The settings that a file holds.
#[derive(Debug)]
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    values: BTreeMap<String, String>,
}

impl SettingsFile {
    /// Reads the file that was named, else the first default one that is there.
    pub(super) fn find(bare: &ArgMatches, entries: &[Entry]) -> Result<Option<Self>, FileError> {
        if let Some(path) = text(bare, "config") {
            return Self::read(path.into(), entries).map(Some);
        }
        let data = text(bare, "data").map(|data| Path::new(&data).join(FILE_NAME));
        let mut candidates = data.into_iter().chain([PathBuf::from(FILE_NAME)]);
        candidates.find(|path| path.is_file()).map(|path| Self::read(path, entries)).transpose()
    }

    fn read(path: PathBuf, entries: &[Entry]) -> Result<Self, FileError> {
        match std::fs::read_to_string(&path) {
            Ok(content) => Self::parse(path, &content, entries),
            Err(source) => Err(FileError::Unreadable { path, source }),
        }
    }

    fn parse(path: PathBuf, content: &str, entries: &[Entry]) -> Result<Self, FileError> {
        let table: toml::Table = match content.parse() {
            Ok(table) => table,
            Err(source) => {
                return Err(FileError::Syntax { path, source: Box::new(source) });
            }
        };
        let mut values = BTreeMap::new();
        for (name, value) in table {
            if name == PATH_SETTING || !entries.iter().any(|entry| entry.name == name) {
                return Err(FileError::Unknown { path, name });
            }
            let Some(value) = scalar(value) else {
                return Err(FileError::Shape { path, name });
            };
            values.insert(name, value);
        }
        Ok(Self { path, values })
    }

    /// The value of a setting; an empty one means that nothing was set, as in the environment.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}
