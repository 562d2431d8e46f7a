//! What names stand for.

use super::super::ast::{Node, Part};
use super::super::ir::{Number, Source, Test};
use super::super::{ExprError, wrong};
use super::calls::is_method;
use super::{Checker, ElementKind, Got, Value};
use crate::rules::frame::{FieldId, ListId};
use crate::rules::problem::did_you_mean;
use crate::rules::schema::{FieldInfo, ItemField, Root, Type};

/// Names that a loop may not take.
pub(super) const ROOTS: [&str; 7] = ["msg", "raw", "ctx", "now", "vars", "lists", "windows"];

/// What `has` asks for.
pub(super) enum Asked {
    Field(FieldId),
    Member(Box<str>),
}

impl Checker<'_> {
    pub(super) fn path(&mut self, node: &Node, parts: &[Part]) -> Result<Value, ExprError> {
        let (root, behind) = (&parts[0], &parts[1..]);
        if self.is_element(&root.name) {
            return self.element_path(root, behind);
        }
        match &*root.name {
            "msg" => self.field(Root::Msg, root, behind),
            "raw" => self.field(Root::Raw, root, behind),
            "ctx" => self.field(Root::Ctx, root, behind),
            "now" => {
                only(root, behind)?;
                Ok(Got::Int(Number::Now).into())
            }
            "vars" => {
                let part = single(root, behind)?;
                let found = self.names.var(&part.name);
                let (var, scalar) =
                    found.map_err(|message| ExprError { offset: part.at, message })?;
                self.reads.var(var);
                Ok(Got::read(scalar, Source::Var(var)).into())
            }
            "windows" => {
                let part = single(root, behind)?;
                let window = self.names.window(&part.name).map_err(|m| wrong(part.at, m))?;
                self.reads.window(window);
                Ok(Got::Bool(Test::Window(window)).into())
            }
            "lists" => {
                let shown = self.shown(node);
                let message =
                    format!("{shown} is no value: write x in {shown}, or x.hits({shown})");
                Err(wrong(node.at, message))
            }
            _ => Err(self.unknown(root, behind)),
        }
    }

    fn is_element(&self, name: &str) -> bool {
        self.element.as_ref().is_some_and(|element| *element.name == *name)
    }

    /// The list of ids behind `in`.
    pub(super) fn ids(&mut self, at: usize, parts: &[Part]) -> Result<ListId, ExprError> {
        let part = list_part(at, parts)?;
        match self.names.ids(&part.name) {
            Ok(list) => Ok(self.reads.list(list)),
            Err(message) => Err(wrong(
                part.at,
                match self.names.words(&part.name) {
                    Ok(_) => format!(
                        "lists.{0} is a list of words, in looks in lists of ids; use hits(lists.{0})",
                        part.name
                    ),
                    Err(_) => message,
                },
            )),
        }
    }

    /// The list of words in `hits`.
    pub(super) fn words(&mut self, at: usize, parts: &[Part]) -> Result<ListId, ExprError> {
        let part = list_part(at, parts)?;
        match self.names.words(&part.name) {
            Ok(list) => Ok(self.reads.list(list)),
            Err(message) => Err(wrong(
                part.at,
                match self.names.ids(&part.name) {
                    Ok(_) => format!(
                        "lists.{0} is a list of ids, hits looks for words; use x in lists.{0}",
                        part.name
                    ),
                    Err(_) => message,
                },
            )),
        }
    }

    fn field(&mut self, root: Root, first: &Part, behind: &[Part]) -> Result<Value, ExprError> {
        let (field, info) = self.find(root, first, behind)?;
        let FieldInfo { kind, words } = info;
        Ok(match kind {
            Type::Scalar(scalar) => Value { got: Got::read(scalar, Source::Field(field)), words },
            Type::List(scalar) => Value { got: Got::List(field, scalar), words },
            Type::Items(items) => Got::Items(field, items).into(),
        })
    }

    /// Looks a field up, and notes that it is read.
    fn find(
        &mut self,
        root: Root,
        first: &Part,
        behind: &[Part],
    ) -> Result<(FieldId, FieldInfo), ExprError> {
        let Some(part) = behind.first() else {
            let root = root.name();
            return Err(wrong(first.at, format!("{root} is no value: name a field, {root}.…")));
        };
        // Names of raw fields have dots in them, the others have not.
        let whole: Vec<&str> = behind.iter().map(|part| &*part.name).collect();
        let path = if root == Root::Raw { whole.join(".") } else { part.name.to_string() };
        let (field, info) = self.names.field(root, &path).map_err(|m| wrong(part.at, m))?;
        if root != Root::Raw
            && let Some(more) = behind.get(1)
        {
            return Err(no_member(root, part, more, &info.kind));
        }
        self.reads.field(field, part.at);
        Ok((field, info))
    }

    fn element_path(&mut self, root: &Part, behind: &[Part]) -> Result<Value, ExprError> {
        let kind = self.element.as_ref().map(|element| element.kind.clone());
        match (kind, behind) {
            (Some(ElementKind::Scalar(scalar, words)), []) => {
                Ok(Value { got: Got::read(scalar, Source::Element), words })
            }
            (Some(ElementKind::Item(fields)), [part]) => {
                let field = member(root, part, &fields)?;
                let source = Source::Member(field.name.clone());
                Ok(Value { got: Got::read(field.scalar, source), words: field.words.clone() })
            }
            (Some(ElementKind::Item(fields)), []) => {
                let known: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
                let name = &root.name;
                let message = format!(
                    "{name} is an item: name a field of it, {name}.…; it has {}",
                    known.join(", ")
                );
                Err(wrong(root.at, message))
            }
            (_, [.., last]) => {
                let message = format!("{} has no fields, {:?} is none", root.name, last.name);
                Err(wrong(last.at, message))
            }
            (None, []) => Err(self.unknown(root, behind)),
        }
    }

    /// What `has(node)` asks for.
    pub(super) fn asked(&mut self, node: &Node) -> Result<Asked, ExprError> {
        let message = "has asks for a field of msg, raw, ctx or of an item: has(msg.nickname)";
        let super::Kind::Path(parts) = &node.kind else { return Err(wrong(node.at, message)) };
        let (first, behind) = (&parts[0], &parts[1..]);
        if self.is_element(&first.name) {
            let fields = match self.element.as_ref().map(|element| &element.kind) {
                Some(ElementKind::Item(fields)) => fields.clone(),
                _ => return Err(wrong(node.at, message)),
            };
            let [part] = behind else { return Err(wrong(node.at, message)) };
            return Ok(Asked::Member(member(first, part, &fields)?.name.clone()));
        }
        let root = match &*first.name {
            "msg" => Root::Msg,
            "raw" => Root::Raw,
            "ctx" => Root::Ctx,
            "now" | "vars" | "lists" | "windows" => return Err(wrong(node.at, message)),
            _ => return Err(self.unknown(first, behind)),
        };
        Ok(Asked::Field(self.find(root, first, behind)?.0))
    }

    /// A name that is none, and the one that may have been meant.
    fn unknown(&mut self, root: &Part, behind: &[Part]) -> ExprError {
        let name = &*root.name;
        let there = |there: &str| format!("no name {name:?}, did you mean {there}.{name}?");
        let message = if !behind.is_empty() {
            let element = self.element.as_ref().map(|element| &*element.name);
            let hint = did_you_mean(name, ROOTS.into_iter().chain(element));
            format!("no name {name:?}{}", or_roots(hint))
        } else if self.names.field(Root::Msg, name).is_ok() {
            there("msg")
        } else if self.names.var(name).is_ok() {
            there("vars")
        } else if self.names.window(name).is_ok() {
            there("windows")
        } else if self.names.ids(name).is_ok() || self.names.words(name).is_ok() {
            there("lists")
        } else if self.names.field(Root::Ctx, name).is_ok() {
            there("ctx")
        } else if self.names.field(Root::Raw, name).is_ok() {
            there("raw")
        } else {
            let hint = did_you_mean(name, ["now", "true", "false"]);
            format!("no name {name:?}{}", or_roots(hint))
        };
        wrong(root.at, message)
    }
}

/// What stands behind `lists.`, if the node begins with it.
pub(super) fn list_name(node: &Node) -> Option<&[Part]> {
    match &node.kind {
        super::Kind::Path(parts) if &*parts[0].name == "lists" => Some(&parts[1..]),
        _ => None,
    }
}

/// What is said when there is no better hint.
fn or_roots(hint: String) -> String {
    if hint.is_empty() {
        return "; names begin with msg., raw., ctx., vars., windows. or lists., texts stand in quotes"
            .to_owned();
    }
    hint
}

fn list_part(at: usize, parts: &[Part]) -> Result<&Part, ExprError> {
    match parts {
        [part] => Ok(part),
        [] => Err(wrong(at, "lists is no value: name a list, lists.…")),
        [_, more, ..] => {
            Err(wrong(more.at, format!("lists have no fields, {:?} is none", more.name)))
        }
    }
}

fn only(root: &Part, behind: &[Part]) -> Result<(), ExprError> {
    match behind.first() {
        None => Ok(()),
        Some(part) => {
            Err(wrong(part.at, format!("{} has no fields, {:?} is none", root.name, part.name)))
        }
    }
}

/// The one name behind a root.
fn single<'p>(root: &Part, behind: &'p [Part]) -> Result<&'p Part, ExprError> {
    let name = &root.name;
    match behind {
        [] => Err(wrong(root.at, format!("{name} is no value: name one, {name}.…"))),
        [part] => Ok(part),
        [part, more, ..] => {
            let message = format!("{name}.{} has no fields, {:?} is none", part.name, more.name);
            Err(wrong(more.at, message))
        }
    }
}

fn member<'f>(
    root: &Part,
    part: &Part,
    fields: &'f [ItemField],
) -> Result<&'f ItemField, ExprError> {
    fields.iter().find(|field| field.name == part.name).ok_or_else(|| {
        let known: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
        let hint = match did_you_mean(&part.name, known.iter().copied()) {
            hint if hint.is_empty() => format!("; it has {}", known.join(", ")),
            hint => hint,
        };
        wrong(part.at, format!("{} has no field {:?}{hint}", root.name, part.name))
    })
}

/// A name behind a field that is no object.
fn no_member(root: Root, part: &Part, more: &Part, kind: &Type) -> ExprError {
    let whole = format!("{}.{}", root.name(), part.name);
    let message = match kind {
        Type::Items(_) => {
            format!("{whole} is a list of items; ask {whole}.exists(x, x.{} == …)", more.name)
        }
        _ if is_method(&more.name) => {
            format!("{0} is a function, write {whole}.{0}(…)", more.name)
        }
        Type::List(_) => format!("{whole} is a list, it has no field {:?}", more.name),
        Type::Scalar(scalar) => {
            format!("{whole} is {}, it has no field {:?}", scalar.name(), more.name)
        }
    };
    wrong(more.at, message)
}
