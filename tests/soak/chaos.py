# SPDX-License-Identifier: Apache-2.0
"""What breaks in the soak test of several replicas: servers, Redis, the replicas themselves, and the network between them.

Some faults end by themselves later; `tick` ends those whose time has come. `calm` ends them all."""
import heapq
import itertools
import random
import time

from drivers.group import Group

ANSWER_MS, BODY_MS = 1500, 1000
# A request may land that long after it was sent: the hold, counted from its time-out, has to outlast it.
# A network may keep it for a while before that; what remains is for a slow machine.
LATE_MS_MAX, NETWORK_HOLD_S_MAX = ANSWER_MS + BODY_MS, .5
PAST_THE_LEASE_S = (5.0, 9.0)


class Chaos:
    def __init__(self, group: Group, dice: random.Random, history):
        self.group, self.dice, self.history = group, dice, history
        self.later: list = []
        self.order = itertools.count()
        self.redis_is_up, self.has_dump = True, False
        self.new_reads = 0
        # Each run has a character of its own: where everything is compared all the time, nothing that gets lost would be missed.
        self.has_memory = dice.random() < .7  # Redis loses nothing, and no operator starts a copy of everything
        may_forget, seldom, often = not self.has_memory, dice.choice([1, 3]), dice.choice([4, 10])
        self.weights = {self.fault_a_server: often, self.apply_late: 2, self.stop_applying: 1,
                        self.kill: seldom, self.doze: seldom, self.sleep_past_the_lease: dice.choice([0, 1, 2]),
                        self.cut_from_redis: dice.choice([0, 2, 4]), self.cut_from_a_side: dice.choice([0, 2]),
                        self.freeze_redis: dice.choice([0, 1, 1]), self.restart_redis: dice.choice([0, 0, 1]),
                        self.command: may_forget * 4, self.forget: may_forget, self.off_and_on: may_forget * dice.choice([0, 0, 1]), self.lose_redis: may_forget * dice.choice([0, 1]),
                        self.roll_redis_back: may_forget * dice.choice([0, 1])}

    def character(self) -> str:
        return ", ".join(f"{kind.__name__} {weight}" for kind, weight in self.weights.items() if weight)

    # ---- time

    def at(self, seconds: float, end) -> None:
        heapq.heappush(self.later, (time.monotonic() + seconds, next(self.order), end))

    def tick(self) -> None:
        while self.later and self.later[0][0] <= time.monotonic():
            heapq.heappop(self.later)[2]()

    def strike(self) -> None:
        kind = self.dice.choices(list(self.weights), list(self.weights.values()))[0]
        if what := kind():
            self.history.event(kind.__name__, what)

    def calm(self) -> None:
        """Everything is mended, and whatever had an end has come to it."""
        while self.later:
            heapq.heappop(self.later)[2]()
        self.quiet_servers()
        for replica in self.group.replicas:
            for relay in replica.relays:
                relay.mend()

    def quiet_servers(self) -> None:
        for server in self.servers():
            server.clear_faults()
            server.apply_delay(0)
            server.resume()

    # ---- servers

    def servers(self):
        return [self.group.legacy.server, self.group.new.server]

    def fault_a_server(self) -> str:
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

    def apply_late(self) -> str:
        ms, server = self.dice.choice([0, 0, 20, 300]), self.dice.randrange(2)
        self.servers()[server].apply_delay(ms)
        return f"by {ms} ms on {'new' if server else 'legacy'}"

    def stop_applying(self) -> str:
        server = self.dice.randrange(2)
        self.servers()[server].pause()
        self.at(self.dice.random() * 1.2, self.servers()[server].resume)
        return f"on {'new' if server else 'legacy'}"

    # ---- replicas

    def someone(self):
        running = self.group.running
        return self.dice.choice(running) if running else None

    def in_the_midst(self) -> None:
        """Often what stops a replica stops it with writes open: one side has them, the other hangs with them or never hears of them."""
        if self.dice.random() < .6:
            action = self.dice.choice(["hang", "hang", "delay", "reset_before"])
            self.servers()[self.dice.randrange(2)].fault(action, ms=self.dice.randint(500, LATE_MS_MAX), times=self.dice.randint(1, 8),
                                                         path_regex="/points($|/[dpv])")
            time.sleep(self.dice.choice([.05, .2, .5]))

    def name(self, replica) -> str:
        return f"replica {self.group.replicas.index(replica)}"

    def kill(self) -> str | None:
        # A frozen one may be killed, too.
        up = [replica for replica in self.group.replicas if replica.process]
        if not up:
            return None
        victim, pause_s = self.dice.choice(up), self.dice.choice([0, .2, 1, 8]) * self.dice.random()
        self.in_the_midst()
        victim.kill()
        self.at(pause_s, lambda: self.revive(victim))
        if not self.has_memory and self.dice.random() < .1:
            victim.lose_state()
            return f"{self.name(victim)} for {pause_s:.2f} s, and its state_dir is lost"
        return f"{self.name(victim)} for {pause_s:.2f} s"

    def revive(self, replica) -> None:
        if replica.process is None:
            replica.start(lambda: True)  # it gets ready while the storm goes on
            self.history.event("revive", self.name(replica))

    def doze(self) -> str | None:
        return self.freeze(self.dice.random() * 1.5)

    def sleep_past_the_lease(self) -> str | None:
        return self.freeze(self.dice.uniform(*PAST_THE_LEASE_S))

    def freeze(self, seconds: float) -> str | None:
        if not (victim := self.someone()):
            return None
        self.in_the_midst()
        victim.freeze()
        self.at(seconds, lambda: self.wake(victim))
        return f"{self.name(victim)} for {seconds:.2f} s"

    def wake(self, replica) -> None:
        if replica.is_frozen:
            replica.thaw()
            self.history.event("wake", self.name(replica))

    # ---- the network

    def break_relay(self, relay, stall_s: float, cut_s: float) -> str:
        """It hangs for a while, then it is mended, or what waits in it is lost and it stays cut for a while."""
        ways = self.dice.choice([(), ("requests",), ("answers",), None])
        if ways is None or self.dice.random() < .3:
            relay.cut()
            self.at(cut_s, relay.mend)
            return f"cut for {cut_s:.2f} s"
        relay.stall(*ways)
        is_lost = self.dice.random() < .5
        self.at(stall_s, relay.cut if is_lost else relay.mend)
        if is_lost:
            self.at(stall_s + cut_s, relay.mend)
        return f"{' '.join(ways) or 'both ways'} hang for {stall_s:.2f} s, {f'are lost and cut for {cut_s:.2f} s' if is_lost else 'then arrive'}"

    def cut_from_redis(self) -> str | None:
        victim = self.dice.choice(self.group.replicas)
        seconds = self.dice.choice([.3, 2, 8])
        self.in_the_midst()
        return f"{self.name(victim)}: " + self.break_relay(victim.to_redis, self.dice.random() * seconds, self.dice.random() * seconds)

    def cut_from_a_side(self) -> str | None:
        victim = self.dice.choice(self.group.replicas)
        side = self.dice.choice(list(victim.to))
        return f"{self.name(victim)} from {side}: " + self.break_relay(
            victim.to[side], self.dice.random() * NETWORK_HOLD_S_MAX, self.dice.random() * 3)

    # ---- Redis

    def freeze_redis(self) -> str | None:
        if not self.redis_is_up:
            return None
        self.redis_is_up = False
        seconds = self.dice.choice([.5, 2, 7]) * self.dice.random()
        self.group.redis.freeze()

        def thaw() -> None:
            self.group.redis.thaw()
            self.redis_is_up = True
        self.at(seconds, thaw)
        return f"for {seconds:.2f} s"

    def stop_redis(self, stop) -> str:
        self.redis_is_up = False
        seconds = self.dice.choice([0, 1, 6]) * self.dice.random()
        stop()

        def start() -> None:
            self.group.redis.start()
            self.redis_is_up = True
            self.set_flags()
        self.at(seconds, start)
        return f"for {seconds:.2f} s"

    def restart_redis(self) -> str | None:
        """It comes back with all that it had been told, or if it may, without what it was told in its last moments."""
        if not self.redis_is_up:
            return None
        if self.has_memory or self.dice.random() < .5:
            return "in good order " + self.stop_redis(self.group.redis.end)
        self.group.redis.save()
        return self.stop_redis(self.group.redis.kill)

    def roll_redis_back(self) -> str | None:
        """To what was saved some time ago, then save for the next time."""
        if not self.redis_is_up:
            return None
        if not self.has_dump or self.dice.random() < .5:
            self.group.redis.save()
            self.has_dump = True
            return "saved for later"
        return self.stop_redis(self.group.redis.kill)

    def lose_redis(self) -> str | None:
        if not self.redis_is_up:
            return None
        if self.dice.random() < .5:
            self.group.redis.flush()
            self.set_flags()
            return "emptied"
        self.group.redis.forget()
        self.has_dump = False
        return "restarted empty " + self.stop_redis(self.group.redis.kill)

    def set_flags(self, dual_write: int = 1) -> None:
        place = f"{self.group.prefix}:{{m}}:"
        self.group.redis.cli("MSET", place + "ENABLE_DUAL_WRITE", str(dual_write), place + "ENABLE_NEW_READS", str(self.new_reads))

    # ---- operators

    def off_and_on(self) -> str | None:
        """Dual writes: replicas hear of it each in its own time."""
        if not self.redis_is_up or self.new_reads:
            return None
        seconds = self.dice.choice([0, .03, .5, 3])
        self.set_flags(0)
        time.sleep(seconds)
        self.set_flags(1)
        return f"after {seconds} s"

    def forget(self) -> str | None:
        """Of those that have lapsed one is declared dead, be it so or not."""
        for replica in self.group.running:
            try:
                if lapsed := [row["id"] for row in replica.status()["replicas"] if row["state"] == "lapsed"]:
                    number = self.dice.choice(lapsed)
                    return f"{number}: {replica.admin('POST', f'/api/v1/migrations/m/replicas/{number}/forget', {}).status}"
            except OSError:
                continue
        return None

    def command(self) -> str | None:
        """To anyone: those that do not lead say so."""
        name = self.dice.choice(["backfill"] * 5 + ["pause", "resume", "resume", "cancel", "reconcile", "validate", "prepare"])
        body = {"adopt": True} if name == "backfill" else {"full": True} if name == "validate" and self.dice.random() < .5 else {}
        done = []
        for replica in self.group.running:
            try:
                done.append(f"{self.name(replica)} {replica.verb_once(name, body).status}")
            except OSError:
                done.append(f"{self.name(replica)} is away")
        return f"{name}: {', '.join(done)}"
