//! `imbridge health`: whether the bridge on this machine is ready; for container health checks.
//!
//! In: the address of the admin port from the settings. Out: exit code 0 when `/ready` answers 200,
//! else 1 and a sentence. What always holds: it ends within 3 s or little more.

use crate::clock;
use crate::config::Config;
use anyhow::{Context as _, bail};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Longest time in all.
const TIME: Duration = Duration::from_secs(3);
/// More than any answer of ours has.
const ANSWER_BYTES_MAX: u64 = 65_536;

const EXAMPLE: &str = "\
Example:
  IMBRIDGE_ADMIN_LISTEN=0.0.0.0:9464 imbridge health

Asks http://IMBRIDGE_ADMIN_LISTEN/ready; an address that means every interface is asked on loopback.";

/// Tell by the exit code whether the bridge on this machine is ready
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {}

/// Asks once.
///
/// # Errors
/// The settings are wrong, nobody answers, or the answer is not 200.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    let address = reachable(Config::from_env()?.admin.listen);
    if address.port() == 0 {
        bail!("IMBRIDGE_ADMIN_LISTEN has port 0: nobody can know which port was taken");
    }
    let answer = ask(address)
        .with_context(|| format!("not healthy: nobody answers on http://{address}/ready"))?;
    let (status, body) = parse(&answer)
        .with_context(|| format!("not healthy: http://{address}/ready gave no HTTP answer"))?;
    if status != 200 {
        bail!("not ready: http://{address}/ready answered {status} {}", body.trim());
    }
    super::written(writeln!(std::io::stdout(), "{}", body.trim()), ExitCode::SUCCESS)
}

/// An address to connect to, for one to listen on.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let until = clock::now() + TIME;
    // Zero would mean no limit.
    let left = || until.saturating_duration_since(clock::now()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, left())?;
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(
        format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while clock::now() < until && (answer.len() as u64) < ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left()))?;
        match stream.read(&mut piece)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no whole answer within 3 s"))
}

/// Status and body of an answer.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some((words.next()?.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_is_asked_on_loopback() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(asked("[::]:9464"), "[::1]:9464");
        assert_eq!(asked("10.1.2.3:1"), "10.1.2.3:1");
    }

    #[test]
    fn an_answer_is_taken_apart_and_anything_else_is_none() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{\"ready\":false}";
        assert_eq!(parse(answer), Some((503, "{\"ready\":false}".to_owned())));
        for other in ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(parse(other.as_bytes()), None, "{other:?}");
        }
    }
}
