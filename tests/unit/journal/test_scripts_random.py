# SPDX-License-Identifier: Apache-2.0
"""The journal's scripts at random, and what goes wrong when one of their rules is left out (journal_world.py).

A failure names the weather and the seed; JOURNAL_SEED and JOURNAL_SEEDS are the first seed and the one after the last."""
import os

import pytest

from journal_redis import Scripts, Server
from journal_world import WEATHER, Violation, World

SEEDS, STEPS = 8, 400


@pytest.fixture(scope="module")
def server():
    started = Server()
    yield started
    started.close()


# The age of dirty ids decides which go first: by the journal's own clock, so that a seed always goes the same way.
CLOCK = ("    local time = call('TIME')\n    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)", "    return seq")


def walk(server, weather, seed, patches=(), steps=STEPS):
    server.client("FLUSHALL")
    scripts = Scripts(server.client, [("common", *CLOCK), *patches])
    world = World(server.client, scripts, f"t:{{{seed}}}:j:", seed, weather)
    try:
        world.walk(steps)
    except Violation as violation:
        raise Violation(f"{weather} {seed}, step {world.now}: {violation}\n" + "\n".join(world.log[-60:])) from None
    return world


@pytest.mark.parametrize("weather", WEATHER)
@pytest.mark.parametrize("seed", range(int(os.environ.get("JOURNAL_SEED", 0)), int(os.environ.get("JOURNAL_SEEDS", SEEDS))))
def test_walk(server, weather, seed):
    walk(server, weather, seed)


# What is left out: the weather in which it shows, the first seed to try, then which text of which script becomes which.
# Rules that a random walk hardly ever needs are left out in test_scripts.py.
MUTATIONS = {
    "an end is no touch": ("quiet", 14, "end", "else\n    touch(ids)\nend", "end"),
    "an end of ALL is no touch": ("filters", 24, "end", "if is_all then\n    touch_everything()", "if is_all then"),
    "writes that meet make nothing dirty": ("quiet", 19, "begin", "if is_forced then\n    mark_conflicts()", "if is_forced then"),
    "an end cleans": ("quiet", 0, "end", "else\n    touch(ids)\nend", "else\n    touch(ids)\n    apply('ZREM', 'dirty', ids)\nend"),
    "a dirty end of ALL is known": ("filters", 510, "end", "    if is_dirty or is_held then\n        lose(is_held)\n    end\n", ""),
    "a copy cleans what was touched": ("quiet", 5, "copy_end", "tonumber(touches[i]) > copy.s0", "false"),
    "a copy cleans what is in flight": ("quiet", 48, "copy_end", "flying[i] == 1 or", ""),
    "a copy cleans what is held": ("quiet", 0, "copy_end", "elseif held[i] then", "elseif false then"),
    "a copy cleans what an ALL has met": ("filters", 24, "copy_end", "if met_all == 1 or", "if"),
    "a copy that nobody knows cleans": ("replicas", 26, "copy_end", "    hold(ids)\n    return answer('OK', #ids, 0)",
                                        "    apply('ZREM', 'dirty', ids)\n    return answer('OK', #ids, 0)"),
    "two copies of one id": ("quiet", 306, "copy_begin", "call('HEXISTS', base .. 'copies', name) == 1 or is_in_hand()", "false",
                             "take", "not in_hand[i] and", ""),
    "a copy's lost write is not held": ("quiet", 14, "copy_end", "if how == 'unknown' then\n            hold(ids)", "if false then"),
    "the end of a hold is no touch": ("quiet", 37, "release", "    touch(ids)\n", ""),
    "the dead hold nothing": ("replicas", 19, "common",
                              "else\n                hold(ids)\n            end\n        end\n    end\n    local waits",
                              "else\n                make_dirty(ids)\n            end\n        end\n    end\n    local waits"),
    "an ALL that lapses is known": ("filters", 226, "common", "            if is_all then\n                lose(not is_alive)",
                                    "            if is_all then"),
    "the next leader knows nothing of old copies": ("replicas", 16, "claim", "make_orphan(name, copy)", "drop_copy(name, copy)"),
    "lost steps go unnoticed": ("redis", 4, "common", "counter ~= count + 1", "false"),
    "a beat does not count": ("redis", 264, "beat", "count < (tonumber(ARGV[5]) or 0)", "false"),
    "a join does not ask for lost steps": ("redis", 0, "join", "(record.beat < known_beat or seen < known_seq or count < known_count)",
                                           "false"),
}


def find(server, name, tries):
    """Where the walk goes wrong without this rule, and how."""
    weather, first, *words = MUTATIONS[name]
    patches = [words[i:i + 3] for i in range(0, len(words), 3)]
    for seed in range(first, first + tries):
        try:
            walk(server, weather, seed, patches)
        except Violation as violation:
            return str(violation).splitlines()[0]
    return None


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation(server, name):
    assert find(server, name, 60), "no walk goes wrong without this rule"
