//! `alpes load` against a server that fails in every way it may.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use alpes::load::{LoadError, Plan, Report, SendError, load};
use indicatif::ProgressBar;

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Reads it and hangs up: the answer is lost.
    HangUp,
    Answer(u16, &'static str),
}

const DONE: Act = Act::Answer(202, r#"{"aceptados":2,"rechazados":0,"errores":[],"errores_omitidos":0}"#);
const ONE_BAD: Act = Act::Answer(
    202,
    r#"{"aceptados":0,"rechazados":1,"errores":[{"linea":1,"codigo":"malformado","detalle":"no"}],"errores_omitidos":0}"#,
);

/// A request as the server saw it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    key: String,
    lines: String,
}

/// Serves one connection for each act, then ends.
fn serve(acts: Vec<Act>) -> (String, std::thread::JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served =
        std::thread::spawn(move || acts.into_iter().map(|act| answer(listener.accept().unwrap().0, act)).collect());
    (url, served)
}

fn answer(mut stream: TcpStream, act: Act) -> Seen {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut key, mut length) = (String::new(), 0);
    for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if let Act::Answer(status, text) = act {
        let head = format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    }
    Seen { key, lines: String::from_utf8(zstd::decode_all(&body[..]).unwrap()).unwrap() }
}

async fn send(path: &Path, url: &str, rate: Option<u32>) -> (Result<(), LoadError>, Report) {
    let mut report = Report::default();
    let plan = Plan { url: url.to_owned(), rate, parallel: 1 };
    let sent = load(path, &plan, ProgressBar::hidden(), &mut report).await;
    (sent, report)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn a_chunk_is_sent_until_it_is_durable_under_one_key() {
    let file = file("one\ntwo\nthree\n");
    let (url, served) = serve(vec![Act::HangUp, Act::Answer(503, "{}"), Act::Answer(500, "no"), DONE, ONE_BAD]);
    // Twenty a second are two in each of ten chunks.
    let (sent, report) = send(file.path(), &url, Some(20)).await;
    sent.unwrap();
    let seen = served.join().unwrap();
    let digest = pipeline::file::digest(file.path()).unwrap();
    let first = Seen { key: format!("{digest}:0"), lines: "one\ntwo\n".into() };
    assert!(seen[..4].iter().all(|chunk| *chunk == first), "{seen:?}");
    assert_eq!(seen[4], Seen { key: format!("{digest}:8"), lines: "three\n".into() });
    assert_eq!((report.lines, report.accepted, report.rejected, report.retries), (3, 2, 1, 3));
    assert_eq!(report.by_code["malformado"], 1);
    assert_eq!(report.faults[0].line, 3, "lines are counted through the whole file");
}

#[tokio::test]
async fn a_refusal_ends_it_and_says_from_where() {
    let file = file("one\ntwo\nthree\n");
    let (url, _) = serve(vec![DONE, Act::Answer(415, "unknown encoding")]);
    let (sent, report) = send(file.path(), &url, Some(20)).await;
    let Err(LoadError::Undelivered { line: 3, source: SendError::Refused { status, body } }) = sent else {
        panic!("{sent:?}");
    };
    assert_eq!((status.as_u16(), body.as_str()), (415, "unknown encoding"));
    assert_eq!((report.lines, report.accepted), (2, 2), "what was delivered before is reported");
}

#[tokio::test]
async fn only_a_url_is_a_url() {
    let file = file("one\n");
    for url in ["localhost:8000", "ftp://localhost", ""] {
        let (sent, _) = send(file.path(), url, None).await;
        assert!(matches!(sent, Err(LoadError::Client(SendError::Url(_)))), "{url}");
    }
}
