"""Adds up JUnit files and prints the closing line: N passed, N failed (and how many were skipped, with the reasons).

SPDX-License-Identifier: Apache-2.0
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
    failed, passed, reasons = int(sys.argv[1]), 0, collections.Counter()
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            skip = case.find("skipped")
            if skip is not None or case.get("status") == "disabled":
                reasons[skip.get("message", "no reason given") if skip is not None else "disabled"] += 1
            elif case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
                print(f"FAILED {path.stem}: {case.get('classname', '')} {case.get('name')}")
                failed += 1
            else:
                passed += 1
    for reason, count in reasons.items():
        print(f"skipped {count}: {reason}")
    print(f"{passed} passed, {failed} failed" + (f", {sum(reasons.values())} skipped" if reasons else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
