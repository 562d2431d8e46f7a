//! Writes values back: as compact JSON, or as a copy of what was received.
//!
//! Two forms. *Compact* is the form that ids and sizes are defined over: received order, no spaces,
//! literals as received, only the necessary escapes. *Copy* keeps the received bytes where it can
//! (escapes stay as they came), without white space between tokens.

use super::node::{Kind, Node};
use super::scan::plain_run;

/// What is to be different from the received object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rewrite<'a> {
    /// Members of the outermost object whose value, unless null or `""`, becomes `"[redacted]"`.
    pub redact: &'a [Box<str>],
    /// A list somewhere inside, and the one of its items that is to be left.
    pub cut: Option<(Node<'a>, Node<'a>)>,
}

impl Rewrite<'_> {
    fn hides(&self, name: &str, value: Node<'_>) -> bool {
        self.redact.iter().any(|hidden| **hidden == *name)
            && !value.is_null()
            && value.source() != "\"\""
    }

    /// Whether redaction finds something to replace in `object`.
    #[must_use]
    pub fn redacts(&self, object: Node<'_>) -> bool {
        self.redact.iter().any(|name| {
            object.get(name).is_some_and(|value| !value.is_null() && value.source() != "\"\"")
        })
    }
}

/// Appends the compact form of `node`.
pub fn compact(node: Node<'_>, out: &mut Vec<u8>) {
    write(node, out, Form { canonical: true, cut: None });
}

/// Appends a copy of `node`: byte for byte when it is tidy.
pub fn copy(node: Node<'_>, out: &mut Vec<u8>) {
    if node.is_tidy() {
        out.extend_from_slice(node.source().as_bytes());
    } else {
        write(node, out, Form { canonical: false, cut: None });
    }
}

/// Appends the object `node` with `rewrite` applied, in compact form or as a copy.
pub fn rewritten(node: Node<'_>, rewrite: Rewrite<'_>, canonical: bool, out: &mut Vec<u8>) {
    let form = Form { canonical, cut: rewrite.cut };
    let mut sign = b'{';
    for member in node.members() {
        out.push(sign);
        sign = b',';
        push_text(member.name, out);
        out.push(b':');
        if rewrite.hides(member.name, member.value) {
            out.extend_from_slice(b"\"[redacted]\"");
        } else {
            write(member.value, out, form);
        }
    }
    out.extend_from_slice(if sign == b'{' { b"{}" } else { b"}" });
}

/// Appends `text` as a JSON text.
pub fn push_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_run(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(&byte) = rest.get(plain) else { break };
        rest = &rest[plain + 1..];
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}

#[derive(Clone, Copy)]
struct Form<'a> {
    canonical: bool,
    cut: Option<(Node<'a>, Node<'a>)>,
}

/// Depth is bounded by [`super::EVENT_DEPTH_MAX`], so recursion is too.
fn write(node: Node<'_>, out: &mut Vec<u8>, form: Form<'_>) {
    match node.kind() {
        Kind::Object => {
            let mut sign = b'{';
            for member in node.members() {
                out.push(sign);
                sign = b',';
                push_text(member.name, out);
                out.push(b':');
                write(member.value, out, form);
            }
            out.extend_from_slice(if sign == b'{' { b"{}" } else { b"}" });
        }
        Kind::List => {
            // The list may have a million items, and each of them a copy of its own.
            if let Some((_, left)) = form.cut.filter(|(list, _)| *list == node) {
                out.push(b'[');
                write(left, out, form);
                return out.push(b']');
            }
            let mut sign = b'[';
            for item in node.items() {
                out.push(sign);
                sign = b',';
                write(item, out, form);
            }
            out.extend_from_slice(if sign == b'[' { b"[]" } else { b"]" });
        }
        Kind::Text if form.canonical => push_text(node.text().expect("it is a text"), out),
        _ => out.extend_from_slice(node.source().as_bytes()),
    }
}
