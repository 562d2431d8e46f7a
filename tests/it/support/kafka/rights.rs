//! Takes rights on topics away and gives them back, while a broker runs.
//!
//! In: the beginning of topics' names, and what may not be done with them. Out: the broker's
//! consent. The client library has no calls for this, so the two requests are written by hand, in
//! the oldest version that the broker knows. Invariant: an answer with an error is a panic.
//!
//! Needs a broker with [`AUTHORIZER`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Broker;

/// Properties of a broker whose rights can be changed; without a rule everything is allowed.
pub(crate) const AUTHORIZER: [(&str, &str); 2] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("allow.everyone.if.no.acl.found", "true"),
];

/// Everybody, as long as nobody has to say who he is.
const PRINCIPAL: &str = "User:ANONYMOUS";
const PATIENCE: Duration = Duration::from_secs(20);

const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const VERSION: i16 = 1;
const TOPIC: u8 = 2;
const ANY_PATTERN: u8 = 1;
const PREFIXED: u8 = 4;
const ANY: u8 = 1;
const ALL: u8 = 2;
const WRITE: u8 = 4;
const DENY: u8 = 2;
const ALLOW: u8 = 3;

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Writing alone: the topic can still be seen.
    Write,
    /// Everything: the topic cannot even be described.
    Everything,
}

impl Broker {
    /// Takes a right on all topics away whose names begin with `prefix`.
    ///
    /// # Panics
    /// When the broker refuses.
    pub(crate) fn deny(&self, prefix: &str, right: Right) {
        let rule = |operation, permission| {
            let mut rule = vec![TOPIC];
            put(&mut rule, prefix);
            rule.push(PREFIXED);
            put(&mut rule, PRINCIPAL);
            put(&mut rule, "*");
            rule.extend([operation, permission]);
            rule
        };
        // Where there is a rule, whatever no rule allows is denied.
        let rules = match right {
            Right::Write => vec![rule(WRITE, DENY), rule(ALL, ALLOW)],
            Right::Everything => vec![rule(ALL, DENY)],
        };
        let mut body = length(rules.len());
        body.extend(rules.concat());
        self.ask(CREATE_ACLS, &body);
    }

    /// Removes all rules for topics whose names begin with exactly this `prefix`.
    ///
    /// # Panics
    /// When the broker refuses.
    pub(crate) fn allow_again(&self, prefix: &str) {
        let mut body = length(1);
        body.push(TOPIC);
        put(&mut body, prefix);
        body.push(ANY_PATTERN);
        // No principal and no host: whoever it is about.
        body.extend([0xff; 4]);
        body.extend([ANY, ANY]);
        self.ask(DELETE_ACLS, &body);
    }

    /// Sends a request and insists on an answer whose every part says "no error".
    fn ask(&self, api: i16, body: &[u8]) {
        let mut request = Vec::new();
        request.extend(api.to_be_bytes());
        request.extend(VERSION.to_be_bytes());
        // Correlation id, and no client id.
        request.extend([0, 0, 0, 7, 0xff, 0xff]);
        request.extend(body);
        let mut stream = TcpStream::connect(self.bootstrap()).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out that is not zero");
        let size = length(request.len());
        stream.write_all(&[size, request].concat()).expect("the broker reads");
        let mut size = [0; 4];
        stream.read_exact(&mut size).expect("the broker answers");
        let size = usize::try_from(u32::from_be_bytes(size)).expect("32 bits fit");
        let mut answer = vec![0; size];
        stream.read_exact(&mut answer).expect("the broker answers whole");
        // Correlation id, throttle time, number of results, the first one's error.
        let (head, results) = answer.split_at(12);
        assert_eq!(head[..4], [0, 0, 0, 7], "an answer to something else");
        assert_ne!(head[8..12], [0; 4], "no result");
        assert_eq!(results[..2], [0, 0], "refused: {:?}", String::from_utf8_lossy(results));
    }
}

fn length(length: usize) -> Vec<u8> {
    i32::try_from(length).expect("requests are short").to_be_bytes().to_vec()
}

/// Appends a text with its length.
fn put(into: &mut Vec<u8>, text: &str) {
    into.extend(i16::try_from(text.len()).expect("names are short").to_be_bytes());
    into.extend(text.as_bytes());
}
