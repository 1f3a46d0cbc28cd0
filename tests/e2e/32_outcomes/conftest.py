# SPDX-License-Identifier: Apache-2.0
"""The program with a journal that a test can hold up and listen to (tests/unit/fanout/shim_journal.c), which is built beside it."""
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from drivers import points  # noqa: E402
from drivers.crossfade import binary  # noqa: E402
from drivers.waiting import until  # noqa: E402

SHIMMED = Path(binary()).resolve().parents[1] / "tests/unit/fanout/crossfade_shimmed"


class Shim:
    def __init__(self, folder: Path):
        self.folder = folder

    def on(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def off(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def lines(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def forget(self) -> None:
        (self.folder / "log").unlink(missing_ok=True)

    def wait_until_held(self, count: int = 1) -> None:
        until(lambda: self.lines().count("held"), lambda seen: seen >= count)

    def begins(self) -> list[str]:
        return [line for line in self.lines() if line.startswith("begin")]

    def ends(self) -> list[str]:
        return [line for line in self.lines() if line.split()[0] in ("none", "clean", "dirty")]

    def wait_for_story(self, lines: list[str]) -> None:
        until(self.lines, lambda seen: len(seen) >= len(lines))
        assert self.lines() == lines

    def end(self) -> str:
        """What the journal was told of the only write since forget(); a client may have its answer before that."""
        return until(self.ends, lambda ends: len(ends) == 1)[0]


@pytest.fixture
def shim(tmp_path, monkeypatch) -> Shim:
    folder = tmp_path / "shim"
    folder.mkdir()
    monkeypatch.setenv("CROSSFADE_BINARY", str(SHIMMED))
    monkeypatch.setenv("SHIM_DIR", str(folder))
    return Shim(folder)


@pytest.fixture
def apart(shim, start_scene, start_standin, shared_standin, second_standin):
    """Two servers, with `may_kill` of the test's own; a write has been through, so that the credential is known to the one
    thread there is."""
    def start(may_kill=False, **settings):
        servers = [start_standin(), start_standin()] if may_kill else [shared_standin, second_standin]
        if not may_kill:
            for server in servers:
                server.reset()
        scene = start_scene(legacy_server=servers[0], new_server=servers[1], threads=1, **settings)
        assert scene.upsert(points.point(1)).status == 200
        until(shim.ends)
        shim.forget()
        return scene
    return start
