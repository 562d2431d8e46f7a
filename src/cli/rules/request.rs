//! A request from a file.
//!
//! In: a body, or a whole request as JSON (`provider`, `path`, `query`, `headers`, `body`), and what
//! the command line says about it. Out: a call as it would arrive over HTTP. What always holds: who
//! sent it is known or asked for, never tossed for.

use super::Usage;
use crate::call::{Headers, Provider, RawCall};
use crate::catalogue::Catalogue;
use crate::catalogue::listing;
use serde_json::{Map, Value};

/// What the command line says about a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// `--provider`
    pub(super) provider: Option<Provider>,
    /// `--command`
    pub(super) command: Option<&'a str>,
    /// `--at`, Unix milliseconds.
    pub(super) at_ms: Option<i64>,
}

/// A request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    provider: Option<Provider>,
    path: String,
    query: String,
    headers: Fields,
    body: Vec<u8>,
    received_at_ms: Option<i64>,
}

/// Names and values of headers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields(Vec<(String, String)>);

impl Headers for Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.as_bytes())
    }
}

impl Request {
    /// Reads a file's bytes; what is no request is a body.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Usage> {
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) if is_request(&members) => Self::of(&members),
            _ => Ok(Self { body: bytes, ..Self::default() }),
        }
    }

    fn of(members: &Map<String, Value>) -> Result<Self, Usage> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let provider = match text("provider") {
            "" => None,
            name => Some(Provider::from_name(name).ok_or_else(|| {
                Usage(format!("the request's provider is {name:?}, expected openim or tencent"))
            })?),
        };
        let body = match members.get("body") {
            Some(Value::String(text)) => text.as_bytes().to_vec(),
            Some(other) => other.to_string().into_bytes(),
            None => Vec::new(),
        };
        let headers = members.get("headers").and_then(Value::as_object);
        let headers = headers
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            provider,
            path: text("path").to_owned(),
            query: text("query").trim_start_matches('?').to_owned(),
            headers: Fields(headers.collect()),
            body,
            received_at_ms: members.get("received_at_ms").and_then(Value::as_i64),
        })
    }

    /// Adds what the command line says, and finds out who sent it; `now_ms` is for requests that do
    /// not say when they came.
    pub(super) fn call<'r>(
        &'r mut self,
        said: Said<'_>,
        catalogue: &Catalogue,
        now_ms: i64,
    ) -> Result<RawCall<'r>, Usage> {
        let provider =
            said.provider.or(self.provider).or_else(|| self.guess(said.command, catalogue));
        let provider = provider.ok_or_else(|| {
            let what = "who sent this cannot be told from it: add --provider openim or tencent";
            Usage(what.to_owned())
        })?;
        if let Some(command) = said.command {
            self.name(provider, command, catalogue)?;
        }
        Ok(RawCall {
            provider,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            peer: None,
            body: &self.body,
            received_at_ms: said.at_ms.or(self.received_at_ms).unwrap_or(now_ms),
        })
    }

    /// The providers spell the member that names the command differently; Tencent's query names it
    /// too, and its application; OpenIM's path does.
    fn guess(&self, command: Option<&str>, catalogue: &Catalogue) -> Option<Provider> {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        let has = |name: &str| body.as_ref().is_some_and(|body| body.get(name).is_some());
        let of_name = |name: &str| {
            let mut senders =
                Provider::ALL.into_iter().filter(|one| catalogue.find(*one, name).is_some());
            senders.next().filter(|_| senders.next().is_none())
        };
        let segment = self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let is_tencent =
            || self.parameters().any(|(name, _)| name.eq_ignore_ascii_case("SdkAppid"));
        if has("callbackCommand") {
            return Some(Provider::OpenIm);
        }
        if has("CallbackCommand") || is_tencent() {
            return Some(Provider::Tencent);
        }
        command.and_then(of_name).or_else(|| of_name(segment))
    }

    fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned()))
    }

    /// Puts the command where the provider's requests name it. A body that names another one is not
    /// overruled: the bridge would not do so either.
    fn name(
        &mut self,
        provider: Provider,
        command: &str,
        catalogue: &Catalogue,
    ) -> Result<(), Usage> {
        if catalogue.find(provider, command).is_none() {
            let near = listing::nearest_command(catalogue, command)
                .map_or_else(String::new, |known| format!(", did you mean {known}?"));
            return Err(Usage(format!("{provider} has no command {command:?}{near}")));
        }
        let member = match provider {
            Provider::OpenIm => "callbackCommand",
            Provider::Tencent => "CallbackCommand",
        };
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        let named = body.as_ref().and_then(|body| body.get(member)?.as_str());
        let row = |name| catalogue.find(provider, name);
        if let Some(named) = named.filter(|named| !named.is_empty() && row(named) != row(command)) {
            return Err(Usage(format!("--command says {command}, the body says {named}")));
        }
        match provider {
            Provider::OpenIm => self.path = format!("/{command}"),
            Provider::Tencent => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(
                    self.parameters()
                        .filter(|(name, _)| !name.eq_ignore_ascii_case("CallbackCommand")),
                );
                self.query = query.append_pair("CallbackCommand", command).finish();
            }
        }
        Ok(())
    }
}

/// A body has none of these beside each other.
fn is_request(members: &Map<String, Value>) -> bool {
    let is_text = |name: &str| members.get(name).is_some_and(Value::is_string);
    members.contains_key("body") && (is_text("path") || is_text("query") || is_text("provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Provider, path, query and body of the call, or why there is none.
    fn called(
        file: &str,
        said: Said<'_>,
    ) -> Result<(Provider, String, String, String, i64), String> {
        let catalogue = Catalogue::embedded();
        let mut request = Request::read(file.as_bytes().to_vec()).map_err(|why| why.to_string())?;
        let call = request.call(said, &catalogue, 7).map_err(|why| why.to_string())?;
        let body = String::from_utf8(call.body.to_vec()).expect("text");
        Ok((call.provider, call.path.to_owned(), call.query.to_owned(), body, call.received_at_ms))
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_body_says_by_its_spelling_who_sent_it() {
        let openim = r#"{"callbackCommand":"callbackBeforeAddBlackCommand"}"#;
        let expected = (Provider::OpenIm, text(""), text(""), text(openim), 7);
        assert_eq!(called(openim, Said::default()), Ok(expected));
        let tencent = r#"{"CallbackCommand":"Group.CallbackBeforeSendMsg"}"#;
        let expected = (Provider::Tencent, text(""), text(""), text(tencent), 9);
        let said = Said { at_ms: Some(9), ..Said::default() };
        assert_eq!(called(tencent, said), Ok(expected));
    }

    #[test]
    fn a_whole_request_is_taken_apart_whatever_form_its_body_has() {
        let query = "SdkAppid=1400000001&CallbackCommand=Group.CallbackBeforeSendMsg";
        let body = json!({"MsgBody": []});
        for written in [body.clone(), Value::from(body.to_string())] {
            let file = json!({
                "method": "POST", "path": "/", "query": query, "body": written,
                "received_at_ms": 1_735_689_600_123_i64
            });
            let expected =
                (Provider::Tencent, text("/"), text(query), body.to_string(), 1_735_689_600_123);
            assert_eq!(called(&file.to_string(), Said::default()), Ok(expected));
        }
        let old = r#"{"path":"/openim/callbackBeforeAddBlackCommand","body":{"ownerUserID":"u"}}"#;
        assert_eq!(called(old, Said::default()).expect("its path tells").0, Provider::OpenIm);
    }

    #[test]
    fn a_command_is_put_where_the_provider_names_it() {
        let said = |command| Said { command: Some(command), ..Said::default() };
        let (provider, path, query, ..) =
            called("{}", said("callbackBeforeAddBlackCommand")).expect("one provider has it");
        let expected = (Provider::OpenIm, "/callbackBeforeAddBlackCommand", "");
        assert_eq!((provider, path.as_str(), query.as_str()), expected);
        let file = r#"{"query":"SdkAppid=1&CallbackCommand=x","body":{}}"#;
        let (provider, _, query, ..) =
            called(file, said("Group.CallbackBeforeSendMsg")).expect("one provider has it");
        let expected = "SdkAppid=1&CallbackCommand=Group.CallbackBeforeSendMsg";
        assert_eq!((provider, query.as_str()), (Provider::Tencent, expected));
    }

    #[test]
    fn what_cannot_be_told_or_contradicts_itself_is_one_clear_sentence() {
        let said = |command| Said { command: Some(command), ..Said::default() };
        assert_eq!(
            called("{}", Said::default()),
            Err(text("who sent this cannot be told from it: add --provider openim or tencent"))
        );
        assert_eq!(
            called(
                r#"{"callbackCommand":"callbackBeforeAddBlackCommand"}"#,
                said("callbackBeforeAddBlakCommand")
            ),
            Err(text(
                "openim has no command \"callbackBeforeAddBlakCommand\", did you mean \
                 callbackBeforeAddBlackCommand?"
            ))
        );
        assert_eq!(
            called(
                r#"{"callbackCommand":"callbackBeforeAddBlackCommand"}"#,
                said("callbackBeforeAddFriendCommand")
            ),
            Err(text(
                "--command says callbackBeforeAddFriendCommand, the body says \
                 callbackBeforeAddBlackCommand"
            ))
        );
        assert_eq!(
            called(r#"{"provider":"whatsapp","body":{}}"#, Said::default()),
            Err(text("the request's provider is \"whatsapp\", expected openim or tencent"))
        );
    }
}
