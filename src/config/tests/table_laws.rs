//! Laws of the table: its rows are well formed, and it lists exactly what is read.

use std::collections::BTreeSet;

use serde::de::{self, DeserializeOwned, Visitor};

use super::super::table::{DefaultValue, KAFKA_PROPERTY_PREFIX, PREFIX};
use super::*;

#[test]
fn rows_of_the_table_are_lawful() {
    let names: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(names.len(), SETTINGS.len(), "names are unique");
    for setting in SETTINGS {
        assert!(setting.name.starts_with(PREFIX), "{}", setting.name);
        assert!(setting.meaning.ends_with('.'), "{}: the meaning is a sentence", setting.name);
        assert!(
            !setting.meaning.contains('|') && !setting.form.contains('|'),
            "{}: fits a table",
            setting.name
        );
        assert!(
            setting.default != DefaultValue::Text(""),
            "{}: an empty default is Off",
            setting.name
        );
        if setting.secret && !setting.name.ends_with('*') {
            assert!(
                names.contains(format!("{}_FILE", setting.name).as_str()),
                "{} has a file form",
                setting.name
            );
        }
    }
}

#[test]
fn the_example_environment_is_accepted_with_every_comment_mark_taken_away() {
    let page = docs::env_example();
    let vars: Vec<(&str, &str)> = page
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .filter(|line| line.starts_with(PREFIX))
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(vars.len(), SETTINGS.len());
    let config = Config::for_serve(pairs(&vars)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.require_brokers(), Ok("localhost:9092"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_setting_is_read_exactly_when_it_has_a_row() {
    let mut read = BTreeSet::new();
    for fields in [
        fields::<http::HttpVars>(),
        fields::<http::AdminVars>(),
        fields::<logging::LogVars>(),
        fields::<kafka::KafkaVars>(),
        fields::<journal::JournalVars>(),
        fields::<providers::ProviderVars>(),
        fields::<providers::PolicyVars>(),
    ] {
        for field in fields {
            let name = format!("{PREFIX}{}", field.to_ascii_uppercase());
            assert!(read.insert(name.clone()), "{name} is read twice");
        }
    }
    let refused = SETTINGS.iter().filter(|setting| setting.support == Support::NotYet);
    for setting in refused {
        assert!(read.insert(setting.name.to_owned()), "{} is read and refused", setting.name);
    }
    read.insert(format!("{KAFKA_PROPERTY_PREFIX}*"));
    let rows: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(read, rows);
}

/// The names of a struct's fields, from what it asks of a deserializer.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);

    impl<'de> de::Deserializer<'de> for Ask<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("only structs are asked"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("the names are all that is wanted"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    assert!(T::deserialize(Ask(&mut names)).is_err());
    names
}
