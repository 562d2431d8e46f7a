//! Which events are shown.
//!
//! In: what somebody asked for, and an event. Out: yes or no. What always holds: of one option any
//! value may fit, every option that is given must; without options every event is shown.

use super::envelope::Envelope;
use serde_json::{Map, Value};

/// Fields that end like ids of users and are ids of something else.
const OTHER_IDS: &[&str] = &[
    "battle_id",
    "call_id",
    "client_message_id",
    "connection_id",
    "conversation_id",
    "gift_id",
    "group_id",
    "message_id",
    "moderation_id",
    "official_account_id",
    "peer_room_ids",
    "push_id",
    "room_id",
    "rule_id",
    "task_data_id",
    "task_id",
    "topic_id",
];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Kinds, with or without `im.`; `group.*` stands for all below it.
    pub(super) kinds: Vec<String>,
    /// Values of `conversation_id`, or of the key, which for all that happens in a group is its
    /// conversation's.
    pub(super) conversations: Vec<String>,
    /// Users.
    pub(super) users: Vec<String>,
}

impl Filter {
    /// Whether any option was given; records that are no events are shown only if not.
    pub(super) const fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.conversations.is_empty() && self.users.is_empty()
    }

    /// Whether an event is shown.
    pub(super) fn takes(&self, event: &Envelope) -> bool {
        let any = |asked: &[String], fits: &dyn Fn(&str) -> bool| {
            asked.is_empty() || asked.iter().any(|asked| fits(asked))
        };
        let conversation = event.field("conversation_id").and_then(Value::as_str);
        any(&self.kinds, &|asked| is_kind(asked, event.kind()))
            && any(&self.conversations, &|asked| {
                conversation == Some(asked) || event.attribute("partitionkey") == asked
            })
            && any(&self.users, &|user| event.data().is_some_and(|data| names(data, user)))
    }
}

fn is_kind(asked: &str, kind: &str) -> bool {
    let asked = asked.strip_prefix("im.").unwrap_or(asked);
    match asked.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => asked == kind,
    }
}

/// Whether a field holds ids of users.
pub(super) fn is_user_field(name: &str) -> bool {
    name == "mentions"
        || (name.ends_with("_id") || name.ends_with("_ids")) && !OTHER_IDS.contains(&name)
}

/// Whether a field names the user; `raw`, which is the provider's, is not looked at.
fn names(data: &Map<String, Value>, user: &str) -> bool {
    data.iter().any(|(name, value)| match value {
        Value::String(text) => is_user_field(name) && text == user,
        Value::Array(items) => items.iter().any(|item| match item {
            Value::String(text) => is_user_field(name) && text == user,
            Value::Object(item) => names(item, user),
            _ => false,
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::envelope::tests::record;
    use super::*;
    use crate::catalogue::Catalogue;

    fn event(kind: &str, data: &str) -> Envelope {
        let text = format!(
            r#"{{"specversion":"1.0","type":"im.{kind}","partitionkey":"group:g1","data":{data}}}"#
        );
        Envelope::read(&record(&text, &[])).unwrap()
    }

    fn takes(kinds: &[&str], conversations: &[&str], users: &[&str], event: &Envelope) -> bool {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (kinds, conversations, users) = (owned(kinds), owned(conversations), owned(users));
        Filter { kinds, conversations, users }.takes(event)
    }

    #[test]
    fn a_kind_is_asked_for_by_name_or_by_its_beginning() {
        let event = event("group.member.joined", "{}");
        for kind in ["group.member.joined", "im.group.member.joined", "group.*", "im.group.m*"] {
            assert!(takes(&[kind], &[], &[], &event), "{kind}");
        }
        for kind in ["group.member", "group", "member.*", ""] {
            assert!(!takes(&[kind], &[], &[], &event), "{kind}");
        }
        assert!(takes(&["user.*", "group.*"], &[], &[], &event));
    }

    #[test]
    fn a_conversation_is_found_in_its_field_and_in_the_key() {
        let message = event("message.direct.sent", r#"{"conversation_id":"direct:a_b"}"#);
        assert!(takes(&[], &["direct:a_b"], &[], &message));
        assert!(takes(&[], &["group:g1"], &[], &message));
        assert!(!takes(&[], &["direct:a"], &[], &message));
    }

    #[test]
    fn a_user_is_found_in_every_field_that_names_users_and_in_no_other() {
        let data = r#"{"sender_id":"a","recipient_ids":["b"],"mentions":["c"],"group_id":"g",
            "seats":[{"index":0,"user_id":"d"}],"text":"e","raw":{"userID":"f"}}"#;
        let event = event("x", data);
        for user in ["a", "b", "c", "d"] {
            assert!(takes(&[], &[], &[user], &event), "{user}");
        }
        for other in ["g", "e", "f", ""] {
            assert!(!takes(&[], &[], &[other], &event), "{other}");
        }
        assert!(!takes(&["y"], &[], &["a"], &event), "every option must fit");
    }

    #[test]
    fn every_id_of_the_vocabulary_is_a_users_or_listed_as_something_else() {
        let catalogue = Catalogue::embedded();
        let names = catalogue.vocabulary.iter().map(|word| &*word.field);
        let mut users: Vec<&str> = names.filter(|name| is_user_field(name)).collect();
        users.sort_unstable();
        assert_eq!(
            users.join(" "),
            "admin_ids applicant_id blocked_id bot_ids callee_ids caller_id creator_id \
             followed_ids friend_id friend_ids initiator_id invitee_ids member_ids mentions \
             operator_id owner_id peer_id previous_owner_id reader_id reader_ids recipient_id \
             recipient_ids refused_ids sender_id subscriber_ids user_id user_ids"
        );
        for other in OTHER_IDS {
            assert!(catalogue.word(other).is_some(), "{other} is no word");
        }
    }
}
