//! Settings of the two providers, and of what is decided and published about their callbacks.
//!
//! In: texts. Out: [`OpenIm`], [`Tencent`] and [`Policy`]. Invariant: the base paths are normalised
//! and apart from each other, so that every URL belongs to at most one provider.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::problems::quoted;
use super::read::Reader;
use crate::verdict::OnFault;

/// Longest name of a deployment in characters: it stands in the `source` of every event.
const DEPLOYMENT_CHARS_MAX: usize = 128;

/// `OpenIM`.
#[derive(Debug, Clone)]
pub struct OpenIm {
    /// `IMBRIDGE_OPENIM_PATH`: begins with `/`, does not end with one.
    pub path: String,
    /// `IMBRIDGE_OPENIM_DEPLOYMENT`: one segment of a URI path.
    pub deployment: String,
}

/// Tencent Cloud Chat.
#[derive(Debug, Clone)]
pub struct Tencent {
    /// `IMBRIDGE_TENCENT_PATH`: begins with `/`, does not end with one.
    pub path: String,
    /// `IMBRIDGE_TENCENT_SIGN_AGE_SECONDS_MAX`, at least 1 s; used once tokens are supported.
    pub sign_age: Duration,
}

/// What is decided about callbacks, and by which files.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `IMBRIDGE_RULES`: the rule file, read by whoever compiles it.
    pub rules: Option<PathBuf>,
    /// `IMBRIDGE_ON_FAULT`
    pub on_fault: OnFault,
    /// `IMBRIDGE_CATALOGUE`: file with further commands, read by whoever compiles the catalogue.
    pub catalogue: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(super) struct ProviderVars {
    openim_path: Option<String>,
    openim_deployment: Option<String>,
    tencent_path: Option<String>,
    tencent_sign_age_seconds_max: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PolicyVars {
    rules: Option<String>,
    on_fault: Option<String>,
    client_ip: Option<String>,
    catalogue: Option<String>,
}

pub(super) fn read(vars: ProviderVars, reader: &mut Reader) -> (OpenIm, Tencent) {
    let expected =
        "letters, digits and -._~!$&'()*+,;=:@ (one segment of a URL path), at most 128 characters";
    let openim = OpenIm {
        path: base_path("IMBRIDGE_OPENIM_PATH", vars.openim_path, reader),
        deployment: reader.value(
            "IMBRIDGE_OPENIM_DEPLOYMENT",
            vars.openim_deployment,
            expected,
            |text| {
                (is_segment(text) && text.len() <= DEPLOYMENT_CHARS_MAX).then(|| text.to_owned())
            },
        ),
    };
    let name = "IMBRIDGE_TENCENT_SIGN_AGE_SECONDS_MAX";
    let tencent = Tencent {
        path: base_path("IMBRIDGE_TENCENT_PATH", vars.tencent_path, reader),
        sign_age: reader.seconds(name, vars.tencent_sign_age_seconds_max, 1),
    };
    if is_at_or_below(&openim.path, &tencent.path) || is_at_or_below(&tencent.path, &openim.path) {
        let what = format!(
            "is {} and IMBRIDGE_TENCENT_PATH is {}: expected \
             two paths of which neither is equal to the other or below it",
            quoted(&openim.path),
            quoted(&tencent.path)
        );
        reader.problem("IMBRIDGE_OPENIM_PATH", &what);
    }
    (openim, tencent)
}

/// Reads what stands for itself, and checks the choice of which this version has one.
pub(super) fn read_policy(vars: PolicyVars, reader: &mut Reader) -> Policy {
    let name = "IMBRIDGE_CLIENT_IP";
    if !reader.word(name, vars.client_ip, &[("keep", true), ("drop", false)]) {
        reader.problem(name, "is \"drop\": not yet supported in this version, only keep");
    }
    let words = [("allow", OnFault::Allow), ("deny", OnFault::Deny)];
    Policy {
        rules: vars.rules.map(PathBuf::from),
        on_fault: reader.word("IMBRIDGE_ON_FAULT", vars.on_fault, &words),
        catalogue: vars.catalogue.map(PathBuf::from),
    }
}

fn base_path(name: &'static str, given: Option<String>, reader: &mut Reader) -> String {
    let expected = "a path that begins with / and does not end with one, without empty, . or .. \
                    segments, in letters, digits and -._~!$&'()*+,;=:@";
    reader.value(name, given, expected, |text| {
        let is_path = text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
        is_path.then(|| text.to_owned())
    })
}

/// Whether the text is one segment of a URI path (RFC 3986) that every proxy hands on unchanged.
///
/// Percent signs are left out: `%61` and `a` are the same to some and not to others.
fn is_segment(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(is_legal)
}

fn is_at_or_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
