# SPDX-License-Identifier: Apache-2.0
"""The journal's scripts, rule by rule: each story (stories/) is a few lines of a small language, played against a real Redis.

    A begin w 1,2 [force]        who, verb and arguments; ids are numbers, U1 is a UUID, ALL is unknown scope
    A begin w 1 = BUSY           what it is answered; without that a write's verb must be answered OK
    B copy c [2:5) excl = OK 1   a range or a list; of copies the answer is status and writers, of their ends kept and met_all
    dirty 1,2                    what Redis says of everything: dirty, held, tried, flying, touched, unknown, hold_all, ops, copies
    now                          marks the present seq, for a later `release` of that mark

A and B have joined when a story begins, and the migration is known; a story whose name begins with "new:" starts from nothing."""
import os
import re
from pathlib import Path

import pytest

from journal_redis import VERBS, Out, RedisError, Replica, Scripts, Server, empty, pack, restore, save, unpack

FOLDER = Path(__file__).resolve().parent / "stories"


def stories():
    """name -> lines: a name stands at the margin, its lines under it."""
    found = {}
    for file in sorted(FOLDER.iterdir()):
        for line in file.read_text().splitlines():
            if line.startswith("    "):
                found[name].append(line.strip())
            elif line and not line.startswith("#"):
                name = line
                assert name not in found, name
                found[name] = []
    return found


STORIES = stories()


class Stage:
    def __init__(self, server):
        self.client, self.base = server.client, "t:{m}:j:"
        self.scripts = server.scripts
        self.replicas, self.tokens, self.early, self.mark, self.saved, self.peers, self.names = {}, {}, {}, 0, None, {}, 0
        self.client("FLUSHALL")

    def play(self, line):
        said, _, expected = (part.strip() for part in line.partition(" = "))
        who, *words = said.split()
        if not who.isupper():
            getattr(self, f"look_{who}", self.look)(who, *words)
            return
        try:
            answer = getattr(self, f"do_{words[0]}")(who, *words[1:])
        except Out as out:
            answer = str(out)
        expected = expected or ("OK" if words[0] in ("begin", "end", "resolved", "mark", "beat") else None)
        if expected is not None:
            assert answer == expected, line

    # --- What Redis says of everything ---

    def look(self, what, *wanted):
        if what in ("unknown", "hold_all"):
            found = int(bool(self.client("HGET", self.base + "meta", what)))
            found = int(self.client("HGET", self.base + "meta", "unknown")) if what == "unknown" else found
        elif what in ("ops", "copies"):
            found = self.client("HLEN", self.base + what)
        else:
            command = {"flying": ("SMEMBERS", "fl"), "tried": ("HKEYS", "tried"), "touched": ("ZRANGE", "touch", 0, -1)}.get(
                what, ("ZRANGE", what, 0, -1))
            found = names(sorted(self.client(command[0], self.base + command[1], *command[2:])))
        assert str(found) == wanted[0], (what, found)

    def look_save(self, *_):
        self.saved = save(self.client, self.base)

    def look_restore(self, *_):
        restore(self.client, self.base, self.saved)

    def look_empty(self, *_):
        empty(self.client, self.base)

    def look_lose(self, _, key):
        self.client("DEL", self.base + key)

    def look_now(self, *_):
        self.mark = int(self.client("HGET", self.base + "meta", "seq"))

    def look_tick(self, *_):
        """Redis's clock has gone on by a millisecond at least."""
        def now_ms():
            seconds, micros = self.client("TIME")
            return int(seconds) * 1000 + int(micros) // 1000
        start = now_ms()
        while now_ms() == start:
            pass

    # --- Verbs ---

    def do_joins(self, who, *words):
        replica = self.replicas.setdefault(who, Replica(self.scripts, self.base, who))
        peers = next((w[6:].replace(",", " ") for w in words if w.startswith("peers=")), self.peers.get(who, ""))
        self.names += 1
        answer = replica.join(f"i{self.names}", was_dual=int("dual" in words), in_doubt=int("doubt" in words),
                              alive=int("alive" in words), peers=peers)
        return str(answer.rolled)

    def do_knows(self, who, peer):
        self.peers[who] = peer

    def do_dies(self, who):
        self.replicas[who].seq, self.replicas[who].counters = 0, {}

    def write(self, who, verb, *args):
        return self.replicas[who](verb, *args, link=1).status

    def do_begin(self, who, op, scope, *words):
        return self.write(who, "begin", op, int("force" in words), int(scope == "ALL"), ids(scope))

    def do_end(self, who, op, scope, *words):
        return self.write(who, "end", op, int("dirty" in words), int("held" in words), ids(scope), int(scope == "ALL"))

    def do_resolved(self, who, op, scope, *words):
        return self.write(who, "end_resolved", op, int("held" in words), ids(scope), int("all" in words))

    def do_mark(self, who, scope, *words):
        return self.call(who, "mark", int(scope == "ALL"), int("held" in words), ids(scope)).status

    def call(self, who, verb, *args):
        answer = self.replicas[who](verb, *args)
        if verb in ("beat", "state"):
            self.replicas[who].beat = self.field(answer.extra, who, 2)
        return answer

    def field(self, extra, who, i):
        return extra[4 + 4 * extra[4::4].index(who.encode()) + i]

    def token(self, who, words):
        return self.tokens.get(who, 0) + int("token+1" in words)

    def do_claim(self, who):
        answer = self.call(who, "claim")
        if answer.extra[1]:
            self.tokens[who] = answer.extra[0]
        return "yes" if answer.extra[1] else "no"

    def do_copy(self, who, name, scope, *words):
        if scope.startswith("["):
            low, _, high = scope[1:-1].partition(":")
            args = [1, int("excl" in words), ids(low), ids(high), b""]
        else:
            args = [0, int("excl" in words), b"", b"", ids(scope)]
        return " ".join(map(str, [(answer := self.call(who, "copy_begin", name, self.token(who, words), *args)).status, *answer.extra]))

    def do_ready(self, who, name, *words):
        answer = self.call(who, "copy_ready", name, self.token(who, words), int("go" in words))
        return " ".join(map(str, [answer.status, *answer.extra]))

    def end_copy(self, who, how, name, scope=""):
        return "{} {}".format(*self.call(who, "copy_end", name, self.token(who, ()), how, ids(scope)).extra)

    def do_done(self, who, *words):
        return self.end_copy(who, "done", *words)

    def do_failed(self, who, *words):
        return self.end_copy(who, "failed", *words)

    def do_unknown(self, who, *words):
        return self.end_copy(who, "unknown", *words)

    def do_take(self, who, count):
        return names([b"".join(part) for part in one_by_one(self.call(who, "take", count).extra[0])])

    def do_moment(self, who):
        moment, early, inc = self.call(who, "moment").extra
        self.early[who] = (moment, early, inc)
        return str(early)

    def do_known(self, who):
        return str(self.call(who, "known", *self.early[who]).extra[0])

    def do_beat(self, who):
        return self.call(who, "beat", 1, sum(self.replicas[who].counters.values())).status

    def do_lapse(self, who, other, *words):
        state = self.call(who, "state").extra
        beat = self.field(state, other, 2) if other.encode() in state[4::4] else 0
        beat += int("beat+1" in words) - int("beat-1" in words)
        return str(self.call(who, "lapse", other, beat).extra[0])

    def do_release(self, who):
        answer = self.call(who, "release", self.token(who, ()), self.mark)
        return str(answer.extra[0]) if answer.extra else answer.status

    def do_forget(self, who, other):
        return str(self.call(who, "forget", other).extra[0])

    def do_leave(self, who):
        return str(self.call(who, "leave").extra[0])


def ids(text):
    """Packed, from `1,U2`; nothing for ALL and for an open end."""
    return b"" if text in ("", "ALL") else pack([bytes([int(w[1:])] * 16) if w[0] == "U" else int(w) for w in text.split(",")])


def one_by_one(packed):
    return [[b"u", i] if isinstance(i, bytes) else [b"n", i.to_bytes(8, "big")] for i in unpack(packed)]


def names(packed_ids):
    return ",".join(f"U{i[0]}" if isinstance(i, bytes) else str(i) for one in packed_ids for i in unpack(one)) or "-"


@pytest.fixture(scope="module")
def server():
    started = Server()
    started.scripts = Scripts(started.client)
    yield started
    started.close()


def tell(server, name):
    stage = Stage(server)
    if not name.startswith("new:"):
        for line in ["A joins", "B joins", "A moment = 0", "A known = 1"]:
            stage.play(line)
    for line in STORIES[name]:
        stage.play(line)


@pytest.mark.parametrize("name", STORIES)
def test_story(server, name):
    tell(server, name)


# Rules that a random walk hardly ever needs: which text of which script becomes which, and the story that notices.
MUTATIONS = {
    "an orphaned range was harmless": ("release", "        make_dirty(touched)\n", "", "claim: of a lapsed leader's ranges"),
    "an orphaned range that met an ALL was harmless": ("release", "        if is_all then\n            lose(false)\n        end\n", "",
                                                       "claim: a lapsed leader's range met an ALL"),
    "the end of a hold of everything is no touch": ("release", "    hold_all = nil\n    touch_everything()", "    hold_all = nil",
                                                    "release: the end of a hold of everything is a touch"),
    "lost steps hold nothing": ("common", "'rolled', digits(seq))\n    lose(true)", "'rolled', digits(seq))\n    lose(false)",
                                "lost: nobody goes on, and a join asks"),
    "who did not notice a loss goes on": ("common", "last < rolled_at", "false", "lost: all have to join again"),
    "a lost begin is no matter": ("end", "ARGV[8] == '1', true, true", "ARGV[8] == '1', is_dirty, is_held",
                                  "end: the begin has got lost"),
    "known whatever has happened since": ("known", "tonumber(ARGV[4]) == moment and", "", "known: nothing has happened since"),
    "known though a replica is missing": ("known", " and are_all_in()", "", "known: nobody is missing"),
    "known at once": ("moment", "hold_all or", "", "new: it was dual writing"),
    "a forgotten replica had nothing": ("forget", "lose(true)\n", "", "forget"),
    "another incarnation is as good": ("join", "(known_inc ~= inc and (known_inc ~= '' or was_dual))", "false",
                                       "join: another incarnation is known already"),
    "peers are not missed": ("join", "(is_new or rolled == 1) and peers or ''", "''", "new: peers are missed"),
    "an id is in flight once": ("common", "if call('EXISTS', base .. 'more') == 0 then", "if true then", "begin: three on one id"),
    "the turn is anybody's": ("begin", "if turn and turn ~= op then", "if false then", "begin: a waiting ALL gets its turn"),
    "nobody is kept out": ("begin", "excls == 0", "true", "begin: what excludes writers, a range"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation(server, name):
    script, old, new, story = MUTATIONS[name]
    whole = server.scripts
    server.scripts = Scripts(server.client, [(script, old, new)])
    try:
        with pytest.raises(AssertionError):
            tell(server, story)
    finally:
        server.scripts = whole


@pytest.fixture
def stage(server):
    made = Stage(server)
    for line in ["A joins", "B joins"]:
        made.play(line)
    return made


def test_many_ids(stage):
    """More than Redis takes in one command, in both forms, and a forced one over half of them."""
    every = b"".join(pack([i, i.to_bytes(16, "big")]) for i in range(10_001))
    half = b"".join(pack([i]) for i in range(10_001))
    call = stage.call
    assert call("A", "begin", "v", 0, 0, every).status == "OK"
    assert call("B", "begin", "w", 1, 0, half).dirty == 10_001
    assert call("A", "end", "v", 1, 1, every, 0).held == 20_002
    assert call("B", "end", "w", 0, 0, half, 0).ops == 0
    assert not stage.client("EXISTS", stage.base + "fl", stage.base + "more")
    token = call("A", "claim").extra[0]
    answer = call("A", "release", token, 2**53)
    assert (answer.extra, answer.held) == ([1], 2)
    assert call("A", "release", token, 2**53).held == 0
    taken = call("A", "take", 15_000).extra[0]
    assert len(unpack(taken)) == 15_000
    assert call("A", "copy_begin", "c", token, 0, 0, b"", b"", taken).extra == [0]
    assert call("A", "copy_end", "c", token, "done", taken).dirty == 5_002
    assert call("A", "copy_begin", "d", token, 1, 0, b"", b"", b"").extra == [0]
    assert call("A", "copy_end", "d", token, "done", every).dirty == 0


def test_large_numbers(stage):
    """seq stays exact where Lua's own text of a number does not."""
    stage.client("HSET", stage.base + "meta", "seq", 2**52 + 1)
    stage.play("A mark 1 held")
    stage.play("A claim")
    assert stage.tokens["A"] == 2**52 + 3
    stage.play("A copy c 1")
    stage.play("now")
    stage.play("A release")
    stage.play("held -")
    stage.play("A done c = 1 0")
    stage.play("A joins alive")
    assert stage.replicas["A"].boot == stage.replicas["A"].seq > 2**52
    stage.play("A begin v 1")


def test_state(stage):
    stage.play("B claim")
    stage.play("B mark 1")
    stage.play("B copy c [5:)")
    stage.play("A beat")
    copies, age, leader, token, *replicas = stage.call("A", "state").extra
    assert (copies, leader, token) == (1, b"B", stage.tokens["B"]) and age >= 0
    assert sorted(zip(*[iter(replicas)] * 4)) == [(b"A", b"in", 2, 1), (b"B", b"in", 1, 1)]
    answer = stage.call("A", "beat", 0)
    assert stage.field(answer.extra, "A", 3) == 0


@pytest.mark.parametrize("packed", [b"x", b"n1234567", b"n12345678u", b"u123456789012345"])
def test_what_is_no_list_of_ids_changes_nothing(stage, packed):
    before = save(stage.client, stage.base)
    for verb, *args in [("begin", "v", 0, 0, packed), ("end", "v", 1, 1, packed, 0), ("end_resolved", "v", 0, packed, 0),
                        ("mark", 0, 0, packed), ("copy_begin", "c", 1, 0, 0, b"", b"", packed), ("copy_end", "c", 1, "done", packed)]:
        with pytest.raises(RedisError):
            stage.replicas["A"](verb, *args)
    assert save(stage.client, stage.base) == before


def test_every_answer_has_the_same_head(stage):
    """seq, unknown, dirty, in flight, held, hold_all, rolled: what every answer tells besides its own."""
    stage.play("A begin v 1,2")
    stage.play("A mark 3 held")
    stage.play("B begin w ALL force")
    stage.play("B mark ALL held")
    for verb, args in [("moment", ()), ("state", ()), ("take", (5,)), ("begin", ("x", 0, 0, ids("1"))), ("release", (0, 0))]:
        answer = stage.call("A", verb, *args)
        assert (answer.unknown, answer.dirty, answer.ops, answer.held, answer.hold_all, answer.rolled) == (1, 3, 2, 1, 1, 0)
        assert answer.seq == int(stage.client("HGET", stage.base + "meta", "seq"))


def test_what_is_compiled_in(server):
    """The program knows each script under the digest that Redis gives it."""
    made = os.environ.get("CROSSFADE_JOURNAL_SCRIPTS")
    if not made:
        pytest.skip("CROSSFADE_JOURNAL_SCRIPTS names what the build made; ctest does")
    digests = dict(re.findall(r"\{(\w+)_text, sizeof \w+, \"(\w+)\"", Path(made).read_text()))
    assert digests == {verb: server.scripts.sha[verb].decode() for verb in VERBS}
