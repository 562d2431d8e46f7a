//! Shows what is known about commands: a table, one row in detail, JSON, and `docs/commands.md`.
//!
//! In: a [`Catalogue`], and what goes into which topic. Out: text. What always holds: same input,
//! same text; nothing here writes anywhere. A row that can give several kinds is one entry per kind,
//! so that every entry has one kind and one topic.

use std::fmt::Write;

use serde_json::json;

use super::kind::TOPIC_PREFIX;
use super::plan::{KindIndex, KindPlan, ModifyForm, Plan, ReplyPlan};
use super::problem::nearest;
use super::render::Renderer;
use super::{Catalogue, KindInfo};
use crate::call::{Phase, Provider, RowIndex};

/// A command with one of its kinds.
struct Entry<'a> {
    row: RowIndex,
    plan: &'a Plan,
    kind_plan: &'a KindPlan,
    kind: &'a KindInfo,
}

impl Entry<'_> {
    fn topic(&self, topic: TopicOf<'_>) -> String {
        topic(self.row, self.kind_plan.kind)
    }
}

/// Topic of what becomes of a row, by kind.
pub type TopicOf<'a> = &'a dyn Fn(RowIndex, KindIndex) -> String;

/// The topics as long as no setting changes them.
pub fn default_topics(catalogue: &Catalogue) -> impl Fn(RowIndex, KindIndex) -> String {
    |_, kind| format!("{TOPIC_PREFIX}{}", catalogue.kind(kind).topic)
}

fn entries(catalogue: &Catalogue) -> impl Iterator<Item = Entry<'_>> {
    catalogue.indexed_rows().flat_map(move |(row, plan)| {
        plan.kinds.iter().map(move |kind_plan| Entry {
            row,
            plan,
            kind_plan,
            kind: catalogue.kind(kind_plan.kind),
        })
    })
}

/// Provider, phase, command, kind and topic in aligned columns, one line per command and kind.
#[must_use]
pub fn table(catalogue: &Catalogue, topic: TopicOf<'_>) -> String {
    let head = ["PROVIDER", "PHASE", "COMMAND", "KIND", "TOPIC"].map(str::to_owned);
    let lines = entries(catalogue).map(|entry| {
        let Plan { provider, phase, command, .. } = entry.plan;
        let (kind, topic) = (entry.kind.name.to_string(), entry.topic(topic));
        [provider.name().to_owned(), phase.name().to_owned(), command.to_string(), kind, topic]
    });
    let lines: Vec<[String; 5]> = std::iter::once(head).chain(lines).collect();
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// `[{"provider","command","phase","kind","topic","aliases"}]`, one object per command and kind,
/// each on a line.
#[must_use]
pub fn to_json(catalogue: &Catalogue, topic: TopicOf<'_>) -> String {
    let lines = entries(catalogue).map(|entry| json_line(catalogue, &entry, topic));
    let lines: Vec<String> = lines.collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// As [`to_json`], only the entries of these rows.
#[must_use]
pub fn rows_to_json(catalogue: &Catalogue, rows: &[RowIndex], topic: TopicOf<'_>) -> String {
    let of_rows = entries(catalogue).filter(|entry| rows.contains(&entry.row));
    let lines: Vec<String> = of_rows.map(|entry| json_line(catalogue, &entry, topic)).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn json_line(catalogue: &Catalogue, entry: &Entry<'_>, topic: TopicOf<'_>) -> String {
    let object = json!({
        "provider": entry.plan.provider.name(),
        "command": entry.plan.command,
        "phase": entry.plan.phase.name(),
        "kind": entry.kind.name,
        "topic": entry.topic(topic),
        "aliases": catalogue.aliases(entry.row),
    });
    format!("  {object}")
}

/// Rows that a person may mean by a name: found in the way that requests find them, in both
/// providers.
#[must_use]
pub fn search(catalogue: &Catalogue, name: &str) -> Vec<RowIndex> {
    Provider::ALL.into_iter().filter_map(|provider| catalogue.find(provider, name)).collect()
}

/// The command or alias that is most like `name`; the catalogue is never empty.
#[must_use]
pub fn nearest_command<'a>(catalogue: &'a Catalogue, name: &str) -> Option<&'a str> {
    let names = catalogue.indexed_rows().flat_map(|(row, plan)| {
        std::iter::once(&*plan.command).chain(catalogue.aliases(row).iter().map(|name| &**name))
    });
    nearest(name, names)
}

/// A row in detail: names, kinds with topics, id, time, answer, and every field with its source.
#[must_use]
pub fn detail(catalogue: &Catalogue, row: RowIndex, topic: TopicOf<'_>) -> String {
    let plan = catalogue.plan(row);
    let render = Renderer(&plan.roots);
    let Plan { command, provider, phase, .. } = plan;
    let mut lines = vec![("command", command.to_string())];
    lines.push(("provider", provider.name().to_owned()));
    lines.push(("phase", phase.name().to_owned()));
    let aliases = catalogue.aliases(row);
    if !aliases.is_empty() {
        lines.push(("aliases", aliases.join(", ")));
    }
    for kind in &plan.kinds {
        let info = catalogue.kind(kind.kind);
        lines.push(("kind", format!("{}: {}", info.name, info.meaning)));
        lines.push(("topic", topic(row, kind.kind)));
    }
    if let Some(each) = &plan.each {
        lines.push(("split", format!("one event per element of {}", each.text)));
    }
    lines.push((
        "id",
        match &*plan.id {
            [] => "request id, receive minute and body".to_owned(),
            parts => parts.iter().map(|part| render.id_part(part)).collect::<Vec<_>>().join(" + "),
        },
    ));
    lines.push((
        "time",
        match &*plan.time {
            [] => "receive time".to_owned(),
            time => render.first(time),
        },
    ));
    if !plan.redact.is_empty() {
        lines.push(("redacted", plan.redact.join(", ")));
    }
    if let Some(reply) = &plan.reply {
        lines.extend(reply_lines(reply));
    }
    if !plan.raw.is_empty() {
        let raw = plan.raw.iter().map(|(name, found)| format!("{name} {}", found.name()));
        lines.push(("raw", raw.collect::<Vec<_>>().join(", ")));
    }
    let mut text = String::new();
    for (name, value) in lines {
        writeln!(text, "{name:<9} {value}").expect("a String takes all that is written");
    }
    text.push_str("\nfields (* required)\n");
    text.push_str(&fields(catalogue, plan, &render));
    text
}

/// What a rule may answer.
fn reply_lines(reply: &ReplyPlan) -> Vec<(&'static str, String)> {
    let no_answer =
        if reply.no_answer_allows { "lets the action pass" } else { "denies the action" };
    let mut deny = format!("code {}", reply.deny_code);
    if let Some((low, high)) = reply.codes {
        write!(deny, ", rules may give {low}..{high}").expect("a String takes all that is written");
    }
    let mut lines = vec![("no answer", format!("the sender {no_answer}")), ("deny", deny)];
    if let Some(code) = reply.drop_code {
        lines.push(("drop", format!("code {code}")));
    }
    if let Some((field, to)) = &reply.refuse {
        lines.push(("refuse", format!("some of {field}, in {to}")));
    }
    if !reply.must_echo.is_empty() {
        let names: Vec<&str> = reply.must_echo.iter().map(|name| &*name.text).collect();
        lines.push(("echo", names.join(", ")));
    }
    for modify in &reply.modify {
        let note = match &modify.form {
            ModifyForm::Content => " (every text of the message)",
            ModifyForm::Patch { .. } => " (item by item)",
            _ => "",
        };
        lines.push(("modify", format!("{} -> {}{note}", modify.field, modify.to.join("."))));
    }
    lines
}

/// One line per field that one of the kinds lists.
fn fields(catalogue: &Catalogue, plan: &Plan, render: &Renderer<'_>) -> String {
    let width = plan.slots.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (at, name) in plan.slots.iter().enumerate() {
        let kept = |kind: &KindPlan| kind.keep.iter().any(|(slot, _)| usize::from(slot.0) == at);
        if !plan.kinds.iter().any(kept) {
            continue;
        }
        let required = |kind: &KindPlan| kind.required.iter().any(|(known, _)| known == name);
        let mark = if plan.kinds.iter().any(required) { '*' } else { ' ' };
        let type_name = catalogue.word(name).map_or("", |word| word.field_type.name());
        let take = plan.fields.iter().find(|(slot, _)| usize::from(slot.0) == at);
        let place = match take {
            Some((_, take)) => render.take(take),
            None if &**name == "occurred_at_ms" => "time".to_owned(),
            None if matches!(&**name, "conversation_type" | "group_id") => {
                "conversation_id".to_owned()
            }
            None => "message content".to_owned(),
        };
        writeln!(text, "{mark} {name:<width$}  {type_name:<13}  {place}")
            .expect("a String takes all that is written");
    }
    text
}

/// The text of `docs/commands.md`.
#[must_use]
pub fn commands_md(catalogue: &Catalogue) -> String {
    let mut page = String::from(INTRODUCTION);
    for provider in Provider::ALL {
        let title = match provider {
            Provider::OpenIm => "OpenIM",
            Provider::Tencent => "Tencent Cloud Chat",
        };
        let of_provider = || catalogue.rows.iter().filter(|plan| plan.provider == provider);
        let count = of_provider().count();
        for phase in [Phase::Before, Phase::After] {
            let entries: Vec<Entry<'_>> = entries(catalogue)
                .filter(|entry| entry.plan.provider == provider && entry.plan.phase == phase)
                .collect();
            let commands = of_provider().filter(|plan| plan.phase == phase).count();
            write!(
                page,
                "\n## {title}, {}-callbacks ({commands} of {count})\n\n{TABLE_HEAD}",
                phase.name()
            )
            .expect("a String takes all that is written");
            page.extend(entries.iter().map(|entry| page_row(catalogue, entry)));
        }
    }
    page
}

const INTRODUCTION: &str = "\
<!-- Written by `UPDATE=1 cargo test` from catalogue/: edit the files there. -->

# Commands

Every command that has a row, as the catalogue spells it, with what it becomes. A command that can
give several kinds has a line for each. Topics begin with `im.` unless `IMBRIDGE_TOPIC_PREFIX` says
otherwise. Required fields are in every record of an after-kind's topic; so is `raw`, unless it is
too large. Commands without a row are published too, in `im.unknown`. `imbridge catalogue COMMAND`
shows where each field comes from; `IMBRIDGE_CATALOGUE` adds rows.
";

const TABLE_HEAD: &str = "\
| command | kind | topic | required fields | other names |
| --- | --- | --- | --- | --- |
";

fn page_row(catalogue: &Catalogue, entry: &Entry<'_>) -> String {
    let code = |name: &str| format!("`{name}`");
    let required = entry.kind_plan.required.iter().map(|(name, _)| code(name));
    let aliases = catalogue.aliases(entry.row).iter().map(|name| code(name));
    format!(
        "| `{}` | `{}` | `{}` | {} | {} |\n",
        entry.plan.command,
        entry.kind.name,
        entry.topic(&default_topics(catalogue)),
        required.collect::<Vec<_>>().join(", "),
        aliases.collect::<Vec<_>>().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_json_has_one_entry_per_command_and_kind() {
        let catalogue = Catalogue::embedded();
        let listed: Vec<Value> =
            serde_json::from_str(&to_json(&catalogue, &default_topics(&catalogue))).unwrap();
        let kinds: usize = catalogue.rows.iter().map(|plan| plan.kinds.len()).sum();
        assert_eq!(listed.len(), kinds);
        let keys: Vec<&String> = listed[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["provider", "command", "phase", "kind", "topic", "aliases"]);
        let of = |command: &str| -> Vec<String> {
            let entries = listed.iter().filter(|entry| entry["command"] == command);
            entries.map(Value::to_string).collect()
        };
        assert_eq!(
            of("Live.CallbackAfterMemberStateChanged"),
            ["online", "offline"].map(|state| {
                let name = format!("live.member.{state}");
                json!({
                    "provider": "tencent",
                    "command": "Live.CallbackAfterMemberStateChanged",
                    "phase": "after",
                    "kind": name,
                    "topic": format!("im.{name}"),
                    "aliases": ["Live.CallbackMemberStateChanged"],
                })
                .to_string()
            })
        );
    }

    #[test]
    fn the_table_is_aligned_and_names_the_topic_of_intents() {
        let catalogue = Catalogue::embedded();
        let table = table(&catalogue, &default_topics(&catalogue));
        let lines: Vec<&str> = table.lines().collect();
        let topic_at = lines[0].find("TOPIC").unwrap();
        assert!(lines.iter().skip(1).all(|line| line[topic_at..].starts_with("im.")));
        let send = lines.iter().find(|line| line.contains("callbackBeforeSendSingleMsgCommand"));
        assert!(send.unwrap().ends_with("im.decisions"));
    }

    #[test]
    fn a_detail_shows_where_fields_come_from_and_what_may_be_answered() {
        let catalogue = Catalogue::embedded();
        let found = search(&catalogue, "callbackBEFORESendGroupMsgCommand");
        let text = detail(&catalogue, found[0], &default_topics(&catalogue));
        for line in [
            "topic     im.decisions",
            "id        $.serverMsgID",
            "time      $.sendTime|ms, $.createTime|ms",
            "redacted  secret, token",
            "deny      code 5001, rules may give 5000..9999",
            "raw       atUserList array<string>, callbackCommand string, clientMsgID string, \
             content string, contentType int, createTime int, ex string, faceURL string, \
             groupID string, msgFrom int, operationID string, sendID string, sendTime int, \
             senderNickname string, senderPlatformID int, seq int, serverMsgID string, \
             sessionType int, status int",
            "* conversation_id    string         group($.groupID), group($.recvID)",
            "  mentions           list<string>   $.atUserList|null_empty|ids|without:AtAllTag",
            "  text               string         message content",
        ] {
            assert!(text.lines().any(|found| found == line), "{line:?} is missing in\n{text}");
        }
    }

    #[test]
    fn an_unknown_name_has_a_nearest_command() {
        let catalogue = Catalogue::embedded();
        assert!(search(&catalogue, "callbackAfterDismissGroup").is_empty());
        assert_eq!(
            nearest_command(&catalogue, "callbackAfterDismissGroup"),
            Some("callbackAfterDisMissGroupCommand")
        );
        assert_eq!(nearest_command(&catalogue, "weather"), None);
    }
}
