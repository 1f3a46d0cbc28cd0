# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the stand-in's own tests: reset before each test, so that no switch and no point leaks."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from standin.driver import Standin  # noqa: E402


@pytest.fixture
def start():
    """start(**options) gives a running stand-in that ends with the test."""
    running = []

    def starter(**options) -> Standin:
        running.append(Standin(**options).start())
        return running[-1]
    yield starter
    for standin in running:
        standin.stop()


@pytest.fixture(scope="session")
def shared():
    with Standin() as standin:
        yield standin


@pytest.fixture
def qdrant(shared) -> Standin:
    """A stand-in for 1.18.3 with the collection c: unnamed vector of 4, Dot."""
    shared.reset()
    shared.call("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
    return shared
