# SPDX-License-Identifier: Apache-2.0
"""The worker alone (worker_drive) against the stand-in: what ends up in the new collection, and what survives faults.

Run with CROSSFADE_WORKER_DRIVE naming the program; ctest does."""
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

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


@pytest.fixture
def q(server):
    server.reset()
    return server


@pytest.fixture
def worker(q, tmp_path):
    started = []

    def start(**options):
        started.append(Worker(q, tmp_path, **options))
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
    assert two.status("reconcile")["state"] == "done"  # a restarted journal knew nothing
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
