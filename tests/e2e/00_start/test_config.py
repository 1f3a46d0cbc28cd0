# SPDX-License-Identifier: Apache-2.0
"""Proves that a wrong configuration is refused with the place and the remedy, all mistakes at once, and no secret shown."""
import pytest
from drivers import crossfade

GOOD = """\
listen: 127.0.0.1:7333
admin: {listen: 127.0.0.1:7334}
redis: {url: redis://127.0.0.1:6379/0}
state_dir: state
upstreams:
  main: {url: http://127.0.0.1:6333}
migrations:
  - name: m
    legacy: {upstream: main, collection: a}
    new:    {upstream: main, collection: b}
"""
MISTAKES = [
    ("listen: 127.0.0.1:7333", "listen: 7333x", "1:9", "listen"),
    ("state_dir: state", "state_dirr: state", "4:1", "state_dir"),
    ("collection: b", "collection: a", ":10:", "collection"),
    ("upstream: main, collection: b", "upstream: mian, collection: b", ":10:", "mian"),
    ("http://127.0.0.1:6333", "https://127.0.0.1:6333", "6:15", "TLS"),
    ("redis://127.0.0.1:6379/0", "rediss://127.0.0.1:6379/0", "3:14", "TLS"),
    ("  - name: m\n", "  - name: m\n    ack: sometimes\n", "9:10", "authority"),
    ("admin: {listen: 127.0.0.1:7334}", "admin: {listen: 0.0.0.0:7334}", "2:", "token"),
    ("state_dir: state", "state_dir: state\nthreads: 0", "5:10", "threads"),
    ("state_dir: state", "state_dir: state\ntimeouts: {answer: 5 fortnights}", "5:20", "timeouts.answer"),
    ("{upstream: main, collection: a}", "{upstream: main}", ":9:", "collection"),
]


def check(tmp_path, text: str, environment: dict | None = None):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return crossfade.run("check", "--config", str(path), environment=environment)


def test_a_good_one_is_good(tmp_path):
    assert check(tmp_path, GOOD).returncode == 0


def test_what_ships_is_good():
    assert crossfade.run("check", "--config", str(crossfade.ROOT / "config" / "crossfade.yaml")).returncode == 0


@pytest.mark.parametrize("good, bad, place, word", MISTAKES, ids=[row[1][:24] for row in MISTAKES])
def test_a_mistake_is_named_with_its_place(tmp_path, good, bad, place, word):
    assert good in GOOD
    told = check(tmp_path, GOOD.replace(good, bad))
    assert told.returncode == 1
    assert place in told.stderr and word in told.stderr and str(tmp_path / "c.yaml") in told.stderr


def test_all_mistakes_are_told_in_one_run(tmp_path):
    told = check(tmp_path, GOOD.replace("state_dir", "state_dirr").replace("redis://", "redys://").replace("name: m", "name: 'm m'"))
    assert told.returncode == 1
    assert len([line for line in told.stderr.splitlines() if "c.yaml:" in line]) >= 3


def test_serve_says_the_same_and_does_not_start(tmp_path):
    told = check(tmp_path, GOOD.replace("state_dir", "state_dirr"))
    served = crossfade.run("serve", "--config", str(tmp_path / "c.yaml"))
    assert served.returncode == 1 and served.stderr.strip() == told.stderr.strip()


def test_a_secret_is_never_printed(tmp_path):
    text = GOOD.replace("redis://127.0.0.1:6379/0", "redis://user:canary-password@127.0.0.1:6379/x")
    told = check(tmp_path, text)
    assert told.returncode == 1 and "canary-password" not in told.stderr + told.stdout


def test_an_environment_variable_that_is_named_has_to_be_there(tmp_path):
    text = GOOD.replace("{url: http://127.0.0.1:6333}", "{url: http://127.0.0.1:6333, api_key_env: E2E_MISSING}")
    told = check(tmp_path, text)
    assert told.returncode == 1 and "E2E_MISSING" in told.stderr
    assert check(tmp_path, text, {"E2E_MISSING": "k"}).returncode == 0


def test_no_file_is_told_apart_from_a_bad_one(tmp_path):
    told = crossfade.run("check", "--config", str(tmp_path / "none.yaml"))
    assert told.returncode == 1 and "none.yaml" in told.stderr
