"""Conditions as ids: labels, and texts there and back."""

import sys

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.specs.records import from_record, to_record, validate
from jaxae.tokens.conditions import Labels, Text

TEXTS = ["A red square.", "a  small Blue heart", "blue, red"]
TEXT = Text.of(TEXTS)


def test_the_vocabulary_is_the_words_in_lower_case_in_order_and_the_length_that_of_the_longest() -> None:
    assert Text(vocabulary=(",", ".", "a", "blue", "heart", "red", "small", "square"), length=4) == TEXT
    assert TEXT.size == 9


def test_texts_come_back_from_their_tokens() -> None:
    tokens = TEXT.tokens(TEXTS)
    assert tokens.dtype == np.int32 and tokens.shape == (3, 4)
    found = [" ".join(TEXT.vocabulary[number - 1] for number in row if number) for row in tokens]
    assert found == ["a red square .", "a small blue heart", "blue , red"]
    np.testing.assert_array_equal(tokens[2], [4, 1, 6, 0])


def test_case_and_white_space_do_not_matter_and_nothing_is_padding() -> None:
    np.testing.assert_array_equal(TEXT.tokens(["BLUE ,\tred"]), TEXT.tokens(["blue, red"]))
    np.testing.assert_array_equal(TEXT.tokens([""]), [[0, 0, 0, 0]])
    assert TEXT.tokens([]).shape == (0, 4)


def test_the_name_of_the_padding_is_no_word() -> None:
    with pytest.raises(JaxaeError, match=r"text '\[PAD\]': unknown word '\['"):
        TEXT.tokens(["[PAD]"])


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        JaxaeError, match=r"'a sqare': unknown word 'sqare', .* did you mean 'square'\?"
    ) as told:
        TEXT.tokens(["red", "a sqare"])
    assert "\n" not in str(told.value)


def test_a_text_of_too_many_words_is_refused_with_both_numbers() -> None:
    with pytest.raises(JaxaeError, match="has 5 words, expected at most 4"):
        TEXT.tokens(["a red red red heart"])


def test_texts_without_words_have_no_vocabulary() -> None:
    with pytest.raises(JaxaeError, match="got 2 texts without words"):
        Text.of(["", " "])


def test_without_the_library_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(JaxaeError, match=r"pip install 'jaxae\[text\]'"):
        TEXT.tokens(["red"])


def test_a_text_condition_is_read_back_from_its_record_and_a_double_word_refused() -> None:
    assert from_record(to_record(TEXT), Labels | Text | None) == TEXT
    with pytest.raises(JaxaeError, match="vocabulary: has 'red' twice"):
        validate(Text(vocabulary=("red", "a", "red")), Text)


def test_ids_are_labels_one_a_row_or_tokens_as_they_are() -> None:
    np.testing.assert_array_equal(Labels(num_classes=3).ids(np.array([2, 0])), [[2], [0]])
    np.testing.assert_array_equal(TEXT.ids(TEXT.tokens(TEXTS)), TEXT.tokens(TEXTS))
    with pytest.raises(JaxaeError, match=r"y: got shape \(2, 1\), expected labels of shape \(B,\)"):
        Labels(num_classes=3).ids(np.array([[2], [0]]))
    with pytest.raises(JaxaeError, match=r"y: got shape \(2,\), expected tokens of texts of shape \(B, 4\)"):
        TEXT.ids(np.array([2, 0]))
