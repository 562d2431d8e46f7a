//! Writes the pages about settings from the table: `docs/configuration.md` and `.env.example`.
//!
//! In: nothing. Out: the text of a page. Invariant: same table, same text; a test compares the
//! files of the repository with it, and `UPDATE=1 cargo test` rewrites them.

use std::fmt::Write;

use super::properties::{ALIASES, REFUSED};
use super::table::{DefaultValue, Group, SETTINGS, Setting, Support};

/// Widest comment line in `.env.example`, in characters.
const COMMENT_CHARS_MAX: usize = 98;

/// The text of `docs/configuration.md`.
#[must_use]
pub fn configuration_md() -> String {
    let mut page = String::from(INTRODUCTION);
    for group in Group::ALL {
        write!(
            page,
            "\n## {}\n\n| variable | default | value | meaning |\n| --- | --- | --- | --- |\n",
            group.title()
        )
        .expect("a String takes all that is written");
        for setting in in_group(group) {
            page.push_str(&table_row(setting));
        }
        if group == Group::Kafka {
            page.push_str(&about_properties());
        }
    }
    page
}

/// The text of `.env.example`: every setting as a comment with its default, the required ones
/// with an example.
#[must_use]
pub fn env_example() -> String {
    let mut page = String::from(ENV_HEAD);
    for group in Group::ALL {
        write!(page, "\n# ---- {} ----\n", group.title())
            .expect("a String takes all that is written");
        for setting in in_group(group) {
            page.push('\n');
            page.push_str(&env_entry(setting));
        }
    }
    page
}

const INTRODUCTION: &str = "\
<!-- Written by `UPDATE=1 cargo test` from src/config/table.rs: edit that file. -->

# Settings

imbridge is set up by environment variables. All mistakes are reported together when it starts,
and it then exits with status 64.

* An empty variable counts as not set. Space around a value is ignored.
* Lists are split at commas and line ends.
* Sizes are plain bytes and times plain numbers in the unit that is named: digits only.
* A secret may stand in a file that the variable with `_FILE` at its end names, one item per
  line; commas then belong to the item. An empty or missing file is a mistake, and so is
  setting both forms.
* A variable that begins with `IMBRIDGE_` and is not listed here is a mistake, and the nearest
  known name is suggested. The variables that Kubernetes makes for a service of that name
  (`IMBRIDGE_SERVICE_HOST`, `IMBRIDGE_PORT_8080_TCP` and the like) are ignored.
* \"Not yet supported\": this version refuses to start when the variable is set, so that
  nobody relies on it.
";

const ENV_HEAD: &str = "\
# Settings of imbridge. Written by `UPDATE=1 cargo test` from src/config/table.rs: edit that file.
#
# Copy this file to .env and take the `#` away from what you change. imbridge itself reads
# environment variables only: use `docker compose`, or `set -a; . ./.env; set +a` in a shell.
# The rules for values and more about librdkafka properties: docs/configuration.md
";

fn in_group(group: Group) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.group == group)
}

fn table_row(setting: &Setting) -> String {
    let default = match setting.default {
        DefaultValue::Text(text) => format!("`{text}`"),
        DefaultValue::Words(words) => words.to_owned(),
        DefaultValue::Off => "–".to_owned(),
        DefaultValue::Required(_) => "required by `serve`".to_owned(),
    };
    let form =
        if setting.secret { format!("{}; secret", setting.form) } else { setting.form.to_owned() };
    format!("| `{}` | {default} | {form} | {} |\n", setting.name, meaning(setting))
}

/// The meaning, with what this version makes of the setting.
fn meaning(setting: &Setting) -> String {
    let note = match setting.support {
        Support::Full => "",
        Support::NotAtMemory => " No effect at level `memory`; named in a warning at start.",
        Support::NotYet => " **Not yet supported.**",
    };
    format!("{}{note}", setting.meaning)
}

fn about_properties() -> String {
    let refused: Vec<String> =
        REFUSED.iter().map(|name| format!("* {}", with_aliases(name))).collect();
    format!(
        "\n### librdkafka properties\n\n\
        Any property of librdkafka can be set, by variable or in the file; a variable wins over\n\
        the file. In the name of a variable the property is written in capitals with `_` instead\n\
        of `.`; properties that have an underscore of their own (`ssl_key`, `log_level`) keep it.\n\
        Names that librdkafka does not know are reported at start.\n\n\
        The bridge sets these itself, because its promises rest on them, and refuses them, also\n\
        with `topic.` in front (librdkafka's other name in parentheses):\n\n{}\n",
        refused.join("\n")
    )
}

fn with_aliases(name: &str) -> String {
    let aliases: Vec<String> = ALIASES
        .iter()
        .filter(|(_, real)| *real == name)
        .map(|(alias, _)| format!("`{alias}`"))
        .collect();
    if aliases.is_empty() {
        format!("`{name}`")
    } else {
        format!("{} (`{name}`)", aliases.join(", "))
    }
}

fn env_entry(setting: &Setting) -> String {
    let mut entry = String::new();
    let default = match setting.default {
        DefaultValue::Words(words) => format!(" Default: {words}."),
        DefaultValue::Required(_) => " Required by `imbridge serve`.".to_owned(),
        DefaultValue::Text(_) | DefaultValue::Off => String::new(),
    };
    let text = format!("{}{default} ({})", meaning(setting).replace("**", ""), setting.form);
    for line in wrapped(&text) {
        entry.push_str("# ");
        entry.push_str(&line);
        entry.push('\n');
    }
    let (mark, value) = match setting.default {
        DefaultValue::Text(text) => ("#", text),
        DefaultValue::Words(_) | DefaultValue::Off => ("#", ""),
        DefaultValue::Required(example) => ("", example),
    };
    // The one row that stands for many would be an illegal name in a shell: show one of the many.
    let name = setting.name.replace('*', "SECURITY_PROTOCOL");
    writeln!(entry, "{mark}{name}={value}").expect("a String takes all that is written");
    entry
}

/// The words of `text` in lines of at most `COMMENT_CHARS_MAX` characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COMMENT_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
