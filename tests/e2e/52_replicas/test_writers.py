# SPDX-License-Identifier: Apache-2.0
"""Proves that several replicas may write one migration: whatever becomes of one of them, the sides end up equal."""
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from drivers import points
from drivers.waiting import until

SHORTLY = {"timeouts": {"answer": "1s", "body": "1s"}}


@pytest.fixture
def three(start_group, other):
    """Three replicas, two servers that hold the same, one of which a replica can lose without the other."""
    group = start_group(3, new_server=other, **SHORTLY)
    group.legacy.put(points.some(100))
    group.backfill(adopt=True)
    group.wait_until_in_sync()
    return group


def settle(group) -> dict:
    group.wait_until_equal()
    group.wait_until_in_sync()
    return {point["id"]: point["payload"] for point in group.assert_equal()}


def hold_up_new(group, count: int = 1) -> None:
    """The next writes to new are not answered."""
    group.new.server.fault("hang", method="PUT", path_regex=f"{group.new.collection}/points$", times=count)


def write_and_leave(group, replica, *some) -> threading.Thread:
    """A write through that replica, whose answer may never come: new hangs with it."""
    def write() -> None:
        try:
            group.upsert(*some, through=replica)
        except OSError:
            pass
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    until(lambda: [rule for rule in group.new.server.faults() if rule["hits"]])
    return thread


def test_they_know_one_another_and_one_leads(three):
    [boss] = [replica for replica in three.replicas if replica.leads()]
    assert len({replica.id for replica in three.replicas}) == 3
    for replica in three.replicas:
        rows = {row["id"]: row for row in replica.status()["replicas"]}
        assert rows.keys() == {each.id for each in three.replicas}
        assert [key for key, row in rows.items() if row["is_leader"]] == [boss.id]
        assert [key for key, row in rows.items() if row["is_self"]] == [replica.id]
        assert all(row["state"] == "joined" and row["dual"] for row in rows.values())


def test_only_the_leader_takes_commands(three):
    boss = three.boss
    for replica in three.others(boss):
        assert replica.verb("backfill").status == 409
    assert three.command("reconcile").status == 202


@pytest.mark.standin("delays")
def test_they_write_the_same_points(three):
    three.legacy.server.fault("delay", ms=10, chance=0.5, path_regex="/points")
    three.new.server.fault("delay", ms=10, chance=0.5, path_regex="/points")

    def write(number: int) -> None:
        for turn in range(30):
            some = [points.point(id, payload={"writer": number, "turn": turn}) for id in {turn % 3 + 1, (turn + number) % 5 + 1}]
            assert three.upsert(*some, through=three.replicas[number % 3]).status == 200
            if turn % 7 == number:
                assert three.http("POST", "/points/delete?wait=true", {"points": [1]}, through=three.replicas[number % 3]).status == 200
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    settle(three)


@pytest.mark.standin("requests that hang")
def test_one_is_killed_with_a_write_open_and_comes_back(three):
    """Legacy has it, new has not, and nobody is left who would say so: the others find out and repair it."""
    victim = three.others(three.boss)[0]
    hold_up_new(three)
    write_and_leave(three, victim, points.point(1, payload={"n": "orphan"}))
    until(lambda: three.legacy.point(1)["payload"] == {"n": "orphan"})
    victim.kill()
    three.wait_for_state(victim, "lapsed")
    assert not any(replica.status()["dirty"]["unknown"] for replica in three.running)
    three.new.server.clear_faults()
    assert three.wait_until_equal()
    assert three.new.point(1)["payload"] == {"n": "orphan"}
    before = victim.id
    victim.start()
    three.wait_until_joined()
    assert victim.id == before
    assert settle(three)[1] == {"n": "orphan"}


@pytest.mark.standin("requests that hang")
def test_the_leader_is_killed_with_a_write_open(three):
    boss = three.boss
    hold_up_new(three)
    write_and_leave(three, boss, points.point(1, payload={"n": "orphan"}))
    until(lambda: three.legacy.point(1)["payload"] == {"n": "orphan"})
    boss.kill()
    three.wait_for_state(boss, "lapsed")
    assert three.boss is not boss
    three.new.server.clear_faults()
    three.wait_until_equal()
    boss.start()
    assert settle(three)[1] == {"n": "orphan"}


@pytest.mark.standin("requests that hang")
def test_one_is_killed_and_back_before_anybody_noticed(three):
    victim = three.others(three.boss)[0]
    hold_up_new(three)
    write_and_leave(three, victim, points.point(1, payload={"n": "orphan"}))
    until(lambda: three.legacy.point(1)["payload"] == {"n": "orphan"})
    victim.kill()
    three.new.server.clear_faults()
    victim.start()
    assert settle(three)[1] == {"n": "orphan"}


@pytest.mark.standin("delays")
@pytest.mark.parametrize("side, path", [("legacy", "/scroll"), ("new", "/batch")], ids=["after it read", "while it writes"])
def test_the_leader_sleeps_past_its_lease_while_it_copies(start_group, other, side, path):
    """Another one leads and finishes; what the first still had in hand when it fell asleep does no harm when it wakes up."""
    group = start_group(3, new_server=other, worker={"batch_points": 20, "parallel": 2, "points_per_s_max": 150}, **SHORTLY)
    group.legacy.put(points.some(900))
    assert group.command("backfill", {"adopt": True}).status == 202
    boss = group.boss
    until(lambda: boss.status()["backfill"]["copied"] >= 100)
    place = getattr(group, side)
    place.server.fault("delay", ms=700, path_regex=f"{place.collection}/points{path}", times=2)
    until(lambda: [rule for rule in place.server.faults() if rule["hits"]])
    boss.freeze()
    group.wait_for_state(boss, "lapsed")
    second = group.boss
    assert second is not boss
    through = group.others(boss)
    for number in range(1, 900, 30):
        made = ("PUT", "/points?wait=true", {"points": [points.point(number, payload={"n": "newer"})]}) if number % 2 else (
            "POST", "/points/delete?wait=true", {"points": [number]})
        assert group.http(*made, through=through[number % 2]).status == 200
    group.wait_for_backfill("done")
    group.wait_until_equal()
    boss.thaw()
    group.wait_until_joined()
    assert not boss.leads()
    after = settle(group)
    for number in range(1, 900, 30):
        assert (after.get(number) == {"n": "newer"}) if number % 2 else number not in after


@pytest.mark.standin("requests that hang")
def test_one_sleeps_past_its_lease_with_a_write_open(three):
    """Its client gets an answer when it wakes up, and whatever that says, the sides are equal."""
    sleeper = three.others(three.boss)[0]
    hold_up_new(three)
    thread = write_and_leave(three, sleeper, points.point(1, payload={"n": "slept over"}))
    sleeper.freeze()
    three.wait_for_state(sleeper, "lapsed")
    assert three.upsert(points.point(1, payload={"n": "meanwhile"}), through=three.boss).status == 200
    sleeper.thaw()
    three.new.server.clear_faults()
    thread.join(90)
    assert not thread.is_alive()
    settle(three)


# ---- gates

def test_a_replica_that_lapsed_is_missed_until_it_is_back(three):
    victim = three.others(three.boss)[0]
    victim.kill()
    three.wait_for_state(victim, "lapsed")
    for replica in three.running:
        status = replica.status()
        assert any(victim.id in reason for reason in status["reasons"]), status["reasons"]
    victim.start()
    three.wait_until_joined()
    for replica in three.running:
        assert not any("lapsed" in reason or victim.id in reason for reason in replica.status()["reasons"])


def test_a_replica_that_lapsed_is_forgotten(three):
    """Nobody knows what it had not told: everything is compared once, by itself."""
    victim = three.others(three.boss)[0]
    victim.kill()
    three.wait_for_state(victim, "lapsed")
    assert three.forget(victim).status in (200, 202)
    for replica in three.running:
        until(lambda: len(replica.status()["replicas"]), lambda count: count == 2)
    settle(three)
    assert three.forget(victim).status == 404
    victim.start()
    until(lambda: three.boss.sees(victim))
    settle(three)
    assert len(three.boss.status()["replicas"]) == 3


def test_a_replica_that_is_there_cannot_be_forgotten(three):
    assert three.forget(three.others(three.boss)[0]).status == 409
    assert len(three.boss.status()["replicas"]) == 3


def test_a_backfill_does_not_start_while_a_replica_may_write_to_one_side_only(start_group, other):
    """The one that lapsed may not know yet that writes go to both."""
    group = start_group(2, dual_write=0, new_server=other, **SHORTLY)
    group.legacy.put(points.some(50))
    victim = group.others(group.boss)[0]
    victim.kill()
    group.wait_for_state(victim, "lapsed")
    group.flags(1)
    assert group.command("backfill", {"adopt": True}).status == 202
    assert group.new.ids() == [] and group.boss.status()["backfill"]["state"] != "done"
    victim.start()
    group.wait_for_backfill("done")
    assert len(settle(group)) == 50


def test_one_that_says_goodbye_is_not_missed(three):
    quitter = three.others(three.boss)[0]
    quitter.stop()
    for replica in three.running:
        until(lambda: len(replica.status()["replicas"]), lambda count: count == 2)
    assert three.upsert(points.point(1), through=three.boss).status == 200
    settle(three)


def test_the_leader_says_goodbye(three):
    boss = three.boss
    boss.stop()
    until(lambda: three.leader() not in (None, boss))
    settle(three)
