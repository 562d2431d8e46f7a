"""What a message says: the two content walkers.

In: the content tables of the catalogue, the type and body of a message. Out: the fields `content_type`,
`content_types`, `text`, `text_incomplete`, `media_urls`, those that there are. Always true: `text` is at most
65,536 bytes, `media_urls` holds at most 100 addresses without repeats.
"""

from jsontext import Num, read, read_or_none, NotJson

# the characters with the Unicode property White_Space
WHITE_SPACE = set("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(c) for c in range(0x2000, 0x200B)
}
REMOVED = {chr(c) for c in (*range(0x00, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)}


def cut_bytes(text, limit):
    """The text up to `limit` bytes, on a character border."""
    data = text.encode("utf-8")
    return text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")


def id_of(value):
    """The coercion `id`, with None for absent."""
    if isinstance(value, str) and value != "":
        return value
    if isinstance(value, Num) and value.is_integer():
        return value.literal
    if isinstance(value, int) and not isinstance(value, bool):  # what `int` and its like gave
        return str(value)
    return None


def at_path(element, path):
    """Values at a path like `a.b[*].c` relative to an element; nulls and what is not there are left out."""
    found = [element]
    for step in path.split("."):
        spread = step.endswith("[*]")
        name = step[:-3] if spread else step
        found = [v[name] for v in found if isinstance(v, dict) and name in v]
        if spread:
            found = [e for v in found if isinstance(v, list) for e in v]
    return [v for v in found if v is not None]


def strings_in(value):
    """Every string value inside, at any depth, in order; names do not count."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [s for v in value.values() for s in strings_in(v)]
    if isinstance(value, list):
        return [s for v in value for s in strings_in(v)]
    return []


class _Walk:
    """What one walk has found so far."""

    def __init__(self, tables, limits):
        self.tables = tables
        self.limits = limits
        self.pieces = []
        self.urls = []
        self.incomplete = False

    def row(self, code):
        """Row of a type code; a range has a type and reads nothing."""
        if code in self.tables["types"]:
            return self.tables["types"][code]
        if code is not None and code != "" and all(c in "0123456789" for c in code):
            for span in self.tables.get("ranges", []):
                if span["from"] <= int(code) <= span["to"]:
                    return {"type": span["type"], "range": True}
        return self.tables["other"]

    def piece(self, text):
        text = "".join(c for c in text if c not in REMOVED)
        if any(c not in WHITE_SPACE for c in text):
            self.pieces.append(text)

    def loose(self, value):
        if isinstance(value, Num):
            self.piece(value.literal)
        elif isinstance(value, str):
            inner = read_or_none(value, (dict, list))
            for text in [value] if inner is None else strings_in(inner):
                self.piece(text)

    def element(self, row, element, depth):
        """One element by its row: texts, loose strings, addresses, then what is nested."""
        for path in row.get("text", []):
            for value in at_path(element, path):
                if isinstance(value, str):
                    self.piece(value)
                elif isinstance(value, Num):
                    self.piece(value.literal)
        for path in row.get("loose", []):
            for value in strings_in(element) if path == "*" else at_path(element, path):
                self.loose(value)
        for path in row.get("urls", []):
            self.urls += [v for v in at_path(element, path) if isinstance(v, str) and v != ""]
        if "hidden" in row and any(v != "" for v in at_path(element, row["hidden"])):
            self.incomplete = True
        for path in row.get("messages", []):
            for value in at_path(element, path):
                self.openim_message(value, depth + 1)
        for path in row.get("bodies", []):
            for value in at_path(element, path):
                self.tencent_body(value, depth + 1)

    def openim_text(self, row, text, depth):
        """OpenIM content: JSON in a text, or the text itself."""
        if text == "" or row.get("range"):
            return
        try:
            value = read(text)
        except NotJson:
            value = None
        if isinstance(value, dict):
            self.element(row, value, depth)
        elif isinstance(value, str):
            self.piece(value)
        else:
            self.piece(text)

    def openim_message(self, message, depth):
        """A message inside a message."""
        if not isinstance(message, dict):
            return
        if depth > self.limits["depth"]:
            self.incomplete = True
            return
        code = id_of(message.get("contentType"))
        row = self.row(code)
        name = self.tables["element"].get(code) or self.tables["element_ranges"].get(row["type"])
        if name is not None and isinstance(message.get(name), dict):
            self.element(row, message[name], depth)
        elif isinstance(message.get("content"), str):
            self.openim_text(row, message["content"], depth)

    def tencent_body(self, body, depth):
        """A list of elements; gives their types."""
        if not isinstance(body, list):
            return []
        if depth > self.limits["depth"]:
            self.incomplete = True
            return []
        types = []
        for element in body:
            if isinstance(element, dict):
                row = self.row(id_of(element.get("MsgType")))
                types.append(row["type"])
                self.element(row, element.get("MsgContent"), depth)
        return types

    def fields(self, types):
        """The fields of the message."""
        types = list(dict.fromkeys(types))
        out = {"content_type": types[0] if len(types) == 1 else "mixed", "content_types": types}
        if self.pieces:
            joined = "\n".join(self.pieces)
            out["text"] = cut_bytes(joined, self.limits["text_bytes"])
            if out["text"] != joined:
                self.incomplete = True
        if self.incomplete:
            out["text_incomplete"] = True
        urls = list(dict.fromkeys(self.urls))[: self.limits["urls"]]
        if urls:
            out["media_urls"] = urls
        return out


def openim(content, code, body):
    """Fields of an OpenIM message: `code` as id or None, `body` any value or None."""
    walk = _Walk(content["openim"], content["limits"])
    row = walk.row(code)
    walk.openim_text(row, body if isinstance(body, str) else "", 0)
    return walk.fields([row["type"]])


def tencent(content, body):
    """Fields of a Tencent message; none when the body is no list."""
    if not isinstance(body, list):
        return {}
    walk = _Walk(content["tencent"], content["limits"])
    return walk.fields(walk.tencent_body(body, 0))
