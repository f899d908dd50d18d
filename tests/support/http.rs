//! Just enough HTTP for a client of the tests: one request, one connection, one answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A server that takes longer has lost the request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) fn get(address: &str, path: &str) -> io::Result<Answer> {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn post(address: &str, path: &str, json: &str) -> io::Result<Answer> {
    send(address, "POST", path, json)
}

pub(crate) fn send(address: &str, method: &str, path: &str, json: &str) -> io::Result<Answer> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json");
    request(address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len()))
}

fn request(address: &str, text: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no answer: {answer:?}")))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok(Answer { status, body })
}
