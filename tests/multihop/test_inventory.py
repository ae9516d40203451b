from __future__ import annotations

from importlib import resources

from memedit.multihop.walk.inventory import Inventory, fits
from tests.multihop.conftest import WordEncoder

KINDS = frozenset("person country city place group work thing *".split())


def test_every_shipped_relation_can_be_asked_for():
    text = resources.files("memedit.multihop.walk").joinpath("relations.txt").read_text("utf-8")
    inventory = Inventory.read(text, WordEncoder())
    assert len({relation.name for relation in inventory.relations}) == len(inventory.relations)
    for relation in inventory.relations:
        assert relation.subject <= KINDS and relation.object <= KINDS, relation.name
        assert relation.questions, relation.name
        assert all(question.count("{}") == 1 for question in relation.questions), relation.name


def test_kinds():
    country, person = frozenset({"country"}), frozenset({"person"})
    assert fits(country, country | person)
    assert not fits(country, person)
    assert fits(frozenset(), person), "what is not known may be anything"
    assert fits(country, frozenset({"*"}))
