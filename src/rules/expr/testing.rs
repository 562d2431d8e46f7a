//! A small world for tests of conditions: fields, lists, windows and variables in a table.
//!
//! In: names with types, and values for them. Out: [`Names`] to compile with and a [`Frame`] to
//! evaluate on. What always holds: the table stands for names only, a [`World`] for one request.

use super::{EvalError, Names};
use crate::catalogue::plan::SlotIndex;
use crate::event::Value;
use crate::rules::frame::{FieldId, Frame, Host, ListId, Place, RegexId, VarId, WindowId};
use crate::rules::problem::did_you_mean;
use crate::rules::schema::{FieldInfo, ItemField, Root, Scalar, Type, Words};
use bumpalo::Bump;
use regex::Regex;
use std::ops::Range;

/// Names and their types.
#[derive(Debug, Clone, Default)]
pub(in crate::rules) struct Table {
    pub(in crate::rules) fields: Vec<(Root, &'static str, FieldInfo)>,
    /// Lists of ids and of words, and what is in them.
    pub(in crate::rules) lists: Vec<(&'static str, Holds, Vec<&'static str>)>,
    pub(in crate::rules) windows: Vec<&'static str>,
    /// `None`: the variable is broken.
    pub(in crate::rules) vars: Vec<(&'static str, Option<Scalar>)>,
    pub(in crate::rules) regexes: Vec<Regex>,
}

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum Holds {
    Ids,
    Words,
}

/// Words as fields have them.
pub(in crate::rules) fn words(words: &[&str]) -> Words {
    words.iter().map(|word| Box::from(*word)).collect()
}

impl Table {
    /// A table with a name of every kind.
    pub(in crate::rules) fn of_all_kinds() -> Self {
        let mut table = Self::default();
        let plain = |scalar| Type::Scalar(scalar);
        for name in ["sender_id", "group_id", "text", "extra", "nickname"] {
            table.add(Root::Msg, name, plain(Scalar::Text), None);
        }
        let kinds = words(&["text", "image", "typing", "audio"]);
        table.add(Root::Msg, "content_type", plain(Scalar::Text), Some(kinds));
        for name in ["sequence", "burn_seconds"] {
            table.add(Root::Msg, name, plain(Scalar::Int), None);
        }
        for name in ["pinned", "text_incomplete"] {
            table.add(Root::Msg, name, plain(Scalar::Bool), None);
        }
        table.add(Root::Msg, "mentions", Type::List(Scalar::Text), None);
        table.add(Root::Msg, "sequences", Type::List(Scalar::Int), None);
        let item = |name: &str, scalar, words| ItemField { name: name.into(), scalar, words };
        let members = [
            item("user_id", Scalar::Text, None),
            item("role", Scalar::Text, Some(words(&["owner", "admin", "member"]))),
            item("level", Scalar::Int, None),
            item("muted", Scalar::Bool, None),
        ];
        table.add(Root::Msg, "members", Type::Items(members.into()), None);
        table.add(Root::Raw, "roleLevel", plain(Scalar::Int), None);
        table.add(Root::Raw, "GiftWater.Count", plain(Scalar::Int), None);
        table.add(Root::Ctx, "provider", plain(Scalar::Text), Some(words(&["openim", "tencent"])));
        table.add(Root::Ctx, "deployment", plain(Scalar::Text), None);
        table.lists.push(("staff", Holds::Ids, vec!["s1", "s2"]));
        table.lists.push(("banned", Holds::Words, vec!["casino", "赌博"]));
        table.windows.push("night");
        let vars = [("is_staff", Scalar::Bool), ("who", Scalar::Text), ("length", Scalar::Int)];
        table.vars.extend(vars.map(|(name, scalar)| (name, Some(scalar))));
        table.vars.push(("broken", None));
        table
    }

    pub(in crate::rules) fn add(
        &mut self,
        root: Root,
        path: &'static str,
        kind: Type,
        words: Option<Words>,
    ) -> FieldId {
        self.fields.push((root, path, FieldInfo { kind, words }));
        FieldId(number(self.fields.len() - 1))
    }

    /// The place of a field of `msg`.
    pub(in crate::rules) fn msg(&self, name: &str) -> FieldId {
        let place =
            self.fields.iter().position(|(root, path, _)| *root == Root::Msg && *path == name);
        FieldId(number(place.expect("a field of the table")))
    }

    fn list(&self, name: &str, wanted: Holds) -> Result<ListId, String> {
        let names = self.lists.iter().map(|(known, ..)| *known);
        let place = self.lists.iter().position(|(known, ..)| *known == name);
        let place =
            place.ok_or_else(|| format!("no list {name:?}{}", did_you_mean(name, names)))?;
        if self.lists[place].1 != wanted {
            return Err(format!("list {name:?} holds something else"));
        }
        Ok(ListId(number(place)))
    }
}

fn number(place: usize) -> u16 {
    u16::try_from(place).expect("few names")
}

impl Names for Table {
    fn field(&mut self, root: Root, path: &str) -> Result<(FieldId, FieldInfo), String> {
        let of_root = |known: &&(Root, &'static str, FieldInfo)| known.0 == root;
        let place = self.fields.iter().position(|(r, known, _)| *r == root && *known == path);
        let Some(place) = place else {
            let known = self.fields.iter().filter(of_root).map(|(_, known, _)| *known);
            return Err(format!("no field {path:?}{}", did_you_mean(path, known)));
        };
        Ok((FieldId(number(place)), self.fields[place].2.clone()))
    }

    fn ids(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, Holds::Ids)
    }

    fn words(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, Holds::Words)
    }

    fn window(&mut self, name: &str) -> Result<WindowId, String> {
        let place = self.windows.iter().position(|known| *known == name);
        place.map(|place| WindowId(number(place))).ok_or_else(|| format!("no window {name:?}"))
    }

    fn var(&mut self, name: &str) -> Result<(VarId, Scalar), Option<String>> {
        let place = self.vars.iter().position(|(known, _)| *known == name);
        let place = place.ok_or_else(|| Some(format!("no variable {name:?}")))?;
        self.vars[place].1.map(|scalar| (VarId(number(place)), scalar)).ok_or(None)
    }

    fn regex(&mut self, pattern: &str) -> Result<RegexId, String> {
        if let Some(place) = self.regexes.iter().position(|known| known.as_str() == pattern) {
            return Ok(RegexId(number(place)));
        }
        let regex = Regex::new(pattern).map_err(|_| format!("{pattern:?} is no pattern"))?;
        self.regexes.push(regex);
        Ok(RegexId(number(self.regexes.len() - 1)))
    }
}

/// One request: values for the names of a table.
pub(in crate::rules) struct World<'v> {
    pub(in crate::rules) table: &'v Table,
    pub(in crate::rules) arena: &'v Bump,
    pub(in crate::rules) now: i64,
    /// By field.
    pub(in crate::rules) values: Vec<Value<'v>>,
    /// By field. Those of `msg` are in slots, the others are asked for.
    pub(in crate::rules) places: Vec<Place>,
    /// Whether now is inside a window.
    pub(in crate::rules) inside: bool,
    /// By variable.
    pub(in crate::rules) vars: Vec<Result<Value<'v>, EvalError>>,
}

impl<'v> World<'v> {
    /// A request of which nothing is known.
    pub(in crate::rules) fn new(table: &'v Table, arena: &'v Bump) -> Self {
        let place = |(at, (root, ..)): (usize, &(Root, &str, FieldInfo))| match root {
            Root::Msg => Place::Slot(SlotIndex(number(at))),
            Root::Raw | Root::Ctx => Place::Asked,
        };
        let empty = |scalar: &Option<Scalar>| match scalar {
            Some(Scalar::Int) => Value::Int(0),
            Some(Scalar::Bool) => Value::Bool(false),
            _ => Value::Text(""),
        };
        Self {
            table,
            arena,
            now: 0,
            values: vec![Value::Absent; table.fields.len()],
            places: table.fields.iter().enumerate().map(place).collect(),
            inside: false,
            vars: table.vars.iter().map(|(_, scalar)| Ok(empty(scalar))).collect(),
        }
    }

    /// Sets a field, by its path without the root.
    pub(in crate::rules) fn set(&mut self, path: &str, value: Value<'v>) {
        let place = self.table.fields.iter().position(|(_, known, _)| *known == path);
        self.values[place.expect("a field of the table")] = value;
    }

    /// The request as conditions see it.
    pub(in crate::rules) fn frame(&self) -> Frame<'_> {
        Frame {
            arena: self.arena,
            now: self.now,
            places: &self.places,
            slots: &self.values,
            host: self,
        }
    }

    pub(in crate::rules) fn folded(text: &str) -> String {
        text.chars().filter(|c| *c != '\u{200B}').flat_map(char::to_lowercase).collect()
    }
}

impl<'a, 'v: 'a> Host<'a> for World<'v> {
    fn value(&self, field: FieldId) -> Value<'a> {
        self.values[usize::from(field.0)]
    }

    fn fold(&self, _field: Option<FieldId>, text: &'a str) -> &'a str {
        self.arena.alloc_str(&Self::folded(text))
    }

    fn hits(&self, _field: Option<FieldId>, text: &'a str, list: ListId) -> bool {
        let text = Self::folded(text);
        self.table.lists[usize::from(list.0)].2.iter().any(|word| text.contains(word))
    }

    fn spans(&self, _text: &str, _lists: &[ListId], _spans: &mut Vec<Range<usize>>) {}

    fn has_id(&self, list: ListId, id: &str) -> bool {
        self.table.lists[usize::from(list.0)].2.contains(&id)
    }

    fn window(&self, _window: WindowId) -> bool {
        self.inside
    }

    fn var(&self, var: VarId) -> Result<Value<'a>, EvalError> {
        self.vars[usize::from(var.0)]
    }

    fn regex(&self, regex: RegexId) -> &Regex {
        &self.table.regexes[usize::from(regex.0)]
    }
}
