//! How far a long reading has come, on one line of a terminal.
//!
//! In: a counter of bytes, and how many there will be. Out: a line on standard error that is drawn
//! over and gone at the end. What always holds: nothing is written where standard error is no
//! terminal, or where the reading is over before anybody could wonder.

use super::human;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows the line until it is dropped.
#[derive(Debug)]
pub(super) struct Progress(Option<(SyncSender<()>, JoinHandle<()>)>);

impl Progress {
    /// Counts from what `read` says now up to `bytes` more.
    pub(super) fn start(read: &Arc<AtomicU64>, bytes: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (stop, stopped) = sync_channel(1);
        let read = Arc::clone(read);
        let before = read.load(Ordering::Relaxed);
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let mut wait = PATIENCE;
            let mut shown = false;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let done = read.load(Ordering::Relaxed) - before;
                shown |= write!(std::io::stderr(), "\r\x1b[K{}", line(done, bytes)).is_ok();
                wait = INTERVAL;
            }
            if shown {
                let _unseen = write!(std::io::stderr(), "\r\x1b[K").is_err();
            }
        });
        // Without a thread there is no line, which is no reason not to read.
        Self(thread.ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ended = thread.join().is_ok();
        }
    }
}

fn line(done: u64, bytes: u64) -> String {
    let percent = done.min(bytes).saturating_mul(100) / bytes.max(1);
    format!("reading the journal: {percent} % of {}", human(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_the_share_and_never_more_than_all() {
        assert_eq!(line(0, 0), "reading the journal: 0 % of 0 B");
        assert_eq!(line(1 << 20, 4 << 20), "reading the journal: 25 % of 4.0 MiB");
        assert_eq!(line(9 << 20, 4 << 20), "reading the journal: 100 % of 4.0 MiB");
    }
}
