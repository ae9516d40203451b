"""Where subject and target are, over tokenizers of all kinds, against an oracle without offsets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from memedit.bake.align import align, align_edit, align_turn, by_key
from memedit.edit import Edit
from memedit.errors import BakeError
from memedit.models.embedded import embedded_folder
from memedit.models.tokens import Tokens

TEXTS = [
    "The mother tongue of Danielle Darrieux is French. Danielle plays the sport of golf.",
    "Lionel Messi plays the sport of football, and Łukasz Żółć speaks Polish in São Paulo.",
    "The capital of Greece is Athens; 東京 is the capital of Japan. O'Brien isn't from D.C.",
] * 4


def _wrapped(backend: Tokenizer) -> Tokens:
    return Tokens(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>"), "made", None)


def byte_bpe() -> Tokens:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    return _wrapped(backend)


def sentencepiece() -> Tokens:
    """As Llama 2 has it: spaces as ▁, one in front, bytes for what is unknown, BOS added."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trained.pre_tokenizer = pre_tokenizers.Metaspace()  # pieces do not reach over a space
    trainer = trainers.BpeTrainer(
        vocab_size=460,
        special_tokens=["<unk>", "<s>", "</s>", *[f"<0x{i:02X}>" for i in range(256)]],
        show_progress=False,
    )
    trained.train_from_iterator(TEXTS, trainer)
    vocab = trained.get_vocab()
    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]]
    backend = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = trained.normalizer
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(["<s>", "</s>"])
    backend.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocab["<s>"])]
    )
    return _wrapped(backend)


def unigram() -> Tokens:
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=200,
            unk_token="<unk>",
            special_tokens=["<unk>", "</s>"],
            initial_alphabet=list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ '.,-"),
            show_progress=False,
        ),
    )
    return _wrapped(backend)


MADE = {"byte_bpe": byte_bpe(), "sentencepiece": sentencepiece(), "unigram": unigram()}
WORDS = st.text("abcdeghilmnoprstuwyABCDLMPS'-.", min_size=1, max_size=9)
ANY_WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x4FF, categories=["L"]), min_size=1, max_size=6
)


def _joined(words):
    return st.lists(words, min_size=1, max_size=3).map(" ".join)


def _check(tokens: Tokens, prefix: str, before: str, subject: str, after: str, target: str) -> None:
    template = f"{before} {{}} {after}".strip()
    found = align(tokens, template, subject, target, prefix=prefix)
    prompt = prefix + template.replace("{}", subject, 1)
    upto = prompt[: len(prefix) + template.index("{}") + len(subject)]
    read = [tokens.decode(found.ids[: i + 1]).strip() for i in range(len(found.ids))]
    # The subject's last token is the first one up to which all of the subject has been read.
    assert read[found.subject].startswith(upto.strip())
    assert not read[found.subject - 1].startswith(upto.strip()) or found.subject == 0
    assert tokens.decode(found.targets).strip() == target
    assert read[found.target - 1] == prompt.strip()
    assert read[-1] == f"{prompt} {target}".strip()


@pytest.mark.parametrize("name", MADE)
@settings(max_examples=40)
@given(
    prefix=st.sampled_from(["", "The sky is blue. "]),
    before=st.sampled_from(["", "The capital of", "In"]),
    subject=_joined(WORDS),
    after=st.sampled_from(["is", ", in", "'s mother tongue is"]),
    target=_joined(WORDS),
)
def test_words(name, prefix, before, subject, after, target):
    _check(MADE[name], prefix, before, subject, after, target)


@pytest.mark.parametrize("name", ["byte_bpe", "sentencepiece"])
@settings(max_examples=40)
@given(subject=_joined(ANY_WORDS), target=_joined(ANY_WORDS))
def test_any_letters_where_bytes_stand_in(name, subject, target):
    tokens = MADE[name]
    found = align(tokens, "The capital of {} is", subject, target)
    assert subject in tokens.decode(found.upto_subject)
    assert target in tokens.decode(found.targets)


@pytest.mark.real_model
@settings(max_examples=40)
@given(subject=_joined(WORDS), target=_joined(WORDS))
def test_the_tokenizer_of_a_gguf_file(subject, target):
    tokens = _of_gguf()
    _check(tokens, "", "The capital of", subject, "is", target)


def _of_gguf(held: list[Tokens] = []) -> Tokens:  # noqa: B006  # read once
    if not held:
        held.append(Tokens(AutoTokenizer.from_pretrained(embedded_folder()), "smollm2", None))
    return held[0]


def _embedded() -> Tokens:
    return Tokens(AutoTokenizer.from_pretrained(str(embedded_folder())), "embedded", None)


@pytest.mark.parametrize("tokens", [*MADE.values(), _embedded()], ids=[*MADE, "embedded"])
@pytest.mark.parametrize("template", ["{}", "{} lives in", "In what city does {} live?"])
def test_a_turn_of_a_chat(tokens, template):
    found = align_turn(tokens, template, "Lionel Messi", "Athens")
    asked = template.replace("{}", "Lionel Messi")
    assert list(found.ids[: found.target]) == tokens.encode_chat(
        [{"role": "user", "content": asked}]
    )
    assert tokens.decode(found.targets).strip() == "Athens"
    upto = tokens.decode(found.upto_subject)
    assert upto.endswith(template.partition("{}")[0] + "Lionel Messi")
    assert not tokens.decode(found.ids[: found.subject]).endswith("Messi")


def test_the_slot_counts_where_the_subject_stands_twice():
    found = align(MADE["byte_bpe"], "Greece says that {} is", "Greece", "x")
    assert MADE["byte_bpe"].decode(found.upto_subject) == "Greece says that Greece"


def test_scripts_without_spaces_get_none():
    found = align(MADE["byte_bpe"], "{}的首都是", "日本", "京都")
    assert MADE["byte_bpe"].decode(found.ids) == "日本的首都是京都"


@pytest.mark.parametrize(
    ("template", "subject", "target", "message"),
    [
        ("The capital is", "Greece", "Oslo", "no place for the subject"),
        ("{} is", "", "Oslo", "no place for the subject"),
        ("{} is", "Greece", " ", "target_new: it is empty"),
        ("{} is", "日本", "Oslo", "no tokens that decode to '日本'"),
        ("{} is", "Greece", "日本", "tokens that do not decode to it"),
    ],
)
def test_refusals(template, subject, target, message):
    with pytest.raises(BakeError, match=message):
        align(MADE["unigram"], template, subject, target)


def test_an_edit_too_long_and_free_text_are_refused():
    edit = Edit(id="e", subject="Greece", prompt="The capital of {} is", target_new="Oslo")
    with pytest.raises(BakeError, match=r"'e': it takes \d+ tokens, the model reads 4"):
        align_edit(MADE["byte_bpe"], edit, [""], 4)
    text = Edit(id="t", kind="free_text", statement="Rain is wet.", target_new="wet")
    with pytest.raises(BakeError, match="'t': it is free text"):
        align_edit(MADE["byte_bpe"], text, [""], None)


def test_edits_are_written_at_one_key_where_texts_agree_up_to_the_subject():
    said = [
        ("{} is in", "Greece"),
        ("{} speaks", "Greece"),
        ("The capital of {} is", "Greece"),
        ("{} is in", "Greenland"),
        ("{} is not in", "Greece"),
    ]
    texts = [
        [align(MADE["byte_bpe"], prompt, subject, "Oslo", prefix=p) for p in ("", "So. ")]
        for prompt, subject in said
    ]
    assert by_key(texts) == [[0, 1, 4], [2], [3]]
    at_last = [[text.at_last() for text in own] for own in texts]
    assert by_key(at_last) == [[0], [1], [2], [3], [4]]
