//! From YAML to a tree whose nodes know their places.
//!
//! In: the bytes of a rule file. Out: its one document as nodes, and a problem for everything that
//! rule files do without: anchors, aliases, tags, repeated keys, further documents. What always holds:
//! time and memory are linear in the file, nothing recurses, depth and number of nodes are bounded
//! while events come in; keys of a mapping are texts, each once.

use super::super::problem::Position;
use super::file::{Text, TextLayout};
use super::lines::{Lines, number};
use super::reader::{Reader, cut, shown};
use super::scalar::{Core, meaning};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Most bytes of a rule file.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// Most mappings and lists around one another.
const DEPTH_MAX: usize = 16;
/// Most mappings, lists, keys and values together.
const NODES_MAX: usize = 100_000;

/// A value and where it begins: behind the quotation mark of a quoted text; null behind a key where
/// the key is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Written without quotes.
    Plain(Text, Core),
    /// Written in quotes or as a block: a text whatever is in it.
    Quoted(Text),
    /// Entries in order.
    List(Vec<Node>),
    /// Keys with their values in order.
    Map(Vec<(Text, Node)>),
    /// Reported already.
    Bad,
}

/// Reads a file. `None` when that is not possible, which is reported.
pub(super) fn parse(bytes: &[u8], reader: &Reader<'_>) -> Option<Node> {
    let source = text_of(bytes, reader)?;
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder::new(source, reader);
    for event in Parser::new_from_str_with_options(source, options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(Stop::Broken(place(error.marker()), explain(&error))),
        };
        match taken {
            Ok(()) => {}
            Err(Stop::Enough) => break,
            Err(Stop::Broken(at, message)) => {
                reader.error(at, message);
                return None;
            }
        }
    }
    if builder.root.is_none() {
        reader.error(Position::START, "the file is empty; it begins with version: 1");
    }
    builder.root
}

/// The bytes as a text of YAML characters.
fn text_of<'a>(bytes: &'a [u8], reader: &Reader<'_>) -> Option<&'a str> {
    if bytes.len() > BYTES_MAX {
        let message = format!("the file is {} bytes, limit is {BYTES_MAX}", bytes.len());
        reader.error(Position::START, message);
        return None;
    }
    let (text, whole) = match str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => {
            let valid = str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked as UTF-8");
            (valid, false)
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let odd = text.char_indices().find(|(_, char)| !is_printable(*char));
    let (offset, message) = match odd {
        Some((offset, char)) => {
            (offset, format!("the character U+{:04X} may not stand in YAML", u32::from(char)))
        }
        None if !whole => (text.len(), "the file is not UTF-8 from here on".to_owned()),
        None => return Some(text),
    };
    reader.error(Lines::new(text).position(offset), message);
    None
}

/// `c-printable` of YAML 1.2.
const fn is_printable(char: char) -> bool {
    matches!(char,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
        | '\u{10000}'..)
}

fn place(mark: &Marker) -> Position {
    Position { line: number(mark.line().max(1)), column: number(mark.col() + 1) }
}

/// The parser's own words, or better ones for what authors of rules meet.
fn explain(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        ErrorKind::MappingValueNotAllowed => {
            "not valid YAML: \": \" inside a text; put the text in quotes".to_owned()
        }
        ErrorKind::UnexpectedCharacter { character } => {
            format!("not valid YAML: a text that begins with {character:?} stands in quotes")
        }
        ErrorKind::UndeclaredTagHandle => no_tags().to_owned(),
        _ => format!("not valid YAML: {}", error.info()),
    }
}

fn too_deep() -> String {
    format!("more than {DEPTH_MAX} mappings and lists around one another")
}

const fn no_tags() -> &'static str {
    "tags are not for rule files; a text that begins with ! stands in quotes"
}

/// Why reading ends early.
enum Stop {
    /// The document is there.
    Enough,
    /// There will be none.
    Broken(Position, String),
}

/// A mapping or list whose end is not there yet.
enum Open {
    List(Position, Vec<Node>),
    Map(Position, OpenMap),
}

#[derive(Default)]
struct OpenMap {
    pairs: Vec<(Text, Node)>,
    /// Keys so far and where they are.
    seen: HashMap<Box<str>, Position>,
    key: Key,
}

/// The key whose value comes next.
#[derive(Default)]
enum Key {
    /// A key comes next.
    #[default]
    Awaited,
    Read(Text),
    /// It was reported: its value is left out.
    Refused,
}

struct Builder<'a, 'r> {
    source: &'a str,
    lines: Lines<'a>,
    reader: &'r Reader<'r>,
    open: Vec<Open>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl<'a, 'r> Builder<'a, 'r> {
    fn new(source: &'a str, reader: &'r Reader<'r>) -> Self {
        let lines = Lines::new(source);
        Self { source, lines, reader, open: Vec::new(), nodes: 0, documents: 0, root: None }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
        let at = place(&span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.reader.error(at, "a second document; a rule file is one document");
                    return Err(Stop::Enough);
                }
            }
            Event::Anchor(..) => self.reader.error(
                at,
                "anchors are not for rule files; a text that begins with & stands in quotes",
            ),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.count(at)?;
                self.reader.error(
                    at,
                    "aliases are not for rule files; a text that begins with * stands in quotes",
                );
                self.put(Node { at, kind: Kind::Bad });
            }
            Event::Scalar(value, style, _, tag) => {
                self.count(at)?;
                let node = if self.refuse_tag(tag.as_deref(), span) {
                    Node { at, kind: Kind::Bad }
                } else {
                    self.scalar(value, style, span)
                };
                self.put(node);
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                self.descend(Open::List(self.dash(span), Vec::new()))?;
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                self.descend(Open::Map(at, OpenMap::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop().expect("an end follows its beginning") {
                    Open::List(at, entries) => Node { at, kind: Kind::List(entries) },
                    Open::Map(at, map) => Node { at, kind: Kind::Map(map.pairs) },
                };
                self.put(node);
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, at: Position) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Stop::Broken(at, format!("more than {NODES_MAX} keys and values")));
        }
        Ok(())
    }

    fn descend(&mut self, open: Open) -> Result<(), Stop> {
        let (Open::List(at, _) | Open::Map(at, _)) = &open;
        let at = *at;
        self.count(at)?;
        if self.open.len() == DEPTH_MAX {
            return Err(Stop::Broken(at, too_deep()));
        }
        self.open.push(open);
        Ok(())
    }

    /// Whether there was one.
    fn refuse_tag(&self, tag: Option<&Tag>, span: &Span) -> bool {
        if tag.is_some() {
            let at = place(&span.tag_start().unwrap_or(span.start));
            self.reader.error(at, no_tags());
        }
        tag.is_some()
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, mut node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, entries)) => entries.push(node),
            Some(Open::Map(_, map)) => match std::mem::take(&mut map.key) {
                Key::Awaited => map.key = key(node, self.reader),
                Key::Refused => {}
                Key::Read(key) => {
                    if let Kind::Plain(written, Core::Null) = &node.kind
                        && written.value.is_empty()
                    {
                        node.at = key.at;
                    }
                    if let Some(first) = map.seen.get(&key.value) {
                        let message = format!(
                            "{} stands here twice, first in line {}",
                            shown(&key.value),
                            first.line
                        );
                        self.reader.error(key.at, message);
                    } else {
                        map.seen.insert(key.value.clone(), key.at);
                        map.pairs.push((key, node));
                    }
                }
            },
        }
    }

    fn scalar(&self, value: Cow<'_, str>, style: ScalarStyle, span: &Span) -> Node {
        let mut at = place(&span.start);
        let slice = span.slice(self.source).unwrap_or_default();
        let layout = match style {
            ScalarStyle::Plain => flow(&value, slice, at),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                at.column += 1;
                let inner = slice.get(1..slice.len().saturating_sub(1)).unwrap_or_default();
                flow(&value, inner, at)
            }
            ScalarStyle::Literal => self.block(&value, at),
            ScalarStyle::Folded => match value.trim_end_matches('\n') {
                one if one.contains('\n') => TextLayout::Unknown,
                one => self.block(one, at),
            },
        };
        // An empty value is given as `~`.
        let empty = style == ScalarStyle::Plain && slice.is_empty();
        let value = if empty { "".into() } else { value.into_owned().into_boxed_str() };
        let plain = (style == ScalarStyle::Plain).then(|| meaning(&value));
        let text = Text { value, at, layout };
        let kind = plain
            .map_or_else(|| Kind::Quoted(text.clone()), |core| Kind::Plain(text.clone(), core));
        Node { at, kind }
    }

    /// Layout of a block whose first line that is not empty begins at `first`: lines of the value are
    /// the ends of lines of the file.
    fn block(&self, value: &str, first: Position) -> TextLayout {
        let empty = value.bytes().take_while(|byte| *byte == b'\n').count();
        if empty == value.len() {
            return TextLayout::Unknown;
        }
        let mut starts = Vec::new();
        for (line, written) in (first.line.saturating_sub(number(empty))..).zip(value.split('\n')) {
            let whole = self.lines.get(line).unwrap_or_default();
            let Some(indent) = whole.strip_suffix(written) else { return TextLayout::Unknown };
            starts.push(Position { line, column: number(indent.chars().count() + 1) });
        }
        TextLayout::Block(starts.into())
    }

    /// Where a list begins: at its bracket or its first dash. The parser says where the first entry of
    /// a list begins that is not indented.
    fn dash(&self, span: &Span) -> Position {
        let at = place(&span.start);
        let offset = span.start.byte_offset().unwrap_or_default();
        let (before, behind) = self.source.split_at_checked(offset).unwrap_or_default();
        if behind.starts_with(['[', '-']) {
            return at;
        }
        let dash = before.trim_end();
        if dash.ends_with('-') { self.lines.position(dash.len() - 1) } else { at }
    }
}

/// Layout of a text that is not a block and is written as `written` from `first` on.
fn flow(value: &str, written: &str, first: Position) -> TextLayout {
    if !written.contains('\n') {
        let same = value == written && !written.contains('\r');
        return if same { TextLayout::Line } else { TextLayout::Unknown };
    }
    let space = [' ', '\t', '\r'];
    let mut parts: Vec<(usize, Position)> = Vec::new();
    // End of the last part, and the breaks since.
    let (mut end, mut breaks) = (0, 0);
    for (number_of, line) in written.split('\n').enumerate() {
        let text = if number_of == 0 { line } else { line.trim_start_matches(space) };
        let part = text.trim_end_matches(space);
        if number_of > 0 {
            breaks += 1;
            if part.is_empty() {
                continue;
            }
            // One break is a space; further ones are breaks of the value.
            end += if breaks == 1 { 1 } else { breaks - 1 };
            breaks = 0;
        }
        if !value.get(end..).is_some_and(|rest| rest.starts_with(part)) {
            return TextLayout::Unknown;
        }
        let column = if number_of == 0 {
            first.column
        } else {
            number(line[..line.len() - text.len()].chars().count() + 1)
        };
        parts.push((end, Position { line: first.line + number(number_of), column }));
        end += part.len();
    }
    TextLayout::Flow(parts.into())
}

fn key(node: Node, reader: &Reader<'_>) -> Key {
    let message = match node.kind {
        Kind::Quoted(text) | Kind::Plain(text, Core::Text) => return Key::Read(text),
        Kind::Bad => return Key::Refused,
        Kind::Plain(text, Core::Null) => {
            if text.value.is_empty() {
                "a key is missing".to_owned()
            } else {
                in_quotes(&text)
            }
        }
        Kind::Plain(text, _) => in_quotes(&text),
        Kind::List(_) | Kind::Map(_) => "a key is a text, not a list or mapping".to_owned(),
    };
    reader.error(node.at, message);
    Key::Refused
}

fn in_quotes(text: &Text) -> String {
    format!("a key is a text, not {}; put it in quotes", cut(&text.value))
}
