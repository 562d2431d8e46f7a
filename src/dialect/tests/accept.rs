//! Reads answers as the providers do, and says what is wrong with them.
//!
//! In: status and body. Out: what the provider does next, or a complaint. What always holds: where
//! nobody knows how strict a provider is, this is strict.

use crate::call::Provider;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What the provider makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Passes,
    /// It tells the user this.
    Denied(i64, String),
    /// It pretends to go on.
    Dropped,
    /// Per person: code and text.
    Friends(Vec<(String, i64, String)>),
    /// It took the call for failed and does what its own policy says.
    Failed,
}

/// The members in order; a name that stands twice, in any case, is a complaint: two parsers could
/// choose differently.
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let text = self.get(name).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("{name} is no text"))
    }

    /// Go's int32: digits and a sign, neither fraction nor exponent, within bounds.
    fn int32(&self, name: &str) -> Result<i64, String> {
        let literal = self.get(name).filter(|value| value.is_number()).map(Value::to_string);
        let number = literal.and_then(|literal| literal.parse::<i32>().ok());
        number.map(i64::from).ok_or_else(|| format!("{name} is no plain integer within int32"))
    }
}

/// Reads one object and nothing behind it.
pub(super) fn object(body: &[u8]) -> Result<Members, String> {
    struct Collect;
    impl<'de> Visitor<'de> for Collect {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let text = std::str::from_utf8(body).map_err(|e| format!("no UTF-8: {e}"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Collect).map_err(|e| format!("no object: {e}"))?;
    reader.end().map_err(|e| format!("more behind the object: {e}"))?;
    let mut known: Vec<String> = members.iter().map(|(name, _)| name.to_lowercase()).collect();
    known.sort();
    if let Some([twice, _]) = known.array_windows().find(|[one, other]| one == other) {
        return Err(format!("{twice} stands twice"));
    }
    Ok(Members(members))
}

/// As the provider of that answer reads it.
pub(super) fn read(provider: Provider, status: u16, body: &[u8]) -> Result<Outcome, String> {
    match provider {
        Provider::OpenIm => openim(body),
        Provider::Tencent => tencent(status, body),
    }
}

/// `OpenIM` 3.7 and later; the status is not looked at.
pub(super) fn openim(body: &[u8]) -> Result<Outcome, String> {
    let answer = object(body)?;
    let (message, _) = (answer.text("errMsg")?, answer.text("errDlt")?);
    let (action, next) = (answer.int32("actionCode")?, answer.int32("nextCode")?);
    let code = answer.int32("errCode")?;
    match (action, next, code) {
        (0, 0, 0) => Ok(Outcome::Passes),
        (0, 1, 5000..=9999) => Ok(Outcome::Denied(code, message)),
        _ => Err(format!("actionCode {action}, nextCode {next}, errCode {code} is neither")),
    }
}

/// `OpenIM` 2.x: what is not 0 denies.
pub(super) fn openim_legacy(body: &[u8]) -> Result<Outcome, String> {
    let answer = object(body)?;
    let (code, message) = (answer.int32("errCode")?, answer.text("errMsg")?);
    answer.text("errDlt")?;
    Ok(match answer.int32("actionCode")? {
        0 if code == 0 && answer.int32("nextCode")? == 0 => Outcome::Passes,
        0 => return Err("an allow with a code".to_owned()),
        _ => Outcome::Denied(code, message),
    })
}

/// Tencent: any other status is a failed call.
pub(super) fn tencent(status: u16, body: &[u8]) -> Result<Outcome, String> {
    let answer = object(body)?;
    if answer.text("ActionStatus")? != "OK" {
        return Err("ActionStatus is not OK".to_owned());
    }
    let (message, code) = (answer.text("ErrorInfo")?, answer.int32("ErrorCode")?);
    if status != 200 {
        return Ok(Outcome::Failed);
    }
    let Some(items) = answer.get("ResultItem") else {
        return Ok(match code {
            0 => Outcome::Passes,
            2 => Outcome::Dropped,
            _ => Outcome::Denied(code, message),
        });
    };
    if code != 0 {
        return Err("a code at the top beside ResultItem".to_owned());
    }
    let items = items.as_array().ok_or("ResultItem is no list")?;
    let read = items.iter().map(|item| {
        let member = |name: &str| item.get(name).ok_or(format!("an item without {name}"));
        let info = member("ResultInfo")?.as_str().ok_or("ResultInfo is no text")?;
        let code = member("ResultCode")?.as_i64().ok_or("ResultCode is no integer")?;
        Ok((member("To_Account")?.to_string(), code, info.to_owned()))
    });
    Ok(Outcome::Friends(read.collect::<Result<_, String>>()?))
}
