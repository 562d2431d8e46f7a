//! As many callbacks as the bridge takes, for tests of size and speed: nothing is remembered.
//!
//! In: where the bridge listens, the size of a text, how many bytes of bodies. Out: how many
//! callbacks were accepted, and how long it took. Invariants: the request of a connection is made
//! once and written again and again; anything but 200 is a panic.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::Message;

/// Connections at once.
const CONNECTIONS: u32 = 16;
const PATIENCE: Duration = Duration::from_mins(1);

/// What a flood came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    /// Callbacks accepted.
    pub(crate) callbacks: u64,
    pub(crate) took: Duration,
}

impl Flood {
    /// Callbacks a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    pub(crate) fn rate(&self) -> f64 {
        self.callbacks as f64 / self.took.as_secs_f64()
    }
}

/// Sends `callbacks` messages with texts of `text_bytes`.
///
/// # Panics
/// When one is not accepted.
pub(crate) fn flood(at: SocketAddr, text_bytes: u32, callbacks: u64) -> Flood {
    let left = Arc::new(AtomicU64::new(callbacks));
    let began = Instant::now();
    let pour = |connection| {
        let left = Arc::clone(&left);
        thread::spawn(move || pour(at, connection, text_bytes, &left))
    };
    let threads: Vec<_> = (0..CONNECTIONS).map(pour).collect();
    let callbacks = threads.into_iter().map(|thread| thread.join().expect("all is accepted")).sum();
    Flood { callbacks, took: began.elapsed() }
}

fn pour(at: SocketAddr, connection: u32, text_bytes: u32, left: &AtomicU64) -> u64 {
    let message = Message { connection, conversation: 0, number: 1, asks: false, text_bytes };
    let request = message.request();
    let mut stream = TcpStream::connect(at).expect("the bridge listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out that is not zero");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut accepted = 0;
    let (mut read, mut buffer) = (Vec::new(), [0; 8 * 1024]);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        stream.write_all(&request).expect("the bridge reads");
        while length_of(&read).is_none_or(|length| read.len() < length) {
            let more = stream.read(&mut buffer).expect("the bridge answers");
            assert!(more > 0, "the connection ended");
            read.extend_from_slice(&buffer[..more]);
        }
        assert!(read.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&read));
        read.clear();
        accepted += 1;
    }
    accepted
}

/// Bytes of the answer, head and body, once its head is there.
fn length_of(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(
        head + length
            .expect("every answer has a length")
            .trim()
            .parse::<usize>()
            .expect("a number"),
    )
}
