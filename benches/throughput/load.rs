//! The sender: a closed loop over keep-alive connections, on one thread, without an HTTP library.
//!
//! In: an address, one request per connection, a time. Out: how many answers came, how long each took,
//! how busy this thread was. What always holds: every connection has one request on its way; every
//! answer is looked at, and one that is not a 200 of the expected length ends the run; the run ends
//! when the last answer is there.

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use imbridge::clock;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An answer that takes longer is none.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Answers are some 200 bytes.
const ANSWER_BYTES_MAX: usize = 4096;
/// Finest and coarsest latency that is told apart, nanoseconds.
const LATENCY_NS: (u64, u64) = (1000, 10_000_000_000);

/// What a run gave.
pub struct Run {
    pub requests: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Share of that time in which this thread used the processor.
    pub busy: f64,
    /// Nanoseconds.
    pub latency: Histogram<u64>,
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent_at: Instant,
    received: usize,
}

/// Connections to one server.
pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    answer_len: usize,
}

impl Load {
    /// Connects, and learns from one exchange how long an answer is.
    pub fn connect(address: SocketAddr, requests: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let first = requests.first().context("there is at least one connection")?;
        let answer_len = exchange(address, first)?.len();
        let mut connections = Vec::new();
        for (index, request) in requests.into_iter().enumerate() {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            connections.push(Connection { stream, request, sent_at: clock::now(), received: 0 });
        }
        Ok(Self { poll, connections, answer_len })
    }

    /// Keeps one request per connection on its way for `time`, then waits for the last answers.
    pub fn run(&mut self, time: Duration) -> anyhow::Result<Run> {
        let mut latency = Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, 3)?;
        let mut events = Events::with_capacity(1024);
        let (busy_before, started) = (processor_time(), clock::now());
        for connection in &mut self.connections {
            connection.send(started)?;
        }
        let (mut requests, mut waiting) = (0, self.connections.len());
        while waiting > 0 {
            self.poll.poll(&mut events, Some(ANSWER_MAX))?;
            ensure!(!events.is_empty(), "no answer for {} s", ANSWER_MAX.as_secs());
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.receive(self.answer_len)? {
                    continue;
                }
                let now = clock::now();
                let took = now.duration_since(connection.sent_at).as_nanos();
                latency.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
                requests += 1;
                if now.duration_since(started) < time {
                    connection.send(now)?;
                } else {
                    waiting -= 1;
                }
            }
        }
        let elapsed = started.elapsed();
        let busy =
            processor_time().saturating_sub(busy_before).as_secs_f64() / elapsed.as_secs_f64();
        Ok(Run { requests, elapsed, busy, latency })
    }
}

impl Connection {
    fn send(&mut self, now: Instant) -> anyhow::Result<()> {
        self.sent_at = now;
        // A request is far smaller than a socket's buffer, which is empty between requests.
        let written = self.stream.write(&self.request)?;
        ensure!(written == self.request.len(), "the socket took {written} bytes only");
        Ok(())
    }

    /// Whether the answer is complete.
    fn receive(&mut self, answer_len: usize) -> anyhow::Result<bool> {
        let mut answer = [0; ANSWER_BYTES_MAX];
        // One read: the poll is edge-triggered, but the server has nothing more to say before the
        // next request.
        let got = match self.stream.read(&mut answer) {
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        ensure!(got > 0, "the server closed the connection");
        if self.received == 0 {
            let head = String::from_utf8_lossy(&answer[..got]);
            ensure!(answer[..got].starts_with(b"HTTP/1.1 200"), "not accepted: {head}");
        }
        self.received += got;
        ensure!(self.received <= answer_len, "the answer is longer than the first one");
        let whole = self.received == answer_len;
        if whole {
            self.received = 0;
        }
        Ok(whole)
    }
}

/// One request on a connection of its own; the answer, head and body.
pub fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0; ANSWER_BYTES_MAX];
        let got = stream.read(&mut part)?;
        ensure!(got > 0, "the server closed the connection");
        answer.extend_from_slice(&part[..got]);
        if let Some(length) = whole_length(&answer)
            && answer.len() >= length
        {
            return Ok(answer);
        }
    }
}

/// Length of head and body, once the head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(answer).ok()?;
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text[..head].to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(head + length.trim().parse::<usize>().ok()?)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
