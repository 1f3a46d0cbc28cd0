# SPDX-License-Identifier: Apache-2.0
"""The result of one test as a JUnit file."""
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, classname: str, name: str, seconds: float, failure: str | None) -> None:
    suite = ElementTree.Element("testsuite", name=classname, tests="1", failures=str(int(failure is not None)))
    case = ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time=f"{seconds:.1f}")
    if failure is not None:
        ElementTree.SubElement(case, "failure", message=failure.splitlines()[0]).text = NOT_XML.sub("?", failure)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="unicode", xml_declaration=True)
