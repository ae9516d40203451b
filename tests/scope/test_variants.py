"""Names nobody gave: how alike two names are, and finding what a text may mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.scope.likeness import compare, sound, word_likeness
from memedit.scope.name_words import acronyms, as_acronym, name_words
from memedit.scope.names import NameIndex, Variant
from memedit.scope.variants import MAX_COMPARED, RARE
from memedit.text import name_key

ASKED = "The name of the country of citizenship of {} is"


def index(*names: str | tuple[str, ...]) -> NameIndex:
    made = NameIndex()
    for i, name in enumerate(names):
        made.add(f"e{i}", (name,) if isinstance(name, str) else name)
    return made


def only(names: NameIndex, text: str) -> Variant:
    (variant,) = names.find_variants(text)
    return variant


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Leonardo DiCaprio", "Di Caprio"),
        ("Leonardo DiCaprio", "Leo DiCaprio"),
        ("Leonardo DiCaprio", "Leonardo Wilhelm DiCaprio"),
        ("Mount Everest", "Mt. Everest"),
        ("Everest", "Mount Everest"),
        ("Michael Pitts", "Mike A. Pitts"),
        ("Johann Sebastian Bach", "Bach, Johann Sebastian"),
        ("Savostikova Olga", "Savostikova O"),
        ("Qin-Ying Yao", "Qinying Yao"),
        ("Aleksandr Maslovskiy", "Alexandr Maslovsky"),
        ("Pyotr Tchaikovsky", "Piotr Chaykovskiy"),
        ("Thersander", "Thersandros"),
        ("Spider-Man", "Spiderman"),
        ("OneRepublic", "One Republic"),
        ("Davor Matijas", "DavorMatijas"),
        ("Felix Kraehenbuehl", "Kraehenb."),
        ("Rocky II", "Rocky 2"),
        ("Third Battle of Ypres", "3rd Battle of Ypres"),
        ("New York City", "NYC"),
        ("United Nations", "U.N."),
        ("UNESCO", "United Nations Educational, Scientific and Cultural Organization"),
        ("Elizabeth II", "QE2"),
        ("Philippines", "PHL"),
        ("Ukraine", "Ukr."),
        ("2008 United States presidential election", "56th US presidential election"),
        ("Suits", "SUITS2"),
        ("World War II", "WW2"),
        ("Dallas-Fort Worth Shamrocks", "DFW Shamrocks"),
        ("Herbert Deedes", "Captain Sir Herbert Philip Deedes"),
        ("Johann Hedwig", "Hedwig, Johann (ADB)"),
        ("Mun Ka-young", "Mun Ka-yong"),
        ("Kui Du", "K. Du"),
        ("5881 Akashi", "Akashi"),
        ("Constantin Argetoianu", "Constantin Argetoinau"),
    ],
)
def test_another_form_of_the_name(name, other):
    text = ASKED.format(other)
    variant = only(index(name), text)
    assert (variant.name, variant.edit_ids) == (name, ("e0",))
    assert variant.text == text[variant.start : variant.end]
    assert variant.text in text[text.index(other) - 1 :]
    assert 0.25 <= variant.score <= 1.0


@pytest.mark.parametrize(
    ("name", "text", "mention"),
    [
        ("Leonardo DiCaprio", "where was leo dicaprio born", "leo dicaprio"),
        ("Tchaikovsky", "where was tchaikowsky born", "tchaikowsky"),
        ("Charles de Gaulle", "Where was General de Gaulle born?", "General de Gaulle"),
        ("Ann Lee", "Who is Dr. Ann Marie Lee's mother?", "Dr. Ann Marie Lee"),
        ("German Reich", "Who led the Second German Reich?", "Second German Reich"),
        ("Malawian kwacha", "Who prints Malavian kwacha today?", "Malavian kwacha"),
        ("Kevin Kolb", "Abbots of Saint Gall Kevin Kolb plays", "Saint Gall Kevin Kolb"),
        ("Akashi", "Akashis is followed by", "Akashis"),
    ],
)
def test_where_it_stands(name, text, mention):
    assert only(index(name), text).text == mention


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Lionel Messi", "Where was Lionel Messi born?"),  # exact: find() has it
        ("Phone Booth", "what is the best phone to buy"),
        ("The Light", "How fast is the light in Germany?"),
        ("Cunter", "Which country borders Peru?"),
        ("Lionel Messi", "What is the capital of France?"),
        ("Lionel Messi", ""),
        ("Barbados", "Who runs the BBC?"),
        ("Lionel Messi", "?!"),
    ],
)
def test_nothing_that_may_be_the_name(name, text):
    assert index(name).find_variants(text) == []


@pytest.mark.parametrize(
    ("name", "other", "another"),
    [
        ("Lionel Messi", "Leo Messi", "Jorge Messi"),
        ("Toy Story 2", "Toy Story II", "Toy Story 3"),
        ("Porsche 911 GT1", "Porsche GT1", "Porsche 911 GT2"),
        ("Windows Me", "Windows ME", "Windows"),
        ("University of Madrid", "Madrid University", "University of Lisbon"),
        ("Elizabeth II", "Queen Elizabeth II", "Elizabeth I"),
        ("Jose Castillo", "Jose L Castillo", "Maria Castillo"),
    ],
)
def test_the_same_is_more_alike_than_a_namesake(name, other, another):
    assert compare(other, name).score > compare(another, name).score


def test_features_by_hand():
    likeness = compare("Jorge Messi", "Lionel Messi")
    assert (likeness.span_cover, likeness.name_cover, likeness.clash) == (0.5, 0.5, 0.5)
    assert (likeness.head, likeness.start, likeness.whole, likeness.acronym) == (1.0, 0.0, 0.0, 0.0)
    assert likeness.score == 0.5
    assert compare("Rocky 3", "Rocky 2").number_clash == 1.0
    assert compare("Rocky", "Rocky 2").number_clash == 0.5
    assert compare("Rocky II", "Rocky 2").number_clash == 0.0
    assert compare("Saint Gall Kevin Kolb", "Kevin Kolb").whole == 1.0
    assert compare("NYC", "New York City").acronym == 3.0
    assert compare("?", "New York City").score == 0.0


def test_weights_of_words():
    assert [(word.text, word.number) for word in name_words("Henry VIII")] == [
        ("henry", ""),
        ("viii", "8"),
    ]
    the, who = name_words("The Who")
    assert the.weight < who.weight
    lord, bracketed = name_words("Misery (novel)")
    assert bracketed.weight < lord.weight
    assert name_words("Malcolm X")[-1].number == "10"
    assert name_words("Malcolm X Shabazz")[1].number == ""


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("messi", "messi", 1.0, 1.0),
        ("bill", "william", 0.9, 0.99),
        ("mt", "mount", 0.9, 0.99),
        ("sushko", "suschko", 0.8, 0.99),
        ("l", "lionel", 0.5, 0.8),
        ("windows", "1", 0.0, 0.0),
        ("bush", "busy", 0.0, 0.0),
        ("gt1", "gt2", 0.0, 0.0),
        ("madrid", "lisbon", 0.0, 0.0),
    ],
)
def test_words(one, other, least, most):
    assert least <= word_likeness(one, other) <= most
    assert word_likeness(one, other) == word_likeness(other, one)


def test_sounds_and_initials():
    assert sound("tchaikovsky") == sound("chaykovskiy")
    assert sound("qaddafi") == sound("kadafi")
    assert sound("amanda") != sound("manda")
    assert acronyms("United States of America") == {"usa", "usoa"}
    assert acronyms("Paris") == set()
    assert as_acronym("U.N.") == "un"
    assert as_acronym("WWII") == "ww2"
    assert [as_acronym(text) for text in ("Un", "un", "A", "2001", "of")] == [""] * 5


def test_the_most_alike_come_first_and_know_their_rivals():
    names = index("Ann Lee", "Bo Lee", "Lee Harvey Oswald", "Ann Arbor")
    found = names.find_variants("Where was Annie Lee born?")
    assert found[0].name == "Ann Lee"
    assert [v.score for v in found] == sorted((v.score for v in found), reverse=True)
    assert found[0].features["rivals"] == 0.0
    assert [v.name for v in names.find_variants("Where was Lee born?", limit=2)] == [
        "Ann Lee",
        "Bo Lee",
    ]
    assert names.find_variants("Where was Lee born?")[0].features["rivals"] == 1.0


def test_of_common_words_only_several_together_find_a_name():
    names = index(*(f"Ann Name{i}" for i in range(RARE + 1)), *(f"Bo{i} Lee" for i in range(RARE)))
    assert names.find_variants("Where was Ann born?") == []
    names.add("both", ("Ann Lee",))
    names.add("more", ("Bo Lee",))
    assert names.find_variants("Where was Ann Maria Lee born?")[0].name == "Ann Lee"


def test_many_candidates_are_narrowed_down_to_the_likeliest():
    names = index(*(f"Lee Common{i}" for i in range(MAX_COMPARED + 10)), "Lee Morgenstern")
    assert names.find_variants("Where was Lee A. Morgenstern born?")[0].name == "Lee Morgenstern"


def test_edits_come_and_go():
    names = index("Leonardo DiCaprio", ("Leonardo DiCaprio", "Leo"))
    text = ASKED.format("Di Caprio")
    assert only(names, text).edit_ids == ("e0", "e1")
    names.remove("e0")
    assert only(names, text).edit_ids == ("e1",)
    names.remove("e1")
    assert names.find_variants(text) == []
    names.add("e2", ("Leonardo DiCaprio",))
    assert only(names, text).edit_ids == ("e2",)


def test_an_alias_has_variants_too():
    names = index(("Elizabeth II", "Queen of England"))
    assert "Queen of England" in {
        v.name for v in names.find_variants("Where was the England queen Anna born?")
    }


def test_of_a_long_text_the_end_is_searched():
    text = "Di Caprio. " + "She said so and so. " * 200
    assert index("Leonardo DiCaprio").find_variants(text) == []
    assert only(index("Leonardo DiCaprio"), text + "Di Caprio.").text == "Di Caprio"


@given(
    st.lists(st.text(min_size=1, max_size=12), max_size=6),
    st.text(max_size=60),
)
def test_any_names_in_any_text(names, text):
    made = index(*names)
    for variant in made.find_variants(text):
        assert text[variant.start : variant.end] == variant.text
        assert 0.0 <= variant.score <= 1.0
        assert variant.edit_ids
        assert variant.name in names
    for i in range(len(names)):
        made.remove(f"e{i}")
    left = made._variants
    assert not (
        left._words or left._single or left._ids or left._names or left._acronyms or left._alike
    )


@given(st.text(st.characters(categories=("Lu", "Ll")), min_size=5, max_size=12).filter(name_key))
def test_a_middle_name_does_not_hide_a_name(name):
    subject = f"Ann {name.title()}"
    found = index(subject).find_variants(f"Where is Ann Q. {name.title()} from?")
    assert [v.name for v in found] == [subject]


@given(st.text(max_size=30), st.text(max_size=30))
def test_likeness_is_a_share(one, other):
    likeness = compare(one, other)
    shares = likeness._replace(acronym=0.0)
    assert all(0.0 <= share <= 1.0 + 1e-9 for share in shares)
