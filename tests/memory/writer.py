"""A process that writes to a store until it is killed, and tells what it was promised.

Run as ``python writer.py STORE NAME``: adds, updates, retires and erases edits of its own in a
loop and prints one line of JSON once each call has returned.
"""

from __future__ import annotations

import itertools
import json
import sys

from conftest import HashEncoder

from memedit.edit import Edit
from memedit.memory import EditMemory


def main(path: str, name: str) -> None:
    memory = EditMemory.open(path, encoder=HashEncoder(), lock_timeout=30.0)
    for turn in itertools.count():
        edits = [
            Edit(
                id=f"{name}-{turn}-{n}",
                subject=f"{name} {turn} {n}",
                prompt="{} is the capital of",
                target_new=f"country {turn}",
            )
            for n in range(1 + turn % 25)
        ]
        ids = memory.add(edits)
        tell({edit_id: "active" for edit_id in ids})
        if turn % 3 == 0:
            memory.retire(ids[0])
            tell({ids[0]: "retired"})
        if turn % 5 == 0:
            memory.update(ids[-1], target_new="a new country")
            tell({ids[-1]: "updated"})
        if turn % 7 == 0:
            memory.erase(ids[0])
            tell({ids[0]: "erased"})


def tell(promise: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(promise) + "\n")
    sys.stdout.flush()


main(*sys.argv[1:])
