//! Rules of five shapes, as a file and as closures that somebody wrote for this very request.
//!
//! In: how many. Out: both forms. What always holds: they ask the same of the same fields, and none
//! of them matches the request of the bench.

use imbridge::event::Value;
use imbridge::normalise::Known;
use memchr::memmem::Finder;
use std::fmt::Write as _;

/// The fields that the rules look at.
pub struct Plain<'a> {
    sender_id: &'a str,
    group_id: &'a str,
    content_type: &'a str,
    platform: &'a str,
    text: &'a str,
    mentions: usize,
    now: i64,
}

/// One rule by hand.
pub type Check = Box<dyn Fn(&Plain<'_>) -> bool>;

impl<'a> Plain<'a> {
    /// Those of a request.
    pub fn of(known: &Known<'a>, now: i64) -> Self {
        let value = |name: &str| {
            let at = known.plan.slots.iter().position(|slot| **slot == *name);
            known.slots[at.expect("the command has the field")]
        };
        let text = |name: &str| value(name).text().unwrap_or_default();
        Self {
            sender_id: text("sender_id"),
            group_id: text("group_id"),
            content_type: text("content_type"),
            platform: text("platform"),
            text: text("text"),
            mentions: if let Value::List(list) = value("mentions") { list.len() } else { 0 },
            now,
        }
    }
}

/// A rule file with so many rules.
pub fn file(count: usize) -> String {
    let mut file = "version: 1\nrules:\n".to_owned();
    for at in 0..count {
        let when = match at % 5 {
            0 => format!("msg.sender_id == \"blocked-{at}\" && msg.platform == \"ios\""),
            1 => format!("msg.group_id in [\"a{at}\", \"b{at}\", \"c{at}\"]"),
            2 => format!("msg.content_type == \"image\" && size(msg.mentions) > {at}"),
            3 => format!("msg.text.contains(\"needle {at}\")"),
            _ => format!(
                "now < {at} || (msg.platform == \"web\" && msg.sender_id.startsWith(\"x{at}\"))"
            ),
        };
        writeln!(
            file,
            "  - {{ id: r{at}, on: [message.group.send], when: '{when}', then: {{ deny: true }} }}"
        )
        .expect("a text takes all that is written");
    }
    file
}

/// The same rules.
pub fn checks(count: usize) -> Vec<Check> {
    (0..count).map(check).collect()
}

fn check(at: usize) -> Check {
    match at % 5 {
        0 => {
            let id = format!("blocked-{at}");
            Box::new(move |plain| plain.sender_id == id && plain.platform == "ios")
        }
        1 => {
            let ids = [format!("a{at}"), format!("b{at}"), format!("c{at}")];
            Box::new(move |plain| ids.iter().any(|id| id == plain.group_id))
        }
        2 => Box::new(move |plain| plain.content_type == "image" && plain.mentions > at),
        3 => {
            let finder = Finder::new(&format!("needle {at}")).into_owned();
            Box::new(move |plain| finder.find(plain.text.as_bytes()).is_some())
        }
        _ => {
            let start = format!("x{at}");
            let least = i64::try_from(at).expect("a small number");
            Box::new(move |plain| {
                plain.now < least
                    || (plain.platform == "web" && plain.sender_id.starts_with(&start))
            })
        }
    }
}
