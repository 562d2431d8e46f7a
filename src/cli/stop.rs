//! When somebody says stop: Ctrl-C, or SIGTERM.
//!
//! In: signals. Out: a future, or a flag for threads that wait for something else. What always
//! holds: where signals cannot be watched, nothing ever says stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

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
