//! When somebody says stop: Ctrl-C, SIGTERM, or a terminal that is closed.
//!
//! In: signals. Out: a future, or a flag for threads that wait for something else; a SIGHUP that
//! somebody sent is told from the end of the terminal. What always holds: where signals cannot be
//! watched, nothing ever says stop.

use crate::files;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves on Ctrl-C or SIGTERM.
pub(super) async fn asked() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What a SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HungUp {
    /// The terminal was closed: whoever started the program is gone.
    Terminal,
    /// Somebody sent it.
    Asked,
}

/// SIGHUPs. There are none where somebody does not want a closed terminal to end the program
/// (`nohup`): watching the signal would undo his wish.
pub(super) struct HangUp {
    signal: Option<Signal>,
    /// Whether there was a terminal that could be closed.
    had_terminal: bool,
}

impl HangUp {
    pub(super) fn watch() -> std::io::Result<Self> {
        let ignored = files::read_text(Path::new("/proc/self/status"), files::SMALL_FILE_BYTES_MAX)
            .is_ok_and(|status| ignores_hang_ups(&status));
        let signal = if ignored { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { signal, had_terminal: files::has_terminal() })
    }

    /// The next one.
    pub(super) async fn recv(&mut self) -> HungUp {
        let Some(signal) = &mut self.signal else { return std::future::pending().await };
        let _ended = signal.recv().await.is_none();
        if self.had_terminal && !files::has_terminal() { HungUp::Terminal } else { HungUp::Asked }
    }
}

/// Whether the kernel's page about a process says that it ignores SIGHUP, the first signal.
fn ignores_hang_ups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// A flag that is up once somebody said stop.
///
/// The first phase of a command may be a long wait that looks at no flag: until [`Flag::heed`] is
/// called, the stop ends the process at once with status 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Flag {
    up: Arc<AtomicBool>,
    heeded: Arc<AtomicBool>,
}

impl Flag {
    /// Starts to watch, on a thread of its own.
    pub(super) fn watch() -> Self {
        let flag = Self::default();
        let own = flag.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build()
            else {
                return;
            };
            runtime.block_on(asked());
            own.up.store(true, Ordering::Relaxed);
            if !own.heeded.load(Ordering::Relaxed) {
                std::process::exit(0);
            }
        });
        flag
    }

    /// From now on somebody looks at [`Self::is_up`].
    pub(super) fn heed(&self) {
        self.heeded.store(true, Ordering::Relaxed);
    }

    /// Whether somebody said stop.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::ignores_hang_ups;

    #[test]
    fn the_first_bit_of_the_mask_is_the_hang_up() {
        for (mask, ignored) in [("0000000000000001", true), ("0000000000001000", false)] {
            assert_eq!(ignores_hang_ups(&format!("Name:\tx\nSigIgn:\t{mask}\n")), ignored);
        }
        assert!(!ignores_hang_ups("SigBlk:\t0000000000000001\n"));
    }
}
