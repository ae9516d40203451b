"""Names in place of PersonX: commonsense is written of anybody, and asked of somebody.

ATOMIC's events (Sap et al. 2019, arXiv 1811.00146, section 2) say PersonX, PersonY and PersonZ for
whoever takes part. To a model these are words like others, whose keys are far from a name's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memedit.edit import Edit

_PERSON = re.compile(r"\bperson ?([xyz])\b", re.IGNORECASE)


def named(edit: Edit, names: Sequence[str], *, id: str) -> Edit | None:
    """The edit with PersonX as the first of some names, PersonY the second, PersonZ the third.

    Args:
        edit: The edit.
        names: Three names.
        id: The new edit's.

    Returns:
        None where neither subject nor prompt has a placeholder.
    """

    def filled(text: str) -> str:
        return _PERSON.sub(lambda found: names["xyz".index(found[1].lower())], text)

    words = {name: getattr(edit, name) for name in ("subject", "prompt")}
    if not any(_PERSON.search(text) for text in words.values()):
        return None
    said = {name: filled(text) for name, text in words.items()}
    return Edit(id=id, kind=edit.kind, target_new=filled(edit.target_new), **said)
