//! Where each setting came from: what `alpes config` prints and what an error names.

use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::file::SettingsFile;
use super::{is_set, text, values};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In an environment variable.
    Environment,
    /// In this settings file.
    File(PathBuf),
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => out.write_str("flag"),
            Self::Environment => out.write_str("environment"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Default => out.write_str("default"),
        }
    }
}

/// One setting as it stands.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, the same in the environment and in the file.
    pub name: String,
    /// Its flag, without the dashes.
    pub flag: String,
    /// What it is for.
    pub meaning: String,
    /// Its value, secrets included: print [`Entry::shown`] instead.
    pub value: Option<String>,
    /// Its value when nobody sets it.
    pub default: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    pub(super) id: String,
    secret: bool,
}

impl Entry {
    /// The value as it may be printed and logged.
    pub fn shown(&self) -> Option<String> {
        self.value.as_deref().map(|value| if self.secret { values::masked(value) } else { value.to_owned() })
    }

    fn new(arg: &Arg) -> Option<Self> {
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        Some(Self {
            name: arg.get_env()?.to_string_lossy().into_owned(),
            flag: arg.get_long()?.to_owned(),
            meaning: arg.get_help().map(ToString::to_string).unwrap_or_default(),
            value: default.clone(),
            default,
            origin: Origin::Default,
            id: arg.get_id().to_string(),
            secret: arg.is_hide_env_values_set(),
        })
    }
}

/// Printed by `alpes config --json`.
impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("Setting", 6)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("flag", &format!("--{}", self.flag))?;
        object.serialize_field("value", &self.shown())?;
        object.serialize_field("default", &self.default)?;
        object.serialize_field("source", &self.origin.to_string())?;
        object.serialize_field("meaning", &self.meaning)?;
        object.end()
    }
}

/// The settings among the arguments of the root: those that also have a variable.
pub(super) fn table(command: &Command) -> Vec<Entry> {
    command.get_arguments().filter_map(Entry::new).collect()
}

/// Flags win over the environment, the environment over the file, the file over defaults.
pub(super) fn resolve(table: Vec<Entry>, bare: &ArgMatches, file: Option<&SettingsFile>) -> Vec<Entry> {
    table
        .into_iter()
        .map(|mut entry| {
            if let Some(origin) = is_set(bare, &entry.id) {
                entry.value = text(bare, &entry.id);
                entry.origin = origin;
            } else if let Some((file, value)) = file.and_then(|file| Some((file, file.get(&entry.name)?))) {
                entry.value = Some(value.to_owned());
                entry.origin = Origin::File(file.path.clone());
            }
            entry
        })
        .collect()
}
