"""Finding what a request of lm-evaluation-harness asks, and putting an edit before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memedit.edit import Edit
from memedit.models.roles import in_front


def own_question(context: str, doc: Any) -> int:
    """Where in a context the document's own part begins, behind description and examples.

    That is the beginning of the paragraph (blank lines separate them, as they do lm-eval's
    examples) in which the longest text of the document found in the context stands for the last
    time; where none of its texts is found, of the last paragraph. Tasks that separate examples by
    other means are routed with their examples.

    Args:
        context: What the model reads before its answer.
        doc: The document as lm-eval holds it: texts, or lists and objects with texts in them.

    Returns:
        A place in ``context``, counted in characters.
    """
    texts = sorted(set(_texts(doc)), key=lambda text: (-len(text), text))
    places = (context.rfind(text) for text in texts)
    anchor = next((at for at in places if at >= 0), len(context.rstrip()))
    blank_line = context.rfind("\n\n", 0, anchor)
    return 0 if blank_line < 0 else blank_line + 2


def with_facts(context: str, start: int, edits: Sequence[Edit]) -> str:
    """The context with what the edits state put before its question.

    It stands behind any examples: where a context is too long for the model, lm-eval cuts it at
    its beginning.
    """
    return context[:start] + in_front(edits) + context[start:]


def _texts(value: Any) -> Iterator[str]:
    """The texts in a document, without the space around them."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, Sequence):
        yield from (text for part in value for text in _texts(part))
