//! Requests as the engine's tests meet them: through the door and the normaliser, to their intents.
//!
//! In: a request, or a sample of the catalogue with one member exchanged. Out: intents, in order.
//! What always holds: nothing is made up on the way; what a test sees is what a rule sees.

use super::Intent;
use crate::call::{Headers, Phase, Provider, RawCall};
use crate::catalogue::Catalogue;
use crate::dialect::door::{Door, Everybody};
use crate::event::{EventFormat, TopicBy};
use crate::normalise::{Normaliser, Settings};
use bumpalo::Bump;
use serde_json::Value;
use std::sync::{Arc, LazyLock};

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::embedded()));
static DOOR: LazyLock<Door> = LazyLock::new(|| Door::new(catalogue(), "demo", Box::new(Everybody)));
static NORMALISER: LazyLock<Normaliser> = LazyLock::new(|| {
    let settings = Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: TopicBy::Kind,
        event_format: EventFormat::Structured,
        event_bytes_max: usize::MAX,
    };
    Normaliser::new(catalogue(), settings)
});

/// The embedded catalogue.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    Arc::clone(&CATALOGUE)
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) provider: Provider,
    pub(crate) query: String,
    pub(crate) body: String,
}

impl Request {
    /// A body that names its command.
    pub(crate) fn new(provider: Provider, body: &Value) -> Self {
        let query = match provider {
            Provider::OpenIm => String::new(),
            Provider::Tencent => {
                "SdkAppid=1400000001&ClientIP=192.0.2.7&OptPlatform=Web".to_owned()
            }
        };
        Self { provider, query, body: body.to_string() }
    }

    /// Shows the intents of the request, received at so many nanoseconds, to `see`.
    pub(crate) fn intents_at(&self, received_ns: u64, see: &mut dyn FnMut(&Intent<'_>)) {
        let arena = Bump::new();
        let call = RawCall {
            provider: self.provider,
            path: "",
            query: &self.query,
            headers: &NoHeaders,
            peer: None,
            body: self.body.as_bytes(),
            received_at_ms: 1_735_689_600_123,
        };
        let callback = DOOR.read(&call, &arena).unwrap_or_else(|_| panic!("everybody may call"));
        for event in NORMALISER.events(&callback, &arena) {
            let Ok(known) = &event.known else { continue };
            if known.plan.phase == Phase::Before {
                see(&Intent {
                    known,
                    source: callback.source,
                    correlation: event.correlation,
                    received_at_ms: callback.received_at_ms,
                    received_ns,
                    arena: &arena,
                    given: None,
                });
            }
        }
    }

    /// As [`Self::intents_at`], at any time.
    pub(crate) fn intents(&self, see: &mut dyn FnMut(&Intent<'_>)) {
        self.intents_at(0, see);
    }
}

/// The samples of all before-commands: command and request.
pub(crate) fn samples() -> Vec<(String, Request)> {
    let mut found = Vec::new();
    let texts = [
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/samples/openim.json")),
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/samples/tencent.json")),
    ];
    for (provider, text) in Provider::ALL.into_iter().zip(texts) {
        let file: Value = serde_json::from_str(text).expect("samples are JSON");
        for sample in file["samples"].as_array().expect("a list") {
            let command = sample["command"].as_str().expect("a name").to_owned();
            let row = catalogue().find(provider, &command).expect("a row");
            if catalogue().plan(row).phase == Phase::After {
                continue;
            }
            let query = sample["query"].as_str().unwrap_or_default();
            let query = match provider {
                Provider::OpenIm => format!("command={command}"),
                Provider::Tencent => {
                    format!("SdkAppid=1400000001&CallbackCommand={command}&{query}")
                }
            };
            found.push((command, Request { provider, query, body: sample["body"].to_string() }));
        }
    }
    found
}
