"""The locator language: where a value is and how it is read.

In: a locator as the catalogue writes it and a `Place` (body, element, query, headers …). Out: a value, or ABSENT.
Values are those of `jsontext`, with `int` for what a coercion counted out. Always true: a coerced value is never None.
"""

import re

from content import id_of
from jsontext import Num, compact, read_or_none


class _Absent:
    def __repr__(self):
        return "ABSENT"


ABSENT = _Absent()

INT = re.compile(r"-?[0-9]+\Z")
FUNCTION = re.compile(r"([a-z_]+)\((.*)\)\Z", re.S)
TIME_MIN, TIME_MAX = 946684800000, 4102444800000


class Place:
    """Everything a locator may look at."""

    def __init__(self, catalogue, provider, body, element, query, headers, received_ms, body_part, index):
        self.catalogue = catalogue
        self.provider = catalogue["providers"][provider]
        self.body = body
        self.element = element
        self.query = query
        self.headers = headers
        self.received_ms = received_ms
        self.body_part = body_part  # bytes
        self.index = index

    def with_element(self, element):
        other = object.__new__(Place)
        other.__dict__.update(self.__dict__)
        other.element = element
        return other


def locate(locator, place):
    """Value of a locator in any of its forms."""
    if isinstance(locator, list):
        for alternative in locator:
            value = locate(alternative, place)
            if value is not ABSENT:
                return value
        return ABSENT
    if isinstance(locator, dict):
        return _when(locator, place) if "when" in locator else _projection(locator, place)
    source, *coercions = locator.split("|")
    value = _source(source, place)
    if value is None and coercions[:1] == ["null_empty"]:
        value = []
    if value is None:
        return ABSENT
    for coercion in coercions:
        if value is ABSENT:
            return ABSENT
        value = _coerce(coercion, value, place.catalogue["enums"])
    return value


def _when(locator, place):
    text = match_text(locate(locator["when"]["at"], place))
    if text is None or text not in locator["when"]["is"]:
        return ABSENT
    return locate(locator["take"], place)


def _projection(locator, place):
    elements = locate(locator["each"], place)
    if not isinstance(elements, list):
        return ABSENT
    items, keys = [], []
    for element in elements:
        inner = place.with_element(element)
        item = {}
        for name, sub in locator["fields"].items():
            value = locate(sub, inner)
            if value is not ABSENT:
                item[name] = value
        if not item:
            continue
        if "unique_by" in locator:
            key = item.get(locator["unique_by"], ABSENT)
            if key in keys:
                continue
            keys.append(key)
        items.append(item)
    return items


def _source(source, place):
    """Value of a source; None for JSON null, ABSENT for what is not there."""
    if source.startswith("$") or source.startswith("@"):
        root = place.body if source[0] == "$" else place.element
        return path(root, source[1:])
    head, _, rest = source.partition(":")
    if head == "query":
        return place.query.get(rest.lower(), ABSENT)
    if head == "header":
        return place.headers.get(rest.lower(), ABSENT)
    if head == "const":
        return rest
    if source == "correlation":
        return locate(place.provider["correlation"], place)
    if source == "received:minute":
        return str(place.received_ms // 60000)
    if source == "body":
        return place.body_part
    if source == "index":
        return place.index
    match = FUNCTION.match(source)
    if not match:
        raise ValueError(f"unknown source {source!r}")
    arguments = [id_of(_plain(locate(a.strip(), place))) for a in match.group(2).split(",")]
    return _function(match.group(1), arguments, place.provider["pair_separator"])


def _plain(value):
    return None if value is ABSENT else value


STEP = re.compile(r"\.([^.\[]+)|\[\*\]|\[([0-9]+)\]|\[([^=\]]+)=([^\]]*)\]")


def path(root, text):
    """Value at a path like `.a[*].b`; None for a JSON null found, ABSENT for what is not there."""
    steps, at = [], 0
    while at < len(text):
        match = STEP.match(text, at)
        if not match:
            raise ValueError(f"broken path {text!r}")
        steps.append(match)
        at = match.end()
    return _walk(root, steps)


def _walk(value, steps):
    for n, step in enumerate(steps):
        name, index, key, wanted = step.groups()
        if name is not None:
            if not isinstance(value, dict) or name not in value:
                return ABSENT
            value = value[name]
        elif not isinstance(value, list):
            return ABSENT
        elif index is not None:
            if int(index) >= len(value):
                return ABSENT
            value = value[int(index)]
        elif key is not None:
            hits = [e for e in value if isinstance(e, dict) and isinstance(e.get(key), str) and e[key] == wanted]
            if not hits:
                return ABSENT
            value = hits[0]
        else:
            found = [_walk(e, steps[n + 1 :]) for e in value]
            return [v for v in found if v is not ABSENT]
    return value


def pair(separator, a, b):
    """Two ids in byte order."""
    return separator.join(sorted((a, b), key=lambda t: t.encode("utf-8")))


def _function(name, args, separator):
    if name in ("direct", "notification"):
        return f"{name}:{pair(separator, *args)}" if None not in args else ABSENT
    if name in ("group", "topic", "official_account"):
        return f"{name}:{args[0]}" if args[0] is not None else ABSENT
    if name == "native":
        heads = {"si": "direct", "sg": "group", "sn": "notification"}
        head, _, rest = (args[0] or "").partition("_")
        return f"{heads[head]}:{rest}" if head in heads and rest != "" else ABSENT
    if name == "session":
        kind, sender, recipient, group = args
        if group is not None:
            return f"group:{group}"
        return _function("notification" if kind == "4" else "direct", [sender, recipient], separator)
    raise ValueError(f"unknown function {name!r}")


def _absent_if_none(value):
    return ABSENT if value is None else value


def _coerce(coercion, value, enums):
    name, _, argument = coercion.partition(":")
    if name == "enum":
        return _enum(value, enums[argument])
    if name == "enums":
        if not isinstance(value, list):
            return ABSENT
        return [v for v in (_enum(e, enums[argument]) for e in value) if v is not ABSENT]
    if name == "contains":
        found = _list_of(value, _id)
        return ABSENT if found is ABSENT else argument in found
    if name == "without":
        return [v for v in value if v != argument] if isinstance(value, list) else value
    return COERCIONS[name](value)


def _id(value):
    return _absent_if_none(id_of(value))


def _list_of(value, one):
    """`ids`, `strs`, `ints`: a list, one value, or a text that is a JSON list."""
    if isinstance(value, str) and value.startswith("["):
        inner = read_or_none(value, list)
        value = value if inner is None else inner
    if isinstance(value, list):
        return [v for v in map(one, value) if v is not ABSENT]
    single = one(value)
    return ABSENT if single is ABSENT else [single]


def _str(value):
    if isinstance(value, Num):
        return value.literal
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value != "" else ABSENT


def _text(value):
    if isinstance(value, str):
        return value
    return value.literal if isinstance(value, Num) else compact(value)


def _int(value):
    if isinstance(value, Num) and value.is_integer():
        number = int(value.literal)
    elif isinstance(value, str) and INT.match(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return ABSENT
    return number if -(2**63) <= number <= 2**63 - 1 else ABSENT


def _int_if(test):
    def coerce(value):
        number = _int(value)
        return number if number is not ABSENT and test(number) else ABSENT

    return coerce


def _time(value):
    number = _int(value)
    if number is ABSENT or number <= 0:
        return ABSENT
    if number < 10**11:
        number *= 1000
    return number if TIME_MIN <= number <= TIME_MAX else ABSENT


def _bool(value):
    if isinstance(value, bool):
        return value
    text = value.literal if isinstance(value, Num) else str(value) if isinstance(value, int) else value
    words = {"0": False, "1": True}
    if isinstance(value, str):
        words |= {"true": True, "false": False}
    return words.get(text, ABSENT) if isinstance(text, str) else ABSENT


def _enum(value, table):
    code = id_of(value)
    if code is None:
        return ABSENT
    if code in table["values"]:
        return _absent_if_none(table["values"][code])
    return code if table["other"] == "keep" else _absent_if_none(table["other"])


def _char(value):
    return str(ord(value)) if isinstance(value, str) and len(value) == 1 and value < " " else value


def _lower(value):
    if not isinstance(value, str) or value == "":
        return ABSENT
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in value)


def _join(value):
    if isinstance(value, list):
        value = "\n".join(v for v in value if isinstance(v, str) and v != "")
    return value if isinstance(value, str) and value != "" else ABSENT


def _unique(value):
    if not isinstance(value, list):
        return value
    out = []
    for v in value:
        if v not in out:
            out.append(v)
    return out


COERCIONS = {
    "id": _id,
    "ids": lambda v: _list_of(v, _id),
    "strs": lambda v: _list_of(v, _id),
    "ints": lambda v: _list_of(v, _int),
    "str": _str,
    "text": _text,
    "int": _int,
    "uint": _int_if(lambda n: n >= 0),
    "positive": _int_if(lambda n: n > 0),
    "nonzero": _int_if(lambda n: n != 0),
    "ms": _time,
    "s_to_ms": _time,
    "bool": _bool,
    "char": _char,
    "lower": _lower,
    "join": _join,
    "list": lambda v: [v],
    "unique": _unique,
    "nonempty": lambda v: ABSENT if v == [] else v,
    "null_empty": lambda v: v,
}


def part(data):
    """One part of an id: length in bytes, colon, bytes."""
    return str(len(data)).encode() + b":" + data


def id_text(value):
    """Id text of any value, as bytes."""
    if value is ABSENT or value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, list):
        return b"".join(part(id_text(v)) for v in value)
    return compact(value).encode("utf-8")  # literal, true, false, or compact JSON of an object


def match_text(value):
    """Id text to compare with; None for null, absent, empty text, empty list, which match nothing."""
    text = id_text(value).decode("utf-8")
    return text if text != "" else None
