//! The page says what the compiler allows.

use super::*;
use crate::rules::set::{Sources, build};
use crate::verdict::OnFault;
use std::collections::BTreeMap;

/// Rules in one file, fewer than a file may have; of one command fewer than a command may have.
const RULES: usize = 450;

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::embedded())
}

/// A value that a field takes.
fn value(catalogue: &Catalogue, modify: Option<&ModifyPlan>, field: &str) -> &'static str {
    let name = field.split('.').next_back().expect("a name");
    match (modify.map(|modify| &modify.form), catalogue.word(name).map(|word| word.field_type)) {
        (Some(ModifyForm::Enum(_)), _) => match name {
            "role" => "admin",
            "receive_option" => "none",
            "mention_state" => "all",
            other => panic!("give {other} a word"),
        },
        (_, Some(FieldType::Int)) => "1",
        (_, Some(FieldType::Bool)) => "true",
        (_, Some(FieldType::Texts)) => "[u1]",
        _ => "x",
    }
}

/// Which of the rules' ids the compiler takes.
fn taken(rules: &[(String, String)]) -> BTreeSet<String> {
    let catalogue = catalogue();
    let mut all = BTreeSet::new();
    for rules in rules.chunks(RULES) {
        let text: Vec<&str> = rules.iter().map(|(_, text)| text.as_str()).collect();
        let file = format!("version: 1\nrules:\n{}", text.concat());
        let sources = Sources {
            file: file.as_bytes(),
            read_list: &|name| Err(format!("{name} is not there")),
            catalogue: &catalogue,
            on_fault: OnFault::Allow,
            previous: None,
        };
        let errors: BTreeSet<String> = build(&sources)
            .problems
            .into_iter()
            .filter(|problem| problem.severity == crate::rules::problem::Severity::Error)
            .map(|problem| problem.rule.expect("only rules are wrong").to_string())
            .collect();
        let ids = rules.iter().map(|(id, _)| id.clone());
        all.extend(ids.filter(|id| !errors.contains(id)));
    }
    all
}

#[test]
fn what_is_listed_as_a_change_is_what_a_rule_may_say_and_nothing_else() {
    let catalogue = catalogue();
    let schema = Schema::new(&catalogue);
    let mut rules = Vec::new();
    let mut listed = BTreeMap::new();
    for (number, target) in schema.all_targets().into_iter().enumerate() {
        let plan = schema.plan(target);
        let kind = &*catalogue.kind(schema.kind(target).kind).name;
        // A command that has several kinds is one entry of `on` with all of them.
        if plan.kinds.len() > 1 {
            continue;
        }
        let can = changes_of(&schema, target);
        let modify = plan.reply.iter().flat_map(|reply| &reply.modify);
        let mut fields: BTreeSet<String> = modify.map(|modify| modify.field.to_string()).collect();
        fields.extend(can.iter().map(|(field, _)| field.clone()));
        fields.extend(schema.carried(&[target]).into_iter().map(str::to_owned));
        fields.remove("raw");
        for (place, field) in fields.iter().enumerate() {
            let modify = plan
                .reply
                .iter()
                .flat_map(|reply| &reply.modify)
                .find(|modify| Some(&*modify.field) == field.split('.').next());
            let set = value(&catalogue, modify, field);
            for (action, form) in [
                ("set", format!("set: {{ msg.{field}: {set} }}")),
                ("unset", format!("unset: [msg.{field}]")),
                ("clamp", format!("clamp: {{ msg.{field}: {{ min: 0, max: 9 }} }}")),
                ("remove", format!("remove: {{ msg.{field}: {{ items: [u9] }} }}")),
                ("mask", format!("mask: {{ msg.{field}: {{ pattern: x }} }}")),
            ] {
                let id = format!("r{number}-{place}-{action}");
                let rule =
                    format!("  - {{ id: {id}, on: [{}], then: {{ {form} }} }}\n", plan.command);
                rules.push((id.clone(), rule));
                let is_listed = can.iter().any(|(f, a)| f == field && *a == action);
                listed.insert(id, (is_listed, format!("{} {kind}: {form}", plan.command)));
            }
        }
    }
    assert!(rules.len() > 1000, "{}", rules.len());
    let taken = taken(&rules);
    let wrong: Vec<String> = listed
        .iter()
        .filter(|(id, (is_listed, _))| *is_listed != taken.contains(*id))
        .map(|(_, (is_listed, what))| format!("{what} is listed: {is_listed}"))
        .collect();
    assert!(wrong.is_empty(), "{} are not as they are listed\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_page_names_every_entry_of_on_and_every_field() {
    let catalogue = catalogue();
    let schema = Schema::new(&catalogue);
    let page = fields_md(&catalogue);
    for entry in schema.entries() {
        assert!(page.contains(&format!("`{entry}`")), "{entry} is missing");
    }
    for field in schema.carried(&schema.all_targets()) {
        let named = page.matches(&format!("`msg.{field}`")).count();
        assert!(field == "raw" || named >= 2, "{field} stands with its kinds and its meaning");
    }
    for line in [
        "| `Group.CallbackBeforeSendMsg` | Tencent | 1 and 10100 to 10200 (1) | `drop` |",
        "| `callbackBeforeSendGroupMsgCommand` | OpenIM | 5000 to 9999 (5001) | no answer denies |",
        "| `msg.text` | string | yes | yes | `mask` (`Group.CallbackBeforeSendMsg`) |",
        "| `msg.mute_until_at_ms` | int |  |  | `set` |",
    ] {
        assert!(page.lines().any(|found| found == line), "{line:?} is missing in\n{page}");
    }
}
