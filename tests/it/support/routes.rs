//! The six ways on which a callback comes, and what its sender makes of an answer.
//!
//! In: worked examples, one after-, one before- and one unknown command of each provider. Out:
//! requests, and a verdict on the answer, read as the provider's own parser reads it.

use super::bridge::Request;
use super::wire::{Response, post_with};
use imbridge::call::{Phase, Provider};
use imbridge::simulate::Outcome;
use imbridge::simulate::answer;
use serde_json::{Value, json};
use std::path::Path;

/// One way.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) provider: Provider,
    pub(crate) phase: Phase,
    pub(crate) command: &'static str,
    /// Path and query as on the wire.
    pub(crate) target: String,
    pub(crate) body: String,
    /// Members that the answer must repeat when the body was read.
    echoes: &'static [&'static str],
}

/// In the order of [`Statuses`].
pub(crate) fn routes() -> [Route; 6] {
    let route = |name, provider, phase, command: &'static str, like: &str| {
        let target = match provider {
            Provider::OpenIm => format!("/openim/{command}"),
            Provider::Tencent => {
                format!("/tencent?SdkAppid=1400000001&CallbackCommand={command}&contenttype=json")
            }
        };
        let body = body_of(provider, like).replace(like, command);
        let echoes: &[&str] = match command {
            SET_GROUP => &["groupID", "groupName", "introduction", "faceURL"],
            _ => &[],
        };
        Route { name, provider, phase, command, target, body, echoes }
    };
    let (openim, tencent) = (Provider::OpenIm, Provider::Tencent);
    let (after, before) = (Phase::After, Phase::Before);
    [
        route("OpenIM after", openim, after, DISMISS_GROUP, DISMISS_GROUP),
        route("OpenIM before", openim, before, SET_GROUP, SET_GROUP),
        route("OpenIM unknown", openim, after, "callbackNobodyKnows", DISMISS_GROUP),
        route("Tencent after", tencent, after, DESTROYED, DESTROYED),
        route("Tencent before", tencent, before, BEFORE_MESSAGE, BEFORE_MESSAGE),
        route("Tencent unknown", tencent, after, "Group.CallbackNobodyKnows", DESTROYED),
    ]
}

const DISMISS_GROUP: &str = "callbackAfterDisMissGroupCommand";
const SET_GROUP: &str = "callbackBeforeSetGroupInfoCommand";
const DESTROYED: &str = "Group.CallbackAfterGroupDestroyed";
const BEFORE_MESSAGE: &str = "C2C.CallbackBeforeSendMsg";

/// Statuses by route.
pub(crate) type Statuses = [u16; 6];

/// Statuses where `OpenIM` and Tencent's after-commands are told the truth, and Tencent's others 200.
pub(crate) const fn truth(status: u16) -> Statuses {
    [status, status, status, status, 200, 200]
}

/// The worked example of a command.
pub(crate) fn fixture(provider: Provider, command: &str) -> Request {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    let path = root.join(provider.name()).join(command).join("request.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Request::read(&serde_json::from_str(&text).expect("fixtures are JSON"))
}

fn body_of(provider: Provider, command: &str) -> String {
    String::from_utf8(fixture(provider, command).body).expect("it is text")
}

impl Route {
    pub(crate) fn request(&self) -> Vec<u8> {
        self.request_with("", &self.body)
    }

    /// With further header lines and another body.
    pub(crate) fn request_with(&self, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        post_with(&self.target, headers, body)
    }

    /// Whether a callback of this route asks for permission.
    pub(crate) fn asks(&self) -> bool {
        self.phase == Phase::Before
    }

    /// How the provider takes the answer. Status aside: `OpenIM` never looks at it, and an
    /// after-callback of Tencent is over either way.
    fn outcome(&self, response: &Response) -> Outcome {
        let reading = match self.provider {
            Provider::OpenIm => answer::openim(self.phase, 200, &response.body),
            Provider::Tencent => answer::tencent(self.phase, self.command, 200, &response.body),
        };
        if let Some(reason) = reading.reason {
            panic!("{}: {reason}: {}", self.name, response.text());
        }
        reading.outcome
    }

    /// The answer lets pass, says nothing else, and repeats what it must if the body was read.
    pub(crate) fn assert_allows(&self, response: &Response, with_echoes: bool) {
        assert_eq!(self.outcome(response), Outcome::Accepted, "{}: {response:?}", self.name);
        let mut wanted = match self.provider {
            Provider::OpenIm => {
                json!({"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0})
            }
            Provider::Tencent => json!({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0}),
        };
        let asked: Value = serde_json::from_str(&self.body).expect("the example is JSON");
        for name in self.echoes.iter().filter(|_| with_echoes) {
            wanted[name] = asked[name].clone();
        }
        assert_eq!(response.json(), wanted, "{}", self.name);
        self.assert_json(response);
    }

    /// The answer denies.
    pub(crate) fn assert_denies(&self, response: &Response) {
        assert_eq!(self.outcome(response), Outcome::Denied, "{}: {response:?}", self.name);
        self.assert_json(response);
    }

    fn assert_json(&self, response: &Response) {
        assert_eq!(response.header("content-type"), Some("application/json"), "{}", self.name);
    }
}
