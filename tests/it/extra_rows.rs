//! Rows that only an operator's file has: what the language can say and our own rows do not.
//!
//! In: a file of `IMBRIDGE_CATALOGUE` with one row, and a body. Out: the fields of its event.

use crate::support::bridge::{Request, allow, run_with, settings};
use imbridge::call::Provider;
use imbridge::catalogue::Catalogue;
use serde_json::{Value, json};
use std::sync::Arc;

/// What `field` is, read as `take` says.
fn field(kind: &str, fields: &Value, body: &Value) -> Value {
    let command = "callbackAfterSeatsChangedCommand";
    let row = json!({"commands": [{
        "provider": "openim",
        "command": command,
        "phase": "after",
        "kind": kind,
        "fields": fields,
    }]});
    let catalogue = Catalogue::with_extra("more.json", &row.to_string());
    let catalogue = Arc::new(catalogue.unwrap_or_else(|problems| panic!("{problems:?}")));
    let request = Request {
        provider: Provider::OpenIm,
        deployment: "demo".to_owned(),
        path: format!("/{command}"),
        query: String::new(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        received_at_ms: 1_735_689_600_123,
    };
    run_with(&catalogue, &request, settings(), &allow).records[0]["event"]["data"].clone()
}

/// Every item whose key was no text counted as a repeat of the first.
#[test]
fn items_are_unique_by_fields_of_any_type() {
    let fields = json!({
        "room_id": "$.room|id",
        "seats": {
            "each": "$.seats",
            "unique_by": "index",
            "fields": {"index": "@.i|int", "user_id": "@.u|id"},
        },
    });
    let seats = json!([
        {"i": 1, "u": "a"}, {"i": 2, "u": "b"}, {"i": "1", "u": "c"}, {"u": "d"}, {"u": "e"},
    ]);
    let data = field("room.seats.updated", &fields, &json!({"room": "r", "seats": seats}));
    let left =
        json!([{"index": 1, "user_id": "a"}, {"index": 2, "user_id": "b"}, {"user_id": "d"}]);
    assert_eq!(data["seats"], left);
}
