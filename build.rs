//! Tells the program which commit it is built from.
//!
//! In: `BUILD_COMMIT`, else the repository that this file lies in, else nothing. Out: the variable
//! `BUILD_COMMIT` for the compiler, `unknown` where nobody knows. Invariant: it never fails a
//! build, with or without git.
//!
//! The name does not begin with `IMBRIDGE_`: `cargo run` hands the variable on to the program, which
//! takes no setting that it does not know.

#![allow(clippy::print_stdout, reason = "standard output is how a build script speaks to Cargo")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var_os("BUILD_COMMIT").and_then(|commit| commit.into_string().ok());
    let commit = given.filter(|commit| is_commit(commit)).or_else(from_git);
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The short hash of the checked out commit; Cargo looks again when it changes.
fn from_git() -> Option<String> {
    let commit = git(&["rev-parse", "--short", "HEAD"]).filter(|commit| is_commit(commit))?;
    // Every commit, checkout and reset adds a line here, in worktrees too.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if std::path::Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    Some(commit)
}

fn git(arguments: &[&str]) -> Option<String> {
    // A package unpacked inside of somebody else's repository is not of that repository's commit.
    if !std::path::Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Anything else could not stand in a line for Cargo.
fn is_commit(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
