//! A test's definition, looked up in the catalogue.
//!
//! In: a [`TestDef`]. Out: a [`Prepared`] test, or what of it cannot be, with its place. What always
//! holds: a prepared test has one target; its fields are those of the target's kind, in their types.

use super::super::problem::{Position, Problems, did_you_mean};
use super::super::schema::{Schema, Target, Type};
use super::super::source::file::{At, RuleFile, TestDef, Text};
use super::given;
use crate::call::Provider;
use crate::catalogue::Catalogue;
use crate::catalogue::plan::KindPlan;
use crate::normalise::Known;
use bumpalo::Bump;
use serde_json::{Map, Value};

/// A test that may be run.
pub(super) struct Prepared<'f> {
    /// Its definition.
    pub(super) test: &'f TestDef,
    target: Target,
    /// Fields as a JSON object.
    fields: String,
    /// The body as a JSON object.
    body: String,
    /// What it says about `ctx`.
    ctx: Vec<(&'f str, &'f str)>,
}

impl<'f> Prepared<'f> {
    /// Looks a test up; `None` when there is something in it that cannot be.
    pub(super) fn of(test: &'f TestDef, schema: &Schema, problems: &Problems) -> Option<Self> {
        let before = problems.errors();
        let target = target(test, schema, problems)?;
        let desk = Desk { schema, catalogue: schema.catalogue(), target, at: test.at, problems };
        let fields = desk.fields(&test.given);
        let body = desk.body(&test.raw);
        let ctx = test.ctx.iter();
        let ctx = ctx.filter_map(|(name, value)| Some((&*name.value, desk.ctx(name, value)?)));
        let prepared = Self {
            test,
            target,
            fields: Value::Object(fields).to_string(),
            body: Value::Object(body).to_string(),
            ctx: ctx.collect(),
        };
        desk.check_values(&test.given, &prepared.fields);
        (problems.errors() == before).then_some(prepared)
    }

    /// The intent that the test is about.
    pub(super) fn known<'a>(&self, catalogue: &'a Catalogue, arena: &'a Bump) -> Known<'a> {
        let read = |text| given::json(text, arena).expect("it was written as JSON");
        let (fields, body) = (read(&self.fields), read(&self.body));
        given::known(catalogue, self.target, fields, body, arena, |_, _| {})
    }

    /// What it says about `ctx`.
    pub(super) fn ctx<'a>(&self, arena: &'a Bump) -> &'a [(&'a str, &'a str)] {
        let pairs = self.ctx.iter();
        let pairs = pairs.map(|(name, text)| (&*arena.alloc_str(name), &*arena.alloc_str(text)));
        arena.alloc_slice_fill_iter(pairs.collect::<Vec<_>>())
    }
}

/// The one command and kind that a test is about: of several commands the first in the catalogue.
fn target(test: &TestDef, schema: &Schema, problems: &Problems) -> Option<Target> {
    let (on, catalogue) = (&*test.on.value, schema.catalogue());
    let provider = test.provider.as_ref().map(|provider| provider.value);
    let targets = match schema.targets(on, provider) {
        Ok(targets) => targets,
        Err(why) => {
            problems.error(test.on.at, None, why);
            return None;
        }
    };
    let kind = |target: &Target| &*given::kind_of(catalogue, *target).name;
    let command = |target: &Target| &*catalogue.plan(target.row).command;
    if targets.iter().all(|target| command(target) == on) {
        // A row of several kinds has one for all requests that say nothing else.
        let usual = targets.iter().find(|target| is_usual(catalogue, **target));
        return usual.or(targets.first()).copied();
    }
    if let Some(other) = targets.iter().find(|target| kind(target) != on) {
        let example = kind(other);
        let message = format!("{on:?} names several kinds, expected one of them: {example}");
        problems.error(test.on.at, None, message);
        return None;
    }
    let first = targets.iter().min_by_key(|target| target.row)?;
    if targets.iter().any(|target| target.provider != first.provider) {
        let both = Provider::ALL.map(|provider| format!("provider: {provider}")).join(" or ");
        problems.error(test.at, None, format!("both providers ask {on}: add {both}"));
        return None;
    }
    Some(*first)
}

/// Whether requests of the row are of that kind unless something in them says otherwise.
fn is_usual(catalogue: &Catalogue, target: Target) -> bool {
    let cases = &catalogue.plan(target.row).cases;
    let usual = cases.iter().find(|case| case.at.is_empty());
    usual.is_some_and(|case| case.kind == usize::from(target.kind))
}

/// Where the parts of one test are looked up.
struct Desk<'s> {
    schema: &'s Schema,
    catalogue: &'s Catalogue,
    target: Target,
    /// Where the test is.
    at: Position,
    problems: &'s Problems,
}

impl Desk<'_> {
    fn kind(&self) -> &KindPlan {
        given::kind_of(self.catalogue, self.target)
    }

    /// `given`, without what the kind does not have.
    fn fields(&self, given: &[(Text, At<Value>)]) -> Map<String, Value> {
        let mut fields = Map::new();
        for (name, value) in given {
            let field = &*name.value;
            let Some(word) = given::field(self.catalogue, self.kind(), field) else {
                self.problems.error(name.at, None, self.no_field(field));
                continue;
            };
            let plan = self.catalogue.plan(self.target.row);
            if !plan.slots.iter().any(|slot| **slot == *field) {
                let command = &plan.command;
                let message = format!("{command} never carries {field:?}: rules read it as empty");
                self.problems.warning(name.at, None, message);
            }
            let closed = !word.open && !word.values.is_empty();
            if let Some(text) = value.value.as_str().filter(|_| closed)
                && !word.values.iter().any(|known| **known == *text)
            {
                let near = did_you_mean(text, word.values.iter().map(|known| &**known));
                let message = format!("{field} is never {text:?}{near}");
                self.problems.warning(value.at, None, message);
            }
            fields.insert(field.to_owned(), value.value.clone());
        }
        fields
    }

    fn no_field(&self, field: &str) -> String {
        if field == "raw" {
            return "raw stands beside given, not in it".to_owned();
        }
        let kind = self.kind();
        self.schema.msg(&[self.target], field).err().unwrap_or_else(|| {
            let known = self.catalogue.kind(kind.kind).fields.iter().map(|(name, _)| &**name);
            let near = did_you_mean(field, known);
            format!("{} has no field {field:?}{near}", kind.name)
        })
    }

    /// Reports values that are of another type than their field.
    fn check_values(&self, given: &[(Text, At<Value>)], fields: &str) {
        let arena = Bump::new();
        let Some(fields) = given::json(fields, &arena) else {
            return self.problems.error(self.at, None, "given is nested too deep");
        };
        let Some(body) = given::json("{}", &arena) else { return };
        given::known(self.catalogue, self.target, fields, body, &arena, |name, why| {
            let value = given.iter().find(|(field, _)| *field.value == *name);
            let at = value.map_or(self.at, |(_, value)| value.at);
            self.problems.error(at, None, format!("{name}: {why}"));
        });
    }

    /// The body that `raw` describes; dots nest.
    fn body(&self, raw: &[(Text, At<Value>)]) -> Map<String, Value> {
        let mut body = Map::new();
        for (name, value) in raw {
            let mut ok = true;
            self.check_raw(&name.value, &value.value, &mut |why| {
                ok = false;
                self.problems.error(name.at, None, why);
            });
            if ok && !place(&mut body, &name.value, &value.value) {
                let message = format!("raw.{} is given twice", name.value);
                self.problems.error(name.at, None, message);
            }
        }
        body
    }

    /// Every member that `value` gives is one that rules may read.
    fn check_raw(&self, path: &str, value: &Value, wrong: &mut dyn FnMut(String)) {
        if let Value::Object(members) = value {
            for (name, value) in members {
                self.check_raw(&format!("{path}.{name}"), value, wrong);
            }
            return;
        }
        match self.schema.raw(&[self.target], path) {
            Err(why) => wrong(why),
            Ok(info) => {
                let wanted = match info.kind {
                    Type::Scalar(_) if value.is_array() => "one value",
                    Type::List(_) | Type::Items(_) if !value.is_array() => "a list",
                    _ => return,
                };
                wrong(format!("raw.{path}: expected {wanted}, found {value}"));
            }
        }
    }

    /// A text of `ctx`.
    fn ctx<'f>(&self, name: &Text, value: &'f At<Value>) -> Option<&'f str> {
        if let Err(why) = self.schema.ctx(&name.value) {
            self.problems.error(name.at, None, why);
            return None;
        }
        let Some(text) = value.value.as_str() else {
            let message = format!("expected a string, found {}: put it in quotes", value.value);
            self.problems.error(value.at, None, message);
            return None;
        };
        let own = match &*name.value {
            "provider" => self.target.provider.name(),
            "command" => &self.catalogue.plan(self.target.row).command,
            "kind" => &self.kind().name,
            _ => return Some(text),
        };
        if own != text {
            let message = format!("ctx.{} is {own:?} here: on and provider say so", name.value);
            self.problems.error(value.at, None, message);
        }
        None
    }
}

/// Puts a value at a path of dots; objects are joined. False when something is there already.
fn place(object: &mut Map<String, Value>, path: &str, value: &Value) -> bool {
    let Some((name, rest)) = path.split_once('.') else { return put(object, path, value) };
    let inner = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
    inner.as_object_mut().is_some_and(|inner| place(inner, rest, value))
}

fn put(object: &mut Map<String, Value>, name: &str, value: &Value) -> bool {
    match (object.get_mut(name), value) {
        (None, _) => {
            object.insert(name.to_owned(), value.clone());
            true
        }
        (Some(Value::Object(there)), Value::Object(members)) => {
            members.iter().all(|(name, value)| put(there, name, value))
        }
        (Some(_), _) => false,
    }
}

/// Lists that a test replaces must be there.
pub(super) fn check_lists(test: &TestDef, file: &RuleFile, problems: &Problems) {
    for (name, _) in &test.lists {
        let known = file.lists.iter().map(|list| &*list.name.value);
        if !known.clone().any(|list| *list == *name.value) {
            let near = did_you_mean(&name.value, known);
            problems.error(name.at, None, format!("there is no list {:?}{near}", name.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dots_nest_and_objects_are_joined() {
        let mut body = Map::new();
        assert!(place(&mut body, "GiftWater.Count", &json!(5)));
        assert!(place(&mut body, "GiftWater", &json!({"Name": "rose"})));
        assert!(place(&mut body, "Live", &json!(true)));
        assert!(!place(&mut body, "GiftWater.Count", &json!(6)), "it is there already");
        assert!(!place(&mut body, "Live.Id", &json!(6)), "a boolean has no members");
        let expected = json!({"GiftWater": {"Count": 5, "Name": "rose"}, "Live": true});
        assert_eq!(Value::Object(body), expected);
    }
}
