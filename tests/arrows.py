"""The arrows point down: each folder includes only what stands below it, and each third-party library is met where it is meant to
be. Prints every include that breaks this and fails if there is one.

SPDX-License-Identifier: Apache-2.0
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What stands on one level does not know of its neighbours.
LEVELS = [["common/base"], ["common/json", "common/http", "common/codec", "common/bridge", "common/redis", "common/yaml"], ["proxy/config"],
          ["proxy/stats", "proxy/snapshot", "proxy/scan"], ["proxy/route", "proxy/journal"], ["proxy/net"],
          ["proxy/fanout", "proxy/worker", "proxy/control"], ["proxy/admin", "proxy/cli"], ["proxy"]]
LEVEL = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
LIBRARIES = {"hiredis": {"common/redis"}, "yaml.h": {"common/yaml"}, "zlib.h": {"common/codec", "proxy/journal"}, "brotli": {"common/codec"},
             "zstd.h": {"common/codec"}, "curl": {"proxy/worker", "proxy/control", "proxy/cli", "proxy"},
             "cjson": {"proxy/route", "proxy/control", "proxy/admin", "proxy/cli"},
             "openssl": {"proxy/fanout", "proxy/admin"},
             "event2": {"common/redis", "common/bridge", "proxy/journal", "proxy/net", "proxy/control", "proxy/admin", "proxy"}}


def folder_of(path: str) -> str:
    return "/".join(path.split("/")[:-1])


def wrong(folder: str, include: str, is_ours: bool) -> bool:
    if not is_ours:
        return folder not in LIBRARIES.get(include.split("/")[0], {folder})
    return folder_of(include) != folder and LEVEL[folder_of(include)] >= LEVEL[folder]


def main() -> int:
    files = [p for top in ("common", "proxy") for p in sorted((ROOT / top).rglob("*.[ch]"))]
    bad = 0
    for path in files:
        folder = folder_of(str(path.relative_to(ROOT)))
        for opening, include in re.findall(r'^\s*#\s*include\s+(["<])([^">]+)[">]', path.read_text(), re.M):
            if wrong(folder, include, opening == '"'):
                print(f"{path.relative_to(ROOT)} includes {include}")
                bad += 1
    print(f"{len(files)} files, {bad} includes against the arrows")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
