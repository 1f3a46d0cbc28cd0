"""The command line against a stand-in of the admin API: which request each verb makes, what is shown, the exit codes.

Usage: test_cli.py PROGRAM [unittest options]

SPDX-License-Identifier: Apache-2.0
"""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parents[3]
STATUS = {
    "name": "m", "phase": "dual_write", "flags": {"dual_write": True, "new_reads": "0"}, "authority": "legacy",
    "backfill": {"state": "running", "copied": 500, "total": 2000, "rate": 250.0, "eta_s": 6, "cursor": None},
    "dirty": {"count": 3, "unknown": False, "oldest_age_ms": 20}, "in_flight": 1, "validation": None, "warnings": ["redis is down"],
}


class Admin(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next scripted answer, the last one over and over, and remembers what was asked."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, json.loads(body) if body else None,
                                 self.headers.get("Authorization")))
        script = self.server.script
        status, answer, *headers = script.pop(0) if len(script) > 1 else script[0]
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


def status(**changes):
    return 200, {**STATUS, **changes}


class CliTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
        self.server.seen = []
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_cli(self, *words, script=((200, {}),), env=None):
        self.server.script = list(script)
        self.server.seen.clear()
        base = {k: v for k, v in os.environ.items() if not k.startswith("CROSSFADE_")}
        return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=300,
                              env={**base, "CROSSFADE_ADMIN": self.url, **(env or {})})

    def check_request(self, words, method, path, body):
        result = self.run_cli(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.server.seen, [(method, path, body, None)])

    def test_each_verb_makes_its_request(self):
        api = "/api/v1/migrations"
        for words, method, path, body in [
            ("status", "GET", "", None), ("status m", "GET", "/m", None), ("prepare m", "POST", "/m/prepare", {}),
            ("prepare m --dry-run --adopt", "POST", "/m/prepare", {"dry_run": True, "adopt": True}),
            ("dual-write m on", "PUT", "/m/flags", {"dual_write": True}),
            ("dual-write m off", "PUT", "/m/flags", {"dual_write": False}),
            ("backfill m", "POST", "/m/backfill", {}),
            ("backfill --dry-run m", "POST", "/m/backfill", {"dry_run": True}),
            ("pause m", "POST", "/m/pause", {}), ("resume m", "POST", "/m/resume", {}),
            ("cancel m", "POST", "/m/cancel", {}), ("validate m --full", "POST", "/m/validate", {"full": True}),
            ("switch m", "POST", "/m/switch", {}), ("switch m --percent=25", "POST", "/m/switch", {"percent": 25}),
            ("rollback m", "POST", "/m/rollback", {}), ("finish m", "POST", "/m/finish", {}),
            ("cleanup m --confirm a_b", "POST", "/m/cleanup", {"confirm": "a_b"}),
            ("reconcile m", "POST", "/m/reconcile", {}),
            ("replica forget a1/b --migration m", "POST", "/m/replicas/a1%2Fb/forget", {}),
        ]:
            with self.subTest(words):
                self.check_request(words.split(), method, api + path, body)
        self.check_request(["status", "a/b ?"], "GET", api + "/a%2Fb%20%3F", None)
        self.check_request(["schema", "history"], "GET", "/api/v1/schema/history", None)
        self.check_request(["schema", "apply"], "POST", "/api/v1/schema/apply", {})

    def test_status_for_people(self):
        out = self.run_cli("status", "m", script=[status()]).stdout
        for line in ["phase            dual_write", "backfill         running, 500 of 2000 (25%) points, 250/s, 6 s left",
                     "  dual write     yes", "  count          3", "in flight        1", "  redis is down"]:
            self.assertIn(line + "\n", out)
        out = self.run_cli("status", script=[(200, {"migrations": [STATUS]})]).stdout.splitlines()
        self.assertEqual(out[1].split(), ["m", "dual_write", "on", "0", "running", "3"])

    def test_missing_and_unknown_fields_are_shown_as_they_come(self):
        self.assertEqual(self.run_cli("status", "m", script=[(200, {"later": 1})]).stdout.split(), ["later", "1"])
        self.assertEqual(self.run_cli("status", script=[(200, [{}])]).returncode, 0)
        self.assertIn("surprise", self.run_cli("status", "m", script=[(200, {"result": {"surprise": [1]}})]).stdout)

    def test_long_ids_are_shown_exactly(self):
        answer = b'{"validation":{"points":{"differing":[{"id":18446744073709551615,"reason":"payload"}]}}}'
        self.assertIn("id 18446744073709551615, reason payload", self.run_cli("status", "m", script=[(200, answer)]).stdout)
        self.assertEqual(self.run_cli("status", "m", "--json", script=[(200, answer)]).stdout, answer.decode() + "\n")

    def test_terminal_codes_from_the_proxy_are_not_passed_on(self):
        out = self.run_cli("status", "m", script=[(200, {"error": "a\x1b[2Jb"})]).stdout
        self.assertIn("a?[2Jb", out)

    def test_refusal(self):
        result = self.run_cli("switch", "m", script=[(409, {"status": {"error": "3 points are dirty"}})])
        self.assertEqual((result.returncode, result.stderr), (1, "crossfade: 3 points are dirty\n"))
        result = self.run_cli("switch", "m", script=[(500, b"oops")])
        self.assertEqual((result.returncode, result.stderr), (1, "crossfade: the admin API answered with status 500\n"))
        result = self.run_cli("status", script=[(401, {"status": {"error": "no token"}})])
        self.assertEqual(result.returncode, 1)
        self.assertIn("CROSSFADE_ADMIN_TOKEN", result.stderr)

    def test_asked_again_where_the_answer_says_when(self):
        later = (503, {"status": {"error": "no replica leads yet"}}, ("Retry-After", "1"))
        result = self.run_cli("prepare", "m", script=[later, later, (202, {})])
        self.assertEqual((result.returncode, len(self.server.seen)), (0, 3))
        result = self.run_cli("prepare", "m", script=[(503, {"status": {"error": "Redis is away"}})])
        self.assertEqual((result.returncode, len(self.server.seen)), (1, 1))

    def test_a_replica_is_forgotten_where_it_is_registered(self):
        lists = [("a", ["x", "y"]), ("b", ["y"]), ("c d", ["x"])]
        status = (200, {"migrations": [{"name": name, "replicas": [{"id": replica, "state": "lapsed"} for replica in replicas]}
                                       for name, replicas in lists]})
        result = self.run_cli("replica", "forget", "x", script=[status, (409, {"status": {"error": "it is back"}}), (200, {})])
        self.assertEqual([path for _, path, _, _ in self.server.seen],
                         ["/api/v1/migrations", "/api/v1/migrations/a/replicas/x/forget", "/api/v1/migrations/c%20d/replicas/x/forget"])
        self.assertEqual((result.returncode, result.stderr), (1, "crossfade: it is back\n"))
        result = self.run_cli("replica", "forget", "z", script=[status])
        self.assertEqual((result.returncode, len(self.server.seen)), (1, 1))
        self.assertIn("no migration has such a replica", result.stderr)

    def test_unreachable(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
            result = self.run_cli("status", "--admin", f"http://127.0.0.1:{free.getsockname()[1]}")
        self.assertEqual(result.returncode, 3)
        self.assertIn("cannot be reached", result.stderr)

    def test_token(self):
        self.run_cli("status", env={"CROSSFADE_ADMIN_TOKEN": "from-env"})
        self.assertEqual(self.server.seen[0][3], "Bearer from-env")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("from-file\n")
            file.flush()
            self.run_cli("status", "--token-file", file.name, env={"CROSSFADE_ADMIN_TOKEN": "from-env"})
            self.assertEqual(self.server.seen[0][3], "Bearer from-file")
            file.write("second line\n")
            file.flush()
            result = self.run_cli("status", "--token-file", file.name)
        self.assertEqual((result.returncode, self.server.seen), (2, []))
        self.assertNotIn("from-file", result.stderr)

    def test_follow(self):
        run = [(202, {})] + [status(backfill={"state": s, "copied": c, "total": 10, "rate": 5})
                             for s, c in [("starting", 0), ("running", 5), ("repairing", 10), ("done", 10)]]
        result = self.run_cli("backfill", "m", "--follow", script=run)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines(),
                         ["starting: 0 of 10 points, 5/s", "running: 5 of 10 points, 5/s",
                          "repairing: 10 of 10 points, 5/s", "done: 10 of 10 points"])
        run[2] = status(backfill={"state": "failed", "copied": 5, "total": 10, "error": "disk full"})
        result = self.run_cli("backfill", "m", "--follow", script=run)
        self.assertEqual(result.returncode, 1)
        self.assertIn("failed: disk full", result.stderr)

    def test_wait_for_validation(self):
        for report, code in [({"state": "done", "passed": True}, 0), ({"state": "done", "passed": False}, 4),
                             ({"state": "failed", "passed": False, "error": "gone"}, 1), ({"state": "done"}, 1),
                             (None, 1)]:
            with self.subTest(report):
                result = self.run_cli("validate", "m", "--wait", script=[
                    (202, {}), status(validation={"state": "running", "compared": 1}), status(validation=report)])
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertEqual(len(self.server.seen), 3)
        result = self.run_cli("prepare", "m", "--wait", script=[(202, {}), status(prepare={"state": "failed"})])
        self.assertEqual(result.returncode, 1)

    def test_usage(self):
        for words in ["", "fly", "status a b", "status --follow", "prepare", "dual-write m", "dual-write m maybe",
                      "switch m --percent 0", "switch m --percent 100", "switch m --percent", "cleanup m",
                      "status --json=1", "schema", "schema fly", "help fly", "check", "replica", "replica forget", "replica fly x",
                      "status --migration m"]:
            with self.subTest(words):
                result = self.run_cli(*words.split())
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertTrue(result.stderr)
                self.assertEqual(self.server.seen, [])

    def test_help_and_version(self):
        overview = self.run_cli("--help").stdout
        for verb in ["serve", "check", "status", "cleanup", "version", "help"]:
            self.assertIn(f"crossfade {verb} ", overview)
            self.assertIn(verb, self.run_cli("help", verb).stdout)
        self.assertIn("--follow", self.run_cli("backfill", "--help").stdout)
        self.assertRegex(self.run_cli("--version").stdout, r"^crossfade \d+\.\d+\.\d+\n$")

    def test_check(self):
        self.assertEqual(self.run_cli("check", "--config", str(ROOT / "config/crossfade.yaml")).returncode, 0)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("listen: 127.0.0.1:1\nupstream: {}\n")
            file.flush()
            result = self.run_cli("check", "--config", file.name)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f'{file.name}:2:1: upstream: found an unknown key, expected perhaps "upstreams"\n', result.stderr)
        for option, page in [("--print-reference", "docs/configuration.md"), ("--print-sample", "config/crossfade.yaml")]:
            self.assertEqual(self.run_cli("check", option).stdout, (ROOT / page).read_text())

    def test_a_full_disk_is_noticed(self):
        with open("/dev/full", "w") as full:
            code = subprocess.run([PROGRAM, "version"], stdout=full, stderr=subprocess.DEVNULL).returncode
        self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
