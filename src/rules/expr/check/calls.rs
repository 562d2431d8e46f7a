//! Functions.

use super::super::ast::{Kind, Node, Part};
use super::super::ir::{Number, Search, Test, Words};
use super::super::{ExprError, fold, wrong};
use super::names::{Asked, ROOTS, list_name};
use super::{Checker, Element, ElementKind, Got};
use crate::rules::problem::did_you_mean;

/// What stands behind a dot, and how many arguments it takes.
const METHODS: [(&str, usize); 10] = [
    ("contains", 1),
    ("startsWith", 1),
    ("endsWith", 1),
    ("lowerAscii", 0),
    ("fold", 0),
    ("matches", 1),
    ("hits", 1),
    ("exists", 2),
    ("all", 2),
    ("size", 0),
];

/// What stands alone.
const FUNCTIONS: [(&str, usize); 2] = [("has", 1), ("size", 1)];

/// Functions of CEL that conditions leave out.
const LEFT_OUT: [&str; 31] = [
    "map",
    "filter",
    "exists_one",
    "existsOne",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "timestamp",
    "duration",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "upperAscii",
    "replace",
    "split",
    "join",
    "substring",
    "trim",
    "format",
];

/// Whether this stands behind a dot and takes arguments.
pub(super) fn is_method(name: &str) -> bool {
    METHODS.iter().any(|(known, _)| *known == name)
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        node: &Node,
        target: Option<&Node>,
        name: &Part,
        args: &[Node],
    ) -> Result<Got, ExprError> {
        let Some(target) = target else { return self.function(name, args) };
        if list_name(target).is_some() {
            // Its own message tells where lists stand.
            self.value(target)?;
        }
        let Some((_, arity)) = METHODS.iter().find(|(known, _)| *known == &*name.name) else {
            self.value(target)?;
            return Err(no_function(name, true));
        };
        if args.len() != *arity {
            self.value(target)?;
            return Err(wrong_arity(name, *arity, args.len()));
        }
        match (&*name.name, args) {
            ("exists" | "all", [variable, body]) => {
                self.over_items(&name.name, target, name, variable, body)
            }
            ("size", _) => self.size(target),
            (_, _) => self.on_text(node, target, name, args.first()),
        }
    }

    fn function(&mut self, name: &Part, args: &[Node]) -> Result<Got, ExprError> {
        let Some((_, arity)) = FUNCTIONS.iter().find(|(known, _)| *known == &*name.name) else {
            return Err(no_function(name, false));
        };
        match (&*name.name, args) {
            ("has", [field]) => Ok(Got::Bool(match self.asked(field)? {
                Asked::Field(field) => Test::Has(field),
                Asked::Member(member) => Test::HasMember(member),
            })),
            (_, [of]) => self.size(of),
            _ => Err(wrong_arity(name, *arity, args.len())),
        }
    }

    fn size(&mut self, of: &Node) -> Result<Got, ExprError> {
        match self.value(of)?.got {
            Got::Text(text) => Ok(Got::Int(fold::length(text))),
            Got::List(field, _) | Got::Items(field, _) => Ok(Got::Int(Number::Count(field))),
            other => Err(self.mistyped(of, "size is for strings and lists", &other)),
        }
    }

    /// What is asked of a text.
    fn on_text(
        &mut self,
        node: &Node,
        target: &Node,
        name: &Part,
        arg: Option<&Node>,
    ) -> Result<Got, ExprError> {
        let rule = format!("{} is for strings", name.name);
        let text = match self.value(target)?.got {
            Got::Text(text) => text,
            list @ Got::List(..) if &*name.name == "contains" => {
                let (shown, kind) = (self.shown(target), list.type_name());
                let part = arg.map_or_else(String::new, |arg| self.shown(arg));
                let message = format!("{rule}, {shown} is {kind}; write {part} in {shown}");
                return Err(wrong(name.at, message));
            }
            list @ Got::List(..) => {
                let (shown, kind) = (self.shown(target), list.type_name());
                let call = self.text.get(name.at..node.span.end).unwrap_or_default();
                let message =
                    format!("{rule}, {shown} is {kind}; write {shown}.exists(x, x.{call})");
                return Err(wrong(name.at, message));
            }
            other => return Err(self.mistyped(target, &rule, &other)),
        };
        let test = match (&*name.name, arg) {
            ("lowerAscii", _) => return Ok(Got::Text(fold::lower(text))),
            ("fold", _) => {
                return Ok(Got::Text(match text {
                    Words::Fail(error) => Words::Fail(error),
                    text => Words::Fold(Box::new(text)),
                }));
            }
            ("matches", Some(arg)) => self.matches(text, arg)?,
            ("hits", Some(arg)) => self.hits(text, arg)?,
            ("contains", Some(arg)) => self.search(Search::Anywhere, &name.name, text, arg)?,
            ("startsWith", Some(arg)) => self.search(Search::Start, &name.name, text, arg)?,
            (_, Some(arg)) => self.search(Search::End, &name.name, text, arg)?,
            (_, None) => return Err(wrong_arity(name, 1, 0)),
        };
        Ok(Got::Bool(test))
    }

    fn search(
        &mut self,
        how: Search,
        name: &str,
        text: Words,
        arg: &Node,
    ) -> Result<Test, ExprError> {
        let part = self.string(arg, &format!("{name} looks for a string"))?;
        Ok(fold::search(how, text, part))
    }

    fn matches(&mut self, text: Words, arg: &Node) -> Result<Test, ExprError> {
        let Words::Const(pattern) = self.string(arg, "a pattern is a string")? else {
            let shown = self.shown(arg);
            let message = format!("a pattern is a constant, {shown} is computed");
            return Err(wrong(arg.at, message));
        };
        let regex = self.names.regex(&pattern).map_err(|message| wrong(arg.at, message))?;
        self.reads.regex(regex);
        Ok(Test::Matches(text, regex))
    }

    fn hits(&mut self, text: Words, arg: &Node) -> Result<Test, ExprError> {
        let Some(parts) = list_name(arg) else {
            let shown = self.shown(arg);
            let message = format!("hits looks for a list of words, hits(lists.…), {shown} is none");
            return Err(wrong(arg.at, message));
        };
        let list = self.words(arg.at, parts)?;
        Ok(Test::Hits(text, list))
    }

    /// `exists` and `all`.
    fn over_items(
        &mut self,
        function: &str,
        target: &Node,
        name: &Part,
        variable: &Node,
        body: &Node,
    ) -> Result<Got, ExprError> {
        if self.element.is_some() {
            let message = format!("{function} stands in another loop, one level is allowed");
            return Err(wrong(name.at, message));
        }
        let value = self.value(target)?;
        let (list, kind) = match value.got {
            Got::List(list, scalar) => (list, ElementKind::Scalar(scalar, value.words)),
            Got::Items(list, fields) => (list, ElementKind::Item(fields)),
            other => {
                return Err(self.mistyped(target, &format!("{function} is for lists"), &other));
            }
        };
        let fresh = match &variable.kind {
            Kind::Path(parts) if parts.len() == 1 => &parts[0],
            _ => {
                let shown = self.shown(variable);
                let message = format!(
                    "{function} begins with a name for the item, {function}(x, …), {shown} is none"
                );
                return Err(wrong(variable.at, message));
            }
        };
        if ROOTS.contains(&&*fresh.name) {
            let message = format!("{} has a meaning already, choose another name", fresh.name);
            return Err(wrong(fresh.at, message));
        }
        self.element = Some(Element { name: fresh.name.clone(), kind });
        let body = self.bool(body, &format!("{function} asks for a bool"));
        self.element = None;
        let body = Box::new(body?);
        Ok(Got::Bool(Test::Loop { all: function == "all", list, body }))
    }
}

/// A function that is none where it stands, and what may have been meant.
fn no_function(name: &Part, behind_dot: bool) -> ExprError {
    let called = &*name.name;
    let named = |all: &[(&'static str, usize)]| all.iter().any(|(known, _)| *known == called);
    let message = if !behind_dot && named(&METHODS) {
        format!("{called} stands behind what it asks: write x.{called}(…)")
    } else if behind_dot && named(&FUNCTIONS) {
        format!("{called} stands before what it asks: write {called}(…)")
    } else if LEFT_OUT.contains(&called) {
        format!("{called} is not part of conditions")
    } else {
        let known = FUNCTIONS.iter().take(1).chain(&METHODS).map(|(known, _)| *known);
        match did_you_mean(called, known.clone()) {
            hint if hint.is_empty() => {
                let all: Vec<&str> = known.collect();
                format!("no function {called:?}; there are {}", all.join(", "))
            }
            hint => format!("no function {called:?}{hint}"),
        }
    };
    wrong(name.at, message)
}

fn wrong_arity(name: &Part, wanted: usize, found: usize) -> ExprError {
    let arguments = match wanted {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        many => format!("{many} arguments"),
    };
    wrong(name.at, format!("{} takes {arguments}, here are {found}", name.name))
}
