//! What is different between the providers, on the way in and on the way out.
//!
//! In: requests as they arrived, and what was decided about them. Out: callbacks that may be acted
//! upon, and the JSON that each provider's own parser takes. What always holds: whatever happened,
//! there is an answer, and its provider can parse it ([`answers`] is total); nothing here reads a
//! clock or does I/O; the folders of the providers do not know each other.
//!
//! The way in: [`door`] reads a call, asks the authenticator and makes a callback; the providers'
//! `read` know where each hides its command. The way out: [`answers::answer`] says status, headers and which body a situation gets;
//! [`reply::body`] writes that body. `modify` puts the changes of a decision into members, `members`
//! holds them.

pub mod answers;
pub mod door;
mod members;
mod modify;
pub mod openim;
pub mod reply;
pub mod tencent;

#[cfg(test)]
mod tests;
