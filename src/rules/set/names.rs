//! What names in expressions and actions of a rule stand for.
//!
//! In: names as written, the targets of the rule they stand in. Out: places in the set's fields, lists,
//! windows, variables and expressions, which are made as they are asked for. What always holds: equal
//! things have one place; a broken variable is reported once, where it stands.

use super::super::expr::{self, Expr, Names};
use super::super::frame::{FieldId, ListId, RegexId, VarId, WindowId};
use super::super::problem::{Problems, did_you_mean};
use super::super::read::{Ctx, RawField};
use super::super::schema::{FieldInfo, Root, Scalar, Schema, Target, Type};
use super::super::source::file::{Condition, ListKind, RuleFile};
use super::lists::list_id;
use super::{Field, Reader};
use crate::catalogue::plan::RawType;
use regex::{Regex, RegexBuilder};
use std::collections::{HashMap, HashSet};

/// Most regular expressions of a file.
const REGEXES_MAX: usize = 100;
/// Longest regular expression in bytes.
const REGEX_BYTES_MAX: usize = 512;
/// Largest compiled program in bytes.
const REGEX_PROGRAM_MAX: usize = 256 * 1024;

/// Programs up to this size are the cheap ones, in bytes.
const SMALL_REGEX_PROGRAM: usize = 32 * 1024;

/// What the rules of a file have asked for so far.
pub(super) struct Workshop<'a> {
    pub(super) file: &'a RuleFile,
    pub(super) schema: &'a Schema,
    pub(super) problems: &'a Problems,
    pub(super) fields: Vec<Field>,
    field_ids: HashMap<(Root, Box<str>, Type), FieldId>,
    pub(super) regexes: Vec<Regex>,
    /// By [`RegexId`].
    regex_prices: Vec<u64>,
    regex_ids: HashMap<Box<str>, Result<RegexId, String>>,
    pub(super) vars: Vec<Expr>,
    /// By the variable's place in the file and what its expression stands for.
    var_ids: HashMap<(usize, Vec<u16>), VarId>,
    pub(super) used: Used,
}

/// What is used at all, by place in the file.
#[derive(Default)]
pub(super) struct Used {
    pub(super) lists: HashSet<usize>,
    pub(super) windows: HashSet<usize>,
    pub(super) limits: HashSet<usize>,
    pub(super) vars: HashSet<usize>,
}

impl<'a> Workshop<'a> {
    /// A variable as written, and what it is for the rules that use it.
    pub(super) fn variable(&self, var: VarId) -> (&'a Condition, &Expr) {
        let mut known = self.var_ids.iter();
        let found = known.find_map(|((place, _), id)| (*id == var).then_some(*place));
        let place = found.expect("ids are given out here");
        (&self.file.vars[place].value, &self.vars[usize::from(var.0)])
    }

    pub(super) fn new(file: &'a RuleFile, schema: &'a Schema, problems: &'a Problems) -> Self {
        Self {
            file,
            schema,
            problems,
            fields: Vec::new(),
            field_ids: HashMap::new(),
            regexes: Vec::new(),
            regex_prices: Vec::new(),
            regex_ids: HashMap::new(),
            vars: Vec::new(),
            var_ids: HashMap::new(),
            used: Used::default(),
        }
    }

    /// Names as they stand in a rule for these targets, or in a variable for all.
    pub(super) fn scope<'w>(&'w mut self, targets: &'w [Target]) -> Scope<'w, 'a> {
        let vars_above = self.file.vars.len();
        let (typed, asked) = (HashMap::new(), Vec::new());
        Scope { shop: self, targets, any: false, vars_above, typed, asked }
    }

    /// Nanoseconds per character of an expression.
    pub(super) fn regex_price(&self, regex: RegexId) -> u64 {
        self.regex_prices[usize::from(regex.0)]
    }

    /// One list for all that are looked for in the same folding.
    pub(super) fn first_list_of_fold(&self, list: ListId) -> ListId {
        let lists = &self.file.lists;
        let fold = |place: usize| match &lists[place].kind {
            ListKind::Words { fold, .. } => Some(*fold),
            ListKind::Ids => None,
        };
        let own = fold(usize::from(list.0));
        let first = (0..lists.len()).find(|place| fold(*place) == own);
        first.map_or(list, list_id)
    }

    fn field_id(&mut self, root: Root, path: &str, kind: &Type) -> FieldId {
        let next = FieldId(u16::try_from(self.fields.len()).expect("a file names fewer fields"));
        let key = (root, path.into(), kind.clone());
        let fields = &mut self.fields;
        *self.field_ids.entry(key).or_insert_with(|| {
            let reader = reader(root, path, kind);
            fields.push(Field { root, path: path.into(), kind: kind.clone(), reader });
            next
        })
    }
}

/// Names as one rule sees them.
pub(super) struct Scope<'w, 'a> {
    pub(super) shop: &'w mut Workshop<'a>,
    targets: &'w [Target],
    /// Whether any field of the vocabulary may stand.
    any: bool,
    /// Variables that may be used: a variable sees those above it.
    vars_above: usize,
    /// Variables that were typed for this rule; `None` when broken.
    typed: HashMap<usize, Option<(VarId, Scalar)>>,
    /// What was asked for, as far as it depends on the rule.
    asked: Vec<u16>,
}

impl Scope<'_, '_> {
    /// The same, with any field of the vocabulary.
    pub(super) fn of_any(self) -> Self {
        Self { any: true, ..self }
    }

    /// Whether something of that name stands in the file and was left out as wrong.
    fn is_reported(&self, section: &str, name: &str) -> bool {
        self.shop.file.reported.contains(&*format!("{section}.{name}"))
    }

    fn list(&mut self, name: &str, wanted: &str) -> Result<ListId, String> {
        let lists = &self.shop.file.lists;
        let Some(place) = lists.iter().position(|list| *list.name.value == *name) else {
            if self.is_reported("lists", name) {
                // No set comes of this file, so nothing will ever be looked up.
                return Ok(list_id(0));
            }
            let known = lists.iter().filter(|list| word(&list.kind) == wanted);
            let near = did_you_mean(name, known.map(|list| &*list.name.value));
            return Err(format!("there is no list {name:?}{near}"));
        };
        let found = word(&lists[place].kind);
        self.shop.used.lists.insert(place);
        if found == wanted {
            return Ok(list_id(place));
        }
        let hint = match wanted {
            "ids" => "words are looked for with hits()",
            _ => "ids stand behind in",
        };
        Err(format!("list {name:?} holds {found}, expected a list of {wanted}; {hint}"))
    }

    /// Types and compiles a variable for this rule.
    fn typed_var(&mut self, place: usize) -> Option<(VarId, Scalar)> {
        if let Some(typed) = self.typed.get(&place) {
            return *typed;
        }
        let def = &self.shop.file.vars[place];
        let (text, at): (&str, _) = match &def.value {
            Condition::Constant(value) => (if value.value { "true" } else { "false" }, None),
            Condition::Expression(text) => (&text.value, Some(text)),
        };
        let above = std::mem::replace(&mut self.vars_above, place);
        let outer = std::mem::take(&mut self.asked);
        let compiled = expr::compile(text, None, self);
        let asked = std::mem::replace(&mut self.asked, outer);
        self.vars_above = above;
        let typed = match compiled {
            Ok(expr) => {
                let scalar = expr.scalar();
                let vars = &mut self.shop.vars;
                let id = *self.shop.var_ids.entry((place, asked)).or_insert_with(|| {
                    vars.push(expr);
                    VarId(u16::try_from(vars.len() - 1).expect("far fewer are typed differently"))
                });
                Some((id, scalar))
            }
            Err(error) => {
                if let (Some(message), Some(text)) = (error.message, at) {
                    self.shop.problems.error(text.position(error.offset), None, message);
                }
                None
            }
        };
        self.typed.insert(place, typed);
        typed
    }
}

const fn word(kind: &ListKind) -> &'static str {
    match kind {
        ListKind::Ids => "ids",
        ListKind::Words { .. } => "words",
    }
}

impl Names for Scope<'_, '_> {
    fn field(&mut self, root: Root, path: &str) -> Result<(FieldId, FieldInfo), String> {
        let schema = self.shop.schema;
        let info = match root {
            Root::Msg if self.any => schema.any_msg(path),
            Root::Msg => schema.msg(self.targets, path),
            Root::Raw => schema.raw(self.targets, path),
            Root::Ctx => schema.ctx(path),
        }?;
        let id = self.shop.field_id(root, path, &info.kind);
        self.asked.push(id.0);
        Ok((id, info))
    }

    fn ids(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, "ids")
    }

    fn words(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, "words")
    }

    fn window(&mut self, name: &str) -> Result<WindowId, String> {
        let windows = &self.shop.file.windows;
        let place = windows.iter().position(|window| *window.name.value == *name);
        let place = place.ok_or_else(|| {
            let near = did_you_mean(name, windows.iter().map(|window| &*window.name.value));
            format!("there is no window {name:?}{near}")
        })?;
        self.shop.used.windows.insert(place);
        Ok(WindowId(u16::try_from(place).expect("a file of 1 MiB has fewer windows")))
    }

    fn var(&mut self, name: &str) -> Result<(VarId, Scalar), Option<String>> {
        let vars = &self.shop.file.vars;
        let place = vars.iter().position(|var| *var.name.value == *name);
        let above = self.vars_above;
        let Some(place) = place.filter(|place| *place < above) else {
            if self.is_reported("vars", name) {
                return Err(None);
            }
            let near = did_you_mean(name, vars[..above].iter().map(|var| &*var.name.value));
            return Err(Some(match place {
                Some(_) => {
                    format!("variable {name:?} stands below; a variable uses those above it")
                }
                None => format!("there is no variable {name:?}{near}"),
            }));
        };
        self.shop.used.vars.insert(place);
        let typed = self.typed_var(place).ok_or(None)?;
        // Keeps the ids of variables apart from those of fields.
        self.asked.extend([u16::MAX, typed.0.0]);
        Ok(typed)
    }

    fn regex(&mut self, pattern: &str) -> Result<RegexId, String> {
        if let Some(known) = self.shop.regex_ids.get(pattern) {
            return known.clone();
        }
        let made = self.make_regex(pattern);
        self.shop.regex_ids.insert(pattern.into(), made.clone());
        made
    }
}

impl Scope<'_, '_> {
    fn make_regex(&mut self, pattern: &str) -> Result<RegexId, String> {
        if pattern.len() > REGEX_BYTES_MAX {
            let bytes = pattern.len();
            return Err(format!(
                "expected a pattern of at most {REGEX_BYTES_MAX} bytes, found {bytes}"
            ));
        }
        if self.shop.regexes.len() == REGEXES_MAX {
            return Err(format!("expected at most {REGEXES_MAX} different patterns in a file"));
        }
        let regex = RegexBuilder::new(pattern).size_limit(REGEX_PROGRAM_MAX).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => {
                format!("the pattern needs more than {} KiB, use smaller repetitions", limit / 1024)
            }
            // The first line is a headline, the last says what is wrong.
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                format!("no regular expression: {}", last.trim_start_matches("error: "))
            }
        })?;
        let small = RegexBuilder::new(pattern).size_limit(SMALL_REGEX_PROGRAM).build().is_ok();
        self.shop.regexes.push(regex);
        self.shop.regex_prices.push(if small { 4 } else { 20 });
        Ok(RegexId(u16::try_from(self.shop.regexes.len() - 1).expect("at most 100")))
    }
}

/// How a field is read where it is in no slot.
fn reader(root: Root, path: &str, kind: &Type) -> Reader {
    match (root, Ctx::from_name(path)) {
        (Root::Ctx, Some(ctx)) => Reader::Ctx(ctx),
        (Root::Msg | Root::Ctx, _) => Reader::Slot,
        (Root::Raw, _) => {
            let raw = match kind {
                Type::Scalar(Scalar::Int) => RawType::Int,
                Type::Scalar(Scalar::Bool) => RawType::Bool,
                Type::Scalar(Scalar::Text) => RawType::Text,
                Type::List(_) | Type::Items(_) => RawType::Texts,
            };
            Reader::Raw(RawField::new(path, raw))
        }
    }
}
