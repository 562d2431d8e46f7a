//! Changes of every object in a list.
//!
//! In: a list of flat objects and the changes of their fields. Out: the objects that change, each with
//! its id and what is new in it. What always holds: an id stands once, for answers match objects by
//! their ids; an object without id cannot be named and is left as it is.

use super::super::frame::Frame;
use super::field::{RuleChange, Rules, make};
use crate::catalogue::plan::ModifyForm;
use crate::event::{Item, Value};
use serde_json::{Map, Value as Json};

/// The changed objects as recorded, `None` when there is none; and the rules that had a part in it.
pub(super) fn make_each(
    items: &[Item<'_>],
    form: &ModifyForm,
    changes: &[RuleChange<'_>],
    frame: &Frame<'_>,
) -> (Option<Json>, Rules) {
    let mut rules = Rules::new();
    let ModifyForm::Patch { matches: (id_field, _), each, .. } = form else {
        return (None, rules);
    };
    let takes = |item: &str| each.iter().any(|(known, _)| **known == *item);
    // By id, in the order of the request: lookups of a map, for a batch may have many thousands.
    let mut changed: Map<String, Json> = Map::new();
    for item in items {
        let Some(id) = field(item, id_field).text().filter(|id| !id.is_empty()) else { continue };
        for same in changes.chunk_by(|(_, a), (_, b)| a.item == b.item) {
            let Some(name) = same[0].1.item.as_deref().filter(|name| takes(name)) else { continue };
            let made = make(field(item, name), same, false, frame);
            let Some(value) = made.value else { continue };
            rules.extend(made.rules);
            let known = changed.entry(id).or_insert_with(|| {
                let mut object = Map::new();
                object.insert(String::from(&**id_field), Json::from(id));
                Json::Object(object)
            });
            if let Json::Object(object) = known {
                object.entry(name).or_insert(value);
            }
        }
    }
    let objects: Vec<Json> = changed.into_iter().map(|(_, object)| object).collect();
    ((!objects.is_empty()).then_some(Json::Array(objects)), rules)
}

fn field<'a>(item: Item<'a>, name: &str) -> Value<'a> {
    let found = item.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).unwrap_or_default()
}
