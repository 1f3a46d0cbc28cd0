# SPDX-License-Identifier: Apache-2.0
"""A seeded storm on one migration: every kind of write, every kind of fault, and at the end both sides are equal.

Run it: build/venv/bin/python tests/soak/converge.py --seconds 60 [--seed N] [--ack both|authority] [--no-kill] [--no-off]
(the program is found as by the end-to-end tests: CROSSFADE_BINARY, else the usual builds; redis-server has to be installed).

Writers send upserts (exact and not), deletes, payload and vector changes, batches and filter writes to few hot and many cold
ids, with and without waiting, while the worker copies, compares and repairs and while something breaks a few times a second:
errors, hangs, resets, answers that come late or applied late, writes acknowledged and applied later, kill -9 of the proxy,
Redis killed, frozen or emptied, dual writes turned off and on. Then the faults stop, and it is checked that
- status never calls the sides equal while they are not (nothing dirty, nothing unknown, but a point differs);
- they become equal by themselves, or status asks for a reconcile and after that they are equal;
- what a writer was told is written is on the authority, where nobody else writes to the same point;
- the same holds after a switch, with the new collection as the authority.
A failure ends with the line that replays its seed; threads and timing are real, so a replay is likely, not certain.
"""
import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e"), str(Path(__file__).resolve().parents[1])]

from drivers.redis_server import Redis  # noqa: E402
from drivers.crossfade import SANITIZERS  # noqa: E402
from drivers.scene import Scene  # noqa: E402
from standin.driver import Standin  # noqa: E402
from writes import CONFIG, WRITES, Dice, payload, vectors  # noqa: E402

FIRST_FILL = 250
ANSWER_MS, BODY_MS = 1500, 1000
LATE_MS_MAX = ANSWER_MS + BODY_MS + 500  # what the hold, counted from the time-out, has to outlast
SETTLE_S = 120.0
WORKER = {"batch_points": 40, "parallel": 3}


class Wrong(Exception):
    pass


class Writer(threading.Thread):
    """Writes shared points anyhow, and points of its own so that it knows what has to stand there in the end."""

    def __init__(self, storm, number: int):
        super().__init__(daemon=True)
        self.storm, self.number, self.dice = storm, number, Dice(f"{storm.seed} writer {number}")
        self.own, self.acknowledged, self.failed = {}, 0, 0
        self.connection = None

    def send(self, method: str, suffix: str, body) -> bool:
        scene = self.storm.scene
        name = scene.legacy.collection if self.dice.random() < .8 else scene.new.collection
        wait = self.dice.choice(["?wait=true", "?wait=true", "?wait=false", ""])
        try:
            self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", scene.proxy.port, timeout=60)
            self.connection.request(method, f"/collections/{name}{suffix}{wait}", json.dumps(body).encode())
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.forget_connection()
            time.sleep(.05)
            return False
        if answer.status == 200:
            self.acknowledged += 1
            return b"wait_timeout" not in text
        self.failed += 1
        return False

    def forget_connection(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def write_own(self) -> None:
        """A point whose write failed is left alone for ever: the failed write may still land."""
        number = self.dice.choice(list(self.own)) if self.own and self.dice.random() < .7 else uuid.UUID(
            int=self.dice.getrandbits(120) << 4 | self.number).__str__()
        point = {"id": number, "vector": vectors(self.dice), "payload": {"owner": self.number, "n": self.dice.getrandbits(60)}}
        kept = self.own.pop(number, None)
        if kept and self.dice.random() < .25:
            if self.send("POST", "/points/delete", {"points": [number]}):
                self.own[number] = None
        elif self.send("PUT", "/points", {"points": [point]}):
            self.own[number] = point["payload"]

    def run(self) -> None:
        try:
            while not self.storm.is_over.is_set():
                if self.dice.random() < .3:
                    self.write_own()
                else:
                    self.send(*self.dice.choice(WRITES)(self.dice))
                time.sleep(self.dice.random() * self.storm.pause_s)
        except Exception as problem:  # noqa: BLE001 - reported by the main thread
            self.storm.problems.append(repr(problem))
        self.forget_connection()


class Storm:
    def __init__(self, scene: Scene, options, round_: int):
        self.scene, self.options = scene, options
        self.seed = f"{options.seed}/{round_}"
        self.dice = random.Random(f"{self.seed} chaos")
        self.is_switched = round_ > 0
        self.pause_s = options.pause_ms / 1000
        self.is_over, self.problems = threading.Event(), []
        self.writers = [Writer(self, number) for number in range(options.writers)]
        self.events = []

    # ---- what breaks

    def servers(self):
        return [self.scene.legacy.server, self.scene.new.server]

    def fault(self) -> str:
        dice = self.dice
        action, more = dice.choice([
            ("error", {"status": dice.choice([500, 503, 429, 400])}), ("reset_before", {}), ("reset_after_apply", {}),
            ("hang", {"ms": dice.randint(100, 4000), "apply": dice.random() < .5}), ("delay", {"ms": dice.randint(20, LATE_MS_MAX)}),
            ("delay", {"ms": dice.randint(ANSWER_MS, LATE_MS_MAX)}), ("truncate", {}), ("garbage", {}),
            ("early_answer", {"status": 500}), ("slow_body", {"ms": 30})])
        server, path = dice.randrange(2), dice.choice(["/points", "/points", "/points$", "/points/batch", "/points/delete", "/scroll"])
        rule = {"path_regex": path, "times": dice.randint(1, 6), "chance": dice.choice([.2, .5, 1.0]), **more}
        self.servers()[server].fault(action, **rule)
        return f"{action} {rule} on {'new' if server else 'legacy'}"

    def late(self) -> str:
        ms, server = self.dice.choice([0, 0, 20, 300]), self.dice.choice(self.servers())
        server.apply_delay(ms)
        return f"apply_delay {ms}"

    def stop_applying(self) -> str:
        server = self.dice.choice(self.servers())
        server.pause()
        time.sleep(self.dice.random() * 1.2)
        server.resume()
        return "applied nothing for a while"

    def kill(self) -> str:
        self.scene.proxy.kill()
        time.sleep(self.dice.random() * .2)
        self.scene.proxy.start()
        return "killed the proxy"

    def redis(self) -> str:
        redis, what = self.scene.redis, self.dice.choice(["kill", "empty", "freeze"])
        if what == "empty":
            redis.flush()
            time.sleep(self.dice.random() * .5)
        elif what == "freeze":
            redis.freeze()
            time.sleep(self.dice.random())
            redis.thaw()
        else:
            redis.kill()
            time.sleep(self.dice.random())
            redis.start()
        self.set_flags(1)
        return f"redis: {what}"

    def set_flags(self, dual_write: int) -> None:
        place = f"{self.scene.prefix}:{{m}}:"
        self.scene.redis.cli("MSET", place + "ENABLE_DUAL_WRITE", str(dual_write), place + "ENABLE_NEW_READS", str(int(self.is_switched)))

    def off_and_on(self) -> str:
        self.set_flags(0)
        pause_s = self.dice.choice([0, .03, .5])
        time.sleep(pause_s)
        self.set_flags(1)
        return f"dual writes off for {pause_s} s"

    def verb(self) -> str:
        name = self.dice.choice(["backfill"] * 6 + ["pause", "resume", "resume", "cancel", "reconcile", "validate", "validate", "prepare"])
        self.scene.proxy.verb_once(name, {"full": True} if name == "validate" and self.dice.random() < .5 else {})
        return name

    def break_something(self) -> None:
        kinds = [(self.fault, 12), (self.late, 2), (self.stop_applying, 1), (self.verb, 5), (self.redis, 1)]
        kinds += [(self.kill, 1)] if not self.options.no_kill else []
        kinds += [(self.off_and_on, 1)] if not self.options.no_off and not self.is_switched else []
        pick = self.dice.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        began = time.monotonic()
        what = pick()
        self.events.append(f"{began:.2f} {what}")
        if self.options.verbose:
            print(f"  {began:.2f} {what}", flush=True)
        if self.scene.proxy.process.poll() is not None:
            raise Wrong(f"the proxy ended with {self.scene.proxy.process.returncode}")

    def clear(self) -> None:
        for server in self.servers():
            server.clear_faults()
            server.apply_delay(0)
            server.resume()

    # ---- what has to hold

    def blow(self, seconds: float) -> None:
        for writer in self.writers:
            writer.start()
        end = time.monotonic() + seconds
        self.set_flags(1)
        self.scene.proxy.verb("backfill")
        while time.monotonic() < end and not self.problems:
            self.break_something()
            time.sleep(self.dice.random() * .4)
        self.is_over.set()
        for writer in self.writers:
            writer.join(90)
        self.clear()
        if self.problems:
            raise Wrong("; ".join(self.problems))

    def dumps(self) -> tuple[dict, dict]:
        sides = []
        for side in (self.scene.legacy, self.scene.new):
            sides.append({each["id"]: each for each in side.dump()})
        return sides[0], sides[1]

    def differing(self) -> list:
        legacy, new = self.dumps()
        return [(number, legacy.get(number), new.get(number)) for number in legacy.keys() | new.keys()
                if legacy.get(number) != new.get(number)]

    @staticmethod
    def claims_to_be_equal(status: dict) -> bool:
        is_copying = status["backfill"]["state"] in ("starting", "running", "repairing", "paused", "failed")
        return not (is_copying or status["dirty"]["unknown"] or status["dirty"]["listed"] or status["in_flight"] or status["copies"])

    def check_claim(self, status: dict) -> bool:
        """True if the status says that the sides are equal; then they are."""
        if not self.claims_to_be_equal(status):
            return False
        if wrong := self.differing():
            after = self.scene.proxy.status()
            raise Wrong(f"status says equal, {len(wrong)} points differ, such as {wrong[:2]}\n  status {json.dumps(status)}\n  later {json.dumps(after)}")
        return True

    def settle(self) -> None:
        """Faults are over: an operator would start the backfill again where a flag or a verb has ended it."""
        self.set_flags(1)
        end, asked = time.monotonic() + SETTLE_S, False
        while time.monotonic() < end:
            status = self.scene.proxy.status()
            if self.check_claim(status) and (status["follower_is_complete"] or self.is_switched):
                return
            state = status["backfill"]["state"]
            if not self.is_switched and state in ("none", "cancelled", "failed", "paused") and status["phase"] == "dual_write":
                self.scene.proxy.verb_once("resume" if state == "paused" else "backfill")
            if time.monotonic() > end - SETTLE_S / 2 and status["dirty"]["unknown"] and not asked:
                asked = self.scene.proxy.verb_once("reconcile").status == 202
            time.sleep(.1)
        raise Wrong(f"after {SETTLE_S} s it is still {json.dumps(self.scene.proxy.status())}\n  {len(self.differing())} points differ")

    def check_acknowledged(self) -> None:
        held = self.dumps()[int(self.is_switched)]
        for writer in self.writers:
            for number, expected in writer.own.items():
                found = held.get(number, {}).get("payload")
                if found != expected:
                    raise Wrong(f"writer {writer.number} was told that {number} is {expected}, the authority holds {found}")

    def report(self) -> None:
        acknowledged, failed = (sum(getattr(writer, name) for writer in self.writers) for name in ("acknowledged", "failed"))
        status = self.scene.proxy.status()
        print(f"seed {self.seed}: {acknowledged} writes acknowledged, {failed} failed, {len(self.events)} events, "
              f"{sum(len(writer.own) for writer in self.writers)} owned points right, repaired {status['repair']['repaired']}", flush=True)


def validate(scene: Scene) -> None:
    report = scene.validate(full=True)
    if not report.get("passed"):
        raise Wrong(f"the sides are equal and validation says {report}")


def run(folder: Path, options) -> None:
    seed = options.seed
    versions = random.Random(f"{seed} versions").choice([("1.18.3", "1.18.3"), ("1.18.3", "1.18.3"), ("1.12.4", "1.18.3")])
    with Standin(versions[0], seed=seed, merge_upserts=.4, default_wait_ms=600) as legacy, \
            Standin(versions[1], seed=seed + 1, merge_upserts=.4, default_wait_ms=600) as new:
        redis = Redis(folder).start()
        scene = Scene(folder, redis, legacy, new, timeouts={"answer": f"{ANSWER_MS}ms", "body": f"{BODY_MS}ms", "connect": "500ms"},
                      worker=WORKER, migration={"ack": options.ack})
        try:
            dice = random.Random(f"{seed} fill")
            scene.legacy.create(CONFIG)
            scene.legacy.put([{"id": number, "vector": vectors(dice), "payload": payload(dice)} for number in range(1, FIRST_FILL)])
            scene.proxy.start()
            scene.proxy.verb("prepare")
            scene.until_prepared()
            for round_ in range(2):
                storm = Storm(scene, options, round_)
                if round_:
                    scene.flags(1, 1)
                storm.blow(options.seconds / 2)
                storm.settle()
                storm.check_acknowledged()
                validate(scene)
                storm.report()
            scene.proxy.stop()
        finally:
            if SANITIZERS.search(scene.proxy.log() if scene.proxy.log_path.exists() else ""):
                print("a sanitizer has found something, see the log", flush=True)
            if scene.proxy.process:
                scene.proxy.kill()
            redis.stop()


def until_prepared(scene: Scene) -> None:
    from drivers.waiting import until
    until(lambda: (scene.proxy.status()["prepare"] or {}).get("state"), lambda state: state in ("done", "failed"))


Scene.until_prepared = until_prepared


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--ack", choices=["both", "authority"], default="both")
    parser.add_argument("--writers", type=int, default=5)
    parser.add_argument("--pause-ms", type=float, default=25)
    parser.add_argument("--no-kill", action="store_true", help="never kill the proxy")
    parser.add_argument("--no-off", action="store_true", help="never turn dual writes off")
    parser.add_argument("--verbose", action="store_true", help="print each fault as it is made")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="converge-"))
    try:
        run(folder, options)
    except (Wrong, AssertionError) as problem:
        flags = "".join(f" --{name.replace('_', '-')}" for name in ("no_kill", "no_off") if getattr(options, name))
        print(f"{problem}\nlog: {folder}/crossfade.log\nreplay: {os.path.relpath(__file__)} --seconds {options.seconds:g} "
              f"--seed {options.seed} --ack {options.ack} --writers {options.writers} --pause-ms {options.pause_ms:g}{flags}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
