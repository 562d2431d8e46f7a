"""Strict JSON that keeps what the event model needs: number literals and member order.

In: decoded text. Out: `dict` (in the order of first appearance, last value of equal names), `list`, `str`, `bool`,
`None` and `Num`. Always true: what `read` returns holds no surrogate, and `compact(read(t))` has every number as it
stood in `t`.
"""

import re

MAX_DEPTH = 100

_SPACE = " \t\n\r"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class NotJson(ValueError):
    """The text is no JSON of RFC 8259, or is nested deeper than MAX_DEPTH."""


class Num:
    """A number, known by its literal."""

    __slots__ = ("literal",)

    def __init__(self, literal):
        self.literal = str(literal)

    def is_integer(self):
        """No fraction and no exponent."""
        return not any(c in ".eE" for c in self.literal)

    def __eq__(self, other):
        return isinstance(other, Num) and self.literal == other.literal

    def __hash__(self):
        return hash(self.literal)

    def __repr__(self):
        return f"Num({self.literal})"


def read(text):
    """The value of a JSON text; NotJson when it is none."""
    reader = _Reader(text)
    reader.space()
    value = reader.value(0)
    reader.space()
    if reader.at != len(text):
        raise NotJson("text after the value")
    return value


def read_or_none(text, kinds):
    """The value when the text is JSON of one of these Python types, otherwise None."""
    try:
        value = read(text)
    except NotJson:
        return None
    return value if isinstance(value, kinds) else None


class _Reader:
    def __init__(self, text):
        self.text = text
        self.at = 0

    def space(self):
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, expected):
        if not self.text.startswith(expected, self.at):
            raise NotJson(f"expected {expected!r} at {self.at}")
        self.at += len(expected)

    def value(self, depth):
        c = self.peek()
        if c in ("{", "["):
            if depth + 1 > MAX_DEPTH:
                raise NotJson("nested too deep")
            return self.object(depth + 1) if c == "{" else self.array(depth + 1)
        if c == '"':
            return self.string()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        match = _NUMBER.match(self.text, self.at)
        if not match:
            raise NotJson(f"no value at {self.at}")
        self.at = match.end()
        return Num(match.group())

    def object(self, depth):
        self.take("{")
        members = {}
        self.space()
        if self.peek() == "}":
            self.at += 1
            return members
        while True:
            self.space()
            name = self.string()
            self.space()
            self.take(":")
            self.space()
            # a dict keeps the place of the first of equal names and the value of the last
            members[name] = self.value(depth)
            self.space()
            if self.peek() != ",":
                break
            self.at += 1
        self.take("}")
        return members

    def array(self, depth):
        self.take("[")
        elements = []
        self.space()
        if self.peek() == "]":
            self.at += 1
            return elements
        while True:
            self.space()
            elements.append(self.value(depth))
            self.space()
            if self.peek() != ",":
                break
            self.at += 1
        self.take("]")
        return elements

    def string(self):
        self.take('"')
        out = []
        while True:
            c = self.peek()
            if c == "" or c < " ":
                raise NotJson(f"broken string at {self.at}")
            self.at += 1
            if c == '"':
                return "".join(out)
            out.append(self.escape() if c == "\\" else c)

    def escape(self):
        c = self.peek()
        self.at += 1
        if c in _ESCAPES and c != "":
            return _ESCAPES[c]
        if c != "u":
            raise NotJson(f"unknown escape at {self.at}")
        unit = self.hex4()
        if 0xD800 <= unit <= 0xDBFF and self.text.startswith("\\u", self.at):
            before = self.at
            self.at += 2
            low = self.hex4()
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            self.at = before  # the second escape stands for itself
        return "\ufffd" if 0xD800 <= unit <= 0xDFFF else chr(unit)

    def hex4(self):
        match = _HEX4.match(self.text, self.at)
        if not match:
            raise NotJson(f"broken \\u escape at {self.at}")
        self.at += 4
        return int(match.group(), 16)


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quote(text):
    return '"' + "".join(_SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text) + '"'


def compact(value):
    """Compact JSON: no spaces, literals as received, only what must be escaped is."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Num):
        return value.literal
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return "[" + ",".join(compact(v) for v in value) + "]"
    return "{" + ",".join(_quote(k) + ":" + compact(v) for k, v in value.items()) + "}"


def pretty(value, width=120, indent=0, lead=0):
    """The same value for people: two-space indent, what fits stands on one line."""
    one = _spaced(value)
    if not isinstance(value, (dict, list)) or not value or lead + len(one) + 1 <= width:
        return one
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        lines = []
        for name, member in value.items():
            head = pad + _quote(name) + ": "
            lines.append(head + pretty(member, width, indent + 1, len(head)))
        return "{\n" + ",\n".join(lines) + "\n" + "  " * indent + "}"
    lines = [pad + pretty(element, width, indent + 1, len(pad)) for element in value]
    return "[\n" + ",\n".join(lines) + "\n" + "  " * indent + "]"


def _spaced(value):
    if isinstance(value, list):
        return "[" + ", ".join(_spaced(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(_quote(k) + ": " + _spaced(v) for k, v in value.items()) + "}"
    return compact(value)
