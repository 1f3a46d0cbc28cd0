# SPDX-License-Identifier: Apache-2.0
"""Proves that the official JavaScript client works through the proxy in every phase, and that what it wrote is on both sides."""
import json
import subprocess
from pathlib import Path

import pytest
from drivers import points

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def node_modules() -> None:
    if not (HERE.parent / "node_modules").exists():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=HERE.parent, check=True, timeout=600)


def use(scene, name: str, first: int) -> set[str]:
    """Runs the script; what it did not expect is the failure's text."""
    key = scene.legacy.server.options.get("api_key")
    done = subprocess.run(["node", str(HERE / "use_client.mjs"), f"http://127.0.0.1:{scene.proxy.port}", name, str(first)]
                          + ([key] if key else []), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr + scene.proxy.log()[-2000:]
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("which", ["legacy", "new"])
@pytest.mark.parametrize("dual_write, new_reads", [(0, 0), (1, 0), (1, 1), (0, 1)])
def test_every_common_call_in_every_phase(start_scene, node_modules, dual_write, new_reads, which):
    scene = start_scene(1, new_reads)
    scene.upsert(*[points.point(number) for number in range(1, 31)])
    scene.flags(dual_write, new_reads)
    called = use(scene, getattr(scene, which).collection, 1000)
    assert len(called) >= 25
    if dual_write:
        assert len(scene.wait_until_equal()) == 30 + 37


def test_two_applications_with_either_name_during_the_canary(start_scene, node_modules):
    scene = start_scene(1, "50%")
    scene.upsert(*[points.point(number) for number in range(1, 31)])
    use(scene, scene.new.collection, 1000)
    use(scene, scene.legacy.collection, 2000)
    assert len(scene.wait_until_equal()) == 30 + 2 * 37
