//! The few of librdkafka's statistics that are shown.
//!
//! In: the JSON text that librdkafka hands out every second. Out: [`Stats`]. What always holds: a
//! member that is missing counts as zero; text that is no JSON yields `None`.

use serde::Deserialize;
use std::collections::HashMap;

/// One client's state at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Messages queued or in flight.
    pub queue_messages: u64,
    /// Their bytes.
    pub queue_bytes: u64,
    /// Brokers that the cluster named, by `host:port`; bootstrap entries are left out once it has.
    pub brokers: Vec<BrokerStats>,
}

/// One broker as a client sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BrokerStats {
    /// `host:port`.
    pub name: String,
    /// Connected and usable.
    pub up: bool,
    /// Mean round-trip time in the last interval, in seconds.
    pub rtt_seconds: f64,
    /// Mean throttling in the last interval, in seconds.
    pub throttle_seconds: f64,
}

impl Stats {
    /// Reads librdkafka's text.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let whole: Whole = serde_json::from_slice(json).ok()?;
        let mut seen: Vec<Broker> = whole.brokers.into_values().collect();
        if seen.iter().any(|broker| broker.nodeid >= 0) {
            seen.retain(|broker| broker.nodeid >= 0);
        }
        seen.retain(|broker| broker.source != "internal" && broker.source != "logical");
        let mut brokers: Vec<_> = seen.into_iter().map(Broker::show).collect();
        brokers.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self { queue_messages: whole.msg_cnt, queue_bytes: whole.msg_size, brokers })
    }

    /// Whether at least one broker is usable.
    #[must_use]
    pub fn any_broker_up(&self) -> bool {
        self.brokers.iter().any(|broker| broker.up)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Whole {
    msg_cnt: u64,
    msg_size: u64,
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Broker {
    nodeid: i32,
    nodename: String,
    source: String,
    state: String,
    rtt: Mean,
    throttle: Mean,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Mean {
    avg: f64,
}

impl Broker {
    fn show(self) -> BrokerStats {
        BrokerStats {
            name: self.nodename,
            up: matches!(self.state.as_str(), "UP" | "UPDATE"),
            rtt_seconds: self.rtt.avg / 1e6,
            throttle_seconds: self.throttle.avg / 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_brokers_replace_bootstrap_entries() {
        let json = br#"{"msg_cnt":3,"msg_size":450,"txmsgs":7,"txmsg_bytes":99,"topics":{"t":{}},
            "brokers":{
              "a:9092/bootstrap":{"nodeid":-1,"nodename":"a:9092","source":"configured","state":"DOWN"},
              "a:9092/1":{"nodeid":1,"nodename":"a:9092","source":"learned","state":"UP",
                          "rtt":{"avg":1500},"throttle":{"avg":250},"req_timeouts":2,"disconnects":1}}}"#;
        let stats = Stats::parse(json).expect("it is JSON");
        assert_eq!((stats.queue_messages, stats.queue_bytes), (3, 450));
        assert!(stats.any_broker_up());
        let [broker] = stats.brokers.as_slice() else { panic!("one broker: {stats:?}") };
        assert_eq!(broker.name, "a:9092");
        assert!((broker.rtt_seconds - 0.0015).abs() < 1e-9);
        assert!((broker.throttle_seconds - 0.25).abs() < 1e-9);
    }

    #[test]
    fn without_a_cluster_the_bootstrap_entries_are_shown_as_down() {
        let json = br#"{"brokers":{"a:1/bootstrap":{"nodeid":-1,"nodename":"a:1",
            "source":"configured","state":"CONNECT"}}}"#;
        let stats = Stats::parse(json).expect("it is JSON");
        assert_eq!(stats.brokers.len(), 1);
        assert!(!stats.any_broker_up());
    }

    #[test]
    fn text_that_is_no_json_is_no_statistics() {
        assert_eq!(Stats::parse(b"not json"), None);
    }
}
