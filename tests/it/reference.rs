//! The normaliser against the reference implementation, on requests that nobody thought of.
//!
//! Every row's request is bent at random: members replaced, removed, doubled, moved into envelopes,
//! bytes broken. `tests/reference/normalise.py`, which shares no code with the bridge, must make the
//! same records and the same answer of each, number literal for number literal. Needs `python3`;
//! says "skipped" without, which `REQUIRE_REFERENCE=1` turns into a failure. `REFERENCE_SEED` and
//! `REFERENCE_ROUNDS` repeat a run or make it longer.

use crate::support::bridge::{Request, allow, run, settings};
use fastrand::Rng;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Bent requests per row.
const ROUNDS: usize = 12;

/// Values that senders, proxies and attackers have put where others were expected.
const ODD: &[&str] = &[
    "null",
    "\"\"",
    "0",
    "1",
    "-1",
    "-0",
    "2",
    "3",
    "1.50",
    "1e3",
    "\"007\"",
    "\"1.5\"",
    "\" 5\"",
    "\"+5\"",
    "true",
    "false",
    "\"true\"",
    "\"TRUE\"",
    "[]",
    "{}",
    "[null]",
    "[\"a\",1,null,\"\",1.0,\"a\"]",
    "\"[\\\"x\\\",2,null]\"",
    "\"[bad\"",
    "{\"value\":\"x\"}",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "123456789012345678901234567890",
    "1735689599",
    "1735689599500",
    "\"1735689599\"",
    "99999999999",
    "100000000000",
    "4102444800000",
    "4102444800001",
    "\"\\u0002\"",
    "\"a\\u0000b\\u007f\\u0085c\"",
    "\"\\ud83d\"",
    "\"si_a_b\"",
    "\"sg_g_1\"",
    "\"sn_\"",
    "\"sx_y\"",
    "\"group:x\"",
    "\"AtAllTag\"",
    "[\"AtAllTag\",\"u\"]",
    "101",
    "\"101\"",
    "106",
    "107",
    "110",
    "119",
    "1400",
    "1501",
    "5001",
    "\"{\\\"content\\\":\\\"hi\\\",\\\"x\\\":[\\\"y\\\"]}\"",
    "\"plain\"",
    "\"\\\"quoted\\\"\"",
    "[{\"userID\":\"u\"},{\"userID\":\"u\"},{},5,{\"userID\":7,\"roleLevel\":60}]",
    "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"t\"}},{\"MsgType\":\"X\",\"MsgContent\":{\"a\":[\"b\",{\"c\":\"[\\\"d\\\"]\"}]}},7]",
    "[{\"To_Account\":\"u3\"},{\"To_Account\":5,\"ResponseAction\":\"Response_Action_Reject\"},{\"To_Account\":null},\"x\"]",
    "\"\u{4f60}\u{597d} \u{1f600}\"",
    "\"a\\/b\\u003c\"",
];

fn odd(rng: &mut Rng) -> Value {
    let text = ODD[rng.usize(..ODD.len())];
    serde_json::from_str(text).unwrap_or_else(|_| Value::String("\u{fffd}".to_owned()))
}

/// Replaces or removes something at a random place.
fn bend(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.u8(..10) > 0 => {
            let name = members.keys().nth(rng.usize(..members.len())).unwrap().clone();
            match rng.u8(..12) {
                0 => {
                    members.shift_remove(&name);
                }
                1..=5 => bend(&mut members[&name], rng),
                _ => members[&name] = odd(rng),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..10) > 1 => {
            let at = rng.usize(..items.len());
            match rng.u8(..6) {
                0 => drop(items.remove(at)),
                1 => items.push(odd(rng)),
                2 => items.push(items[at].clone()),
                _ => bend(&mut items[at], rng),
            }
        }
        Value::String(text) if text.starts_with(['{', '[']) && rng.bool() => {
            if let Ok(mut inner) = serde_json::from_str::<Value>(text) {
                bend(&mut inner, rng);
                *text = inner.to_string();
            }
        }
        other => *other = odd(rng),
    }
}

/// Bends a body as text: what no JSON value can say.
fn bend_text(text: String, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    let at = rng.usize(..=bytes.len());
    match rng.u8(..24) {
        0 => bytes.truncate(at),
        1 => bytes.splice(at..at, *b"\xff\xc3").for_each(drop),
        2 => bytes.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        3 => bytes.splice(at..at, *b" \n").for_each(drop),
        4 if bytes.starts_with(b"{\"") => {
            bytes
                .splice(1..1, *b"\"GroupId\":\"first\",\"groupID\":1,\"secret\":\"s\",")
                .for_each(drop);
        }
        5 => bytes.splice(at..at, *b"\\ud800").for_each(drop),
        _ => {}
    }
    bytes
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

fn bent(request: &Value, rng: &mut Rng) -> Value {
    let mut request = request.clone();
    let tencent = request["provider"] == "tencent";
    let mut body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    for _ in 0..=rng.u8(..4) {
        bend(&mut body, rng);
    }
    if tencent && rng.u8(..12) == 0 {
        body = json!({"Events": [body.clone(), odd(rng), body]});
    }
    if !tencent && body.is_object() && rng.u8(..12) == 0 {
        body["secret"] = odd(rng);
    }
    let separator = if request["query"] == "" { "" } else { "&" };
    match rng.u8(..24) {
        0 => request["query"] = json!(""),
        1 => request["path"] = json!("//hook//"),
        2 => {
            let query = request["query"].as_str().unwrap();
            let more = "command=callbackafterquitgroupcommand&ClientIP=%31%zz+&clientip=10.0.0.1&OptPlatform=Palm&RequestID=r%001";
            request["query"] = json!(format!("{query}{separator}{more}"));
        }
        3 => request["headers"]["operationID"] = json!("op-\u{e9}\u{1}"),
        _ => {}
    }
    request["body_base64"] = json!(base64(&bend_text(body.to_string(), rng)));
    request.as_object_mut().unwrap().remove("body");
    request
}

fn rows() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    let mut files: Vec<_> = ["openim", "tencent"]
        .iter()
        .flat_map(|provider| fs::read_dir(root.join(provider)).unwrap())
        .map(|entry| entry.unwrap().path().join("request.json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        .collect()
}

/// What the reference makes of requests; `None` without Python.
fn reference(requests: &[Value]) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let child = Command::new("python3")
        .arg(root.join("tests/reference/normalise.py"))
        .arg(root.join("catalogue"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("REQUIRE_REFERENCE").is_none(), "python3 is not there");
        eprintln!("skipped: python3 is not there");
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
    let feeding = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(output.status.success(), "the reference fails");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn bent_requests_come_out_as_the_reference_says() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("REFERENCE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds =
        number("REFERENCE_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    eprintln!("REFERENCE_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let rows = rows();
    let requests: Vec<Value> =
        (0..rounds).flat_map(|_| rows.iter()).map(|row| bent(row, &mut rng)).collect();
    let Some(wanted) = reference(&requests) else { return };
    assert_eq!(requests.len(), wanted.len());
    for (request, wanted) in requests.iter().zip(wanted) {
        let made = run(&Request::read(request), settings(), &allow);
        let ours = json!({"records": made.records, "reply": made.reply});
        let wanted = json!({"records": wanted["records"], "reply": wanted["reply"]});
        if ours != wanted {
            let body = String::from_utf8_lossy(&Request::read(request).body).into_owned();
            panic!("seed {seed}\nrequest {request}\nbody {body}\nseen {ours:#}\nwanted {wanted:#}");
        }
    }
}
