//! What a field takes: locators in all their forms, and the type of what they give.
//!
//! In: the JSON of a field (text, list, `when`, `each`). Out: a [`Take`] and nothing else than the type
//! that the vocabulary has for the field. What always holds: a take that is handed out gives that
//! type or nothing.

use serde_json::Value;

use super::FieldType;
use super::locator::LocatorReader;
use super::object::{Object, boxed};
use super::plan::{Coercion, Locator, Source, Take, Test};
use super::problem::Spot;
use super::vocabulary::{Vocabulary, Word};

/// Reads what fields take.
pub(super) struct TakeReader<'a, 'r> {
    pub(super) locators: &'r mut LocatorReader<'a>,
    pub(super) vocabulary: &'r Vocabulary,
}

impl TakeReader<'_, '_> {
    /// What a field of the vocabulary takes; `None` when something was reported.
    pub(super) fn field(&mut self, word: &Word, value: &Value, spot: &Spot<'_>) -> Option<Take> {
        self.take(word.field_type, Some(word), value, spot)
    }

    fn take(
        &mut self,
        wanted: FieldType,
        word: Option<&Word>,
        value: &Value,
        spot: &Spot<'_>,
    ) -> Option<Take> {
        match value {
            Value::String(text) => {
                let locator = self.typed(wanted, text, spot)?;
                Some(Take::Locator(locator))
            }
            Value::Array(alternatives) if !alternatives.is_empty() => {
                let takes: Vec<Option<Take>> = alternatives
                    .iter()
                    .map(|alternative| self.take(wanted, word, alternative, spot))
                    .collect();
                Some(Take::First(takes.into_iter().collect::<Option<_>>()?))
            }
            Value::Object(_) => {
                let object = Object::of(value, spot.clone())?;
                if object.has("when") {
                    self.when(wanted, word, &object)
                } else {
                    self.projection(wanted, word, &object)
                }
            }
            _ => {
                spot.expected("a locator, a list of locators or an object", value);
                None
            }
        }
    }

    /// One locator that gives the type.
    pub(super) fn typed(
        &mut self,
        wanted: FieldType,
        text: &str,
        spot: &Spot<'_>,
    ) -> Option<Locator> {
        let locator = self.locators.locator(text).map_err(|error| spot.report(error)).ok()?;
        match given(&locator) {
            Ok(Some(found)) if found == wanted => return Some(locator),
            Ok(Some(found)) => spot.report(format!(
                "expected {} ({}), found {text:?}, which gives {}",
                wanted.article(),
                coercions_for(wanted),
                found.article()
            )),
            Ok(None) => spot.report(format!(
                "expected {}, so a coercion at the end ({}), found {text:?}",
                wanted.article(),
                coercions_for(wanted)
            )),
            Err(error) => spot.report(format!("{error}, found {text:?}")),
        }
        None
    }

    fn when(
        &mut self,
        wanted: FieldType,
        word: Option<&Word>,
        object: &Object<'_, '_>,
    ) -> Option<Take> {
        object.only(&["when", "take"]);
        let condition = object.object("when");
        let place = condition.as_ref().and_then(|condition| {
            condition.only(&["at", "is"]);
            condition.require("is", "a list of texts");
            let at = condition.required_text("at")?;
            let source = self.locators.source(at);
            source.map_err(|error| condition.spot.at("at").report(error)).ok()
        });
        let texts = condition.map(|condition| boxed(&condition.some_texts("is")));
        let take = if object.require("take", "a locator") {
            self.take(wanted, word, object.get("take")?, &object.spot)
        } else {
            None
        };
        Some(Take::When { at: place?, test: Test::Is(texts?), take: Box::new(take?) })
    }

    fn projection(
        &mut self,
        wanted: FieldType,
        word: Option<&Word>,
        object: &Object<'_, '_>,
    ) -> Option<Take> {
        object.only(&["each", "fields", "unique_by"]);
        if wanted != FieldType::Items {
            let what =
                format!("{}, found an object that gives a list of objects", wanted.article());
            object.spot.report(format!("expected {what}"));
            return None;
        }
        let each = self.list_place(object);
        object.require("fields", "an object of item field to locator");
        let fields = object.object("fields")?;
        let outer = std::mem::replace(&mut self.locators.element, true);
        let mut takes = Vec::new();
        for (name, value) in fields.members() {
            let spot = object.spot.at(name);
            takes.push(self.item_field(word, name, value, &spot).map(|take| (name.into(), take)));
        }
        self.locators.element = outer;
        let fields: Box<[(Box<str>, Take)]> = takes.into_iter().collect::<Option<_>>()?;
        let unique_by = match object.text("unique_by") {
            None => None,
            Some(key) => {
                let at = fields.iter().position(|(name, _)| **name == *key);
                if at.is_none() {
                    let known = fields.iter().map(|(name, _)| &**name);
                    object.spot.at("unique_by").unknown("one of the item's fields", key, known);
                    return None;
                }
                at
            }
        };
        Some(Take::Projection { each: each?, fields, unique_by })
    }

    fn list_place(&mut self, object: &Object<'_, '_>) -> Option<Source> {
        let text = object.required_text("each")?;
        let spot = object.spot.at("each");
        let source = self.locators.source(text).map_err(|error| spot.report(error)).ok()?;
        if !matches!(source, Source::Body(_) | Source::Element(_)) || text.contains("[*]") {
            spot.report(format!("expected the path of one list, found {text:?}"));
            return None;
        }
        Some(source)
    }

    /// A field of an item: one that the word lists, typed like the word of its own name if there is
    /// one.
    fn item_field(
        &mut self,
        word: Option<&Word>,
        name: &str,
        value: &Value,
        spot: &Spot<'_>,
    ) -> Option<Take> {
        let items = word.map(|word| &*word.items).unwrap_or_default();
        if !items.iter().any(|item| **item == *name) {
            let what = format!("one of the item fields {}", items.join(", "));
            spot.unknown(&what, name, items.iter().map(|item| &**item));
            return None;
        }
        if let Some(typed) = self.vocabulary.word(name) {
            return self.field(typed, value, spot);
        }
        // Words of items alone have no type in the vocabulary: any scalar will do.
        let Some(text) = value.as_str() else {
            spot.expected("one locator", value);
            return None;
        };
        let locator = self.locators.locator(text).map_err(|error| spot.report(error)).ok()?;
        if let Ok(Some(FieldType::Text | FieldType::Int | FieldType::Bool)) = given(&locator) {
            return Some(Take::Locator(locator));
        }
        spot.report(format!("expected a text, an integer or a boolean, found {text:?}"));
        None
    }
}

/// Type of what a locator gives; `None`: whatever is found.
pub(super) fn given(locator: &Locator) -> Result<Option<FieldType>, String> {
    let mut found = match &locator.source {
        Source::Body(_) | Source::Element(_) => None,
        _ => Some(FieldType::Text),
    };
    for coercion in &locator.coercions {
        found = match coercion {
            Coercion::Id
            | Coercion::Str
            | Coercion::Text
            | Coercion::Lower
            | Coercion::Join
            | Coercion::Enum(_) => Some(FieldType::Text),
            Coercion::Ids | Coercion::Strs | Coercion::Enums(_) => Some(FieldType::Texts),
            Coercion::Ints => Some(FieldType::Ints),
            Coercion::Int
            | Coercion::Uint
            | Coercion::Positive
            | Coercion::Nonzero
            | Coercion::Ms
            | Coercion::SToMs => Some(FieldType::Int),
            Coercion::Bool | Coercion::Contains(_) => Some(FieldType::Bool),
            Coercion::List => match found {
                Some(FieldType::Text) => Some(FieldType::Texts),
                Some(FieldType::Int) => Some(FieldType::Ints),
                _ => return Err("expected a text or an integer in front of list".to_owned()),
            },
            Coercion::Char
            | Coercion::Unique
            | Coercion::Nonempty
            | Coercion::Without(_)
            | Coercion::NullEmpty => found,
        };
    }
    Ok(found)
}

/// Coercions that give a type, for messages.
fn coercions_for(wanted: FieldType) -> &'static str {
    match wanted {
        FieldType::Text => "id, str, text, enum:T, lower, join",
        FieldType::Int => "int, uint, positive, nonzero, ms, s_to_ms",
        FieldType::Bool => "bool, contains:x",
        FieldType::Texts => "ids, strs, enums:T, id|list",
        FieldType::Ints => "ints, int|list",
        FieldType::Items => "an object with each and fields",
        FieldType::Object => "no locator gives one",
    }
}
