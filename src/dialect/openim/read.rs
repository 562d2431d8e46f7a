//! Which command an OpenIM call carries.
//!
//! The body says so since 2.0.2. Older and oddly configured servers only say it in the URL: as last
//! segment, as a query parameter, or swallowed by the value of a query that the operator put into
//! the base address. In: body, path, query. Out: the first known name, else the first name at all.

use crate::call::{CommandName, Parameter, Provider};
use crate::catalogue::Catalogue;
use crate::dialect::door::parameter;
use crate::json::Node;

/// The command of a call; see the module's documentation for the order.
pub(crate) fn command<'a>(
    catalogue: &Catalogue,
    body: Option<Node<'a>>,
    path: &'a str,
    query: &'a [Parameter<'a>],
) -> CommandName<'a> {
    let row = |name: &str| catalogue.find(Provider::OpenIm, name).map(CommandName::Row);
    let named = body.and_then(|body| body.get("callbackCommand")).and_then(|name| name.text());
    if let Some(name) = named.filter(|name| !name.is_empty()) {
        return row(name).unwrap_or(CommandName::Unknown(name));
    }
    let segment = path.trim_end_matches('/').rsplit('/').next();
    let plain = [segment, parameter(query, "command"), parameter(query, "CallbackCommand")];
    let plain = plain.into_iter().flatten().filter(|name| !name.is_empty());
    let swallowed =
        query.last().and_then(|(_, value)| value.rsplit_once('/')).map(|(_, name)| name);
    let known = plain.clone().chain(swallowed).find_map(row);
    known.or_else(|| plain.clone().next().map(CommandName::Unknown)).unwrap_or(CommandName::Missing)
}
