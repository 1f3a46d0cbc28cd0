#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the table of docs/consistency.md: that each failure has every operation once, and that the tests it names exist."""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent
SECTION = "## Operation, failure, outcome"


def functions() -> set[str]:
    """Test functions by name, those of C also as file::function."""
    names = set()
    for path in TESTS.rglob("*.py"):
        names.update(re.findall(r"^\s*def (test_\w+)", path.read_text(), re.M))
    for path in (TESTS / "unit").rglob("*.c"):
        for name in re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", path.read_text()):
            names.update({name, f"{path.name}::{name}"})
        for name in re.findall(r"^static void (\w+)\(void \*\*state\)", path.read_text(), re.M):
            names.update({name, f"{path.name}::{name}"})
    return names


def stories() -> set[str]:
    return {line.strip() for path in (TESTS / "unit/journal/stories").iterdir() for line in path.read_text().splitlines()
            if line and line[0] not in "# "}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables in it, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    is_head = [after.startswith("|---") for after in lines[1:] + [""]]
    return [cells(line) for line, head in zip(lines, is_head) if not head and not line.startswith("|---")]


def main() -> int:
    text = (TESTS.parent / "docs/consistency.md").read_text()
    section = text[text.index(SECTION):].split("\n## ")[0] if SECTION in text else ""
    head, *failures = section.split("\n### ")
    operations = [row[0] for row in rows(head)]
    known = functions() | stories()
    wrong = [] if operations and failures else ["the table is not there"]
    named = 0
    for failure in failures:
        title, body = failure.split("\n", 1)
        found = []
        for row in rows(body):
            found += [word.strip() for word in row[0].split(",")]
            if not re.search(r"`[^`]+`", row[-1]):
                wrong.append(f"{title}: {row[0]}: no test is named")
        if sorted(found) != sorted(operations):
            wrong.append(f"{title}: not each operation once: {sorted(set(operations) ^ set(found)) or 'twice'}")
        # Prose under a table names tests too; what a cell says in code otherwise stands in the second column.
        places = [row[-1] for row in rows(body)] + [line for line in body.splitlines() if not line.startswith("|")]
        for name in (name for place in places for name in re.findall(r"`([^`]+)`", place)):
            named += 1
            if name.startswith("layer "):
                exists = (TESTS / f"model/layer_{name[6:]}.pml").is_file()
            elif name.startswith("tests/"):
                exists = (TESTS.parent / name).is_file()
            else:
                exists = name in known
            if not exists:
                wrong.append(f"{title}: there is no test {name}")
    for line in wrong:
        print(f"docs/consistency.md: {line}", file=sys.stderr)
    print(f"{len(failures)} failures, {len(operations)} operations, {named} names")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
