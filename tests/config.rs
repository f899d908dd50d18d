//! Where settings come from, asked of the program itself: `alpes config --json`.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `alpes config --json` with these flags and variables, and no others.
fn alpes(folder: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alpes"))
        .args(["config", "--json"])
        .args(flags)
        .current_dir(folder)
        .env_clear()
        .env("ALPES_DATA", folder)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// One setting's value and source.
fn setting(output: &Output, name: &str) -> (String, String) {
    let settings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let found = settings.iter().find(|setting| setting["name"] == name).unwrap();
    let text = |key: &str| found[key].as_str().unwrap_or("null").to_owned();
    (text("value"), text("source"))
}

fn write(folder: &Path, file: &str, content: &str) -> String {
    let path = folder.join(file);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        "alpes.toml",
        "ALPES_HTTP = \"file:1\"\nALPES_QUERIES = \"file:2\"\nALPES_GRACE_SECONDS = 30\n",
    );
    let environment = [("ALPES_HTTP", "environment:1"), ("ALPES_QUERIES", "environment:2")];
    let output = alpes(folder.path(), &["--http", "flag:1"], &environment);
    let cases = [
        ("ALPES_HTTP", "flag:1", "flag".to_owned()),
        ("ALPES_QUERIES", "environment:2", "environment".to_owned()),
        ("ALPES_GRACE_SECONDS", "30", format!("file {path}")),
        ("ALPES_LOG_FORMAT", "text", "default".to_owned()),
        ("DATABASE_URL", "null", "default".to_owned()),
    ];
    for (name, value, source) in cases {
        assert_eq!(setting(&output, name), (value.to_owned(), source), "{name}");
    }
}

#[test]
fn a_named_file_replaces_the_one_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "alpes.toml", "ALPES_HTTP = \"data:1\"\n");
    let named = write(folder.path(), "named.toml", "ALPES_QUERIES = \"named:1\"\n");
    for output in
        [alpes(folder.path(), &["--config", &named], &[]), alpes(folder.path(), &[], &[("ALPES_CONFIG", &named)])]
    {
        assert_eq!(setting(&output, "ALPES_HTTP").0, "127.0.0.1:8000");
        assert_eq!(setting(&output, "ALPES_QUERIES"), ("named:1".into(), format!("file {named}")));
    }
}

#[test]
fn an_empty_variable_sets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = alpes(folder.path(), &[], &[("ALPES_HTTP", ""), ("DATABASE_URL", "")]);
    assert_eq!(setting(&output, "ALPES_HTTP"), ("127.0.0.1:8000".into(), "default".into()));
    assert_eq!(setting(&output, "DATABASE_URL"), ("null".into(), "default".into()));
}

#[test]
fn secrets_never_show() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["postgresql+psycopg2://ana:s3cret@db/alpes", "mysql://ana:s3cret@db/alpes"] {
        let output = alpes(folder.path(), &[], &[("DATABASE_URL", url)]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("ana:***@db") && !said.contains("s3cret"), "{said}");
    }
}

/// Flags, variables, and what the error must say.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn a_bad_value_names_its_setting_and_where_it_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = |content| write(folder.path(), "bad.toml", content);
    let unknown = file("ALPES_PORT = 8000\n");
    let cases: [Case; 5] = [
        (&["--log-format", "xml"], &[], &["ALPES_LOG_FORMAT", "flag", "text, json"]),
        (&[], &[("ALPES_HTTP", "8000")], &["ALPES_HTTP", "environment", "HOST:PORT"]),
        (&[], &[("ALPES_LOG", "a=b=c")], &["ALPES_LOG:", "environment", "info,sqlx=warn"]),
        (&["--config", &unknown], &[], &["ALPES_PORT", "bad.toml", "alpes config"]),
        (&["--config", "/nowhere.toml"], &[], &["/nowhere.toml", "ALPES_CONFIG"]),
    ];
    for (flags, environment, expected) in cases {
        let output = alpes(folder.path(), flags, environment);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("alpes: error: ") && said.lines().count() == 1, "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_broker_is_shown_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let output = alpes(folder.path(), &[], &[("BROKER_HOST", "pulsar"), ("PULSAR_TOKEN", "eyJhbGciOiJIUzI1NiJ9")]);
    assert_eq!(setting(&output, "BROKER_HOST").0, "pulsar");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("eyJ"));
}
