//! A socket that the parent process passed in, as service managers do (`LISTEN_FDS`).
//!
//! In: `LISTEN_FDS`, `LISTEN_PID` and the descriptors from 3 on. Out: the listener for callbacks, if
//! exactly one came. What always holds: descriptors that are meant for another process, or that
//! nobody spoke of, are left alone.

use std::net::TcpListener;

use listenfd::ListenFd;

use super::problems::Problem;

/// What was passed in.
#[derive(Debug, Default)]
pub struct PassedIn {
    /// The one socket, for callbacks.
    pub listener: Option<TcpListener>,
    /// What `serve` logs at start about sockets that it does not take.
    pub warning: Option<String>,
}

/// Takes the socket that was passed in. To be called once, before anything else opens descriptors:
/// the variables may have been left over by somebody, and then name what is not there.
///
/// # Errors
/// A single descriptor was passed in that callbacks cannot arrive at.
pub fn passed_in() -> Result<PassedIn, Problem> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => Ok(PassedIn::default()),
        1 => {
            let listener = passed.take_tcp_listener(0).ok().flatten();
            let listener = listener
                .filter(|listener| socket2::SockRef::from(listener).is_listener().unwrap_or(false));
            let what = "is 1: expected a TCP socket that listens as file descriptor 3";
            let listener = listener.ok_or_else(|| Problem::of("LISTEN_FDS", what))?;
            Ok(PassedIn { listener: Some(listener), warning: None })
        }
        count => {
            let warning = format!(
                "LISTEN_FDS is {count}: none of these sockets is taken, for which of them is for \
                 callbacks cannot be told; IMBRIDGE_LISTEN counts"
            );
            Ok(PassedIn { listener: None, warning: Some(warning) })
        }
    }
}
