//! What librdkafka clients other than producers do with errors and log lines: keep the last error,
//! pass lines on to our log.
//!
//! In: callbacks of librdkafka. Out: log lines below the target `librdkafka`, and the last error for
//! whoever wants to explain a failed request. What always holds: nothing is printed.

use super::producer::{SignalClass, signal_class};
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Passes a line of librdkafka on. Its error lines repeat what the error callback says, so they are
/// for those who ask for them, and so is its remark on the guarantee that we chose on purpose.
pub(super) fn pass_on(level: Level, facility: &str, message: &str) {
    let on_purpose = message.contains("enable.gapless.guarantee is experimental");
    if matches!(level, Level::Warning) && !on_purpose {
        tracing::warn!(target: "librdkafka", facility, "{message}");
    } else {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }
}

/// Context of all clients but a session's producer.
#[derive(Debug, Clone, Default)]
pub(super) struct Quiet {
    last_error: Arc<Mutex<Option<(Code, String)>>>,
    events: Arc<AtomicU64>,
}

impl Quiet {
    /// Number of log lines and errors so far: whether a poll brought one.
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// The error that the client raised and that says most; of equals the last.
    pub(super) fn last_error(&self) -> Option<(Code, String)> {
        self.last_error.lock().clone()
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: Level, facility: &str, message: &str) {
        self.events.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        let mut last = self.last_error.lock();
        if last.as_ref().is_none_or(|(old, _)| weight(code) >= weight(*old)) {
            *last = Some((code, reason.to_owned()));
        }
    }
}

/// That all brokers are down says less than why the last one is; that a connection was lost says
/// less than that it was refused.
const fn weight(code: Code) -> u8 {
    match signal_class(code) {
        SignalClass::Authentication | SignalClass::Tls => 2,
        _ if matches!(code, Code::AllBrokersDown) => 0,
        _ => 1,
    }
}

impl ProducerContext<NoCustomPartitioner> for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, _opaque: ()) {}
}

impl ConsumerContext for Quiet {}
