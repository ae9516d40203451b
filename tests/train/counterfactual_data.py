"""Records written for these tests, and a tiny model in a folder."""

from __future__ import annotations

from pathlib import Path

from memedit.edit import Edit
from memedit.evaluate.cases import Query
from memedit.train.sources import Record
from tests.models.tiny import tiny_network, tiny_tokenizer

NAMES = (
    "Ada",
    "Bo",
    "Cy",
    "Di",
    "Ed",
    "Flo",
    "Gus",
    "Hal",
    "Ida",
    "Jo",
    "Kim",
    "Lu",
    "Max",
    "Nell",
)
TOWNS = ("Rome", "Oslo", "Lima", "Bern", "Cork", "Nara", "Pune")


def record(place: int, *, dev: bool = False) -> Record:
    """One fact with a query of most kinds."""
    name, town = NAMES[place % len(NAMES)] + str(place), TOWNS[place % len(TOWNS)]
    former = TOWNS[(place + 1) % len(TOWNS)]
    edit = Edit(
        id=f"e{place}", subject=name, prompt="{} lives in", target_new=town, target_true=former
    )
    told = {"answers": (town,), "fires": True}
    queries = (
        Query(f"{name} lives in", "edit", **told),
        Query(f"It rained. {name} dwells in", "rephrase", **told),
        Query(f"Where does {name} live?", "rephrase", **told),
        Query(f"Where does {name}x live?", "alias", **told),
        Query(f"Wo wohnt {name}?", "rephrase", label="de", **told),
        Query(f"{name} was born in", "locality", fires=False),
        Query(f"The river of the town of {name} is", "one_hop", answers=("Po",)),
        Query(f"Who lives in {town}?", "reverse", answers=(name,)),
    )
    return Record("knowedit", "rippleedits", str(place), edit, "home", queries, dev)


def records(count: int = 40) -> list[Record]:
    """Some to learn from and a few that are kept for development."""
    return [record(place, dev=place % 5 == 4) for place in range(count)]


def tiny_folder(path: Path, seed: int = 0) -> Path:
    """The tiny model as :func:`memedit.models.load.load_local_model` reads one."""
    tiny_network(seed).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path
