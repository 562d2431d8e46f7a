//! All that rules may name, for people: `docs/rules-fields.md`.
//!
//! In: the catalogue. Out: a page with each kind, its commands, codes and fields, and what an answer
//! can change. What always holds: same catalogue, same text; what is listed as a change is what a rule
//! file may say for that command, and nothing else (a test asks the compiler).

#[cfg(test)]
mod tests;

use super::actions;
use super::read::{Ctx, type_of};
use super::schema::{FieldInfo, REWRITE, Root, SEND, Schema, Target, Type};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::{ModifyForm, ModifyPlan, Plan, ReplyPlan};
use crate::catalogue::{Catalogue, FieldType, KindInfo};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

const INTRODUCTION: &str = "\
<!-- Written by `UPDATE=1 cargo test` from catalogue/: edit the files there. -->

# What rules may name

Kinds and commands for `on`, the fields of their requests, the codes that they may be denied with, and
what the answer can change. [rules.md](rules.md) says what rules do with it. Rows of `IMBRIDGE_CATALOGUE`
come on top.

* **Codes**: a deny takes the first code of its list that the command allows; in brackets the one that is
  taken when none fits.
* **OpenIM, Tencent**: `yes` when every command of the kind carries the field, `some` when not all do. A
  field that a request does not carry reads as empty.
* **Answer**: what a rule can do to the field. Where that is not the same for all commands of the kind,
  they are named.
* **Legacy** commands are names that releases of today no longer send.
";

/// The text of `docs/rules-fields.md`.
#[must_use]
pub fn fields_md(catalogue: &Arc<Catalogue>) -> String {
    let listing = Listing { schema: Schema::new(catalogue), catalogue };
    let mut page = String::from(INTRODUCTION);
    listing.groups(&mut page);
    listing.contents(&mut page);
    for kind in listing.kinds() {
        listing.kind(kind, &mut page);
    }
    context(&mut page);
    listing.meanings(&mut page);
    page
}

struct Listing<'c> {
    schema: Schema,
    catalogue: &'c Catalogue,
}

impl<'c> Listing<'c> {
    /// Kinds that some command asks for, in the order of the catalogue.
    fn kinds(&self) -> impl Iterator<Item = &'c KindInfo> {
        let before = self.catalogue.kinds.iter().filter(|kind| kind.phase == Phase::Before);
        before.filter(|kind| self.schema.targets(&kind.name, None).is_ok())
    }

    fn targets(&self, entry: &str) -> Vec<Target> {
        self.schema.targets(entry, None).expect("it comes from the catalogue")
    }

    fn groups(&self, page: &mut String) {
        line(page, "\n## Kinds at once\n\n| entry of `on` | commands |\n| --- | --- |");
        for entry in [SEND, REWRITE] {
            let commands = self.targets(entry).into_iter().map(|target| self.command(target));
            line(page, &format!("| `{entry}` | {} |", commands.collect::<Vec<_>>().join(", ")));
        }
    }

    fn contents(&self, page: &mut String) {
        line(
            page,
            "\n## Kinds\n\n| kind | what is about to happen | who asks |\n| --- | --- | --- |",
        );
        for kind in self.kinds() {
            let targets = self.targets(&kind.name);
            let asks =
                |provider: &&Provider| targets.iter().any(|target| target.provider == **provider);
            let who: Vec<&str> =
                Provider::ALL.iter().filter(asks).map(|provider| shown(*provider)).collect();
            let anchor = kind.name.replace('.', "");
            let name = &kind.name;
            line(
                page,
                &format!("| [`{name}`](#{anchor}) | {} | {} |", kind.meaning, who.join(", ")),
            );
        }
    }

    fn kind(&self, kind: &KindInfo, page: &mut String) {
        let targets = self.targets(&kind.name);
        line(page, &format!("\n## `{}`\n\n{}.\n", kind.name, capital(&kind.meaning)));
        line(page, "| command | from | codes of a deny | more |\n| --- | --- | --- | --- |");
        for target in &targets {
            line(page, &self.command_row(*target));
        }
        let fields = self.field_rows(&targets);
        if !fields.is_empty() {
            let head = "| field | type and words | OpenIM | Tencent | answer |";
            line(
                page,
                &format!("\n{head}\n| --- | --- | --- | --- | --- |\n{}", fields.join("\n")),
            );
        }
        let raw: Vec<String> =
            targets.iter().filter_map(|target| raw_row(self.schema.plan(*target))).collect();
        if !raw.is_empty() {
            let head = "| command | members for `raw` |\n| --- | --- |";
            line(page, &format!("\n{head}\n{}", raw.join("\n")));
        }
    }

    fn command(&self, target: Target) -> String {
        format!("`{}`", self.schema.plan(target).command)
    }

    fn command_row(&self, target: Target) -> String {
        let plan = self.schema.plan(target);
        let mut more = Vec::new();
        if self.catalogue.is_legacy(target.row) {
            more.push("legacy".to_owned());
        }
        let mut codes = String::new();
        if let Some(reply) = &plan.reply {
            codes = format!("{} ({})", actions::allowed(reply), reply.deny_code);
            more.extend(reply.drop_code.map(|_| "`drop`".to_owned()));
            if plan.each.is_some() {
                more.push("one decision per element".to_owned());
            }
            if !reply.no_answer_allows {
                more.push("no answer denies".to_owned());
            }
        }
        let (command, from) = (&plan.command, shown(plan.provider));
        format!("| `{command}` | {from} | {codes} | {} |", more.join(", "))
    }

    /// Fields that are read or changed, in the order of the vocabulary.
    fn field_rows(&self, targets: &[Target]) -> Vec<String> {
        let read: BTreeSet<&str> = self.schema.carried(targets).into_iter().collect();
        let changes: Vec<(Target, Vec<(String, &str)>)> =
            targets.iter().map(|target| (*target, changes_of(&self.schema, *target))).collect();
        let mut rows = Vec::new();
        for word in &self.catalogue.vocabulary {
            let name = &*word.field;
            let changed = |field: &str| field.split('.').next() == Some(name);
            let is_changed = changes.iter().any(|(_, all)| all.iter().any(|(f, _)| changed(f)));
            let info = self.schema.any_msg(name);
            let Ok(info) = info.as_ref() else { continue };
            if !read.contains(name) && !is_changed {
                continue;
            }
            let [openim, tencent] =
                Provider::ALL.map(|provider| self.carried(targets, provider, name));
            let answer = answer(&self.schema, &changes, name);
            let kind = type_and_words(info);
            rows.push(format!("| `msg.{name}` | {kind} | {openim} | {tencent} | {answer} |"));
        }
        rows
    }

    fn carried(&self, targets: &[Target], provider: Provider, field: &str) -> &'static str {
        let of = targets.iter().filter(|target| target.provider == provider);
        let carries: Vec<bool> =
            of.map(|target| self.schema.carries(*target, Root::Msg, field)).collect();
        match (carries.iter().any(|yes| *yes), carries.iter().all(|yes| *yes)) {
            (false, _) => "",
            (true, true) => "yes",
            (true, false) => "some",
        }
    }

    fn meanings(&self, page: &mut String) {
        line(page, "\n## What the fields say\n\n| field | |\n| --- | --- |");
        let used: BTreeSet<&str> =
            self.schema.carried(&self.schema.all_targets()).into_iter().collect();
        for word in self.catalogue.vocabulary.iter().filter(|word| used.contains(&*word.field)) {
            if word.field_type != FieldType::Object {
                line(page, &format!("| `msg.{}` | {} |", word.field, word.meaning));
            }
        }
    }
}

fn context(page: &mut String) {
    line(page, "\n## `ctx`: what the bridge knows besides\n\n| field | |\n| --- | --- |");
    for field in Ctx::ALL {
        line(page, &format!("| `ctx.{}` | {} |", field.name(), context_meaning(field)));
    }
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a String takes all that is written");
}

const fn shown(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenIm => "OpenIM",
        Provider::Tencent => "Tencent",
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn type_and_words(info: &FieldInfo) -> String {
    let name = match &info.kind {
        Type::Scalar(scalar) => scalar.name().to_owned(),
        Type::List(scalar) => format!("list of {}", scalar.name()),
        Type::Items(items) => {
            let fields: Vec<String> = items.iter().map(|item| format!("`{}`", item.name)).collect();
            format!("list of items with {}", fields.join(", "))
        }
    };
    match &info.words {
        None => name,
        Some(words) => format!("{name}: {}", words.join(", ")),
    }
}

fn raw_row(plan: &Plan) -> Option<String> {
    if plan.raw.is_empty() {
        return None;
    }
    let members = plan.raw.iter().map(|(name, kind)| {
        let info = FieldInfo { kind: type_of(*kind), words: None };
        format!("`{name}` {}", type_and_words(&info))
    });
    Some(format!("| `{}` | {} |", plan.command, members.collect::<Vec<_>>().join(", ")))
}

/// What the answers can do to a field, or to fields of its items.
fn answer(schema: &Schema, changes: &[(Target, Vec<(String, &str)>)], name: &str) -> String {
    let mut fields = BTreeSet::new();
    for (field, _) in changes.iter().flat_map(|(_, all)| all) {
        if field.split('.').next() == Some(name) {
            fields.insert(field.as_str());
        }
    }
    let mut parts = Vec::new();
    for field in fields {
        // Actions that the same commands can do stand together.
        let mut together: Vec<(Vec<&Target>, Vec<String>)> = Vec::new();
        for action in ["set", "unset", "clamp", "remove", "mask"] {
            let can = |all: &[(String, &str)]| all.iter().any(|(f, a)| f == field && *a == action);
            let able: Vec<&Target> =
                changes.iter().filter(|(_, all)| can(all)).map(|(target, _)| target).collect();
            let action = format!("`{action}`");
            match together.iter_mut().find(|(known, _)| *known == able) {
                _ if able.is_empty() => {}
                Some((_, actions)) => actions.push(action),
                None => together.push((able, vec![action])),
            }
        }
        for (able, actions) in together {
            let mut part = actions.join(", ");
            if field != name {
                part = format!("`msg.{field}`: {part}");
            }
            if able.len() < changes.len() {
                let who = able.iter().map(|target| format!("`{}`", schema.plan(**target).command));
                part = format!("{part} ({})", who.collect::<Vec<_>>().join(", "));
            }
            parts.push(part);
        }
    }
    parts.join("; ")
}

/// Each field that the answer of a target can change, with an action.
fn changes_of(schema: &Schema, target: Target) -> Vec<(String, &'static str)> {
    let Some(reply) = &schema.plan(target).reply else { return Vec::new() };
    let mut found = Vec::new();
    for modify in &reply.modify {
        if modify.to.first().is_none_or(|to| !reply.never.contains(to)) {
            changes_of_field(schema, target, modify, &mut found);
        }
    }
    found.extend(refused(schema, target, reply));
    found
}

/// Of ids that can be refused, those that the request tells.
fn refused(schema: &Schema, target: Target, reply: &ReplyPlan) -> Option<(String, &'static str)> {
    let (field, _) = reply.refuse.as_ref()?;
    schema.carries(target, Root::Msg, field).then(|| (field.to_string(), "remove"))
}

fn changes_of_field(
    schema: &Schema,
    target: Target,
    modify: &ModifyPlan,
    found: &mut Vec<(String, &'static str)>,
) {
    const FREE_TEXT: &[&str] = &["unset", "mask"];
    let field = modify.field.to_string();
    let told = schema.carries(target, Root::Msg, &field);
    let field_type = schema.catalogue().word(&field).map(|word| word.field_type);
    let more: &[&'static str] = match (&modify.form, field_type) {
        (ModifyForm::Content, _) => {
            found.push((field, "mask"));
            return;
        }
        (ModifyForm::Patch { each, .. }, _) => {
            for (item, _) in each {
                let field = format!("{field}.{item}");
                found.extend(["set", "unset", "mask"].map(|action| (field.clone(), action)));
            }
            return;
        }
        (ModifyForm::Ids, _) => &["remove"],
        (ModifyForm::Plain, Some(FieldType::Text)) if !field.ends_with("_id") => FREE_TEXT,
        (ModifyForm::Plain, Some(FieldType::Int)) => &["clamp"],
        (ModifyForm::Plain | ModifyForm::Enum(_), _) => &[],
    };
    found.push((field.clone(), "set"));
    if told {
        // What may not be empty cannot be emptied.
        let more = more.iter().filter(|action| !(modify.nonempty && **action == "unset"));
        found.extend(more.map(|action| (field.clone(), *action)));
    }
}

const fn context_meaning(field: Ctx) -> &'static str {
    match field {
        Ctx::Provider => "who asks: `openim` or `tencent`",
        Ctx::Command => "the command, as `imcommand` of its record has it",
        Ctx::Kind => "the kind",
        Ctx::Deployment => {
            "last part of the record's `source`: `IMBRIDGE_OPENIM_DEPLOYMENT`, or the SdkAppid"
        }
        Ctx::CorrelationId => "OpenIM's operation id, Tencent's `RequestID`",
        Ctx::GroupId => {
            "the request's own; for OpenIM's `message.modify`, which has none, that of the message \
             when it was asked for at most 60 s before"
        }
        Ctx::RecipientId | Ctx::ConversationId => "the request's own, or as `ctx.group_id`",
    }
}
