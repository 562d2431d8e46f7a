//! Reads the files that an operator hands to the bridge: secrets, librdkafka properties, text, rules.
//!
//! In: a path. Out: the text, its items, its `key=value` pairs, or its bytes; and a [`Stamp`] that
//! tells when a file is another one. Every error names the path and,
//! where there is one, the line; it never quotes what the file says, because the file may hold
//! secrets. Invariant: no read is larger than the bound its caller names. Outside the journal this
//! is the only place that touches the file system.

use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest secret or properties file in bytes. Such files have a few lines; a larger one is a wrong
/// path.
pub const SMALL_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file could not be used. All variants are final until somebody changes the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused: missing, no rights, a directory.
    #[error("file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is larger than the caller allows.
    #[error("file {} has more than {bytes_max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// There is something that is no file: a directory, a pipe, a device.
    #[error("{} is no file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// The file is not UTF-8.
    #[error("file {} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The file has no line with anything in it.
    #[error("file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One line does not have the form that the file needs.
    #[error("file {}, line {line}: expected {expected}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

/// Reads a whole UTF-8 file of at most `bytes_max` bytes; a byte order mark at its start is left
/// out.
///
/// # Errors
/// `Unreadable`, `TooLarge` or `NotText`.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file of exactly the bound from a larger one, also for
    // pipes.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes_max });
    }
    let text =
        String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.to_owned() })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Whether this process is under a terminal that is still open.
#[must_use]
pub fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// What tells one state of a file from the next, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its size.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified_ns: i128,
}

/// The stamp of the file at `path` now, also behind a symbolic link; `None` when there is nothing or
/// it cannot be looked at.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().as_ref().map(stamp_of)
}

fn stamp_of(about: &Metadata) -> Stamp {
    let modified_ns = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
    Stamp { bytes: about.len(), modified_ns }
}

/// Reads a whole file of at most `bytes_max` bytes. Waits for nobody: a pipe is refused, not read.
///
/// # Errors
/// `Unreadable`, `NotAFile` or `TooLarge`.
pub fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    // A pipe that nobody writes to would keep the call from returning.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let too_large = || FileError::TooLarge { path: path.to_owned(), bytes_max };
    if about.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may have grown meanwhile.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a secret file: one item per line, trimmed, empty lines left out; commas belong to the
/// item.
///
/// At least one item is returned.
///
/// # Errors
/// Those of [`read_text`], and `Empty`.
pub fn read_items(path: &Path) -> Result<Vec<String>, FileError> {
    let text = read_text(path, SMALL_FILE_BYTES_MAX)?;
    let items: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if items.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    Ok(items)
}

/// What a properties file says.
#[derive(Debug, Default)]
pub struct PropertiesFile {
    /// Its pairs of key and value.
    pub pairs: Vec<(String, String)>,
    /// A [`FileError::Line`] for each line that is none.
    pub wrong: Vec<FileError>,
}

/// Reads a properties file: `key=value` lines, split at the first `=`, both sides trimmed.
///
/// Empty lines and lines that begin with `#` are left out. Pairs come in the order of the file,
/// repeated keys included. A file without pairs is fine. Wrong is each line without `=`, without a
/// key, or with a NUL character (which no C library could take).
///
/// # Errors
/// Those of [`read_text`].
pub fn read_properties(path: &Path) -> Result<PropertiesFile, FileError> {
    let text = read_text(path, SMALL_FILE_BYTES_MAX)?;
    let PropertiesFile { mut pairs, mut wrong } = PropertiesFile::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut expect = |expected| {
            wrong.push(FileError::Line { path: path.to_owned(), line: index + 1, expected });
        };
        match line.split_once('=') {
            _ if line.contains('\0') => expect("text without NUL characters"),
            Some((key, value)) if !key.trim().is_empty() => {
                pairs.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            _ => expect("key=value"),
        }
    }
    Ok(PropertiesFile { pairs, wrong })
}

/// Opens a file or a pipe that is read line by line, whatever its size; each line has the bound that
/// its reader gives it.
///
/// # Errors
/// `Unreadable`.
pub fn open_lines(path: &Path) -> Result<impl BufRead + use<>, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    File::open(path).map(BufReader::new).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tempfile::NamedTempFile;

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(content).expect("a temporary file can be written");
        file
    }

    #[test]
    fn items_are_lines_and_keep_their_commas() {
        let file = file(b"  user:a,b \r\n\n#not a comment\n");
        assert_eq!(read_items(file.path()).expect("readable"), ["user:a,b", "#not a comment"]);
    }

    #[test]
    fn a_file_without_items_is_an_error_that_names_it() {
        let file = file(b" \n\r\n");
        let message = read_items(file.path()).expect_err("empty").to_string();
        assert_eq!(message, format!("file {} is empty", file.path().display()));
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let message = read_text(Path::new("/nowhere/token"), 10).expect_err("missing").to_string();
        assert!(message.starts_with("file /nowhere/token cannot be read: "), "{message}");
    }

    #[test]
    fn properties_are_split_at_the_first_equals_sign() {
        let file = file(
            "\u{feff}# comment\nsasl.username = me\n\nsasl.password=a=b#c\r\nempty=\n".as_bytes(),
        );
        let expected = [("sasl.username", "me"), ("sasl.password", "a=b#c"), ("empty", "")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let PropertiesFile { pairs, wrong } = read_properties(file.path()).expect("readable");
        assert_eq!((pairs, wrong.len()), (expected.to_vec(), 0));
    }

    #[test]
    fn property_lines_of_another_form_are_named_by_number_and_never_quoted() {
        let file = file(b"a=1\nhunter2\n=hunter2\nc=3\nb=hunter2\0\n");
        let PropertiesFile { pairs, wrong } = read_properties(file.path()).expect("readable");
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "c"], "the others are read all the same");
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (told, line) in told.iter().zip([2, 3, 5]) {
            assert!(told.contains(&format!("line {line}: expected")), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_file_may_have_exactly_the_bound_and_not_one_byte_more() {
        let file = file(b"12345");
        assert_eq!(read_text(file.path(), 5).expect("at the bound"), "12345");
        let error = read_text(file.path(), 4).expect_err("above the bound");
        assert!(matches!(error, FileError::TooLarge { bytes_max: 4, .. }), "{error}");
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting_for_it() {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let pipe = folder.path().join("pipe");
        let (place, mode) = (rustix::fs::CWD, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(place, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("ours");
        for path in [folder.path(), &pipe, Path::new("/dev/zero")] {
            let error = read_bytes(path, 10).expect_err("no file");
            assert!(matches!(error, FileError::NotAFile { .. }), "{error}");
            assert_eq!(error.to_string(), format!("{} is no file", path.display()));
        }
    }

    #[test]
    fn bytes_are_read_whole_or_not_at_all() {
        let file = file(b"\xff\xfe\n");
        assert_eq!(read_bytes(file.path(), 3).expect("at the bound"), b"\xff\xfe\n");
        let error = read_bytes(file.path(), 2).expect_err("above the bound");
        assert!(matches!(error, FileError::TooLarge { bytes_max: 2, .. }), "{error}");
        let error = read_bytes(Path::new("/nowhere/rules"), 2).expect_err("missing");
        assert!(matches!(error, FileError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn a_stamp_tells_a_file_from_what_it_was() {
        let mut file = file(b"1");
        let before = stamp(file.path()).expect("it is there");
        assert_eq!((Some(before), before.bytes), (stamp(file.path()), 1));
        file.write_all(b"2").expect("a temporary file can be written");
        assert_ne!(stamp(file.path()), Some(before));
        assert_eq!(stamp(Path::new("/nowhere/rules")), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let file = file(b"\xff\xfe");
        assert!(matches!(read_text(file.path(), 9), Err(FileError::NotText { .. })));
    }

    #[test]
    fn a_file_of_lines_is_opened_or_named() {
        let file = file(b"a\nb");
        let lines = open_lines(file.path()).expect("there").lines();
        let lines: Vec<String> = lines.map(|line| line.expect("text")).collect();
        assert_eq!(lines, ["a", "b"]);
        let error = open_lines(Path::new("/nowhere/records")).err().expect("missing").to_string();
        assert!(error.starts_with("file /nowhere/records cannot be read: "), "{error}");
    }
}
