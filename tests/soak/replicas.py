# SPDX-License-Identifier: Apache-2.0
"""A seeded storm on several replicas of one migration: every kind of write through any of them while anything breaks, and in the
end both sides are equal.

Run it: build/venv/bin/python tests/soak/replicas.py --minutes 2 [--seed N] [--ack both|authority] [--replicas N]
(the program is found as by the end-to-end tests: CROSSFADE_BINARY, else the usual builds; redis-server has to be installed).

Writers send the operations of writes.py through random replicas while a backfill runs and while, a few times a second, something of
chaos.py breaks: replicas are killed, frozen, cut off from Redis or a side; Redis is killed, emptied, rolled back, frozen; the servers
fail in every way. Which of these a run has, and how often, its seed decides. It is checked that
- in lulls, and at the end: when every running replica says that it knows what differs and that nothing does, then nothing does;
- once the faults are over the sides become equal and every replica says so, with no help but a backfill started again where a
  verb has ended it; replicas that were killed come back or are forgotten;
- what a writer was told is written is on the authority, where nobody else writes to the same point;
- every replica ends well when asked to, and no sanitizer has found anything.
A failure prints what was done to the points that differ, what the replicas said last, and the line that replays the seed (threads
and timing are real, so a replay is likely, not certain).
"""
import argparse
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e"), str(Path(__file__).resolve().parents[1])]

from chaos import ANSWER_MS, BODY_MS, Chaos  # noqa: E402
from drivers import points  # noqa: E402
from drivers.crossfade import SANITIZERS  # noqa: E402
from drivers.group import Group, is_in_sync  # noqa: E402
from drivers.redis_server import Redis  # noqa: E402
from drivers.waiting import until  # noqa: E402
from history import History  # noqa: E402
from junit import write_junit  # noqa: E402
from standin.driver import Standin  # noqa: E402
from writes import BY_FILTER, COLD, CONFIG, MUCH, WRITES, Dice, payload, vectors  # noqa: E402

FIRST_FILL = 250
LULL_EVERY_S, LULL_S = (8, 20), 8.0
SETTLE_S = 180.0
GIVE_UP_S = (2.0, 5.0, 40.0)  # when a client no longer waits for its answer; the last is longer than anything may take
WORKER = {"batch_points": 40, "parallel": 3}
ADOPT = {"adopt": True}  # the new collection has points before the first backfill, written through the proxy
LOG_TAIL, LOG_WIDTH, POINT_WIDTH = 25, 300, 400


class Wrong(Exception):
    pass


class Writer(threading.Thread):
    """Writes shared points anyhow, and points of its own so that it knows what has to stand there in the end."""

    def __init__(self, storm, number: int):
        super().__init__(daemon=True)
        self.storm, self.number, self.dice = storm, number, Dice(f"{storm.seed} writer {number}")
        self.dice.filter_share, self.dice.cold = storm.filter_share, storm.cold
        self.own: dict = {}
        self.connections: dict = {}
        self.is_idle = threading.Event()

    def send(self, method: str, suffix: str, body) -> bool:
        group, history = self.storm.group, self.storm.history
        at = self.dice.randrange(len(group.replicas))
        name = group.legacy.collection if self.dice.random() < .8 else group.new.collection
        suffix += self.dice.choice(["?wait=true", "?wait=true", "?wait=false", ""])
        write = history.begin(self.number, at, method, suffix, json.dumps(body).encode())
        try:
            connection = self.connections.get(at)
            if not connection:
                connection = self.connections[at] = http.client.HTTPConnection(
                    "127.0.0.1", group.replicas[at].port, timeout=self.dice.choice(GIVE_UP_S))
            connection.request(method, f"/collections/{name}{suffix}", write.body)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            history.end(write, type(problem).__name__)
            self.connections.pop(at).close()
            if time.time() - write.began > max(GIVE_UP_S) - 1:
                self.storm.problems.append(f"no answer through replica {at} in {max(GIVE_UP_S)} s, asked at {history.clock(write.began)}: "
                                           f"{method} {suffix} {write.body[:300]}")
            time.sleep(.02)
            return False
        history.end(write, f"{answer.status}" if answer.status == 200 else f"{answer.status} {text[:150].decode(errors='replace')}")
        return answer.status == 200 and b"wait_timeout" not in text

    def write_own(self) -> None:
        """A point whose write failed is left alone for ever: the failed write may still land."""
        number = self.dice.choice(list(self.own)) if self.own and self.dice.random() < .7 else str(uuid.UUID(
            int=self.dice.getrandbits(112) << 16 | self.number))
        point = {"id": number, "vector": vectors(self.dice), "payload": {"owner": self.number, "n": self.dice.getrandbits(60)}}
        kept = self.own.pop(number, None)
        if kept and self.dice.random() < .25:
            if self.send("POST", "/points/delete", {"points": [number]}):
                self.own[number] = None
        elif self.send("PUT", "/points", {"points": [point]}):
            self.own[number] = point["payload"]

    def run(self) -> None:
        storm = self.storm
        try:
            while not storm.is_over:
                if not storm.may_write.is_set():
                    self.is_idle.set()
                    storm.may_write.wait()
                    self.is_idle.clear()
                    continue
                if self.dice.random() < .3:
                    self.write_own()
                else:
                    self.send(*self.dice.choice(storm.makers)(self.dice))
                time.sleep(self.dice.random() * storm.pause_s)
        except Exception as problem:  # noqa: BLE001 - reported by the main thread
            storm.problems.append(repr(problem))
        self.is_idle.set()


class Storm:
    def __init__(self, group: Group, options):
        self.group, self.options, self.seed = group, options, options.seed
        self.dice = random.Random(f"{self.seed} storm")
        self.history = History()
        self.chaos = Chaos(group, random.Random(f"{self.seed} chaos"), self.history)
        self.filter_share = 0 if self.chaos.has_memory and self.dice.random() < .8 else self.dice.choice([.02, .15])
        self.cold = self.dice.choice([COLD, 10 * COLD])
        self.makers = [make for make in WRITES if self.filter_share or make not in BY_FILTER] + self.dice.choice([[], MUCH])
        self.is_switched = self.dice.random() < .25  # new is the authority then
        self.pause_s, self.gap_s = self.dice.choice([.02, .05]), self.dice.choice([.2, .5, 1.0])
        self.may_write, self.is_over, self.problems = threading.Event(), False, []
        self.may_write.set()
        self.writers = [Writer(self, number) for number in range(options.writers or self.dice.choice([6, 12, 30]))]
        self.claims = self.lulls = self.looks = self.unknown = 0
        self.forgotten: set[str] = set()

    def blow(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.chaos.set_flags()
        until(lambda: any(replica.verb_once("backfill", ADOPT).status == 202 for replica in self.group.replicas))
        if self.is_switched:
            until(self.check_claim)
            self.chaos.new_reads = 1
            self.group.flags(1, 1)
        for writer in self.writers:
            writer.start()
        lull_at = time.monotonic() + self.dice.uniform(*LULL_EVERY_S)
        while time.monotonic() < end:
            self.chaos.tick()
            self.chaos.strike()
            self.look_at_processes()
            self.look_at_status()
            if time.monotonic() > lull_at:
                self.lull()
                lull_at = time.monotonic() + self.dice.uniform(*LULL_EVERY_S)
            time.sleep(self.dice.random() * self.gap_s)
        self.stop_writing()
        self.is_over = True
        self.may_write.set()
        for writer in self.writers:
            writer.join(90)
        self.look_at_processes()

    def look_at_processes(self) -> None:
        for replica in self.group.replicas:
            if replica.process and replica.process.poll() is not None:
                raise Wrong(f"{self.chaos.name(replica)} ended with {replica.process.returncode}")
        if self.problems:
            raise Wrong("; ".join(self.problems))

    def look_at_status(self) -> None:
        """How often everything counts as unknown: then a reconcile would find what got lost, and a run proves little."""
        if said := self.statuses():
            self.looks += 1
            self.unknown += any(each["dirty"]["unknown"] for each in said)

    # ---- nobody writes for a while

    def stop_writing(self) -> None:
        self.may_write.clear()
        for writer in self.writers:
            while not writer.is_idle.wait(.02):
                self.chaos.tick()

    def lull(self) -> None:
        """The servers are well, other faults go on: if all replicas that run say that nothing differs, that has to be so."""
        self.stop_writing()
        self.chaos.quiet_servers()
        self.lulls += 1
        end = time.monotonic() + LULL_S
        while time.monotonic() < end and not self.check_claim():
            self.chaos.tick()
            time.sleep(.05)
        for writer in self.writers:
            writer.is_idle.clear()
        self.may_write.set()

    def statuses(self) -> list[dict] | None:
        """What every running replica says; None when one says nothing."""
        try:
            return [replica.status() for replica in self.group.running] or None
        except (OSError, AssertionError):
            return None

    def check_claim(self) -> bool:
        """True if all that run say that the sides are equal; then they are."""
        said = self.statuses()
        if not said or not all(map(is_in_sync, said)):
            return False
        if not any(each["leader"] == each["replica"] and each["follower_is_complete"] for each in said):
            return False  # what a backfill has not come to yet is not meant
        self.claims += 1
        if wrong := self.differing():
            raise Wrong(f"every replica says that nothing differs, {len(wrong)} points differ, such as " + self.explain(wrong) +
                        f"\n  said {json.dumps(said)}")
        return True

    def differing(self) -> list[tuple]:
        sides = [{each["id"]: each for each in side.dump()} for side in (self.group.legacy, self.group.new)]
        return [(number, *(side.get(number) for side in sides)) for number in sides[0].keys() | sides[1].keys()
                if not points.same(sides[0].get(number), sides[1].get(number))]

    def explain(self, wrong: list[tuple]) -> str:
        logs = {"legacy": self.group.legacy.log(), "new": self.group.new.log()}
        return "".join(f"\n  {number}: legacy {str(legacy)[:POINT_WIDTH]}\n    new {str(new)[:POINT_WIDTH]}\n    " +
                       "\n    ".join(self.history.about(number, logs))
                       for number, legacy, new in wrong[:3])

    # ---- the end

    def bring_back(self) -> None:
        """Of those that are dead now some stay so and are forgotten, never all."""
        dead = [replica for replica in self.group.replicas if replica.process is None]
        for replica in dead:
            if len(dead) == len(self.group.replicas) or self.dice.random() < .5:
                self.chaos.revive(replica)
        for replica in self.group.running:
            until(lambda: replica.process.poll() is not None or replica.is_ready())
            replica.learn_id()
        self.look_at_processes()

    def ask_for_help(self, leader) -> None:
        """What an operator has to do: forget those that do not come back, start what a verb or a flag has ended."""
        status = leader.status()
        there = {replica.id for replica in self.group.running}
        for row in status["replicas"]:
            if row["state"] == "lapsed" and row["id"] not in there:
                self.forgotten.add(row["id"])
                leader.admin("POST", f"/api/v1/migrations/m/replicas/{row['id']}/forget", {})
        state = status["backfill"]["state"]
        if not self.is_switched and state in ("none", "cancelled", "failed", "paused"):
            leader.verb_once(*(("resume",) if state == "paused" else ("backfill", ADOPT)))

    def settle(self) -> None:
        self.chaos.calm()
        self.bring_back()
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            self.look_at_processes()
            if self.check_claim():
                return
            if leader := self.leader():
                self.ask_for_help(leader)
            time.sleep(.2)
        wrong = self.differing()
        raise Wrong(f"{SETTLE_S:.0f} s after the last fault, {len(wrong)} points differ, and the replicas say\n  " +
                    "\n  ".join(map(json.dumps, self.statuses() or [])) + self.explain(wrong))

    def leader(self):
        try:
            return self.group.leader()
        except (OSError, AssertionError):
            return None

    def check_acknowledged(self) -> None:
        held = {each["id"]: each for each in (self.group.new if self.is_switched else self.group.legacy).dump()}
        for writer in self.writers:
            for number, expected in writer.own.items():
                found = held.get(number, {}).get("payload")
                if found != expected:
                    raise Wrong(f"writer {writer.number} was told that {number} is {expected}, the authority holds {found}" +
                                self.explain([(number, held.get(number), "not looked at")]))

    def stop(self) -> None:
        report = self.group.validate(full=True)
        if not report.get("passed"):
            raise Wrong(f"the sides are equal and validation says {report}")
        for replica in self.group.replicas:
            replica.stop()

    def report(self) -> str:
        owned = sum(len(writer.own) for writer in self.writers)
        return (f"seed {self.seed}: {self.history.summary()}; in {self.lulls} lulls and at the end {self.claims} times said to be equal "
                f"and equal; all unknown in {self.unknown} of {self.looks} looks; {owned} owned points right; {len(self.forgotten)} replicas forgotten")


def run(folder: Path, options) -> str:
    seed = options.seed
    versions = random.Random(f"{seed} versions").choice([("1.18.3", "1.18.3"), ("1.18.3", "1.18.3"), ("1.12.4", "1.18.3")])
    manner = {"merge_upserts": .4, "default_wait_ms": 600}
    with Standin(versions[0], log_path=folder / "legacy.log", seed=seed, **manner) as legacy, \
            Standin(versions[1], log_path=folder / "new.log", seed=seed + 1, **manner) as new:
        (folder / "redis").mkdir()
        redis = Redis(folder / "redis").start()
        group = Group(folder, options.replicas, redis, legacy, new, worker=WORKER, migration={"ack": options.ack},
                      timeouts={"answer": f"{ANSWER_MS}ms", "body": f"{BODY_MS}ms", "connect": "500ms"})
        try:
            dice = random.Random(f"{seed} fill")
            group.create_both(CONFIG)
            group.legacy.put([{"id": number, "vector": vectors(dice), "payload": payload(dice)} for number in range(1, FIRST_FILL)])
            for replica in group.replicas:
                replica.start()
            storm = Storm(group, options)
            print(f"  replicas {', '.join(replica.id for replica in group.replicas)}; ack {options.ack}; servers {' and '.join(versions)}; "
                  f"{'switched; ' * storm.is_switched}filters {storm.filter_share}; {storm.cold} points; {storm.chaos.character()}", flush=True)
            try:
                storm.blow(options.minutes * 60)
                storm.settle()
                storm.check_acknowledged()
                storm.stop()
            except (Wrong, AssertionError) as problem:
                raise Wrong("\n".join([str(problem), *storm.history.last_events(), storm.report(), *tails(group)])) from problem
            return storm.report()
        finally:
            for replica in group.replicas:
                if replica.process:
                    replica.kill()
            if redis.process:
                redis.kill()


def tails(group) -> list[str]:
    """The last lines of each replica's log, and whatever a sanitizer said."""
    out = []
    for replica in group.replicas:
        lines = [line[:LOG_WIDTH] for line in replica.log().splitlines()] if replica.log_path.exists() else []
        first = next((at for at, line in enumerate(lines) if SANITIZERS.search(line)), None)
        out += [f"--- {replica.log_path}", *(lines[first:first + 60] if first is not None else lines[-LOG_TAIL:])]
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--ack", choices=["both", "authority"], default="both")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--writers", type=int, help="else the seed decides")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configurations, logs and state, also when all is well")
    parser.add_argument("--junit", type=Path, help="write the result as a JUnit file, too")
    options = parser.parse_args()
    replay = (f"replay: build/venv/bin/python {os.path.relpath(__file__)} --seed {options.seed} --minutes {options.minutes:g} "
              f"--ack {options.ack} --replicas {options.replicas}{f' --writers {options.writers}' if options.writers else ''}")
    print(replay, flush=True)
    folder, began, failure = Path(tempfile.mkdtemp(prefix="replicas-")), time.monotonic(), None
    try:
        print(run(folder, options), flush=True)
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the seed has to be said
        failure = f"{problem if isinstance(problem, Wrong) else repr(problem)}\nkept: {folder}\n{replay}"
        print(failure, flush=True)
    if options.junit:
        write_junit(options.junit, "soak.replicas", f"seed {options.seed}", time.monotonic() - began, failure)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
