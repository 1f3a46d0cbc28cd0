# SPDX-License-Identifier: Apache-2.0
"""The worker alone (worker_drive) against the stand-in: what ends up in the new collection, and what survives faults.

Run with CROSSFADE_WORKER_DRIVE naming the program; ctest does."""
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "journal"))

from journal_redis import Server  # noqa: E402
from standin.driver import Standin  # noqa: E402

DRIVE = os.environ.get("CROSSFADE_WORKER_DRIVE", "worker_drive")
VECTORS = {"vectors": {"a": {"size": 4, "distance": "Cosine"}, "b": {"size": 2, "distance": "Dot"}},
           "sparse_vectors": {"s": {}}, "hnsw_config": {"m": 24}}


class Worker:
    def __init__(self, server, state, **options):
        address = server.url.removeprefix("http://")
        arguments = {"legacy": address, "new": address, "legacy-name": "L", "new-name": "N", "state": str(state),
                     "batch-points": 50, "answer-ms": 2000} | {k.replace("_", "-"): v for k, v in options.items()}
        command = [DRIVE] + [f"--{key}={value}" for key, value in arguments.items()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"worker_drive ended with {self.process.wait()}"
        return json.loads(answer)

    def status(self, part):
        return self("status")[part]

    def wait(self, part, *states):
        return until(lambda: self.status(part), lambda got: got and got["state"] in states)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it as a service manager would; a sanitizer's finding makes the exit status differ from 0."""
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


def until(look, is_right, seconds=60):
    end = time.monotonic() + seconds
    while True:
        got = look()
        if is_right(got):
            return got
        assert time.monotonic() < end, f"still {got}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    with Standin() as standin:
        yield standin


@pytest.fixture(scope="module")
def redis():
    one = Server()
    yield one
    one.close()


@pytest.fixture
def q(server):
    server.reset()
    return server


@pytest.fixture
def worker(q, redis, tmp_path):
    started = []
    redis.client("FLUSHALL")

    def start(leads=True, **options):
        started.append(Worker(q, tmp_path, redis=redis.path, **options))
        if leads:
            until(lambda: started[-1]("journal"), lambda journal: journal["is_leader"])
        return started[-1]
    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


def fill(q, count=300, config=VECTORS):
    q.call("PUT", "/collections/L", config)
    q.call("PUT", "/collections/L/points?wait=true", {"points": [make_point(i) for i in range(count)]})


def make_point(i):
    vector = {"a": [1.0, i, 0.5, -1.0]}
    if i % 3:
        vector["b"] = [i, 0.25]
    if i % 5 == 0:
        vector["s"] = {"indices": [1, i + 2], "values": [0.5, 0.25]}
    point = {"id": str(uuid.UUID(int=i << 64)) if i % 2 else i, "vector": vector}
    if i % 7:
        point["payload"] = {"text": f"é{i} \"\\", "big": 2**63 + i, "f": i / 7, "deep": {"x": [1, None, True]}}
    return point


def normal(q, collection):
    return sorted((json.dumps(point, sort_keys=True) for point in q.dump(collection)))


def prepared(worker, **options):
    one = worker(**options)
    one("prepare")
    assert one.wait("prepare", "done", "failed")["state"] == "done"
    one("dual_write 1")
    return one


def test_prepare_makes_the_new_collection_like_the_legacy_one(q, worker):
    fill(q, 10)
    q.call("PUT", "/collections/L/index?wait=true", {"field_name": "big", "field_schema":
           {"type": "integer", "lookup": True, "range": False}})
    q.call("PUT", "/collections/L/index?wait=true", {"field_name": "text", "field_schema": "keyword"})
    one = worker()
    shown = one("prepare dry_run")["shown"]
    assert [(step["method"], step["path"]) for step in shown] == [
        ("PUT", "/collections/N")] + 2 * [("PUT", "/collections/N/index?wait=true")]
    assert q.request("GET", "/collections/N")[0] == 404  # a dry run does nothing
    for _ in range(2):  # the second time it is there
        one("prepare")
        assert one.wait("prepare", "done", "failed")["state"] == "done"
    legacy, new = (q.call("GET", f"/collections/{name}") for name in "LN")
    assert new["config"] == legacy["config"]
    assert {k: v.get("params") or v["data_type"] for k, v in new["payload_schema"].items()} == \
           {k: v.get("params") or v["data_type"] for k, v in legacy["payload_schema"].items()}


def test_prepare_refuses_a_source_that_hides_writes(q, worker):
    q.call("PUT", "/collections/L", VECTORS | {"optimizers_config": {"prevent_unoptimized": True}})
    one = worker()
    one("prepare")
    assert "prevent_unoptimized" in one.wait("prepare", "failed", "done")["error"]
    assert q.request("GET", "/collections/N")[0] == 404


def test_foreign_points_in_the_new_collection(q, worker):
    fill(q, 20)
    q.call("PUT", "/collections/N", VECTORS)
    q.call("PUT", "/collections/N/points?wait=true", {"points": [{"id": 900, "vector": {"a": [1, 2, 3, 4]}}]})
    one = worker()
    one("prepare")
    assert "adopt" in one.wait("prepare", "failed", "done")["error"]
    one("dual_write 1")
    one("backfill")
    assert "adopt" in one.wait("backfill", "failed", "done")["error"]
    one("prepare adopt")
    assert one.wait("prepare", "failed", "done")["state"] == "done"
    one("backfill adopt")
    assert one.wait("backfill", "done")["state"] == "done"
    assert normal(q, "N") == normal(q, "L")  # 900 is gone


def test_backfill_wants_dual_write(q, worker):
    fill(q, 5)
    one = worker()
    one("dual_write 0")
    answer = one("backfill")
    assert answer["code"] == "STATE" and "dual_write" in answer["why"]


def test_backfill_waits_for_writes_of_before(q, worker):
    """The flag is on, but a write that went to one side alone is still in flight."""
    fill(q, 5)
    one = worker()
    one("prepare")
    one.wait("prepare", "done")
    assert one("backfill")["code"] == "OK"
    assert one("status")["backfill"]["state"] == "starting"
    one("dual_write 1")
    assert one.wait("backfill", "done")["copied"] == 5


@pytest.mark.parametrize("options", [{}, {"parallel": 1, "batch_points": 7}, {"batch_bytes": 2000}])
def test_backfill_copies_every_point_as_it_is(q, worker, options):
    fill(q)
    one = prepared(worker, **options)
    assert one("backfill dry_run")["shown"]["legacy"] == 300
    assert one("backfill")["code"] == "OK"
    assert one("backfill")["code"] == "OK"  # twice is harmless
    got = one.wait("backfill", "done")
    assert (got["copied"], got["total"], got["error"]) == (300, 300, None)
    assert one("complete") is True
    assert normal(q, "N") == normal(q, "L")


def test_an_empty_collection_and_unnamed_vectors(q, worker):
    q.call("PUT", "/collections/L", {"vectors": {"size": 2, "distance": "Euclid"}})
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    q.call("PUT", "/collections/L/points?wait=true", {"points": [{"id": 3, "vector": [1, 2]}]})
    one("dirty 3")
    until(lambda: q.ids("N"), lambda ids: ids == [3])


def test_upserts_that_merge_do_not_leave_anything_behind(q, worker):
    """On an indexed segment an upsert keeps omitted vectors and payload: the recipe states all."""
    fill(q, 40)
    q.call("PUT", "/collections/N", VECTORS)
    old = {"vector": {"a": [9, 9, 9, 9], "b": [9, 9], "s": {"indices": [7], "values": [7]}}, "payload": {"stale": 1}}
    q.call("PUT", "/collections/N/points?wait=true", {"points": [old | {"id": make_point(i)["id"]} for i in range(60)]})
    q.merge_upserts(1.0)
    one = worker()
    one("dual_write 1")
    one("backfill adopt")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_repair_copies_and_deletes_dirty_ids(q, worker):
    fill(q, 20)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})
    q.call("PUT", "/collections/L/points?wait=true", {"points": [{"id": 77, "vector": {"b": [1, 2]}}]})
    one("dirty 2 4 77 78")
    until(lambda: one("journal")["dirty"], lambda dirty: dirty == 0)
    assert normal(q, "N") == normal(q, "L")


@pytest.mark.parametrize("fault", [
    {"action": "error", "status": 429, "body": {"status": {"error": "slow down"}}},
    {"action": "error", "status": 500, "body": {"status": {"error": "oops"}}},
    {"action": "reset_before"}, {"action": "reset_after_apply"}, {"action": "truncate"}])
@pytest.mark.parametrize("path", ["points/scroll", "points/batch", "payload/delete"])
def test_faults_are_tried_again(q, worker, fault, path):
    fill(q, 200)
    one = prepared(worker, answer_ms=300)
    q.fault(path_regex=path, times=3, skip=1, **fault)
    one("backfill")
    assert one.wait("backfill", "done", "failed")["state"] == "done"
    assert q.faults()[0]["hits"] >= 3
    assert normal(q, "N") == normal(q, "L")


def test_a_put_that_timed_out_is_copied_again(q, worker):
    """The lost request may land late: its points count as copied only when that can no longer be."""
    fill(q, 30)
    one = prepared(worker, answer_ms=1000)
    q.fault("hang", path_regex="points/batch", times=1, ms=60000, apply=False)
    one("backfill")
    one.wait("backfill", "done")
    puts = q.log("POST", "points/batch")
    assert len(puts) >= 2 and normal(q, "N") == normal(q, "L")


def test_a_server_that_refuses_stops_the_backfill_until_somebody_acts(q, worker):
    fill(q, 100)
    one = prepared(worker)
    q.fault("error", path_regex="points/batch", status=403, body={"status": {"error": "no rights"}})
    one("backfill")
    assert "no rights" in one.wait("backfill", "failed")["error"]
    assert one("complete") is False
    q.clear_faults()
    one("resume")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_one_refused_id_does_not_hold_up_the_others(q, worker):
    fill(q, 20)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    q.call("PUT", "/collections/L/vectors/extra", {"dense": {"size": 2, "distance": "Dot"}})
    q.call("PUT", "/collections/L/points?wait=true", {"points": [
        {"id": 0, "vector": {"extra": [1, 1]}}, {"id": 2, "vector": {"a": [5, 5, 5, 5]}}]})
    one("dirty 0 2")
    until(lambda: one("journal")["dirty"], lambda dirty: dirty == 1)
    assert one.status("repair")["refused_ids"] == 1 and one.status("repair")["error"]
    assert [p for p in q.dump("N") if p["id"] == 2] == [p for p in q.dump("L") if p["id"] == 2]


def test_a_killed_worker_goes_on_where_it_was(q, worker, tmp_path):
    fill(q, 1000)
    one = prepared(worker, points_per_s=1500, parallel=2)
    one("backfill")
    saved = tmp_path / "backfill"
    until(lambda: json.loads(saved.read_text())["copied"] if saved.exists() else 0, lambda copied: 100 < copied < 900)
    one.kill()
    q.clear_log()
    two = worker(parallel=2)
    two("dual_write 1")  # and no other command
    got = two.wait("backfill", "done")
    assert got["copied"] >= 1000
    assert two.status("reconcile") is None  # the journal knows all the while
    assert normal(q, "N") == normal(q, "L")


def test_pause_resume_and_cancel(q, worker):
    fill(q, 600)
    one = prepared(worker, points_per_s=400, parallel=1)
    assert one("pause")["code"] == "STATE"
    one("backfill")
    until(lambda: one.status("backfill")["copied"], lambda copied: copied > 0)
    one("pause")
    until(lambda: one("journal")["copies"], lambda copies: copies == 0)
    assert one.status("backfill")["state"] == "paused"
    at = len(q.dump("N"))
    time.sleep(0.5)
    assert len(q.dump("N")) == at < 600
    one("resume")
    until(lambda: len(q.dump("N")), lambda count: count > at)
    one("cancel")
    assert one.status("backfill") | {"rate": 0} == {"state": "cancelled", "copied": 0, "total": 0, "rate": 0,
                                                     "eta_s": None, "cursor": None, "error": None}
    one("backfill")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_dual_write_off_forgets_the_backfill(q, worker):
    fill(q, 50)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one("dual_write 0")
    assert "dual_write" in one.wait("backfill", "none")["error"]
    assert one("complete") is False
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})
    one("dual_write 1")
    one("backfill")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")  # 2 and 4 are gone there too


def test_dual_writes_off_for_less_than_a_turn_forget_the_backfill_too(q, worker):
    fill(q, 50)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one("dual_write 0")
    one("dual_write 1")
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})  # as one that went to one side would
    one.wait("backfill", "none")
    assert one("journal")["is_unknown"]
    one("backfill")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_a_backfill_asked_for_right_after_dual_writes_are_on_is_not_forgotten(q, worker):
    fill(q, 50)
    one = prepared(worker)
    for _ in range(20):
        one("dual_write 0")
        one("dual_write 1")
        assert one("backfill")["code"] == "OK"
        one.wait("backfill", "done")


def test_a_backfill_that_was_done_before_a_restart_with_dual_writes_off_starts_over(q, worker):
    fill(q, 50)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one.stop()
    two = worker()
    two("dual_write 0")
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})
    two.wait("backfill", "none")
    two("dual_write 1")
    two("backfill")
    two.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_a_cancel_while_the_backfill_starts_counts(q, worker):
    fill(q, 50)
    one = prepared(worker)
    q.fault("delay", ms=700, path_regex="/count", times=2)
    one("backfill")
    until(lambda: sum(rule["hits"] for rule in q.faults()), lambda hits: hits > 0)
    assert one("cancel")["code"] == "OK"
    until(lambda: sum(rule["hits"] for rule in q.faults()), lambda hits: hits == 2)
    time.sleep(1)
    assert one.status("backfill")["state"] == "cancelled"
    assert one("journal")["is_unknown"]  # what was still to be copied is in no list


def test_a_point_that_is_written_all_the_time_does_not_keep_the_backfill_from_its_end(q, worker):
    fill(q, 50)
    one = prepared(worker)
    one("backfill")

    def look():
        one("dirty " + " ".join(str(i) for i in range(0, 50, 2)))
        return one.status("backfill")["state"]
    until(look, lambda state: state == "done")


def test_reconcile_finds_what_nobody_saw(q, worker):
    fill(q, 120)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    q.call("POST", "/collections/N/points/delete?wait=true", {"points": [6]})
    q.call("POST", "/collections/N/points/payload?wait=true", {"points": [8], "payload": {"big": 1}})
    q.call("PUT", "/collections/N/points?wait=true", {"points": [{"id": 5000, "vector": {"b": [1, 1]}}]})
    one("unknown")
    assert one("journal")["is_unknown"] is True
    until(lambda: one("journal"), lambda got: got["dirty"] == 0 and not got["is_unknown"])
    until(lambda: normal(q, "N"), lambda got: got == normal(q, "L"))


def damage(q, kind):
    if kind == "payload":
        q.call("POST", "/collections/N/points/payload?wait=true", {"points": [8], "payload": {"big": 2**63 + 9}})
    elif kind == "vector":
        q.call("PUT", "/collections/N/points/vectors?wait=true", {"points": [{"id": 8, "vector": {"b": [8, 0.26]}}]})
    elif kind == "vector gone":
        q.call("POST", "/collections/N/points/vectors/delete?wait=true", {"points": [8], "vector": ["b"]})
    elif kind == "point gone":
        q.call("POST", "/collections/N/points/delete?wait=true", {"points": [8]})
    else:
        q.call("PUT", "/collections/N/points?wait=true", {"points": [{"id": 8888, "vector": {"b": [1, 1]}}]})


@pytest.mark.parametrize("kind", ["payload", "vector", "vector gone", "point gone", "point more"])
@pytest.mark.parametrize("full", ["full", ""])
def test_validate_names_what_differs(q, worker, kind, full):
    fill(q, 40)
    one = prepared(worker, samples=400)
    one("backfill")
    one.wait("backfill", "done")
    one(f"validate {full}")
    report = one.wait("validation", "done", "failed")
    assert report["passed"] is True and report["points"]["compared"] >= 40 and report["searches"]["run"] >= 40
    assert report["full"] is bool(full) and report["counts"] == {"legacy": 40, "new": 40}
    damage(q, kind)
    one(f"validate {full}")
    report = one.wait("validation", "done", "failed")
    assert report["passed"] is False
    wanted = 8888 if kind == "point more" else 8
    assert wanted in [entry["id"] for entry in report["points"]["differing"]]
    assert all(entry["reason"] for entry in report["points"]["differing"])


def test_validate_reports_searches_that_differ(q, worker):
    fill(q, 40)
    one = prepared(worker, samples=50)
    one("backfill")
    one.wait("backfill", "done")
    q.call("PUT", "/collections/N/points/vectors?wait=true",
           {"points": [{"id": 38, "vector": {"b": [1e6, 1e6]}}]})  # the best hit of every search by dot product
    one("validate")
    searches = one.wait("validation", "done", "failed")["searches"]
    assert searches["differing"] and {entry["vector"] for entry in searches["differing"]} == {"b"}


def test_a_report_survives_a_restart(q, worker):
    fill(q, 10)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one("validate")
    report = one.wait("validation", "done")
    one.stop()
    assert until(lambda: worker().status("validation"), lambda got: got is not None) == report


# ---- who leads

def test_who_does_not_lead_copies_nothing_and_shows_what_is_saved(q, worker, tmp_path):
    fill(q, 600)
    one = prepared(worker, points_per_s=300, parallel=2)
    one("backfill")
    until(lambda: one.status("backfill")["copied"], lambda copied: copied > 0)
    one("leader 0")
    until(lambda: one("journal")["copies"], lambda copies: copies == 0)
    for command in ["prepare", "backfill", "pause", "resume", "cancel", "validate", "reconcile"]:
        answer = one(command)
        assert answer["code"] == "STATE" and "lead" in answer["why"]
    one("dirty 2 4")
    at = len(q.dump("N"))
    # The other one goes on and saves.
    saved = json.loads((tmp_path / "backfill").read_text())
    (tmp_path / "backfill").write_text(json.dumps(saved | {"copied": 512, "cursor": 700}))
    (tmp_path / "validation").write_text('{"state":"done","passed":true}')
    until(lambda: one.status("backfill"), lambda got: (got["copied"], got["cursor"]) == (512, 700))
    until(lambda: one.status("validation"), lambda got: got and got["passed"])
    assert len(q.dump("N")) == at and one("journal")["dirty"] == 2
    assert json.loads((tmp_path / "backfill").read_text())["copied"] == 512  # nor does it save


def test_who_comes_to_lead_goes_on_from_what_is_saved(q, worker, tmp_path):
    fill(q, 600)
    one = prepared(worker, points_per_s=300, parallel=2)
    one("backfill")
    until(lambda: one.status("backfill")["copied"], lambda copied: copied > 0)
    one("leader 0")
    until(lambda: one("journal")["copies"], lambda copies: copies == 0)
    q.call("PUT", "/collections/N/points?wait=true", {"points": [make_point(i) for i in range(0, 580, 2)]})
    saved = json.loads((tmp_path / "backfill").read_text())
    (tmp_path / "backfill").write_text(json.dumps(saved | {"copied": 290, "cursor": 580}))
    until(lambda: one.status("backfill")["cursor"], lambda cursor: cursor == 580)
    q.clear_log()
    one("leader 1")
    one.wait("backfill", "done")
    scrolls = [json.loads(entry["body"]) for entry in q.log("POST", "/collections/L/points/scroll")]
    assert scrolls and all(body.get("offset") is not None for body in scrolls)
    assert min(body["offset"] for body in scrolls if isinstance(body["offset"], int)) == 580
    assert normal(q, "N") == normal(q, "L")


def test_a_reconcile_goes_on_with_the_lead(q, worker):
    fill(q, 600)
    one = prepared(worker, parallel=2, batch_points=20, points_per_s=600)
    one("reconcile")
    until(lambda: one.status("reconcile"), lambda got: got["compared"] > 0)
    one("leader 0")
    until(lambda: one.status("reconcile"), lambda got: got.get("progress", {}).get("cursor"))
    one("leader 1")
    assert "600 points compared" in one.wait("reconcile", "done", "failed")["detail"]
    until(lambda: normal(q, "N"), lambda got: got == normal(q, "L"))


def test_dual_writes_off_while_another_leads_are_not_forgotten(q, worker):
    """The one that leads may go before it has forgotten the backfill."""
    fill(q, 50)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one("leader 0")
    until(lambda: one.status("backfill"), lambda got: got["state"] == "done")
    one("dual_write 0")
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})
    time.sleep(1)
    one("dual_write 1")
    one("leader 1")
    until(lambda: one("complete"), lambda complete: complete is False)
    assert one.status("backfill")["state"] == "none"
    one("backfill")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


def test_another_replica_takes_the_lead(q, worker, tmp_path):
    """The one that led is killed in the middle of its copies; the other learns so by its silence."""
    fill(q, 1000)
    (tmp_path / "other").mkdir()
    one = prepared(worker, points_per_s=400, parallel=2)
    two = worker(leads=False, parallel=2, journal_state=tmp_path / "other")
    two("dual_write 1")
    one("backfill")
    until(lambda: two.status("backfill"), lambda got: got["state"] == "running" and got["copied"] > 100)
    assert two("pause")["code"] == "STATE" and not two("journal")["is_leader"]
    one.kill()
    until(lambda: two("journal"), lambda journal: journal["is_leader"])
    q.call("POST", "/collections/L/points/delete?wait=true", {"points": [2, 4]})
    two("dirty 2 4")
    assert two.wait("backfill", "done")["copied"] >= 1000
    assert two("complete") is True
    until(lambda: two("journal")["dirty"], lambda dirty: dirty == 0)
    assert normal(q, "N") == normal(q, "L")


# ---- the journal is away, or says no

def test_redis_does_not_answer_for_longer_than_a_lease(q, worker, redis):
    fill(q, 1000)
    one = prepared(worker, points_per_s=600, parallel=2)
    one("backfill")
    until(lambda: one.status("backfill")["copied"], lambda copied: copied > 100)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: one("journal"), lambda journal: journal["is_cut_off"])
        q.clear_log()
        time.sleep(1)
        assert q.log("POST", "/collections/N/points/batch") == []
    finally:
        redis.process.send_signal(signal.SIGCONT)
    one.wait("backfill", "done")
    until(lambda: one("journal"), lambda journal: journal["dirty"] == 0 and not journal["is_unknown"])
    assert normal(q, "N") == normal(q, "L")


def test_a_reconcile_that_redis_forgot_is_not_believed(q, worker, redis):
    """Its marks are lost with the rest; what differs is found by another one, from the start."""
    fill(q, 600)
    one = prepared(worker, parallel=2, batch_points=20, points_per_s=1200)
    one("looks 0")
    one("reconcile")
    until(lambda: one("journal")["dirty"], lambda dirty: dirty > 100)
    redis.client("FLUSHALL")
    until(lambda: one("journal"), lambda journal: journal["is_unknown"])
    one.wait("reconcile", "done", "failed")
    assert one("journal")["is_unknown"]
    one("looks -1")
    until(lambda: one("journal"), lambda journal: journal["is_leader"])
    one("reconcile")
    until(lambda: one("journal"), lambda journal: journal["dirty"] == 0 and not journal["is_unknown"])
    assert normal(q, "N") == normal(q, "L")


def test_the_journal_away_for_a_while(q, worker):
    fill(q, 400)
    one = prepared(worker, points_per_s=400)
    one("backfill")
    until(lambda: one.status("backfill")["copied"], lambda copied: copied > 0)
    one("away 1")
    until(lambda: one.status("backfill"), lambda got: "Redis" in (got["error"] or ""))
    until(lambda: one.status("repair"), lambda got: "Redis" in (got["error"] or ""))
    assert one.status("backfill")["state"] == "running"
    one("away 0")
    got = one.wait("backfill", "done")
    assert got["error"] is None and one.status("repair")["error"] is None
    assert normal(q, "N") == normal(q, "L")


def test_a_reconcile_waits_for_the_journal(q, worker):
    fill(q, 400)
    one = prepared(worker, points_per_s=800, batch_points=20)
    one("away 1")
    one("reconcile")
    until(lambda: one.status("reconcile"), lambda got: got.get("detail") == "waiting for Redis")
    one("away 0")
    until(lambda: one.status("reconcile"), lambda got: got["compared"] > 0)
    one("away 1")
    time.sleep(1)
    one("away 0")
    assert "400 differ" in one.wait("reconcile", "done", "failed")["detail"]


def test_a_gate_that_shuts_stops_a_copy_in_the_middle_of_its_body(q, worker):
    """Lease and token are looked at before the write, and again before its last bytes: half a body has no effect."""
    fill(q, 300)
    one = prepared(worker, parallel=1, batch_points=300)
    one("looks 1")
    one("backfill")
    until(lambda: one("ends"), lambda ends: ends["failed"] >= 2)
    assert one("ends")["unknown"] == 0 and one("ends")["done"] == 0
    assert q.log("POST", "points/batch") == [] and q.dump("N") == []
    assert one("journal")["dirty"] > 0 and one("journal")["held"] == 0
    one("looks -1")
    one.wait("backfill", "done")
    assert normal(q, "N") == normal(q, "L")


# ---- beside writes

def test_a_point_written_every_few_milliseconds_is_repaired(q, worker):
    fill(q, 40)
    one = prepared(worker)
    one("backfill")
    one.wait("backfill", "done")
    one("write 6 5")
    one("dirty 6 8")
    until(lambda: one("journal")["dirty"], lambda dirty: dirty == 0)
    assert one("quiet")["writes"] > 3
    assert normal(q, "N") == normal(q, "L")


def test_filter_writes_do_not_starve_a_backfill(q, worker):
    fill(q, 1000)
    one = prepared(worker, parallel=2, batch_points=200)
    one("write all 50")
    one("backfill")
    one.wait("backfill", "done")
    writes = one("quiet")["writes"]
    ends = one("ends")
    assert writes > 10 and ends["exclusive"] >= 4
    assert ends["exclusive_ids_max"] <= 1024
    until(lambda: one("journal")["dirty"], lambda dirty: dirty == 0)
    assert normal(q, "N") == normal(q, "L")


# ---- reconcile

def test_a_reconcile_goes_on_after_a_restart(q, worker, tmp_path):
    fill(q, 1000)
    one = prepared(worker, parallel=2, batch_points=20, points_per_s=1500)
    one("reconcile")
    saved = tmp_path / "reconcile"
    progress = until(lambda: json.loads(saved.read_text()).get("progress", {}) if saved.exists() else {},
                     lambda got: got.get("cursor") is not None and got["compared"] > 200)
    one.kill()
    progress = json.loads(saved.read_text())["progress"]
    q.clear_log()
    two = worker(parallel=2, batch_points=20)
    two("dual_write 1")  # and no other command
    got = two.wait("reconcile", "done", "failed")
    assert "1000 points compared" in got["detail"]
    first = json.loads(q.log("POST", "/collections/L/points/scroll")[0]["body"])
    assert first["offset"] == progress["cursor"]
    until(lambda: normal(q, "N"), lambda found: found == normal(q, "L"))


@pytest.mark.parametrize("parallel", [1, 5])
def test_parallel_ranges_cover_everything(q, worker, parallel):
    """Differences of every kind at and around the edges of ranges, which are 28 ids long here."""
    fill(q, 600)
    one = prepared(worker, parallel=parallel, batch_points=7)
    one("backfill")
    one.wait("backfill", "done")
    ids = q.ids("L")
    gone, changed, more = [], [], []
    for at in range(0, len(ids), 28):
        gone += ids[at:at + 1] + ids[at + 14:at + 15]
        changed += ids[at + 1:at + 2] + ids[at + 27:at + 28]
        more += [10_000 + at, str(uuid.UUID(int=(at << 64) + 1)), str(uuid.UUID(int=(at << 64) + 2))]
    q.call("POST", "/collections/N/points/delete?wait=true", {"points": gone})
    q.call("POST", "/collections/N/points/payload?wait=true", {"points": changed, "payload": {"big": 1}})
    q.call("PUT", "/collections/N/points?wait=true", {"points": [{"id": i, "vector": {"b": [1, 1]}} for i in more]})
    one("looks 0")  # nothing is repaired meanwhile
    one("reconcile")
    got = one.wait("reconcile", "done", "failed")
    differing = len(gone) + len(changed) + len(more)
    assert f"{600 + len(more)} points compared, {differing} differ" in got["detail"]
    assert one("journal")["dirty"] == differing
    one("looks -1")
    until(lambda: one("journal")["dirty"], lambda dirty: dirty == 0)
    assert normal(q, "N") == normal(q, "L")


def test_a_difference_that_was_only_a_write_in_flight_is_dropped(q, worker):
    fill(q, 40)
    one = prepared(worker, answer_ms=20000)
    one("backfill")
    one.wait("backfill", "done")
    point = {"id": 77, "vector": {"b": [1, 2]}, "payload": {}}
    q.call("PUT", "/collections/L/points?wait=true", {"points": [point]})
    q.fault("delay", path_regex="/collections/L/points$", ms=3000, times=1)  # when suspects are looked at again
    one("reconcile")
    until(lambda: q.faults()[0]["hits"], lambda hits: hits == 1)
    q.call("PUT", "/collections/N/points?wait=true", {"points": [point]})
    assert "41 points compared, 0 differ" in one.wait("reconcile", "done", "failed")["detail"]


def scroll_answer(points):
    return {"result": {"points": points, "next_page_offset": None}, "status": "ok", "time": 0.0}


def missing_one(q, collection="L"):
    """What a scroll answers that does not come by one point (as before Qdrant 1.14.0 it may)."""
    return scroll_answer([point | {"vector": point.get("vector", {})} for point in q.dump(collection) if point["id"] != 6])


def test_a_point_that_the_backfill_did_not_see_is_found_by_its_counts(q, worker):
    fill(q, 20)
    one = prepared(worker, parallel=1)
    q.fault("error", status=200, body=missing_one(q), path_regex="/collections/L/points/scroll", skip=1, times=1)
    one("backfill")
    until(lambda: q.faults()[0]["hits"], lambda hits: hits == 1)
    one.wait("backfill", "done", "failed")
    assert one.status("reconcile")["detail"].startswith("20 points compared, 1 differ")
    assert normal(q, "N") == normal(q, "L")


def filled_but_one(q, worker):
    fill(q, 20)
    one = prepared(worker, parallel=1)
    one("backfill")
    one.wait("backfill", "done")
    q.call("POST", "/collections/N/points/delete?wait=true", {"points": [6]})
    return one


@pytest.mark.parametrize("skip", [0, 1])
def test_a_point_that_one_of_two_scrolls_misses(q, worker, skip):
    one = filled_but_one(q, worker)
    q.fault("error", status=200, body=missing_one(q), path_regex="/collections/L/points/scroll", skip=skip, times=1)
    one("reconcile")
    assert "1 differ" in one.wait("reconcile", "done", "failed")["detail"]
    until(lambda: normal(q, "N"), lambda got: got == normal(q, "L"))


def test_a_point_that_both_scrolls_miss_is_found_by_the_counts(q, worker):
    one = filled_but_one(q, worker)
    q.fault("error", status=200, body=missing_one(q), path_regex="/collections/L/points/scroll", times=2)
    one("reconcile")
    assert "1 differ" in one.wait("reconcile", "done", "failed")["detail"]
    until(lambda: normal(q, "N"), lambda got: got == normal(q, "L"))


def test_counts_that_never_fit_leave_the_journal_without_knowledge(q, worker):
    one = filled_but_one(q, worker)
    one("unknown")
    q.fault("error", status=200, body=missing_one(q), path_regex="/collections/L/points/scroll")
    got = one.wait("reconcile", "done", "failed")
    assert got["state"] == "failed" and "20 and 19" in got["error"]
    assert one("journal")["is_unknown"] is True
    q.clear_faults()
    one("reconcile")
    assert one.wait("reconcile", "done")["state"] == "done"
    until(lambda: one("journal"), lambda journal: journal["dirty"] == 0 and not journal["is_unknown"])
    assert normal(q, "N") == normal(q, "L")


def test_a_reconcile_beside_inserts_comes_to_an_end(q, worker):
    fill(q, 300)
    one = prepared(worker, parallel=2, batch_points=20, points_per_s=600)
    one("backfill")
    one.wait("backfill", "done")
    one("unknown")
    one("reconcile")
    for i in range(2000, 2100):
        for name in "LN":
            q.call("PUT", f"/collections/{name}/points?wait=true",
                   {"points": [{"id": i, "vector": {"b": [1, 1]}, "payload": {}}]})
    until(lambda: one("journal"), lambda journal: not journal["is_unknown"])
    assert normal(q, "N") == normal(q, "L")
