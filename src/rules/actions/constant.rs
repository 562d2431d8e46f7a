//! Values that `set` writes.
//!
//! In: a constant as written, and the commands it is for. Out: the value as records and answers have
//! it, or what is wrong with it. What always holds: every command that takes the field takes the
//! value; a code of a table that has a word for it becomes that word.

use super::super::problem::Position;
use super::super::source::file::{SetItem, SetValue};
use crate::catalogue::FieldType;
use crate::catalogue::plan::{EnumTable, ModifyForm, ModifyPlan, Other};
use crate::event::Value;
use serde_json::Value as Json;

/// Longest text, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// Largest number of a field that holds a time: what every JSON reader keeps exactly.
const TIME_MAX: i64 = (1 << 53) - 1;

/// A value of `set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constant {
    Text(Box<str>),
    Int(i64),
    Bool(bool),
    Texts(Box<[Box<str>]>),
    Ints(Box<[i64]>),
}

impl Constant {
    /// As changes are recorded.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(&**text),
            Self::Int(number) => Json::from(*number),
            Self::Bool(yes) => Json::from(*yes),
            Self::Texts(texts) => texts.iter().map(|text| &**text).collect(),
            Self::Ints(numbers) => numbers.iter().copied().collect(),
        }
    }

    /// Whether the request says the same.
    pub(super) fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(text), Value::Text(other)) => **text == *other,
            (Self::Int(number), Value::Int(other)) => *number == other,
            (Self::Bool(yes), Value::Bool(other)) => *yes == other,
            (Self::Texts(texts), Value::List(others)) => {
                texts.iter().map(|text| Value::Text(text)).eq(others.iter().copied())
            }
            (Self::Ints(numbers), Value::List(others)) => {
                numbers.iter().map(|number| Value::Int(*number)).eq(others.iter().copied())
            }
            _ => false,
        }
    }
}

/// The largest size that a number in the field may have, and in words.
pub(super) fn number_range(field: &str) -> (std::ops::RangeInclusive<i64>, &'static str) {
    if field.ends_with("_at_ms") {
        (-TIME_MAX..=TIME_MAX, "a number of 53 bits")
    } else {
        (i64::from(i32::MIN)..=i64::from(i32::MAX), "a number of 32 bits")
    }
}

/// Reads a value for a field of this type, that these commands take. `at` is the value's place.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read<'m>(
    value: &SetValue,
    at: Position,
    (field, field_type): (&str, FieldType),
    takers: impl Iterator<Item = &'m ModifyPlan> + Clone,
) -> Result<Constant, (Position, String)> {
    let wrong = |expected: &str, found: &str| {
        (at, format!("expected {expected} for {field}, found {found}"))
    };
    let tables = takers.clone().filter_map(|taker| match &taker.form {
        ModifyForm::Enum(table) => Some(&**table),
        _ => None,
    });
    let constant = match (field_type, value) {
        (FieldType::Text, SetValue::Text(text)) => {
            let mut text: Box<str> = text.clone();
            check_text(&text).map_err(|message| (at, message))?;
            for table in tables {
                text = word(table, &text).map_err(|expected| wrong(&expected, &quoted(value)))?;
            }
            Constant::Text(text)
        }
        (FieldType::Int, SetValue::Int(number)) => {
            let (range, what) = number_range(field);
            if !range.contains(number) {
                return Err(wrong(what, &number.to_string()));
            }
            Constant::Int(*number)
        }
        (FieldType::Bool, SetValue::Bool(yes)) => Constant::Bool(*yes),
        (FieldType::Texts, SetValue::List(items)) => {
            let ids = takers.clone().any(|taker| matches!(taker.form, ModifyForm::Ids));
            let text = |item: &SetItem| match item {
                SetItem::Text(text) if ids && text.is_empty() => Err("an id is never empty".into()),
                SetItem::Text(text) => check_text(text).map(|()| text.clone()),
                SetItem::Int(number) => {
                    Err(format!("expected a text, found {number}: put it in quotes"))
                }
            };
            let texts = items
                .iter()
                .map(|item| text(&item.value).map_err(|message| (item.at, message)))
                .collect::<Result<_, _>>()?;
            Constant::Texts(texts)
        }
        (FieldType::Ints, SetValue::List(items)) => {
            let (range, what) = number_range(field);
            let number = |item: &SetItem| match item {
                SetItem::Int(number) if range.contains(number) => Ok(*number),
                SetItem::Int(number) => Err(format!("expected {what}, found {number}")),
                SetItem::Text(text) => Err(format!("expected a number, found {text:?}")),
            };
            let numbers = items
                .iter()
                .map(|item| number(&item.value).map_err(|message| (item.at, message)))
                .collect::<Result<_, _>>()?;
            Constant::Ints(numbers)
        }
        (wanted, _) => return Err(wrong(type_name(wanted), &quoted(value))),
    };
    let is_empty = match &constant {
        Constant::Text(text) => text.is_empty(),
        Constant::Texts(texts) => texts.is_empty(),
        Constant::Ints(numbers) => numbers.is_empty(),
        Constant::Int(_) | Constant::Bool(_) => false,
    };
    if is_empty && takers.into_iter().any(|taker| taker.nonempty) {
        return Err((
            at,
            format!("{field} cannot be emptied: the server takes that for unchanged"),
        ));
    }
    Ok(constant)
}

fn check_text(text: &str) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "expected a text of at most {TEXT_BYTES_MAX} bytes, found {} bytes",
            text.len()
        ));
    }
    Ok(())
}

/// The word of the table that `text` is or has the code of, or a code without word where the table
/// keeps those.
fn word(table: &EnumTable, text: &str) -> Result<Box<str>, String> {
    let mut words: Vec<&str> = table.codes.keys().map(|word| &**word).collect();
    if words.contains(&text) {
        return Ok(text.into());
    }
    let number = text.parse::<i32>().ok().filter(|_| !text.starts_with('+'));
    if let Some(number) = number.filter(|_| table.other == Other::Keep) {
        let code: Box<str> = number.to_string().into();
        return Ok(table.words.get(&code).and_then(Clone::clone).unwrap_or(code));
    }
    words.sort_unstable_by_key(|word| {
        let code = table.codes[*word].parse::<i64>().unwrap_or(i64::MAX);
        (code, *word)
    });
    let words = words.join(", ");
    Err(match table.other {
        Other::Keep => format!("one of {words}, or a code in quotes such as \"80\","),
        Other::Absent | Other::Word(_) => format!("one of {words}"),
    })
}

fn quoted(value: &SetValue) -> String {
    match value {
        SetValue::Text(text) => format!("{text:?}"),
        SetValue::Int(number) => number.to_string(),
        SetValue::Bool(yes) => yes.to_string(),
        SetValue::List(_) => "a list".to_owned(),
    }
}

const fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a string (in quotes)",
        FieldType::Int => "an int",
        FieldType::Bool => "a bool",
        FieldType::Texts => "a list of strings",
        FieldType::Ints => "a list of ints",
        FieldType::Items | FieldType::Object => "nothing: name a field of the objects instead",
    }
}
