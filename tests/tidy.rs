//! What the layout promises, enforced: dependencies one way, a header on every file, files that are one thing.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file: past this it is rarely one thing.
const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

/// `schemas ← operators ← pipeline`, `schemas ← sinks ← {pipeline, api}`; operators and sinks do not know each other.
#[test]
fn dependencies_point_one_way() {
    let crates = ["schemas", "operators", "sinks", "pipeline", "api"];
    let allowed: [(&str, &[&str]); 5] = [
        ("schemas", &[]),
        ("operators", &["schemas"]),
        ("sinks", &["schemas"]),
        ("pipeline", &["operators", "schemas", "sinks"]),
        ("api", &["schemas", "sinks"]),
    ];
    for (name, allowed) in allowed {
        let used = dependencies(&root().join(name).join("Cargo.toml"));
        let ours: Vec<_> = crates.into_iter().filter(|other| used.contains(*other)).collect();
        assert!(ours.iter().all(|other| allowed.contains(other)), "{name} depends on {ours:?}, may on {allowed:?}");
    }
}

/// The vocabulary and the operators are pure: nothing in them can wait, store or serve.
#[test]
fn the_core_knows_no_plumbing() {
    for name in ["schemas", "operators"] {
        let used = dependencies(&root().join(name).join("Cargo.toml"));
        for plumbing in ["tokio", "sqlx", "axum", "pulsar", "reqwest", "metrics", "tracing"] {
            assert!(!used.contains(plumbing), "{name} depends on {plumbing}");
        }
    }
}

#[test]
fn the_api_does_not_know_the_dataflow() {
    let used = dependencies(&root().join("api").join("Cargo.toml"));
    assert!(!used.contains("operators") && !used.contains("pipeline") && !used.contains("pulsar"));
}

#[test]
fn every_file_says_what_it_is_and_is_one_thing() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not start by saying what it is", file.display());
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines, more than {FILE_LINES_MAX}", file.display());
        for unfinished in ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"] {
            assert!(file.ends_with("tests/tidy.rs") || !text.contains(unfinished), "{}: {unfinished}", file.display());
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let folders = ["src", "tests", "schemas", "operators", "sinks", "pipeline", "api"];
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}
