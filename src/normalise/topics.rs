//! Names of topics: what goes where, by kind, by command, or all into one.

use crate::call::{Phase, RowIndex};
use crate::catalogue::Catalogue;
use crate::catalogue::plan::{KindIndex, Plan};
use crate::event::TopicBy;

/// Topic of every record there can be, worked out at start.
#[derive(Debug)]
pub struct Topics {
    by: TopicBy,
    kinds: Vec<String>,
    commands: Vec<String>,
    decisions: String,
    unknown: String,
    dead_letters: String,
    one: String,
}

impl Topics {
    /// Names for a catalogue; `prefix` stands in front of each.
    #[must_use]
    pub fn new(catalogue: &Catalogue, prefix: &str, by: TopicBy) -> Self {
        let command = |row: &Plan| format!("{prefix}{}.{}", row.provider.name(), row.command);
        Self {
            by,
            kinds: catalogue.kinds.iter().map(|kind| format!("{prefix}{}", kind.name)).collect(),
            commands: catalogue.rows.iter().map(command).collect(),
            decisions: format!("{prefix}decisions"),
            unknown: format!("{prefix}unknown"),
            dead_letters: format!("{prefix}deadletter"),
            one: format!("{prefix}events"),
        }
    }

    /// Topic of an after-event.
    #[must_use]
    pub fn event(&self, row: RowIndex, kind: KindIndex) -> &str {
        match self.by {
            TopicBy::Kind => &self.kinds[usize::from(kind.0)],
            TopicBy::Command => &self.commands[usize::from(row.0)],
            TopicBy::One => &self.one,
        }
    }

    /// Topic of what becomes of a row: of its events of a kind, or of the decisions about it.
    #[must_use]
    pub fn of(&self, plan: &Plan, row: RowIndex, kind: KindIndex) -> &str {
        if plan.phase == Phase::Before { self.decisions() } else { self.event(row, kind) }
    }

    /// Topic of decision records.
    #[must_use]
    pub fn decisions(&self) -> &str {
        if self.by == TopicBy::One { &self.one } else { &self.decisions }
    }

    /// Topic of what cannot be classified.
    #[must_use]
    pub fn unknown(&self) -> &str {
        if self.by == TopicBy::One { &self.one } else { &self.unknown }
    }

    /// Topic of records that their own topic refuses: always one of its own.
    #[must_use]
    pub fn dead_letters(&self) -> &str {
        &self.dead_letters
    }

    /// All topics, each once, sorted.
    #[must_use]
    pub fn all(&self, catalogue: &Catalogue) -> Vec<String> {
        let fixed = [self.decisions(), self.unknown(), self.dead_letters()];
        let mut topics: Vec<String> = fixed.map(str::to_owned).into();
        for (index, plan) in catalogue.rows.iter().enumerate() {
            let row = RowIndex(u16::try_from(index).expect("rows are numbered in 16 bits"));
            if plan.phase == Phase::After {
                topics.extend(plan.kinds.iter().map(|kind| self.event(row, kind.kind).to_owned()));
            }
        }
        topics.sort_unstable();
        topics.dedup();
        topics
    }
}

/// Kafka takes names up to this length.
const NAME_BYTES_MAX: usize = 249;

/// What Kafka would say against a topic's name; `None` when it is legal.
#[must_use]
pub fn illegal(topic: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if topic.len() > NAME_BYTES_MAX {
        let length = topic.len();
        return Some(format!("topic {topic} has {length} bytes, Kafka takes {NAME_BYTES_MAX}"));
    }
    let odd = topic.chars().find(|c| !u8::try_from(*c).is_ok_and(legal))?;
    Some(format!("topic {topic} has the character {odd:?}, Kafka takes letters, digits, . _ -"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(prefix: &str, by: TopicBy) -> (Topics, Catalogue) {
        let catalogue = Catalogue::embedded();
        (Topics::new(&catalogue, prefix, by), catalogue)
    }

    #[test]
    fn a_kind_has_one_topic_for_both_providers_and_a_command_one_of_its_own() {
        let (by_kind, catalogue) = topics("im.", TopicBy::Kind);
        let (by_command, _) = topics("chat.", TopicBy::Command);
        let dismissed = |provider, name: &str| {
            let row = catalogue.find(provider, name).expect("it has a row");
            let kind = catalogue.plan(row).kinds[0].kind;
            (by_kind.event(row, kind).to_owned(), by_command.event(row, kind).to_owned())
        };
        let openim = dismissed(crate::call::Provider::OpenIm, "callbackAfterDisMissGroupCommand");
        let tencent =
            dismissed(crate::call::Provider::Tencent, "Group.CallbackAfterGroupDestroyed");
        assert_eq!(openim.0, "im.group.dismissed");
        assert_eq!(openim.0, tencent.0);
        assert_eq!(openim.1, "chat.openim.callbackAfterDisMissGroupCommand");
        assert_eq!(tencent.1, "chat.tencent.Group.CallbackAfterGroupDestroyed");
    }

    #[test]
    fn one_topic_takes_everything_but_what_it_refuses() {
        let (topics, catalogue) = topics("im.", TopicBy::One);
        assert_eq!(topics.all(&catalogue), ["im.deadletter", "im.events"]);
        assert_eq!((topics.decisions(), topics.unknown()), ("im.events", "im.events"));
    }

    #[test]
    fn all_topics_are_legal_names_and_before_kinds_have_none_of_their_own() {
        for by in [TopicBy::Kind, TopicBy::Command] {
            let (topics, catalogue) = topics("im.", by);
            let all = topics.all(&catalogue);
            assert!(all.len() > 70 && all.iter().all(|topic| illegal(topic).is_none()), "{all:?}");
            for fixed in ["im.decisions", "im.unknown", "im.deadletter"] {
                assert!(all.contains(&fixed.to_owned()), "{fixed}");
            }
            assert!(!all.contains(&"im.group.member.update".to_owned()));
        }
        assert!(illegal(&"x".repeat(250)).is_some() && illegal("im.a/b").is_some());
    }
}
