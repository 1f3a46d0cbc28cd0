# SPDX-License-Identifier: Apache-2.0
"""Proves that no replica needs Redis to write, and that nothing is forgotten whatever happens to Redis or on the way to it."""
import threading

import pytest
from drivers import points
from drivers.waiting import until

SHORTLY = {"timeouts": {"answer": "1s", "body": "1s"}}


@pytest.fixture
def two(start_group, other, redis):
    """Two replicas, two servers that hold the same, a Redis of their own."""
    group = start_group(2, new_server=other, redis=redis, **SHORTLY)
    group.legacy.put(points.some(100))
    group.backfill(adopt=True)
    group.wait_until_in_sync()
    return group


def settle(group) -> dict:
    group.wait_until_equal()
    group.wait_until_in_sync()
    return {point["id"]: point["payload"] for point in group.assert_equal()}


def put(group, replica, number: int, **payload):
    return group.upsert(points.point(number, payload=payload), through=replica)


# ---- cut off

def test_a_replica_cut_off_from_redis_writes_on(two):
    loner = two.others(two.boss)[0]
    loner.to_redis.cut()
    for number in range(1, 21):
        assert put(two, loner, number, n="alone").status == 200
    until(lambda: loner.status()["cut_off"])
    assert loner.status()["dirty"]["listed"] >= 20
    two.wait_for_state(loner, "lapsed")
    assert put(two, two.boss, 1, n="meanwhile").status == 200
    assert put(two, loner, 2, n="alone still").status == 200
    loner.to_redis.mend()
    two.wait_until_joined()
    after = settle(two)
    assert after[1] == {"n": "meanwhile"} and after[2] == {"n": "alone still"} and after[20] == {"n": "alone"}


@pytest.mark.standin("errors")
def test_what_went_to_one_side_only_while_cut_off_is_repaired(two):
    """The ids stand in the replica's file, and that is all that knows of them."""
    loner = two.others(two.boss)[0]
    loner.to_redis.cut()
    until(lambda: loner.status()["cut_off"])
    two.new.server.fault("error", status=503, method="PUT", path_regex=f"{two.new.collection}/points$", times=3)
    for number in (1, 2, 300):
        assert put(two, loner, number, n="legacy only").status == 503
    loner.to_redis.mend()
    two.wait_until_joined()
    after = settle(two)
    assert [after[number] for number in (1, 2, 300)] == [{"n": "legacy only"}] * 3


@pytest.mark.standin("errors")
def test_killed_while_cut_off_it_brings_its_file_back(two):
    loner = two.others(two.boss)[0]
    loner.to_redis.cut()
    until(lambda: loner.status()["cut_off"])
    two.new.server.fault("error", status=503, method="PUT", path_regex=f"{two.new.collection}/points$", times=1)
    assert put(two, loner, 1, n="legacy only").status == 503
    loner.kill()
    two.wait_for_state(loner, "lapsed")
    assert any(loner.id in reason for reason in two.boss.status()["reasons"])
    loner.to_redis.mend()
    loner.start()
    two.wait_until_joined()
    assert settle(two)[1] == {"n": "legacy only"}


@pytest.mark.parametrize("ways", [("requests",), ("answers",), ()], ids=["requests", "answers", "both ways"])
def test_the_network_to_redis_hangs_and_goes_on(two, ways):
    """What waited in it arrives late, from a session that is over by then."""
    loner = two.others(two.boss)[0]
    loner.to_redis.stall(*ways)
    for number in range(1, 11):
        assert put(two, loner, number, n="hung").status == 200
    two.wait_for_state(loner, "lapsed")
    for number in range(1, 6):
        assert put(two, two.boss, number, n="meanwhile").status == 200
    loner.to_redis.mend()
    two.wait_until_joined()
    after = settle(two)
    assert [after[number]["n"] for number in range(1, 11)] == ["meanwhile"] * 5 + ["hung"] * 5


@pytest.mark.standin("requests that can be held back")
def test_the_answer_to_a_begin_is_lost(two):
    """The script has run and nobody knows: the write is not lost, and its point is not in flight for ever."""
    loner = two.others(two.boss)[0]
    loner.to_redis.stall("answers")
    done = []
    thread = threading.Thread(target=lambda: done.append(put(two, loner, 1, n="begun twice")))
    thread.start()
    until(lambda: two.boss.status()["in_flight"] or done)
    loner.to_redis.cut()
    loner.to_redis.mend()
    thread.join(90)
    assert done[0].status == 200
    two.wait_until_joined()
    assert settle(two)[1] == {"n": "begun twice"}


def test_the_leader_is_cut_off(two):
    boss = two.boss
    boss.to_redis.cut()
    two.wait_for_state(boss, "lapsed")
    second = two.others(boss)[0]
    until(second.leads)
    assert boss.verb_once("backfill").status in (409, 503)
    assert put(two, boss, 1, n="led once").status == 200
    boss.to_redis.mend()
    two.wait_until_joined()
    assert second.leads() and not boss.leads()
    assert settle(two)[1] == {"n": "led once"}


def test_all_are_cut_off(two):
    for replica in two.replicas:
        replica.to_redis.cut()
    for number in range(1, 21):
        assert put(two, two.replicas[number % 2], number % 7 + 1, n=number).status == 200
    for replica in two.replicas:
        until(lambda: replica.status()["cut_off"])
        replica.to_redis.mend()
    two.wait_until_joined()
    settle(two)


# ---- Redis itself

def works(group) -> None:
    for number, replica in enumerate(group.replicas):
        assert put(group, replica, 700 + number, n="works").status == 200


def test_redis_hangs(two, redis):
    redis.freeze()
    try:
        works(two)
        until(lambda: all(replica.status()["cut_off"] for replica in two.replicas))
        works(two)
    finally:
        redis.thaw()
    two.wait_until_joined()
    settle(two)


def test_redis_is_killed_and_comes_back_with_all_it_knew(two, redis):
    redis.save()
    redis.kill()
    works(two)
    redis.start()
    two.wait_until_joined()
    assert settle(two)[701] == {"n": "works"}


@pytest.mark.parametrize("way", ["restarted empty", "emptied", "lost for the journal only"])
def test_redis_loses_everything(two, redis, way):
    """Nobody knows what differs any more, until everything was compared: by itself, without an operator."""
    before = [replica.status()["reconcile"] for replica in two.replicas]
    if way == "restarted empty":
        redis.kill()
        redis.forget()
        redis.start()
    elif way == "emptied":
        redis.flush()
    else:
        keys = redis.cli("KEYS", f"{two.prefix}:{{m}}:j:*").split()
        assert keys
        redis.cli("DEL", *keys)
    for replica in two.replicas:
        until(lambda: replica.status()["dirty"]["unknown"] or replica.status()["reconcile"] not in before)
    works(two)
    two.flags(1)
    two.wait_until_joined()
    assert settle(two)[700] == {"n": "works"}
    assert {row["id"] for row in two.boss.status()["replicas"]} == {replica.id for replica in two.replicas}


@pytest.mark.standin("a second server")
def test_what_differed_when_redis_lost_everything_is_found(two, redis):
    """Not only what was written since: a point that was dirty, and that nothing but the lost set knew of."""
    two.new.server.fault("error", status=503, path_regex=f"{two.new.collection}/points")
    assert put(two, two.replicas[0], 1, n="legacy only").status == 503
    until(lambda: two.boss.status()["dirty"]["listed"])
    redis.flush()
    until(lambda: all(replica.status()["dirty"]["unknown"] for replica in two.replicas))
    two.new.server.clear_faults()
    two.flags(1)
    assert settle(two)[1] == {"n": "legacy only"}


@pytest.mark.standin("a second server")
@pytest.mark.parametrize("is_quiet", [False, True], ids=["written since", "nothing since"])
def test_redis_is_rolled_back(two, redis, is_quiet):
    """It comes back from an old dump, which knows nothing of what became dirty later. That is noticed, and all is compared."""
    redis.save()
    two.new.server.fault("error", status=503, path_regex=f"{two.new.collection}/points")
    assert put(two, two.replicas[0], 1, n="legacy only").status == 503
    until(lambda: two.boss.status()["dirty"]["listed"])
    redis.kill()
    redis.start()
    if not is_quiet:
        for replica in two.replicas:
            put(two, replica, 2, n="afterwards")
    until(lambda: any(replica.status()["dirty"]["unknown"] for replica in two.replicas))
    two.new.server.clear_faults()
    assert settle(two)[1] == {"n": "legacy only"}


def test_replicas_start_without_redis(two, redis):
    """They have been here before: they serve, and what they write is known when Redis is back."""
    for replica in two.replicas:
        replica.stop()
    redis.save()
    redis.kill()
    for replica in two.replicas:
        replica.start()
    works(two)
    redis.start()
    two.wait_until_joined()
    assert settle(two)[701] == {"n": "works"}


def test_a_replica_that_never_saw_redis_serves_nothing_migrated(two, redis):
    redis.kill()
    stranger = two.make_proxy(two.folder)
    stranger.start(stranger.is_alive)
    answer = put(two, stranger, 1, n="stranger")
    assert answer.status == 503 and answer.error
    assert two.http("GET", "/points/1", through=stranger).status == 503
    assert not stranger.is_ready()
    redis.start()
    until(lambda: put(two, stranger, 1, n="welcome").status, lambda status: status == 200)
    two.flags(1)
    settle(two)
