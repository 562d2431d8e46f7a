"""Writes the fixtures that come from the reference.

    make_fixtures.py

In: `catalogue/`, `catalogue/samples/<provider>.json`, the edges of `edges.py`. Out:
`tests/fixtures/rows/<provider>/<command>/` with `request.json`, `records.json`, `reply.json`, and
`tests/fixtures/edges.jsonl` with `edges.expected.jsonl`, line for line. Always true, or it says so and exits 1: every
row of the catalogue has a sample, no record of a sample is unknown, every edge comes out as worked out by hand. Read
the difference before you commit it: what is written here is what the bridge is tested against.

How a sample becomes a request is said in `catalogue/README.md`.
"""

import pathlib
import shutil
import sys

import edges
import normalise
from jsontext import compact, pretty, read

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
RECEIVED_MS = 1735689600123
APP_ID = "1400000001"
GO_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Go-http-client/1.1",
    "Accept-Encoding": "gzip",
}


def go_json(value):
    """Compact JSON as Go writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, a line feed at the end."""
    text = compact(value)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text + "\n"


def request_of(provider, number, sample):
    """The request that a sample stands for."""
    command, query, body = sample["command"], sample.get("query"), sample["body"]
    if provider == "openim":
        named = query is None or query.startswith("key=")
        operation = body.get("operationID") or f"1735689600-{number:04d}"
        return {
            "provider": provider,
            "deployment": "demo",
            "method": "POST",
            "path": f"/{command}" if named else "",
            "query": query or "",
            "headers": {**GO_HEADERS, "Operationid": operation},
            "body": go_json(body),
            "received_at_ms": RECEIVED_MS,
        }
    common = f"SdkAppid={APP_ID}&CallbackCommand={command}&contenttype=json"
    return {
        "provider": provider,
        "deployment": APP_ID,
        "method": "POST",
        "path": "/",
        "query": "&".join(part for part in (common, query) if part),
        "headers": {"Host": "www.example.com"},
        "body": compact(body),
        "received_at_ms": RECEIVED_MS,
    }


def write(path, value):
    path.write_text(pretty(value) + "\n", "utf-8")


def make_rows(catalogue):
    """One folder per row."""
    rows = FIXTURES / "rows"
    if rows.exists():
        shutil.rmtree(rows)
    problems = []
    for provider in ("openim", "tencent"):
        samples = read((ROOT / "catalogue" / "samples" / f"{provider}.json").read_text("utf-8"))["samples"]
        commands = [r["command"] for r in catalogue["commands"] if r["provider"] == provider]
        sampled = [s["command"] for s in samples]
        problems += [f"{provider}: no sample of {c}" for c in commands if sampled.count(c) != 1]
        for number, sample in enumerate(samples, 1):
            request = request_of(provider, number, sample)
            result = normalise.normalise(catalogue, request)
            if any(r["topic"] == "im.unknown" for r in result["records"]):
                problems.append(f"{provider}/{sample['command']}: gives an unknown record")
            folder = rows / provider / sample["command"]
            folder.mkdir(parents=True)
            write(folder / "request.json", request)
            write(folder / "records.json", result["records"])
            write(folder / "reply.json", result["reply"])
    return problems


def make_edges(catalogue):
    """The edge requests and their results."""
    results = [normalise.normalise(catalogue, request) for request, _ in edges.EDGES]
    edges.main()
    (FIXTURES / "edges.expected.jsonl").write_text("".join(compact(r) + "\n" for r in results), "utf-8")
    return [problem for edge, result in zip(edges.EDGES, results) for problem in edges.check(edge, result)]


def main():
    catalogue = normalise.load(ROOT / "catalogue")
    problems = make_rows(catalogue) + make_edges(catalogue)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
