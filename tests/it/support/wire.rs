//! HTTP/1.1 by hand: what is on the wire, byte for byte, which clients that mean well would hide.
//!
//! In: bytes to write. Out: one response at a time, its body by Content-Length. Invariants: a wait
//! ends with a panic that says what was waited for; a reset is told from an end.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for bytes that come at once on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| &**value);
        assert!(found.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    /// Whether it says that the connection ends with it.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the page is text")
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out that is not zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, read: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the other end reads");
    }

    /// As [`Self::send`], to an end that may have stopped reading.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// A second hand on the same connection, to write while the first one reads.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor is left")
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Ends the connection with a reset instead of an end.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }

    /// The next response.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if response.status >= 200 {
            let length = response.header("content-length").expect("every answer has a length");
            let length: usize = length.parse().expect("a number");
            while self.read.len() < length {
                assert!(self.more(), "the connection ended inside a body");
            }
            let rest = self.read.split_off(length);
            response.body = std::mem::replace(&mut self.read, rest);
        }
        response
    }

    /// The next response, to a request that gets no body.
    pub(crate) fn head(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more(), "ended in a head: {:?}", String::from_utf8_lossy(&self.read));
        };
        let rest = self.read.split_off(end);
        let head = std::mem::replace(&mut self.read, rest);
        let head = String::from_utf8(head).expect("heads are ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().expect("a status line");
        let (version, status) = first.split_once(' ').expect("version and status");
        let headers = lines.map(|line| line.split_once(':').expect("name: value"));
        Response {
            version: version.to_owned(),
            status: status[..3].parse().expect("three digits"),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    /// Waits for the end of the connection; nothing may come before it.
    pub(crate) fn end(&mut self) -> End {
        let mut buffer = [0; 4096];
        assert!(self.read.is_empty(), "{:?}", String::from_utf8_lossy(&self.read));
        match self.stream.read(&mut buffer) {
            Ok(0) => End::Closed,
            Ok(read) => panic!("more came: {:?}", String::from_utf8_lossy(&buffer[..read])),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }

    /// Reads what comes; false at the end.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer).expect("bytes, or the end of the connection");
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

/// A POST with its length announced.
pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with(target, "", body)
}

/// A POST with further header lines, each with its line end.
pub(crate) fn post_with(target: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: bridge\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Head of a POST whose body comes in chunks.
pub(crate) fn chunked(target: &str, headers: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: bridge\r\n{headers}Transfer-Encoding: chunked\r\n\r\n")
}

/// One chunk; an empty one ends the body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
