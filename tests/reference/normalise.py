"""A second reading of the event model, to test the bridge against: slow, literal, standard library only.

    normalise.py CATALOGUE_DIR < requests.jsonl > results.jsonl

In: one request a line: `provider`, `deployment` (OpenIM), `path` and `query` (behind the configured base), `headers`,
`body` (text) or `body_base64`, `received_at_ms`. Out, for each, one line `{"records": [{"topic", "key", "event"}],
"reply": …}`, in publishing order; a before-command gives its decision records and answer for a plain allow. Always
true: every request has an answer and at least one record; numbers go out as they came in.

Not covered: records that are too large, rules, privacy, authentication.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import re
import sys

import content
from content import cut_bytes, id_of
from jsontext import NotJson, compact, read
from locators import ABSENT, Place, id_text, locate, match_text, pair, part

TEXT_MAX = 65536
ATTRIBUTE_MAX = 1024
REPEATED_MAX = 64 << 20
RECORD = 1024


# --- the catalogue -------------------------------------------------------------------------------------------------


def load(directory):
    """All files of a catalogue directory as one; rows in the order that the README gives."""
    directory = pathlib.Path(directory)
    listed = re.findall(r"^[0-9]+\. `([a-z_/]+\.json)`", (directory / "README.md").read_text("utf-8"), re.M)
    merged = {}
    for name in listed:
        _merge(merged, json.loads((directory / name).read_text("utf-8")))
    merged["order"] = {row["field"]: n for n, row in enumerate(merged["vocabulary"])}
    merged["by_kind"] = {kind["kind"]: kind for kind in merged["kinds"]}
    rows = {(row["provider"], row["command"]): row for row in merged["commands"]}
    merged["commands"] = [_resolve(row, rows) for row in merged["commands"]]
    return merged


def _merge(into, more):
    for key, value in more.items():
        if isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(into.get(key), list):
            into[key] = into[key] + value
        else:
            into[key] = value


def _resolve(row, rows):
    if "like" not in row:
        return row
    base = dict(rows[(row["provider"], row["like"])])
    if "kind" in row:
        base.pop("kinds_by", None)
    return {**base, **row}


# --- reading a request ---------------------------------------------------------------------------------------------


def decode(data):
    """UTF-8, each maximal invalid sequence one U+FFFD."""
    return data.decode("utf-8", "replace")


def read_query(text):
    """Pairs of a query in order, decoded."""
    pairs = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((_percent(name), _percent(value)))
    return pairs


def _percent(text):
    data = text.replace("+", " ").encode("utf-8")
    return decode(re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), data))


def ascii_lower(text):
    """Lower case of A to Z only."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in text)


class Request:
    """A request, read."""

    def __init__(self, catalogue, line):
        self.catalogue = catalogue
        self.provider = line["provider"]
        self.data = base64.b64decode(line["body_base64"]) if "body_base64" in line else line["body"].encode("utf-8")
        self.path = line.get("path", "").strip("/")
        self.pairs = read_query(line.get("query", ""))
        self.query = {ascii_lower(name): value for name, value in self.pairs}
        self.headers = {ascii_lower(name): value for name, value in line.get("headers", {}).items()}
        self.received_ms = line["received_at_ms"]
        self.text = decode(self.data)
        try:
            self.body = read(self.text)
        except NotJson:
            self.body = None
        if self.provider == "openim":
            self.source = "/openim/" + line["deployment"]
        else:
            self.source = "/tencent/" + (self.query.get("sdkappid") or "unknown")

    def row(self, name):
        """Row of a command name, None when it is not known."""
        rows = [r for r in self.catalogue["commands"] if r["provider"] == self.provider]
        for row in rows:
            if row["command"] == name:
                return row
        for row in rows:
            if name in row.get("aliases", []):
                return row
        if self.provider == "openim":
            for row in rows:
                if ascii_lower(row["command"]) == ascii_lower(name):
                    return row
        return None

    def command(self, body, in_envelope):
        """Name of the command as it is told; empty when there is none."""
        if self.provider == "openim":
            return self._openim_command(body)
        told = body.get("CallbackCommand") if isinstance(body, dict) else None
        told = told if isinstance(told, str) else ""
        asked = self.query.get("callbackcommand", "")
        if told and (in_envelope or self.row(told) is not None or not asked):
            return told
        return asked

    def _openim_command(self, body):
        told = body.get("callbackCommand") if isinstance(body, dict) else None
        if isinstance(told, str) and told:
            return told
        first = [self.path.rpartition("/")[2], self.query.get("command", ""), self.query.get("callbackcommand", "")]
        last_value = self.pairs[-1][1] if self.pairs else ""
        swallowed = last_value.rpartition("/")[2] if "/" in last_value else ""
        for name in [*first, swallowed]:
            if name and self.row(name) is not None:
                return name
        return next((name for name in first if name), "")


# --- redaction -----------------------------------------------------------------------------------------------------


def redact_body(body, names):
    """The body with top-level members replaced, and whether any was."""
    hit = False
    out = {}
    for name, value in body.items():
        if name in names and value is not None and value != "":
            value, hit = "[redacted]", True
        out[name] = value
    return out, hit


def redact_text(text, names):
    """The same in a text that is no JSON object."""
    if not names:
        return text
    head = re.compile('"(?:' + "|".join(re.escape(n) for n in names) + ')"[ \t\n\r]*:[ \t\n\r]*"')
    out, at = [], 0
    while True:
        match = head.search(text, at)
        if not match:
            return "".join(out) + text[at:]
        out.append(text[at : match.end()])
        at = match.end()
        while at < len(text) and text[at] != '"':
            at += 2 if text[at] == "\\" else 1
        at = min(at, len(text))
        if at > match.end():
            out.append("[redacted]")


def member_names(locators):
    return [locator.removeprefix("$.") for locator in locators]


# --- one request ---------------------------------------------------------------------------------------------------


def normalise(catalogue, line):
    """Records and answer of one request."""
    request = Request(catalogue, line)
    body = request.body
    split = catalogue["providers"][request.provider].get("split")
    envelope = isinstance(body, dict) and split and body.get(split.removeprefix("$."))
    records = []
    bodies = [body]
    if isinstance(envelope, list) and envelope:
        bodies = envelope
    else:
        envelope = None
    if repeated(request, bodies, envelope is not None) > REPEATED_MAX:
        whole = Body(request, body, "", False)
        records = [whole.unknown(whole.place(), "missing_field", [split if envelope else whole.row["each"]])]
        reply = plain_allow(request) if envelope else whole.reply()
    elif envelope:
        for position, element in enumerate(envelope):
            records += Body(request, element, str(position), True).records()
        reply = plain_allow(request)
    else:
        single = Body(request, body, "", False)
        records = single.records()
        reply = single.reply()
    return {"records": records, "reply": reply}


def repeated(request, bodies, in_envelope):
    """Bytes of a request that its records repeat; white space between tokens left out."""
    total = RECORD * (len(bodies) - 1)
    if in_envelope:
        texts = sum(not isinstance(element, dict) for element in bodies)
        total += max(texts - 1, 0) * min(len(request.text.encode("utf-8")), TEXT_MAX)
    for element in bodies:
        body = Body(request, element, "", in_envelope)
        if body.body is None or body.row is None or "each" not in body.row:
            continue
        items = locate(body.row["each"], body.place())
        if isinstance(items, list) and len(items) > 1:
            beside = len(compact(body.body).encode("utf-8")) - len(compact(items).encode("utf-8"))
            total += (len(items) - 1) * (RECORD + beside)
    return total


def plain_allow(request):
    return dict(request.catalogue["replies"]["after"][request.provider])


class Body:
    """One body of splitting step 1: the request's, or an element of an envelope."""

    def __init__(self, request, body, index, in_envelope):
        self.request = request
        self.catalogue = request.catalogue
        self.body = body if isinstance(body, dict) else None
        self.index = index
        name = request.command(body, in_envelope)
        self.row = request.row(name) if name else None
        self.command = self.row["command"] if self.row else name
        provider = self.catalogue["providers"][request.provider]
        if self.body is not None:
            names = member_names(provider["redact"] + (self.row or {}).get("redact", []))
            self.clean, hit = redact_body(self.body, names)
            self.body_part = compact(self.clean).encode("utf-8") if hit else request.data
        else:
            rows = [r for r in self.catalogue["commands"] if r["provider"] == request.provider]
            names = member_names(provider["redact"] + [n for r in rows for n in r.get("redact", [])])
            self.raw_text = redact_text(request.text, names)
            hit = self.raw_text != request.text
            self.body_part = self.raw_text.encode("utf-8") if hit else request.data

    def place(self, element=ABSENT, index=None):
        request = self.request
        return Place(
            self.catalogue,
            request.provider,
            ABSENT if self.body is None else self.body,
            element,
            request.query,
            request.headers,
            request.received_ms,
            self.body_part,
            self.index if index is None else index,
        )

    def records(self):
        if self.body is None:
            return [self.unknown(self.place(), "not_json")]
        if not self.command:
            return [self.unknown(self.place(), "no_command")]
        if self.row is None:
            return [self.unknown(self.place(), "unknown_command")]
        if "each" not in self.row:
            return [self.record(self.place(), self.clean)]
        each = self.row["each"]
        elements = locate(each, self.place())
        if not isinstance(elements, list) or not elements:
            return [self.unknown(self.place(), "missing_field", [each])]
        out = []
        for position, element in enumerate(elements):
            index = f"{self.index}.{position}" if self.index else str(position)
            raw = with_list(self.clean, each.removeprefix("$.").split("."), [element])
            out.append(self.record(self.place(element, index), raw))
        return out

    def record(self, place, raw):
        """The record of one event."""
        kind = self.kind(place)
        if kind is None:
            return self.unknown(place, "unmatched_kind", raw=raw)
        data = self.fields(place, kind)
        data["raw"] = raw
        missing = [f["field"] for f in kind["fields"] if f["required"] and f["field"] not in data]
        if missing and kind["phase"] == "after":
            missing.sort(key=lambda name: self.catalogue["order"][name])
            return self.unknown(place, "missing_field", missing, raw)
        separator = place.provider["pair_separator"]
        event = self.event(place, kind["kind"], data, self.natural_id(place))
        event["subject"] = template(kind["subject"], data, separator)
        event["partitionkey"] = template(kind["partition_key"], data, separator)
        if "occurred_at_ms" in data:
            event["time"] = timestamp(data["occurred_at_ms"])
        if kind["phase"] == "before":
            event["data"] = {"kind": kind["kind"], "verdict": "allow", "enforced": True, **event["data"]}
        return self.finish(kind["topic"], event)

    def unknown(self, place, reason, missing=None, raw=None):
        """A record for what cannot be classified."""
        data = {"unknown_reason": reason}
        if missing is not None:
            data["missing_fields"] = missing
        if self.body is None:
            data["raw_text"] = cut_bytes(self.raw_text, TEXT_MAX)
        else:
            data["raw"] = self.clean if raw is None else raw
        event = self.event(place, "unknown", data, self.fallback_id(place))
        event["subject"] = f"command/{self.command}" if self.command else ABSENT
        return self.finish("im.unknown", event)

    def kind(self, place):
        """Kind of the event, None when no case matches."""
        if "kinds_by" not in self.row:
            return self.catalogue["by_kind"][self.row["kind"]]
        for case in self.row["kinds_by"]:
            if "at" in case:
                text = match_text(locate(case["at"], place))
                if text is None or ("is" in case and text not in case["is"]) or ("not" in case and text in case["not"]):
                    continue
            return self.catalogue["by_kind"][case["kind"]]
        return None

    def fields(self, place, kind):
        """Normalised fields that the kind lists, in vocabulary order."""
        mapping = dict(place.provider["fields"])
        for name in self.row.get("use", []):
            mapping.update(self.catalogue["field_sets"][name])
        mapping.update(self.row.get("fields", {}))
        found = {name: locate(locator, place) for name, locator in mapping.items()}
        found.update(self.message(place))
        found["occurred_at_ms"] = locate(self.row.get("time", []), place)
        found = {name: value for name, value in found.items() if value is not ABSENT}
        if "conversation_id" in found:
            head, _, rest = found["conversation_id"].partition(":")
            found["conversation_type"] = head
            if head == "group" and "group_id" not in found:
                found["group_id"] = rest
        listed = {f["field"] for f in kind["fields"]}
        names = sorted((n for n in found if n in listed), key=lambda name: self.catalogue["order"][name])
        return {name: found[name] for name in names}

    def message(self, place):
        """Fields of the message content."""
        where = self.row.get("content")
        if where is None:
            return {}
        body = locate(where["body"], place)
        if where["model"] == "tencent":
            return content.tencent(self.catalogue["content"], body)
        return content.openim(self.catalogue["content"], id_of(locate(where["type"], place)), body)

    def natural_id(self, place):
        parts = []
        for locator in self.row["id"]:
            optional = isinstance(locator, str) and locator.endswith("?")
            text = id_text(locate(locator[:-1] if optional else locator, place))
            if text == b"" and not optional:
                return self.fallback_id(place)
            parts.append(text)
        return self.hashed(parts) if parts else self.fallback_id(place)

    def fallback_id(self, place):
        parts = place.provider["fallback_id"]
        return self.hashed([id_text(locate(p.removesuffix("?") if isinstance(p, str) else p, place)) for p in parts])

    def hashed(self, parts):
        head = [self.request.provider.encode(), self.command.encode("utf-8")]
        return hashlib.sha256(b"".join(part(p) for p in head + parts)).hexdigest()[:32]

    def event(self, place, kind, data, ident):
        received = timestamp(self.request.received_ms)
        return {
            "specversion": "1.0",
            "id": ident,
            "source": self.request.source,
            "type": "im." + kind,
            "subject": ABSENT,
            "time": received,
            "recordedtime": received,
            "partitionkey": ABSENT,
            "improvider": self.request.provider,
            "imcommand": self.command or ABSENT,
            "correlationid": locate("correlation", place),
            "datacontenttype": "application/json",
            "data": data,
        }

    def finish(self, topic, event):
        for name in ("subject", "partitionkey", "imcommand", "correlationid"):
            if event[name] is ABSENT:
                del event[name]
            else:
                event[name] = attribute(event[name])
        return {"topic": topic, "key": event.get("partitionkey"), "event": event}

    def reply(self):
        """Answer to a single body: what a plain allow says."""
        row = self.row or {}
        known = self.body is not None and row.get("phase") == "before"
        if not known:
            return plain_allow(self.request)
        reply = dict(self.catalogue["replies"][row["reply"]["deny"]["style"]]["allow"])
        for name in row["reply"].get("must_echo", []):
            if name in self.body:
                reply[name] = self.body[name]
        if "items" in row["reply"]:
            elements = locate(row["each"], self.place())
            if not isinstance(elements, list) or not elements:
                return plain_allow(self.request)
            items = row["reply"]["items"]
            found = [locate(items["id"], self.place(element)) for element in elements]
            member = items["id"].removeprefix("@.")
            reply[items["to"]] = [{member: v, "ResultCode": 0, "ResultInfo": ""} for v in found if v is not ABSENT]
        return reply


def with_list(body, names, elements):
    """The body with the list at a path replaced, all other members as they are."""
    if not names:
        return elements
    return {name: with_list(value, names[1:], elements) if name == names[0] else value for name, value in body.items()}


def template(alternatives, data, separator):
    """First alternative whose placeholders all have a value."""
    for alternative in alternatives:
        values = {}
        for name in re.findall(r"\{([^{}]*)\}", alternative):
            values[name] = _placeholder(name, data, separator)
        if ABSENT not in values.values():
            return re.sub(r"\{([^{}]*)\}", lambda m: values[m.group(1)], alternative)
    return ABSENT


def _placeholder(name, data, separator):
    if name.startswith("pair:"):
        values = [_placeholder(n, data, separator) for n in name.removeprefix("pair:").split(",")]
        return ABSENT if ABSENT in values else pair(separator, *values)
    name, _, index = name.rstrip("]").partition("[")
    value = data.get(name, ABSENT)
    if index != "":
        value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else ABSENT
    if isinstance(value, int):
        return compact(value)
    return value if isinstance(value, str) and value != "" else ABSENT


def attribute(text):
    """An attribute: no control characters, at most 1024 bytes."""
    text = "".join("\ufffd" if c <= "\x1f" or "\x7f" <= c <= "\x9f" else c for c in text)
    return cut_bytes(text, ATTRIBUTE_MAX)


def timestamp(ms):
    whole = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: normalise.py CATALOGUE_DIR < requests.jsonl > results.jsonl")
    catalogue = load(sys.argv[1])
    for line in sys.stdin.buffer:
        if line.strip():
            result = normalise(catalogue, json.loads(line))
            sys.stdout.buffer.write(compact(result).encode("utf-8") + b"\n")


if __name__ == "__main__":
    main()
