# SPDX-License-Identifier: Apache-2.0
"""Differential test of the write scan against Python's json.

Thousands of bodies are generated: valid ones in every shape, odd ones, and ones broken at random. For each, a reference
written on the parsed value (pairs kept, so that duplicate keys are seen) says what the verdict must be. The driver scans
each body whole and cut at every byte. The reference is strict on what matters: a body in plain form must have exactly the
verdict computed here; a body that is odd must be called odd; text that is not JSON may be anything but a crash.

Run: diff_scan.py <scan_driver> [seed] [count]
"""
import json
import random
import re
import subprocess
import sys
import uuid

OPS = ["upsert", "delete", "update_vectors", "delete_vectors", "set_payload", "overwrite_payload", "delete_payload",
       "clear_payload", "batch"]
SELECTORS = {"delete", "delete_vectors", "set_payload", "overwrite_payload", "delete_payload", "clear_payload"}
URN = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\Z")
BRACED = re.compile(r"\{([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}\Z")
SIMPLE = re.compile(r"([0-9a-fA-F]{32})\Z")


class Obj(list):
    """An object as its list of pairs."""

    def keys(self):
        return [k for k, _ in self]

    def all(self, *names):
        return [v for k, v in self if k in names]


class Num(str):
    """A number as its text."""


def parse(text):
    def refuse(word):
        raise ValueError(word)
    return json.loads(text, object_pairs_hook=Obj, parse_int=Num, parse_float=Num, parse_constant=refuse)


class Reference:
    def __init__(self, names):
        self.names = names
        self.ids = set()
        self.flags = dict.fromkeys(["unknown", "filter", "condition", "by_id", "inference", "shard_key", "odd"], False)
        self.exact = True

    def note(self, flag, exact=False):
        self.flags[flag] = True
        self.exact = self.exact and exact

    def odd(self):
        self.note("odd")
        self.note("unknown")

    def member(self, obj, *names):
        """The one value under a key, or Ellipsis; twice is odd."""
        found = obj.all(*names)
        if len(found) > 1:
            self.odd()
        return found[-1] if found else ...

    def object(self, value):
        if isinstance(value, Obj):
            return True
        self.odd() if isinstance(value, list) else self.note("unknown")
        return False

    def list(self, value):
        if isinstance(value, list) and not isinstance(value, Obj):
            return True
        self.note("unknown")
        return False

    def id(self, value):
        if isinstance(value, Num):
            if re.match(r"(0|[1-9][0-9]*)\Z", value) and int(value) < 2**64:
                self.ids.add((0, int(value)))
                return
        elif isinstance(value, str):
            for form in (URN, BRACED, SIMPLE):
                match = form.match(value)
                if match:
                    self.ids.add((1, uuid.UUID(match[1]).int))
                    return
        self.odd()

    def shard_key(self, obj):
        value = self.member(obj, "shard_key")
        if value is not ... and value is not None:
            self.note("shard_key", exact=not isinstance(value, list))

    def condition(self, obj):
        value = self.member(obj, "update_filter")
        if value is not ... and value is not None:
            self.note("condition")
            if isinstance(value, list) and not isinstance(value, Obj):
                self.odd()

    def flat(self, value):
        """A vector written as a list: no texts and no objects anywhere in it."""
        for item in value:
            if isinstance(item, Obj) or (isinstance(item, str) and not isinstance(item, Num)):
                self.note("inference")
                self.odd()
            elif isinstance(item, list):
                self.flat(item)

    def vector(self, value):
        if isinstance(value, Obj):
            if sorted(value.keys()) != ["indices", "values"]:
                self.note("inference")
            for name in ("indices", "values"):
                self.member(value, name)
            for part in value.all("indices", "values"):
                if isinstance(part, Obj) or not isinstance(part, list):
                    self.note("inference")
                elif any(isinstance(x, list) or (isinstance(x, str) and not isinstance(x, Num)) for x in part):
                    self.note("inference")
                    self.odd()
        elif isinstance(value, list):
            self.flat(value)
        else:
            self.note("inference")

    def stated(self, value, one):
        """The names that a vector struct states; `one` judges what stands under a name."""
        if isinstance(value, Obj):
            for key, item in value:
                one(item)
            for name in self.names:
                if value.keys().count(name) > 1:
                    self.odd()
            return set(value.keys())
        if isinstance(value, list):
            one(value)
            return {""}
        self.note("unknown")
        return set()

    def state_all(self, stated):
        if not self.names or not set(self.names) <= stated:
            self.exact = False

    def point(self, point, is_upsert):
        if not self.object(point):
            return
        value = self.member(point, "id")
        self.note("unknown") if value is ... else self.id(value)
        vector = self.member(point, "vector", "vectors")
        stated = self.stated(vector, self.vector) if vector is not ... else set()
        if is_upsert:
            self.state_all(stated)
            if not isinstance(self.member(point, "payload"), Obj):
                self.exact = False

    def columns(self, columns):
        if not self.object(columns):
            return
        ids = self.member(columns, "ids")
        if ids is ...:
            self.note("unknown")
        elif self.list(ids):
            for value in ids:
                self.id(value)
        lengths = {len(ids)} if isinstance(ids, list) else set()

        def column(values):
            if self.list(values):
                lengths.add(len(values))
                for value in values:
                    self.vector(value)
        vectors = self.member(columns, "vectors")
        self.state_all(self.stated(vectors, column) if vectors is not ... else set())
        payloads = self.member(columns, "payloads")
        if not isinstance(payloads, list) or isinstance(payloads, Obj) or any(not isinstance(p, Obj) for p in payloads):
            self.exact = False
        if isinstance(payloads, list):
            lengths.add(len(payloads))
        if payloads is not ... and payloads is not None:
            self.list(payloads)
        if len(lengths) > 1:
            self.exact = False

    def points(self, points, is_upsert):
        if self.list(points):
            for point in points:
                self.point(point, is_upsert)

    def upsert(self, body):
        points, columns = self.member(body, "points"), self.member(body, "batch")
        self.shard_key(body)
        self.condition(body)
        mode = self.member(body, "update_mode")
        if mode is not ... and mode is not None and (isinstance(mode, Num) or mode != "upsert"):
            self.note("condition")
        if points is not ... and columns is not ...:
            self.odd()
        if points is ... and columns is ...:
            self.note("unknown")
        if points is not ...:
            self.points(points, True)
        if columns is not ...:
            self.columns(columns)

    def update_vectors(self, body):
        points = self.member(body, "points")
        self.flags["by_id"] = True
        self.shard_key(body)
        self.condition(body)
        self.note("unknown") if points is ... else self.points(points, False)

    def selector(self, body, op):
        points, chosen = self.member(body, "points"), self.member(body, "filter")
        for names in (("payload",), ("vector", "vectors")):
            self.member(body, *names)
        self.shard_key(body)
        if any(value is None for value in body.all("points")):
            self.odd()
        if chosen is not ... and chosen is not None:
            self.note("filter")
            if isinstance(chosen, list) and not isinstance(chosen, Obj):
                self.odd()
        if points is not ... and chosen is not ... and points is not None and chosen is not None:
            self.odd()
        if points in (..., None) and chosen in (..., None):
            self.note("unknown")
        if points is not ...:
            if self.list(points):
                for value in points:
                    self.id(value)
            if points is not None and op != "delete":
                self.flags["by_id"] = True

    def body(self, op, value):
        if not self.object(value):
            return
        if op == "upsert":
            self.upsert(value)
        elif op == "update_vectors":
            self.update_vectors(value)
        elif op in SELECTORS:
            self.selector(value, op)
        else:
            self.batch(value)

    def batch(self, body):
        operations = self.member(body, "operations")
        if operations is ... or not self.list(operations):
            self.note("unknown")
            return
        for operation in operations:
            if not self.object(operation):
                continue
            if not operation:
                self.note("unknown")
            elif len(operation) > 1 or operation[0][0] not in OPS[:-1]:
                self.odd()
            for op, value in operation:
                if op in OPS[:-1]:
                    self.body(op, value)

    def verdict(self):
        found = {name: int(flag) for name, flag in self.flags.items()}
        found["exact"] = int(self.exact)
        found["ids"] = [] if self.flags["unknown"] else [
            n if kind == 0 else str(uuid.UUID(int=n)) for kind, n in sorted(self.ids)]
        return found


class Generator:
    """Bodies as text, so that spelling, order and duplicates are in the generator's hands."""

    def __init__(self, rng, oddness):
        self.rng = rng
        self.oddness = oddness

    def odd(self):
        return self.rng.random() < self.oddness

    def text(self, value):
        quoted = json.dumps(value, ensure_ascii=self.rng.random() < 0.5)
        if value and self.rng.random() < 0.1 and value[0].isalnum():
            quoted = '"\\u%04x' % ord(value[0]) + quoted[2:]
        return quoted

    def space(self):
        return self.rng.choice(["", "", "", "", " ", "\n\t", "\r\n  "])

    def obj(self, pairs):
        pairs = list(pairs)
        if self.rng.random() < 0.5:
            self.rng.shuffle(pairs)
        if pairs and self.odd():
            pairs.append(self.rng.choice(pairs))
        if self.odd():
            return self.arr([v for _, v in pairs])
        s = self.space
        return "{" + ",".join(f"{s()}{self.text(k)}{s()}:{s()}{v}{s()}" for k, v in pairs) + self.space() + "}"

    def arr(self, items):
        return "[" + self.space() + ",".join(str(i) + self.space() for i in items) + "]"

    def number(self):
        return self.rng.choice(["0", "-1.5", "0.12345678", "1e-7", "3", "-0", "1E+10", "12345.678"])

    def junk(self, depth=0):
        kind = self.rng.randrange(9 if depth < 3 else 6)
        if kind < 6:
            return [self.number(), "null", "true", "false", self.text(self.rng.choice(
                ["", "x", "]}", '"', "\\", "\u20ac", "\U0001f600", '{"points":[1]}'])), '"\\\\\\""'][kind]
        if kind == 6:
            return self.arr(self.junk(depth + 1) for _ in range(self.rng.randrange(3)))
        return self.payload(depth + 1)

    def payload(self, depth=0):
        names = ["a", "points", "filter", "id", "vector", "payload", "batch", "operations", "delete", "\u00fc"]
        # duplicate keys in a payload are no concern of the scan
        return "{" + ",".join(self.text(self.rng.choice(names)) + ":" + self.junk(depth)
                              for _ in range(self.rng.randrange(4))) + "}"

    def id(self):
        rng = self.rng
        if self.odd():
            return rng.choice(["-1", "1.0", "1e3", "-0", "18446744073709551616", '"5"', "null", "true", self.arr(range(16)),
                               '"URN:uuid:00000000-0000-0000-0000-000000000000"', '{}', '"%s"' % ("0" * 33)])
        if rng.random() < 0.6:
            return str(rng.choice([rng.randrange(10), rng.randrange(2**64), 2**64 - 1, 2**53 + 1]))
        value = uuid.UUID(int=rng.choice([rng.randrange(3), rng.getrandbits(128)]))
        form = rng.choice([str(value), value.hex, str(value).upper(), value.urn, "{%s}" % value])
        return self.text(form)

    def flat(self):
        return self.arr(self.number() for _ in range(self.rng.choice([0, 1, 3, 40])))

    def one_vector(self):
        kind = self.rng.randrange(12)
        if kind < 6:
            return self.flat()
        if kind < 8:
            return self.arr(self.flat() for _ in range(2))
        if kind < 10:
            return self.obj([("indices", self.flat()), ("values", self.flat())])
        if kind == 10:
            return self.obj([("text", self.text("hello")), ("model", '"m"')])
        return self.obj([("image", self.payload()), ("model", '"m"')]) if not self.odd() else self.junk()

    def named(self, one):
        return self.obj((name, one()) for name in self.rng.sample(["", "a", "b", "c"], self.rng.randrange(4)))

    def vector(self):
        return self.one_vector() if self.rng.random() < 0.6 else self.named(self.one_vector)

    def maybe(self, pairs, name, value, chance=0.1):
        if self.rng.random() < chance:
            pairs.append((name, value))

    def common(self, pairs):
        self.maybe(pairs, "shard_key", self.rng.choice(['"k"', "7", "null", '["a","b"]', '{"target":"a","fallback":"b"}']))
        self.maybe(pairs, self.rng.choice(["x", "wait", "Points"]), self.junk())
        return self.obj(pairs)

    def point(self, is_upsert):
        pairs = [("id", self.id()), (self.rng.choice(["vector", "vector", "vectors"]), self.vector())]
        if is_upsert:
            self.maybe(pairs, "payload", self.rng.choice([self.payload(), self.payload(), "null"]), 0.9)
        self.maybe(pairs, "order_value", self.junk())
        return self.obj(pairs)

    def points(self, is_upsert):
        return self.arr(self.point(is_upsert) for _ in range(self.rng.randrange(4)))

    def columns(self):
        n = self.rng.randrange(3)
        rows = lambda one: self.arr(one() for _ in range(n))
        vectors = rows(self.one_vector) if self.rng.random() < 0.5 else self.named(lambda: rows(self.one_vector))
        pairs = [("ids", rows(self.id)), ("vectors", vectors)]
        self.maybe(pairs, "payloads", rows(self.payload) if not self.odd() else "[null]", 0.8)
        return self.obj(pairs)

    def upsert(self):
        pairs = []
        if self.rng.random() < 0.7:
            pairs.append(("points", self.points(True)))
        if not pairs or self.odd():
            pairs.append(("batch", self.columns()))
        self.maybe(pairs, "update_filter", self.rng.choice([self.payload(), "null"]))
        self.maybe(pairs, "update_mode", self.rng.choice(['"upsert"', '"insert_only"', '"update_only"', "null"]))
        return self.common(pairs)

    def update_vectors(self):
        pairs = [("points", self.points(False))]
        self.maybe(pairs, "update_filter", self.payload())
        return self.common(pairs)

    def selector(self, op):
        ids = self.arr(self.id() for _ in range(self.rng.randrange(6)))
        pairs = [("points", ids)] if self.rng.random() < 0.6 else [("filter", self.payload())]
        if self.odd():
            pairs.append(self.rng.choice([("points", "null"), ("filter", "null"), ("filter", "{}"), ("points", ids)]))
        if op in ("set_payload", "overwrite_payload"):
            pairs.append(("payload", self.payload()))
            self.maybe(pairs, "key", '"a.b"')
        if op == "delete_payload":
            pairs.append(("keys", '["points"]'))
        if op == "delete_vectors":
            pairs.append((self.rng.choice(["vector", "vectors"]), '["a",""]'))
        return self.common(pairs)

    def body(self, op):
        if op == "upsert":
            return self.upsert()
        if op == "update_vectors":
            return self.update_vectors()
        if op != "batch":
            return self.selector(op)
        def operation():
            pairs = []
            for inner in self.rng.sample(OPS[:-1], 2 if self.odd() else 1):
                pairs.append((inner, self.body(inner)))
            if self.odd():
                pairs.append(("unknown", self.junk()))
            return self.obj(pairs)
        return self.obj([("operations", self.arr(operation() for _ in range(self.rng.randrange(4))))])


def mutate(rng, text):
    at = rng.randrange(len(text) + 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + text[at + 1:]
    if kind == 2:
        return text[:at] + rng.choice('{}[]",:\\0e-. nt') + text[at:]
    other = rng.randrange(len(text) + 1)
    return text[:at] + text[other:]


def cases(rng, count):
    for number in range(count):
        op = rng.choice(OPS)
        names = rng.choice([None, [""], [""], ["a"], ["a", "b"], ["", "a", "b"]])
        text = Generator(rng, rng.choice([0, 0, 0.02, 0.1])).body(op)
        if number % 4 == 3:
            text = mutate(rng, text)
        yield op, names, text


def main():
    driver = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4000
    todo = list(cases(random.Random(seed), count))
    feed = b"".join(
        b"%d %d %s\n%s" % (OPS.index(op), len(raw), "-".encode() if names is None else ",".join(names).encode(), raw)
        for op, names, text in todo for raw in [text.encode()])
    run = subprocess.run([driver], input=feed, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        sys.exit(f"the driver failed with {run.returncode}")
    lines = run.stdout.splitlines()
    if len(lines) != len(todo):
        sys.exit(f"{len(lines)} verdicts for {len(todo)} bodies")
    seen = {"plain": 0, "odd": 0, "exact": 0, "not JSON": 0}
    wrong = 0
    for (op, names, text), line in zip(todo, lines):
        got = json.loads(line)
        try:
            value = parse(text)
        except ValueError:
            seen["not JSON"] += 1
            continue
        reference = Reference(names or [])
        reference.body(op, value)
        want = reference.verdict()
        seen["odd" if want["odd"] else "plain"] += 1
        seen["exact"] += want["exact"]
        # Of an odd body nothing counts but that it is called odd, that its ids are unknown and that it is not exact.
        same = got == want or (want["odd"] and got.get("odd") and got["unknown"] and not got["exact"] and not got["ids"])
        if not same:
            wrong += 1
            print(f"{op} {names}\n{text}\n  scan:   {got}\n  python: {want}")
            if wrong == 5:
                break
    print(f"seed {seed}: {len(todo)} bodies, {seen}, {wrong} differ")
    if min(seen.values()) < count // 50:
        sys.exit("a kind of body is hardly there: the generator is broken")
    sys.exit(wrong != 0)


main()
