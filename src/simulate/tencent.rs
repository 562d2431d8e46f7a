//! Tencent's cloud as it calls back: many connections, 2 s for an answer, no queue that one sees.
//!
//! In: turns of the schedule and samples. Out: requests, outcomes in the recorder. Always holds:
//! nothing is sent twice (retries for time-outs are off by default there), and an answer after 2 s
//! counts as none.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::answer::{self, Reading};
use super::pace::{Schedule, Turn};
use super::report::{self, Recorder};
use super::samples::Samples;
use super::{Error, Observer, Options, Outcome, Provider, Sent, base_url, client};
use crate::clock;

/// Deadline of one callback, connecting included.
pub const DEADLINE: Duration = Duration::from_secs(2);

const PLATFORMS: [&str; 5] = ["Android", "iOS", "Web", "Windows", "iPad"];

/// Starts all connections; the handle ends when all of them have.
pub(super) fn spawn<O: Observer>(
    options: &Options,
    samples: Samples,
    schedule: Arc<Schedule>,
    recorder: &Arc<Recorder<O>>,
) -> Result<JoinHandle<()>, Error> {
    let url = options.tencent.clone().expect("samples are loaded for given addresses only");
    base_url(Provider::Tencent, &url)?;
    let client = client().redirect(reqwest::redirect::Policy::none()).build()?;
    let cloud = Arc::new(Cloud {
        client,
        url,
        identity: Identity { app_id: options.app_id, token: options.token.clone() },
        samples,
        recorder: Arc::clone(recorder),
    });
    let connections = options.connections;
    Ok(tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (cloud, schedule) = (Arc::clone(&cloud), Arc::clone(&schedule));
            tasks.spawn(async move {
                while let Some(turn) = schedule.next().await {
                    cloud.post(turn).await;
                }
            });
        }
        while let Some(connection) = tasks.join_next().await {
            connection.expect("a connection does not panic");
        }
    }))
}

struct Cloud<O: Observer> {
    client: reqwest::Client,
    url: String,
    identity: Identity,
    samples: Samples,
    recorder: Arc<Recorder<O>>,
}

/// Whose callbacks these are.
struct Identity {
    app_id: u64,
    token: Option<String>,
}

impl<O: Observer> Cloud<O> {
    async fn post(&self, turn: Turn) {
        let now_ms = clock::unix_ms();
        let callback = self.samples.next(turn.index, now_ms);
        let command = self.samples.command(callback.row);
        let phase = callback.phase;
        let (provider, operation_id) = (Provider::Tencent, &callback.operation_id);
        let sent = Sent { provider, command, phase, operation_id };
        self.recorder.sent(&sent);
        let posted = clock::now();
        let sampled = self.samples.query(callback.row).unwrap_or("");
        let query = query(
            command,
            sampled,
            &self.identity,
            &callback.operation_id,
            turn.index,
            now_ms / 1000,
        );
        let joint = if self.url.contains('?') { '&' } else { '?' };
        // The documented request prints no Content-Type, so none is sent.
        let request = self.client.post(format!("{}{joint}{query}", self.url)).body(callback.body);
        let exchange = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        };
        let reading = match timeout(DEADLINE, exchange).await {
            Ok(Ok((status, body))) => answer::tencent(phase, command, status, &body),
            Ok(Err(e)) => Reading::bad(Outcome::ConnectionFailed, report::chain(&e)),
            Err(_) => Reading::bad(Outcome::TimedOut, "no answer within 2 s"),
        };
        self.recorder.answered(&sent, posted, turn.due, reading);
    }
}

/// The query as documented. `sampled` holds the parameters that come with this command beside the
/// fixed ones: some have no address, some no platform, a few a request id.
fn query(
    command: &str,
    sampled: &str,
    identity: &Identity,
    request_id: &str,
    index: u64,
    seconds: i64,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("SdkAppid", &identity.app_id.to_string())
        .append_pair("CallbackCommand", command)
        .append_pair("contenttype", "json");
    for (name, value) in form_urlencoded::parse(sampled.as_bytes()) {
        let fresh = match (&*name, &*value) {
            // 203.0.113.0/24 is set aside for documentation.
            ("ClientIP", _) => format!("203.0.113.{}", index % 254 + 1),
            ("OptPlatform", "Android") => {
                PLATFORMS[usize::try_from(index % 5).expect("below 5")].to_owned()
            }
            ("RequestID", _) => request_id.to_owned(),
            _ => value.into_owned(),
        };
        query.append_pair(&name, &fresh);
    }
    if let Some(token) = &identity.token {
        query
            .append_pair("Sign", &sign(token, seconds))
            .append_pair("RequestTime", &seconds.to_string());
    }
    query.finish()
}

/// Hex of SHA-256 over token and time, nothing between them.
fn sign(token: &str, seconds: i64) -> String {
    let digest = Sha256::digest(format!("{token}{seconds}"));
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_one() {
        assert_eq!(
            sign("xxxxyyyy", 1_669_872_112),
            "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        );
    }

    fn app(token: Option<&str>) -> Identity {
        Identity { app_id: 1400, token: token.map(str::to_owned) }
    }

    #[test]
    fn a_command_comes_with_the_parameters_of_its_sample() {
        assert_eq!(
            query("Group.X", "ClientIP=192.0.2.7&OptPlatform=Android", &app(None), "r", 1, 5),
            "SdkAppid=1400&CallbackCommand=Group.X&contenttype=json&ClientIP=203.0.113.2\
             &OptPlatform=iOS"
        );
        assert_eq!(
            query("State.StateChange", "OptPlatform=IOS", &app(None), "r", 1, 5),
            "SdkAppid=1400&CallbackCommand=State.StateChange&contenttype=json&OptPlatform=IOS"
        );
        assert_eq!(
            query("Alert.X", "RequestID=8d1c", &app(None), "r", 0, 5),
            "SdkAppid=1400&CallbackCommand=Alert.X&contenttype=json&RequestID=r"
        );
        assert_eq!(
            query("Push.OfflinePush", "", &app(None), "r", 0, 5),
            "SdkAppid=1400&CallbackCommand=Push.OfflinePush&contenttype=json"
        );
    }

    #[test]
    fn a_token_adds_signature_and_time() {
        let query = query("Push.AllMemberPush", "", &app(Some("xxxxyyyy")), "r", 0, 1_669_872_112);
        assert!(
            query.ends_with(
                "&Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061\
                 &RequestTime=1669872112"
            ),
            "{query}"
        );
    }
}
