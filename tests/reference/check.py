"""Compares the reference with a directory of worked examples.

    check.py CATALOGUE_DIR FIXTURES_DIR

In: folders `<provider>/<name>/` with `request.json` and what is expected. After-commands and unknown requests have
`event.json` (one event or a list) and `reply.json`; before-commands `intent.json` (the event before the decision
fields) and `reply.allow.json`, `decision.allow.json` where the case is a plain allow. Row fixtures have
`records.json` and `reply.json`. Out: one line per difference, exit code 1 if there is any. `data` and `raw` are
compared in order; numbers by literal in `records.json`, by exact value in the worked examples, which print `1.50` as
`1.5`.
"""

import decimal
import json
import pathlib
import sys

import normalise
from jsontext import Num, compact, read


def text_of(value, literal):
    """Comparable text of a value: attributes sorted by name, numbers by literal or reduced to their value."""
    return compact(_plain(value, literal, True))


def _plain(value, literal, sort):
    if isinstance(value, list):
        return [_plain(v, literal, sort) for v in value]
    if isinstance(value, dict):
        names = sorted(value) if sort else value
        return {k: _plain(value[k], literal, sort and k != "data") for k in names}
    if isinstance(value, (Num, int)) and not isinstance(value, bool) and not literal:
        return str(decimal.Decimal(compact(value)).normalize())
    return value


def load(path):
    return read(path.read_text("utf-8"))


def as_list(value):
    return value if isinstance(value, list) else [value]


def without_decision(event):
    data = {k: v for k, v in event["data"].items() if k not in ("kind", "verdict", "enforced")}
    return {**event, "data": data}


class Folder:
    """One worked example."""

    def __init__(self, catalogue, folder):
        self.folder = folder
        self.name = f"{folder.parent.name}/{folder.name}"
        self.problems = []
        self.compared = 0
        line = json.loads((folder / "request.json").read_text("utf-8"))
        self.catalogue = catalogue
        result = normalise.normalise(catalogue, line)
        self.records, self.reply = result["records"], result["reply"]

    def compare(self, what, expected, got, literal=False):
        self.compared += 1
        want, have = text_of(expected, literal), text_of(got, literal)
        if want != have:
            at = next((n for n, (a, b) in enumerate(zip(want, have)) if a != b), min(len(want), len(have)))
            at = max(at - 40, 0)
            self.problems.append(
                f"{self.name}: {what}\n  expected …{want[at:at + 160]}\n  got      …{have[at:at + 160]}"
            )

    def topics_and_keys(self):
        """Topic and key follow from the event."""
        for record in self.records:
            event = record["event"]
            kind = self.catalogue["by_kind"].get(event["type"].removeprefix("im."))
            topic = "im.decisions" if kind and kind["phase"] == "before" else event["type"]
            self.compare("topic", topic, record["topic"])
            self.compare("key", event.get("partitionkey"), record["key"])

    def check(self):
        events = [r["event"] for r in self.records]
        has = {p.name: p for p in self.folder.glob("*.json")}
        if "event.json" in has:
            self.compare("event", as_list(load(has["event.json"])), events)
        if "records.json" in has:
            self.compare("records", load(has["records.json"]), self.records, literal=True)
        if "reply.json" in has:
            self.compare("reply", load(has["reply.json"]), self.reply)
        if "intent.json" in has:
            self.compare("intent", as_list(load(has["intent.json"])), [without_decision(e) for e in events])
        if "decision.allow.json" in has:
            self.compare("decision", as_list(load(has["decision.allow.json"])), events)
            self.compare("reply.allow", load(has["reply.allow.json"]), self.reply)
        if not self.compared:
            self.problems.append(f"{self.name}: nothing to compare with")
        self.topics_and_keys()
        return self


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: check.py CATALOGUE_DIR FIXTURES_DIR")
    catalogue = normalise.load(sys.argv[1])
    folders = sorted(p.parent for p in pathlib.Path(sys.argv[2]).glob("*/*/request.json"))
    done = [Folder(catalogue, folder).check() for folder in folders]
    problems = [problem for folder in done for problem in folder.problems]
    for problem in problems:
        print(problem)
    print(f"{len(done)} folders, {sum(f.compared for f in done)} comparisons, {len(problems)} differences")
    sys.exit(1 if problems or not done else 0)


if __name__ == "__main__":
    main()
