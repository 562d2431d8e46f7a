//! Makes an intent of fields that are given by hand.
//!
//! In: a target, fields by name as JSON, a body. Out: what the normaliser would have made of a
//! request with these fields: a [`Known`] with slots in the arena. What always holds: fields are
//! taken as they are, nothing is derived; a value of another type than its field's is reported and
//! left out.

use super::schema::Target;
use crate::catalogue::plan::KindPlan;
use crate::catalogue::{Catalogue, FieldType, Word};
use crate::event::{Item, Value};
use crate::json::{Json, Kind, Node};
use crate::normalise::Known;
use crate::normalise::path::{Found, find};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// Longest part of a value that a message quotes, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// The kind of a target.
#[must_use]
pub fn kind_of(catalogue: &Catalogue, target: Target) -> &KindPlan {
    &catalogue.plan(target.row).kinds[usize::from(target.kind)]
}

/// Reads a text that is JSON, and keeps it in the arena; `None` when it is none.
#[must_use]
pub fn json<'a>(text: &str, arena: &'a Bump) -> Option<Node<'a>> {
    let json = Json::read_event(arena.alloc_str(text), arena).ok()?;
    let json: &'a Json<'a> = arena.alloc(json);
    Some(json.root())
}

/// An intent of the target with these members as fields, those that the kind lists; `raw` and what
/// the row never carries are left out. `wrong` is told of values that are of another type.
pub fn known<'a>(
    catalogue: &'a Catalogue,
    target: Target,
    fields: Node<'a>,
    body: Node<'a>,
    arena: &'a Bump,
    mut wrong: impl FnMut(&str, String),
) -> Known<'a> {
    let plan = catalogue.plan(target.row);
    let kind = kind_of(catalogue, target);
    let slots = arena.alloc_slice_fill_copy(plan.slots.len(), Value::Absent);
    for member in fields.members() {
        let Some(word) = field(catalogue, kind, member.name) else { continue };
        match value(catalogue, word, member.value, arena) {
            Ok(value) => {
                let slot = plan.slots.iter().position(|slot| **slot == *member.name);
                if let Some(slot) = slot {
                    slots[slot] = value;
                }
            }
            Err(why) => wrong(member.name, why),
        }
    }
    let kept = |at| kind.keep.iter().any(|(slot, _)| *slot == at);
    let time = plan.derived.occurred_at_ms.filter(|at| kept(*at));
    Known {
        row: target.row,
        plan,
        kind,
        time_ms: time.and_then(|slot| slots[usize::from(slot.0)].int()),
        slots,
        body,
        element: element(catalogue, target, body, arena),
    }
}

/// The word of a field that the kind lists and that a request may have.
#[must_use]
pub fn field<'c>(catalogue: &'c Catalogue, kind: &KindPlan, name: &str) -> Option<&'c Word> {
    let mut listed = catalogue.kind(kind.kind).fields.iter();
    listed.find(|(field, _)| **field == *name && name != "raw")?;
    catalogue.word(name)
}

/// Records of a fan-out have the list with their own element alone.
fn element<'a>(
    catalogue: &Catalogue,
    target: Target,
    body: Node<'a>,
    arena: &'a Bump,
) -> Option<Node<'a>> {
    let plan = catalogue.plan(target.row);
    let each = &plan.each.as_ref()?.path;
    let start = match each.root {
        Some(root) => body.get(plan.roots.names().get(usize::from(root.0))?)?,
        None => body,
    };
    match find(start, &each.steps, arena) {
        Found::One(list) => list.items().next(),
        Found::Nothing | Found::Many(_) => None,
    }
}

/// The value as one of the field; null is absent.
///
/// # Errors
/// It is of another type; the message says what was expected and what was found.
pub fn value<'a>(
    catalogue: &Catalogue,
    word: &Word,
    node: Node<'a>,
    arena: &'a Bump,
) -> Result<Value<'a>, String> {
    let expected = |what: &str| Err(format!("expected {what}, found {}", quoted(node)));
    if node.is_null() {
        return Ok(Value::Absent);
    }
    match word.field_type {
        FieldType::Text | FieldType::Int | FieldType::Bool => {
            scalar(word.field_type, node).ok_or(()).or_else(|()| expected(article(word.field_type)))
        }
        FieldType::Texts | FieldType::Ints => {
            let of =
                if word.field_type == FieldType::Texts { FieldType::Text } else { FieldType::Int };
            let items: Option<Vec<Value<'a>>> = node.items().map(|item| scalar(of, item)).collect();
            match items.filter(|_| node.is_list()) {
                Some(items) => Ok(Value::List(arena.alloc_slice_copy(&items))),
                None => expected(article(word.field_type)),
            }
        }
        FieldType::Items => {
            if !node.is_list() {
                return expected("a list of objects");
            }
            let mut items: BumpVec<'a, Item<'a>> = BumpVec::new_in(arena);
            for item in node.items() {
                items.push(object(catalogue, word, item, arena)?);
            }
            Ok(Value::Items(items.into_bump_slice()))
        }
        FieldType::Object => Err("it cannot be given by hand".to_owned()),
    }
}

/// One item of a list of objects, with its fields in the order of the vocabulary.
fn object<'a>(
    catalogue: &Catalogue,
    word: &Word,
    node: Node<'a>,
    arena: &'a Bump,
) -> Result<Item<'a>, String> {
    if !node.is_object() {
        return Err(format!("expected an object in the list, found {}", quoted(node)));
    }
    let known = |name: &str| word.items.iter().find(|item| ***item == *name);
    if let Some(member) = node.members().find(|member| known(member.name).is_none()) {
        let names = word.items.iter().map(|item| &**item);
        let near = super::problem::did_you_mean(member.name, names);
        return Err(format!("an item has no field {:?}{near}", member.name));
    }
    let mut item = BumpVec::new_in(arena);
    for name in &word.items {
        let Some(member) = node.get(name).filter(|member| !member.is_null()) else { continue };
        let field_type = catalogue.word(name).map_or(FieldType::Text, |word| word.field_type);
        let value = scalar(field_type, member).ok_or_else(|| {
            format!("{name} of an item: expected {}, found {}", article(field_type), quoted(member))
        })?;
        item.push((&*arena.alloc_str(name), value));
    }
    Ok(item.into_bump_slice())
}

fn scalar(field_type: FieldType, node: Node<'_>) -> Option<Value<'_>> {
    match field_type {
        FieldType::Text => node.text().map(Value::Text),
        FieldType::Int => {
            let literal = node.literal().filter(|_| node.is_integer())?;
            literal.parse().ok().map(Value::Int)
        }
        FieldType::Bool => match node.kind() {
            Kind::True => Some(Value::Bool(true)),
            Kind::False => Some(Value::Bool(false)),
            _ => None,
        },
        FieldType::Texts | FieldType::Ints | FieldType::Items | FieldType::Object => None,
    }
}

const fn article(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a string",
        FieldType::Int => "an integer of 64 bits",
        FieldType::Bool => "true or false",
        FieldType::Texts => "a list of strings",
        FieldType::Ints => "a list of integers",
        FieldType::Items => "a list of objects",
        FieldType::Object => "an object",
    }
}

fn quoted(node: Node<'_>) -> String {
    let text = node.source();
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Provider;

    fn target(catalogue: &Catalogue, command: &str) -> Target {
        let (row, plan) = catalogue
            .indexed_rows()
            .find(|(_, plan)| *plan.command == *command)
            .expect("a command of the catalogue");
        Target { provider: plan.provider, row, kind: 0 }
    }

    /// Slots that are there, as `name=value`, and what was wrong.
    fn made(command: &str, fields: &str) -> (Vec<String>, Vec<String>) {
        let catalogue = Catalogue::embedded();
        let arena = Bump::new();
        let fields = json(fields, &arena).expect("JSON");
        let body = json("{}", &arena).expect("JSON");
        let mut told = Vec::new();
        let known =
            known(&catalogue, target(&catalogue, command), fields, body, &arena, |name, why| {
                told.push(format!("{name}: {why}"));
            });
        let named = known.plan.slots.iter().zip(known.slots);
        let there = named.filter(|(_, value)| !value.is_absent());
        (there.map(|(name, value)| format!("{name}={value:?}")).collect(), told)
    }

    #[test]
    fn fields_are_taken_as_they_are_and_nothing_is_derived() {
        let (slots, wrong) = made(
            "callbackBeforeSendGroupMsgCommand",
            r#"{"conversation_id":"group:g1","sequence":null,"sender_id":"u1","mentions":["a","b"],
                "mention_all":true,"sent_at_ms":5}"#,
        );
        assert_eq!(wrong, Vec::<String>::new());
        let expected = [
            r#"sender_id=Text("u1")"#,
            r#"conversation_id=Text("group:g1")"#,
            "sent_at_ms=Int(5)",
            r#"mentions=List([Text("a"), Text("b")])"#,
        ];
        for one in expected {
            assert!(slots.iter().any(|slot| slot == one), "{one} is missing: {slots:?}");
        }
        assert!(!slots.iter().any(|slot| slot.starts_with("group_id")), "{slots:?}");
    }

    #[test]
    fn a_value_of_another_type_is_reported_and_left_out() {
        let (slots, wrong) = made(
            "callbackBeforeSendGroupMsgCommand",
            r#"{"sender_id":5,"sent_at_ms":1.5,"mentions":"a","content_types":["a",1]}"#,
        );
        assert_eq!(slots, Vec::<String>::new());
        let mut wrong = wrong;
        wrong.sort();
        assert_eq!(
            wrong,
            [
                r#"content_types: expected a list of strings, found ["a",1]"#,
                r#"mentions: expected a list of strings, found "a""#,
                "sender_id: expected a string, found 5",
                "sent_at_ms: expected an integer of 64 bits, found 1.5",
            ]
        );
    }

    #[test]
    fn items_of_lists_are_typed_like_the_words_of_their_names() {
        let (slots, wrong) = made(
            "callbackBeforeUserRegisterCommand",
            r#"{"users":[{"nickname":"Ann","user_id":"u1"},{}]}"#,
        );
        assert_eq!(wrong, Vec::<String>::new());
        let users = r#"users=Items([[("user_id", Text("u1")), ("nickname", Text("Ann"))], []])"#;
        assert_eq!(slots, [users]);
        let (_, wrong) = made("callbackBeforeUserRegisterCommand", r#"{"users":[{"nick":"A"}]}"#);
        assert_eq!(wrong, [r#"users: an item has no field "nick""#]);
        let (_, wrong) = made("callbackBeforeUserRegisterCommand", r#"{"users":[{"extra":1}]}"#);
        assert_eq!(wrong, ["users: extra of an item: expected a string, found 1"]);
    }

    #[test]
    fn the_element_of_a_fan_out_is_the_first_of_the_bodys_list() {
        let catalogue = Catalogue::embedded();
        let arena = Bump::new();
        let target = target(&catalogue, "Sns.CallbackPrevFriendAdd");
        assert_eq!(target.provider, Provider::Tencent);
        let fields = json("{}", &arena).expect("JSON");
        let body = json(r#"{"FriendItem":[{"To_Account":"u2"}]}"#, &arena).expect("JSON");
        let known = known(&catalogue, target, fields, body, &arena, |_, _| {});
        let element = known.element.expect("there is one");
        assert_eq!(element.source(), r#"{"To_Account":"u2"}"#);
    }
}
