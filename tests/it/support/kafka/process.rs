//! Processes that cannot outlive the test run, and the directories they live in.
//!
//! In: a command and a directory. Out: a running process, signals to it, its end.
//!
//! Three nets, since a test process can end in any way: `Drop` ends and reaps the process; a guard
//! process ends it, and removes its directory, as soon as the test process is gone (Ctrl-C, SIGKILL,
//! or a static that is never dropped); and the next test run ends what is left if the guard was
//! killed too. Invariant: a signal goes only to a child that is not reaped, or to a process whose
//! command line names one of our directories whose owner is gone.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

/// The property of ours in a command line; its value is the process's directory.
const MARK: &str = "-Dimbridge.test.dir=";
/// Held (flock) by the test process for as long as it uses the directory.
const OWNER_LOCK: &str = "owner.lock";
/// Longest wait for a process to be gone after SIGKILL: it only has to leave the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How often an end is looked for.
const PAUSE: Duration = Duration::from_millis(20);

/// Becomes the command in its arguments, after it left a guard behind.
///
/// Standard input is a pipe from the test process. A line on it means that the command's end was
/// seen; its end without a line means that the test process is gone. As the command takes over
/// the shell's own process id (`exec`), the guard knows the id before the command even starts.
const GUARD: &str = r#"
dir=$1
mark=$2$1
shift 2
lives() {
    tr '\000' '\n' <"/proc/$$/cmdline" | grep -qxF -e "$mark"
}
exec 3<&0 </dev/null
(
    cd /
    read -r _ <&3 && exit 0
    tries=0
    while lives && [ $tries -lt 100 ]; do
        kill -KILL $$
        sleep 0.1
        tries=$((tries + 1))
    done
    rm -rf -- "$dir"
) 2>/dev/null &
exec "$@" 3<&-
"#;

/// What a test may send to a process besides SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Freezes it: connections stay open and nothing is answered.
    Stop,
    /// Ends a freeze.
    Continue,
    /// Asks it to end in good order.
    Terminate,
}

/// A child process with a guard beside it. Ended and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    guard: Option<ChildStdin>,
}

impl Guarded {
    /// Starts `program` in `dir`, with its output appended to `log`. [`mark`] of `dir` has to be
    /// among `arguments`: the process is recognised by it.
    ///
    /// # Errors
    /// When the shell cannot be started. A program that does not exist ends with status 127.
    pub(crate) fn spawn(
        dir: &Path,
        log: &File,
        program: &str,
        arguments: &[OsString],
    ) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(dir)
            .args([MARK, program])
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // Out of reach of the terminal's Ctrl-C, which would take the guard as well.
            .process_group(0)
            .spawn()?;
        let guard = child.stdin.take();
        Ok(Self { child, guard })
    }

    /// Its process id, good for as long as the end was not seen.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal`; nothing happens when the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.has_ended() {
            return;
        }
        let name = match signal {
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Terminate => "TERM",
        };
        let sent = send(name, self.id()).expect("sh can be run: it started this process");
        assert!(sent, "cannot send {name} to our own child");
    }

    /// Whether the process has ended by now; then it is reaped too.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.child.try_wait().expect("a child can be waited for").is_some();
        if ended {
            self.release_guard();
        }
        ended
    }

    /// Waits for the end for at most `limit`; says whether it came.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    /// Waits for the end, however long it takes.
    ///
    /// # Errors
    /// When the system cannot wait, which does not happen to a child.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        self.release_guard();
        status
    }

    /// Ends the process by SIGKILL and reaps it, also one that is frozen.
    pub(crate) fn kill(&mut self) {
        if self.has_ended() {
            return;
        }
        self.child.kill().expect("a child that is not reaped can be killed");
        self.wait().expect("a child can be waited for");
    }

    /// Closes the guard's pipe without the word that the process has ended: what the kernel does
    /// when the test process dies.
    pub(crate) fn abandon(&mut self) {
        drop(self.guard.take());
    }

    fn release_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // Fails only when the guard was killed by someone; then there is none to release.
            let _gone = guard.write_all(b"ended\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory of one process of ours, removed when dropped.
///
/// Its lock says to other test runs that the owner lives; the kernel lets go of it when not.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    dir: TempDir,
    _lock: File,
}

impl OwnedDir {
    /// Makes a new directory in `run`, named after this process.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn new(run: &Path) -> anyhow::Result<Self> {
        let _run_lock = lock_run(run)?;
        let prefix = format!("{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(run)?;
        let lock = File::create(dir.path().join(OWNER_LOCK))?;
        lock.lock()?;
        Ok(Self { dir, _lock: lock })
    }

    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// The argument by which a process that lives in `dir` is recognised.
pub(crate) fn mark(dir: &Path) -> OsString {
    let mut mark = OsString::from(MARK);
    mark.push(dir);
    mark
}

/// Ends the processes and removes the directories in `run` whose test process is gone.
///
/// # Errors
/// When `run` cannot be made or locked. What cannot be ended or removed is left for the next time.
pub(crate) fn end_left_overs(run: &Path) -> anyhow::Result<()> {
    let _run_lock = lock_run(run)?;
    for (process, dir) in marked_processes(run) {
        if owner_is_gone(&dir) && marked_dir(process).as_deref() == Some(&dir) {
            send("KILL", process).context("cannot run sh")?;
            wait_until_gone(process, &dir);
        }
    }
    for entry in fs::read_dir(run)?.flatten() {
        let path = entry.path();
        if path.is_dir() && owner_is_gone(&path) {
            // A guard may be at the same work; whoever is second finds nothing.
            let _removed_already = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// All processes, guards included, that live in a directory of `run`, with that directory.
pub(crate) fn marked_processes(run: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, marked_dir(id)?)))
        .filter(|(_, dir)| dir.parent() == Some(run))
        .collect()
}

/// The directory that our property in the command line of `process` names.
fn marked_dir(process: u32) -> Option<PathBuf> {
    let command_line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    command_line.split(|&byte| byte == 0).find_map(|argument| {
        let dir = argument.strip_prefix(MARK.as_bytes()).filter(|dir| !dir.is_empty())?;
        Some(PathBuf::from(OsString::from_vec(dir.to_vec())))
    })
}

/// Whether nobody holds the directory's lock. Under the lock of `run` only: a directory is there
/// for a moment before it is locked.
fn owner_is_gone(dir: &Path) -> bool {
    match File::open(dir.join(OWNER_LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn wait_until_gone(process: u32, dir: &Path) {
    let deadline = Instant::now() + KILL_LIMIT;
    while marked_dir(process).as_deref() == Some(dir) && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
}

fn lock_run(run: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(run).with_context(|| format!("cannot make {}", run.display()))?;
    let lock = File::create(run.join("run.lock"))?;
    lock.lock().context("cannot lock the directory of running brokers")?;
    Ok(lock)
}

/// Sends by the shell's own `kill`; says whether it could.
fn send(signal: &str, process: u32) -> io::Result<bool> {
    let script = OsStr::from_bytes(b"kill -s \"$1\" \"$2\"");
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .args(["kill", signal, &process.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}
