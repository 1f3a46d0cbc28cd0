# SPDX-License-Identifier: Apache-2.0
"""A seeded random walk through the journal's scripts, with a small model of everything around them.

Two stores are dicts. Replicas begin writes, whose effects land in each store at any time; they end them with whatever
came of it; they copy, lapse, die, sleep, are cut off and come back with their file; Redis goes back in time or loses
everything. After each step G4 must hold: a point on which the stores differ is dirty, in flight, held, in a replica's
file or in the hand of a running copy, or the migration is unknown. When the faults stop, the stores become equal.

The clock is a count of steps. A request that was not answered lands within HOLD steps of its time-out or of its
sender's death, or never; that is what a hold bets on. A replica that is awake ends its writes within PATIENCE < HOLD.

A mutation is a changed text of a script; the walk must then go wrong, or it would prove nothing."""
import random

from journal_redis import Out, Replica, empty, pack, restore, save, unpack

IDS = [1, 2, 2**63, 2**64 - 1, b"\x00" * 16, b"\xff" * 16]
HOLD, PATIENCE = 60, 16

# All that the invariant asks, in one round trip.
LOOK = """
local base = KEYS[1]
local function all(command, key, ...) return redis.call(command, base .. key, ...) end
return {all('HMGET', 'meta', 'inc', 'unknown', 'hold_all', 'alls', 'excls', 'leader', 'token'), all('ZRANGE', 'dirty', 0, -1),
    all('ZRANGE', 'held', 0, -1), all('SMEMBERS', 'fl'), all('HKEYS', 'tried'), all('HLEN', 'copies'), all('HKEYS', 'cids'),
    all('EXISTS', 'touch'), all('HLEN', 'ops'), all('HLEN', 'more'), all('HLEN', 'lists')}
"""


class Violation(Exception):
    pass


def in_order(ids):
    return sorted(ids, key=lambda id: (isinstance(id, bytes), id))


class Effect:
    """What a request does to one store when it lands."""

    def __init__(self, store, change):
        self.store, self.change = store, change
        self.is_over = False
        self.until = None  # the step by which it has landed or never will; None: somebody still waits for its answer

    def land(self):
        if not self.is_over:
            self.is_over = True
            self.change(self.store)

    def drop(self):
        self.is_over = True


class Op:
    def __init__(self, name, ids, is_exact, resolved, link, now):
        self.name, self.ids, self.is_exact, self.resolved, self.link, self.now = name, ids, is_exact, resolved, link, now
        self.effects, self.is_sent, self.boot = [], False, None  # boot: under which it is on record; None: cut off

    @property
    def scope(self):
        return [pack(in_order(self.ids or [])), int(self.ids is None)]


class Copy:
    def __init__(self, name, token, scope, now):
        self.name, self.token, self.scope, self.now = name, token, scope, now  # scope: a list, or (from, to)
        self.seen, self.left, self.written, self.put, self.how = None, [], [], None, "done"


class Host(Replica):
    """A replica with what its process knows and what it keeps on its disk."""

    def __init__(self, scripts, base, name):
        super().__init__(scripts, base, name)
        self.file = []  # (ids or None for ALL, op that it is about or None, held)
        self.awake, self.is_joined, self.is_cut, self.is_process = True, False, False, False
        self.ops, self.waiting, self.copies = [], [], []
        self.token, self.notes, self.compare, self.unknown = None, [], None, 0
        self.server_run = None
        self.lost_steps = False  # Redis has forgotten something that it had answered, and neither has noticed

    def die(self, now):
        for effect in [e for op in self.ops for e in op.effects] + [c.put for c in self.copies if c.put]:
            effect.until = effect.until or now + HOLD  # who was asleep when it lapsed has sent nothing since
        self.file = [(ids, None, True) for ids, _, _ in self.file]
        self.is_process = self.is_joined = False
        self.ops, self.waiting, self.copies, self.token, self.notes, self.compare = [], [], [], None, [], None
        self.seq, self.counters = 0, {}


REPLICAS = "sleep wake wake cut mend die die die back back back"
REDIS = "snapshot snapshot roll_back roll_back cut mend"
# Which faults in how many steps of a hundred, and how many writes of a hundred have unknown scope: much goes by without
# being noticed while everything is unknown, so not all comes at once.
WEATHER = {"quiet": ("mend", 0, 4), "replicas": (REPLICAS, 6, 2), "redis": (REDIS, 3, 4), "filters": ("die back", 1, 25),
           "everything": (f"{REPLICAS} {REDIS} {REPLICAS} empty forget leave", 4, 8)}


class World:
    def __init__(self, client, scripts, base, seed, weather):
        self.client, self.base, self.seed, self.random = client, base, seed, random.Random(seed)
        self.look = client("SCRIPT", "LOAD", LOOK)
        self.hosts = [Host(scripts, base, name) for name in ("a", "b", "c")]
        self.stores = [{}, {}]
        self.now = self.version = self.names = self.server_run = 0
        self.late, self.ranges, self.snapshot = [], {}, None
        self.log = []
        self.ids = self.random.sample(IDS, self.random.choice([1, 2, 3]))
        self.faults, self.percent, self.alls = WEATHER[weather]
        self.faults = self.faults.split()
        self.is_calm = False
        for host in self.hosts:
            host.is_process = True
            self.join(host)
        known = self.call(self.hosts[0], "known", *self.call(self.hosts[0], "moment").extra)
        assert known.extra == [1]

    def fresh(self, kind):
        self.names += 1
        return f"{kind}{self.names}"

    def chance(self, percent):
        return self.random.random() * 100 < percent

    # --- Calls ---

    def call(self, host, verb, *args, link=0):
        try:
            answer = host(verb, *args, link=link)
        except Out as out:
            self.log.append(f"{self.now} {host.name} {verb} {args}: {out}")
            self.disconnect(host)
            return None
        self.log.append(f"{self.now} {host.name} {verb} {args}: {answer.status} {answer.extra} "
                        f"seq={answer.seq} unknown={answer.unknown} rolled={answer.rolled}")
        host.unknown = answer.unknown
        if host.lost_steps and verb == "beat":
            raise Violation(f"{host.name} was answered as if Redis had lost nothing")
        if answer.status == "FENCED":
            host.token = None
        return answer

    def disconnect(self, host):
        """What it has in flight goes to its file before it may join again, which forgets its ops."""
        host.is_joined = False
        host.token, host.notes, host.compare = None, [], None
        for op in host.ops:
            if op.boot is not None:
                op.boot = None
                host.file.append((op.ids, op, False))
        host.waiting = []

    def join(self, host, alive=0):
        peers = " ".join(other.name for other in self.hosts if other is not host)
        in_doubt = int(not alive and host.server_run is not None and host.server_run != self.server_run)
        answer = host.join(self.fresh("inc"), was_dual=int(host.inc != ""), in_doubt=in_doubt, alive=alive, peers=peers)
        self.log.append(f"{self.now} {host.name} join alive={alive} boot={host.boot}")
        if alive and answer.rolled != host.lost_steps:
            raise Violation(f"{host.name} joins: {host.lost_steps} that Redis has lost steps of its")
        host.is_joined, host.server_run, host.lost_steps = True, self.server_run, False

    # --- Writes ---

    def change(self, ids):
        """What a write does to a store that holds what it holds, and whether that is exact."""
        self.version += 1
        version, kind = self.version, self.random.choice("upsert upsert upsert delete delete mix".split())

        def upsert(store):
            store.update((id, version) for id in ids)

        def delete(store):
            for id in ids if ids is not None else [i for i in store if store[i] % 3 == 0]:
                store.pop(id, None)

        def mix(store):
            for id in ids if ids is not None else list(store):
                if id in store:
                    store[id] = (store[id] * 31 + version) % 10007

        if ids is None:
            return (delete if kind == "delete" else mix), True
        return {"upsert": (upsert, True), "delete": (delete, True), "mix": (mix, False)}[kind]

    def write(self, host):
        ids = None if self.chance(self.alls) else self.random.sample(self.ids, min(len(self.ids), self.random.choice([1, 1, 2])))
        resolved = in_order(self.ids[:2]) if ids is None and self.chance(40) else None
        change, is_exact = self.change(resolved if ids is None and resolved else ids)
        op = Op(self.fresh("op"), ids, is_exact, resolved, self.random.choice([1, 2]), self.now)
        op.effects = [Effect(store, change) for store in (self.stores[:1] if resolved else self.stores)]
        self.begin(host, op, self.chance(30 if ids else 4))

    def begin(self, host, op, force):
        if not host.is_joined:
            op.boot = None
            host.file.append((op.ids, op, False))
            host.ops.append(op)
            return
        packed, is_all = op.scope
        answer = self.call(host, "begin", op.name, int(force), is_all, packed, link=op.link)
        if answer is None:
            host.file.append((op.ids, op, False))
            host.ops.append(op)
        elif answer.status == "OK":
            op.boot = host.boot
            host.ops.append(op)
        else:
            host.waiting.append(op)

    def ask_again(self, host):
        op = self.random.choice(host.waiting)
        host.waiting.remove(op)
        if not self.chance(15):
            self.begin(host, op, self.chance(20 if op.ids else 4))
        elif host.is_joined:  # given up: it has touched nothing
            self.call(host, "end", op.name, 0, 0, *op.scope, link=op.link) if op.ids is None else None

    def settle_effect(self, effect):
        """Its sender hears: completed, refused, or nothing before the time-out."""
        if not self.chance(85):
            if not effect.is_over and self.chance(50):
                effect.drop()
                return "refused"
            if not self.is_calm:
                effect.until = self.now + HOLD
                self.late.append(effect)
                return "unknown"
        effect.land()
        return "completed"

    def end(self, host, op):
        host.ops.remove(op)
        packed, is_all = op.scope
        outcomes = [self.settle_effect(effect) for effect in op.effects] if op.is_sent else ["not sent"]
        if not op.is_sent:
            for effect in op.effects:
                effect.drop()
        held = int("unknown" in outcomes)
        dirty = int(op.is_sent and (not op.is_exact or any(o != "completed" for o in outcomes)))
        self.log.append(f"{self.now} {host.name} {op.name} {op.ids or 'ALL'} ends: {outcomes}")
        if op.boot is not None and op.boot == host.boot and host.is_joined:
            if op.resolved and op.is_sent:
                sent = self.call(host, "end_resolved", op.name, held, pack(op.resolved), is_all, link=op.link)
            else:
                sent = self.call(host, "end", op.name, dirty, held, packed, is_all, link=op.link)
        else:
            sent = host.is_joined and self.call(host, "mark", is_all, held, packed, link=op.link)
        if not sent:
            host.file.append((op.ids, None, bool(held)))

    def send(self, host, op):
        """The last bytes go out: right before, the op must be on record."""
        if not host.is_joined and op.boot is not None:
            raise AssertionError("a replica that is not joined has no op on record")
        op.is_sent = True

    def give_file(self, host):
        """One record: nothing else of this host may come in between, others may."""
        ids, op, is_held = host.file[0]
        is_held = is_held or op in host.ops
        if self.call(host, "mark", int(ids is None), int(is_held), pack(in_order(ids or []))):
            host.file.pop(0)

    # --- Copies ---

    def copy(self, host):
        scope, answer = None, None
        if not self.is_calm and self.chance(35):
            low, high = sorted(self.random.sample(range(len(IDS) + 1), 2))
            scope = (low, high)
            bounds = [pack(IDS[i:i + 1]) for i in scope]
            args = [1, 0, b"" if low == 0 else bounds[0], bounds[1], b""]
        elif self.chance(25):  # as a write does that ran on one side alone
            scope = self.random.sample(self.ids, 1)
            args = [0, 0, b"", b"", pack(scope)]
        else:
            taken = self.call(host, "take", self.random.choice([1, 3, 100]))
            if taken is None or not taken.extra[0]:
                return
            scope = unpack(taken.extra[0])
            args = [0, int(self.chance(20)), b"", b"", taken.extra[0]]
        if host.token is None:
            return
        copy = Copy(self.fresh("copy"), host.token, scope, self.now)
        answer = self.call(host, "copy_begin", copy.name, copy.token, *args)
        if answer is None or answer.status != "OK":
            return
        if args[1] and answer.extra[0] > 0 and self.chance(50):
            self.call(host, "copy_ready", copy.name, copy.token, int(self.chance(50)))
        host.copies.append(copy)
        if isinstance(scope, tuple):
            self.ranges[copy.name] = IDS[slice(*scope)]

    def copy_on(self, host, copy):
        may_write = host.is_joined and host.token == copy.token
        if copy.put and self.now < copy.now + PATIENCE and self.chance(70):
            return
        if copy.put:
            outcome = self.settle_effect(copy.put)
            copy.put = None
            if outcome != "completed":
                copy.how = "unknown" if outcome == "unknown" or copy.how == "unknown" else "failed"
        elif copy.seen is None:
            copy.seen = dict(self.stores[0])
            copy.left = IDS[slice(*copy.scope)] if isinstance(copy.scope, tuple) else list(copy.scope)
        elif copy.left and may_write and copy.how == "done":
            id = copy.left.pop()
            value = copy.seen.get(id)
            if value is not None or id in self.stores[1]:
                copy.put = Effect(self.stores[1], lambda store: store.pop(id, None) if value is None else store.update({id: value}))
                copy.written.append(id)
        else:
            self.end_copy(host, copy)

    def end_copy(self, host, copy):
        host.copies.remove(copy)
        how = "failed" if copy.left and copy.how == "done" else copy.how
        sent = host.is_joined and self.call(host, "copy_end", copy.name, copy.token, how, pack(in_order(copy.written)))
        if not sent and copy.written:
            host.file.append((copy.written, None, how == "unknown"))

    # --- Leader, reconcile, holds ---

    def beat(self, host):
        answer = self.call(host, "beat", 1, sum(host.counters.values()))
        if answer is None:
            return
        host.beat = answer.extra[4 + 4 * [e.decode() for e in answer.extra[4::4]].index(host.name) + 2]
        leader, token = answer.extra[2].decode(), answer.extra[3]
        if leader != host.name or token != host.token:
            host.token = None
        if host.token is None and not host.copies and leader in ("", host.name):
            claimed = self.call(host, "claim")
            if claimed and claimed.extra[1]:
                host.token, host.notes = claimed.extra[0], []

    def release(self, host):
        old = [seq for seq, when in host.notes if when <= self.now - HOLD]
        host.notes.append((host.seq, self.now))
        if old:
            host.notes = [note for note in host.notes if note[0] >= old[-1]]
            self.call(host, "release", host.token, old[-1])

    def reconcile(self, host):
        if host.compare is None:
            answer = self.call(host, "moment")
            if answer:
                host.compare = (answer.extra, list(IDS))
            return
        moment, left = host.compare
        if left:
            id = left.pop()
            if self.stores[0].get(id) != self.stores[1].get(id):
                if not self.call(host, "mark", 0, 0, pack([id])):
                    host.compare = None
        else:
            host.compare = None
            self.call(host, "known", *moment)

    # --- Faults ---

    def lapse(self, host):
        """A lease is over before others say so: only who sleeps, is dead, or is cut off lapses."""
        others = [h for h in self.hosts if h is not host and not (h.is_process and h.awake and h.is_joined)]
        state = self.call(host, "state") if others and host.is_joined else None
        if not state:
            return
        names = [e.decode() for e in state.extra[4::4]]
        other = self.random.choice(others)
        if other.name not in names:
            return
        at = 4 + 4 * names.index(other.name)
        lapsed = self.call(host, "lapse", other.name, state.extra[at + 2])
        if lapsed and lapsed.extra[0] and other.is_process and not other.awake:
            for effect in [e for op in other.ops if op.is_sent for e in op.effects] + [c.put for c in other.copies if c.put]:
                effect.until = self.now + HOLD
                self.late.append(effect)

    def kill(self, host):
        self.late += [e for op in host.ops if op.is_sent for e in op.effects] + [c.put for c in host.copies if c.put]
        self.log.append(f"{self.now} {host.name} dies")
        host.die(self.now)

    def wake(self, host):
        host.awake = True
        if host.is_joined:  # its lease is over: it asks before it does anything
            self.beat(host)

    def leave(self, host):
        if host.ops or host.waiting or host.copies or host.file:
            return
        answer = self.call(host, "leave")
        if answer and answer.extra[0]:
            host.is_process = host.is_joined = False
            host.beat, host.seq, host.counters, host.token, host.notes, host.compare = 0, 0, {}, None, [], None

    def forget(self, host):
        """An operator gives up a dead replica; its disk is gone with it."""
        dead = [h for h in self.hosts if not h.is_process and h.inc]
        if not dead:
            return
        other = self.random.choice(dead)
        answer = self.call(host, "forget", other.name)
        if answer and answer.extra[0]:
            other.file, other.inc, other.beat, other.lost_steps, other.server_run = [], "", 0, False, None

    def take_snapshot(self):
        self.snapshot = (save(self.client, self.base), {h.name: (h.boot, dict(h.counters)) for h in self.hosts})

    def roll_back(self, restarts):
        saved, seen = self.snapshot
        lossy = [h for h in self.hosts if seen[h.name] != (h.boot, h.counters)]
        if any(not h.is_process for h in lossy):
            return  # who is dead cannot notice: a second fault, which the restart of the server would tell its next process
        restore(self.client, self.base, saved)
        self.log.append(f"{self.now} Redis rolled back, restarts={restarts}, lossy={[h.name for h in lossy]}")
        for host in lossy:
            host.lost_steps = True
        if restarts:
            self.server_run += 1
            for host in self.hosts:
                if host.is_process:
                    self.disconnect(host)

    def lose_everything(self):
        self.log.append(f"{self.now} Redis emptied")
        self.snapshot = None
        self.server_run += 1
        empty(self.client, self.base)
        for host in self.hosts:
            host.lost_steps = False

    # --- The walk ---

    def act(self):
        random = self.random
        self.now += 1
        for effect in [e for e in self.late if e.until is not None and e.until <= self.now and not e.is_over]:
            effect.land() if self.chance(50) else effect.drop()
        self.late = [e for e in self.late if not e.is_over]
        awake = [h for h in self.hosts if h.is_process and h.awake]
        for host in awake:
            for op in [op for op in host.ops if op.now + PATIENCE <= self.now]:
                self.end(host, op)
            for copy in [c for c in host.copies if c.put and c.now + PATIENCE <= self.now]:
                self.copy_on(host, copy)
            if host.is_joined and host.token is not None and self.now % 4 == 0:
                self.release(host)
        if self.chance(3) and self.late:
            random.choice(self.late).land()
        self.land_where_it_hurts()
        if not self.is_calm and self.chance(self.percent):
            self.fault(random.choice(self.hosts))
        else:
            for host in [h for h in awake if self.chance(60)]:
                self.live(host)
            for host in [h for h in awake if h.is_joined and h.token is not None and self.chance(85)]:
                self.lead(host)

    def live(self, host):
        random = self.random
        if not host.is_joined:
            # Its copies write no more, but their ends may still be told.
            if not host.is_cut and not any(copy.put for copy in host.copies) and self.chance(50):
                self.join(host, alive=1)
                return
        elif host.file and self.chance(50):
            self.give_file(host)
            return
        elif self.chance(25):
            self.beat(host)
            self.lapse(host)
            return
        if host.copies and not (host.is_joined and host.token is not None):
            self.copy_on(host, random.choice(host.copies))
        elif host.waiting and self.chance(50):
            self.ask_again(host)
        elif host.ops and self.chance(75):
            op = random.choice(host.ops)
            if not op.is_sent and self.chance(95):
                self.send(host, op)
            elif op.is_sent and self.chance(75):
                random.choice(op.effects).land()
            elif self.chance(50):
                self.end(host, op)
        elif not self.is_calm and self.chance(40):
            self.write(host)

    def lead(self, host):
        if host.copies and (len(host.copies) == 3 or self.chance(70)):
            self.copy_on(host, self.random.choice(host.copies))
        else:
            (self.reconcile if host.unknown and self.chance(50) else self.copy)(host)

    def fault(self, host):
        kind = self.random.choice(self.faults)
        if self.chance(60):  # the one with most requests on their way
            host = max(self.hosts, key=lambda h: sum(3 if op.ids is None else 1 for op in h.ops if op.is_sent)
                       + 6 * sum(c.put is not None for c in h.copies))
        if kind == "forget" and host.is_process and host.awake and host.is_joined:
            self.forget(host)
        elif kind == "sleep" and host.is_process:
            host.awake = False
        elif kind == "wake" and not host.awake and host.is_process:
            self.wake(host)
        elif kind == "cut" and host.is_process and host.awake:
            host.is_cut = True
            self.disconnect(host)
        elif kind == "mend":
            host.is_cut = False
        elif kind == "die" and host.is_process and (not host.lost_steps or host.server_run != self.server_run):
            self.kill(host)
        elif kind == "back" and not host.is_process:
            host.is_process, host.awake, host.is_cut = True, True, False
            self.join(host)
        elif kind == "leave" and host.is_process and host.awake and host.is_joined:
            self.leave(host)
        elif kind == "snapshot" and self.client("EXISTS", self.base + "meta") and not any(h.lost_steps for h in self.hosts):
            self.take_snapshot()
        elif kind == "roll_back" and self.snapshot and not any(h.lost_steps for h in self.hosts):
            self.roll_back(self.chance(60))
        elif kind == "empty":
            self.lose_everything()

    def settle(self):
        """The faults stop. Returns when everything is quiet."""
        self.is_calm = True
        for host in self.hosts:
            if not host.is_process:
                host.is_process = True
                host.awake, host.is_cut = True, False
                self.join(host)
            host.is_cut = False
            if not host.awake:
                self.wake(host)
        for _ in range(60):
            for _ in range(40):
                self.act()
                self.check()
            if not any(h.ops or h.waiting or h.copies or h.file for h in self.hosts) and all(h.is_joined for h in self.hosts):
                meta, dirty, held, flying, tried, copies, in_hand, touch, ops, more, lists = self.picture()
                if meta[1] == b"0" and not dirty and not held and not copies:
                    if self.stores[0] != self.stores[1] or flying or tried or in_hand or touch or ops or more or lists:
                        raise Violation("at rest, but not equal or not tidy")
                    return
        raise Violation("it does not come to rest")

    def picture(self):
        return self.client("EVALSHA", self.look, 1, self.base)

    def differing(self, stores):
        return {id for id in IDS if stores[0].get(id) != stores[1].get(id)}

    def unaccounted(self, with_ranges=False):
        """The ids that must not differ now; `with_ranges`: nor soon, when the range copies that run now are over."""
        meta, dirty, held, flying, tried, copies, in_hand, touch, ops, more, lists = self.picture()
        if set(held) - set(dirty) or set(tried) - set(held) or (touch and not copies) or (flying and not ops):
            raise Violation("the sets do not fit together")
        if meta[0] is None or meta[1] != b"0" or meta[2] or int(meta[3] or 0) or any(h.lost_steps for h in self.hosts):
            return set()
        ids = set(IDS) - {id for packed in (dirty, held, flying, in_hand) for one in packed for id in unpack(one)}
        running = {name.decode() for name in self.client("HKEYS", self.base + "copies")} if copies and not with_ranges else set()
        ids -= {id for name in running & self.ranges.keys() for id in self.ranges[name]}
        for host in self.hosts:
            for named, _, _ in host.file:
                ids -= set(IDS if named is None else named)
        return ids

    def check(self):
        differ = self.differing(self.stores)
        if not differ and self.now % 8:
            return
        wrong = differ & self.unaccounted()
        if wrong:
            raise Violation(f"nobody knows that {wrong} differ")

    def land_where_it_hurts(self):
        """A request that may land at any time does so when nobody expects it."""
        puts = [c.put for h in self.hosts for c in h.copies if c.put]
        waiting = [e for e in self.late + puts if not e.is_over]
        clean = self.unaccounted(with_ranges=True) if waiting else set()
        for effect in waiting if clean else []:
            if effect.until and effect.until > self.now + 5 and self.chance(80):
                continue
            stores = [dict(store) for store in self.stores]
            effect.change(stores[0] if effect.store is self.stores[0] else stores[1])
            if self.differing(stores) & clean and self.chance(80):
                effect.land()
                return

    def walk(self, steps):
        for _ in range(steps):
            self.act()
            self.check()
        self.settle()
