"""Conditions of a token prior: labels or texts as the first positions of a sequence.

B batch, N texts, T positions. A condition has V ids (`size`) and T ids for each example (`length`). Id V is
the null condition; the prior defines it, and a condition never returns it.
"""

import collections
import difflib
from collections.abc import Sequence
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jax import Array

from jaxae.errors import JaxaeError, nearest
from jaxae.specs.pytree import spec

# "[PAD]" cannot be a word of a text: punctuation is split off, and letters are lower case.
PADDING, PADDED = 0, "[PAD]"
# Number of similar words that an error names; a vocabulary may have thousands.
NEAREST = 8


@spec
class Labels:
    """Labels as a condition: y i32[B] in 0, ..., num_classes - 1, one position."""

    num_classes: Annotated[int, Ge(0)] = 0
    """Number of labels; 0 until the data are known."""

    @property
    def size(self) -> int:
        """Number of ids, V."""
        return self.num_classes

    @property
    def length(self) -> int:
        """Number of positions, T = 1."""
        return 1

    def fitted(self, dataset: Any) -> "Labels":
        """Return the condition with the number of labels of the data.

        Raises: JaxaeError if the data have texts in place of labels.
        """
        if dataset.tokenizer.text is not None:
            raise JaxaeError("model.condition: got Labels, but the data have captions; use Text")
        y = dataset.train.y
        # Data without names of classes: the largest label counts. A number that the user gave wins over both.
        num_known = len(dataset.classes) or (0 if isinstance(y, tuple) else int(np.max(y)) + 1)
        return Labels(num_classes=self.num_classes or num_known)

    def ids(self, y: Any) -> Array:
        """Convert labels i32[B] to ids i32[B, 1]. Raises: JaxaeError for a y of another shape."""
        if jnp.ndim(y) != 1:
            raise JaxaeError(f"y: got shape {jnp.shape(y)}, expected labels of shape (B,)")
        return jnp.asarray(y, jnp.int32)[:, None]


@spec
class Text:
    """Texts as a condition: y i32[B, T], where id i + 1 is word i and 0 is padding after the last word.

    Example:
        >>> from jaxae.tokens import Text
        >>> text = Text.of(["a red bird", "a bird"])
        >>> text.vocabulary, text.length
        (('a', 'bird', 'red'), 3)
        >>> text.tokens(["A bird"])
        array([[1, 2, 0]], dtype=int32)
    """

    vocabulary: tuple[str, ...] = ()
    """Words in lower case; a punctuation mark is a word. () until the data are known."""
    length: Annotated[int, Ge(0)] = 0
    """Number of words of the longest text, T."""

    def check(self) -> None:
        """Check that no word occurs twice. Raises: ValueError otherwise."""
        counts = collections.Counter(self.vocabulary).most_common(1)
        if counts and counts[0][1] > 1:
            raise ValueError(f"vocabulary: has {counts[0][0]!r} twice, expected distinct words")

    @property
    def size(self) -> int:
        """Number of ids, V: the words and the padding; 0 without a vocabulary."""
        return len(self.vocabulary) + 1 if self.vocabulary else 0

    def ids(self, y: Any) -> Array:
        """Return the tokens of texts i32[B, T] unchanged. Raises: JaxaeError for a y of another shape."""
        if jnp.ndim(y) != 2 or jnp.shape(y)[1] != self.length:
            raise JaxaeError(
                f"y: got shape {jnp.shape(y)}, expected tokens of texts of shape (B, {self.length})"
            )
        return jnp.asarray(y, jnp.int32)

    def fitted(self, dataset: Any) -> "Text":
        """Return the condition with the words of the captions in the data.

        Raises: JaxaeError if the data have no captions, or other words than the vocabulary that was given.
        """
        text = dataset.tokenizer.text
        if text is None:
            raise JaxaeError("model.condition: got Text, but the data have no captions; use Labels")
        if self.vocabulary and self != text:
            raise JaxaeError("model.condition: got other words than the captions have; omit the words")
        return text

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Text":
        """Make the condition whose vocabulary and length hold the given texts.

        Raises: JaxaeError if the texts have no words.
        """
        words_of_texts = words(texts)
        # Sorted, so that the ids do not depend on the order of the texts.
        vocabulary = tuple(sorted({word for text in words_of_texts for word in text}))
        if not vocabulary:
            raise JaxaeError(f"texts: got {len(words_of_texts)} texts without words, expected words")
        return cls(vocabulary=vocabulary, length=max(map(len, words_of_texts)))

    def tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Convert texts to the ids of their words, followed by padding: i32[N, T].

        Raises: JaxaeError for a word outside of the vocabulary (the message names similar words), and for a
        text of more than T words.
        """
        self._check_words(texts)
        tokenizers = _import_tokenizers()
        ids = {
            PADDED: PADDING,
            **{word: number for number, word in enumerate(self.vocabulary, PADDING + 1)},
        }
        # `_check` has refused unknown words, so that `unk_token` is never used; the library demands one.
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token=PADDED))
        tokenizer.normalizer, tokenizer.pre_tokenizer = _normalizer_and_splitter(tokenizers)
        tokenizer.enable_padding(pad_id=PADDING, pad_token=PADDED, length=self.length)
        encoded = tokenizer.encode_batch(list(texts))
        # The reshape keeps [0, T] for an empty list of texts.
        return np.array([encoding.ids for encoding in encoded], np.int32).reshape(len(encoded), self.length)

    def _check_words(self, texts: Sequence[str]) -> None:
        """Check that all words are known and that no text is longer than T. Raises: JaxaeError otherwise."""
        known = set(self.vocabulary)
        for text, text_words in zip(texts, words(texts), strict=True):
            for word in text_words:
                if word not in known:
                    similar = difflib.get_close_matches(word, self.vocabulary, NEAREST, cutoff=0.0)
                    message = f"text {text!r}: unknown word {word!r}, expected one of {len(known)}"
                    raise JaxaeError(f"{message}; {nearest(word, similar)}")
            if len(text_words) > self.length:
                raise JaxaeError(
                    f"text {text!r}: has {len(text_words)} words, expected at most {self.length}"
                )


def words(texts: Sequence[str]) -> list[list[str]]:
    """Split texts into words in lower case, at white space and around each punctuation mark.

    Args:
        texts: N texts.

    Returns:
        N lists of words.

    Raises:
        JaxaeError: If the package `tokenizers` is not installed.

    Example:
        >>> from jaxae.tokens.conditions import words
        >>> words(["Don't stop!"])
        [['don', "'", 't', 'stop', '!']]
    """
    normalizer, splitter = _normalizer_and_splitter(_import_tokenizers())
    return [[word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))] for text in texts]


def _normalizer_and_splitter(tokenizers: Any) -> tuple[Any, Any]:
    """Return the library's objects that make letters lower case and that split a text into words."""
    splitters = tokenizers.pre_tokenizers
    splitter = splitters.Sequence([splitters.WhitespaceSplit(), splitters.Punctuation()])
    return tokenizers.normalizers.Lowercase(), splitter


def _import_tokenizers() -> Any:
    """Import the library `tokenizers`. Raises: JaxaeError if it is not installed."""
    # Imported on use: it is an optional extra, and labels do not need it.
    try:
        import tokenizers
    except ImportError:
        raise JaxaeError("texts: need the package tokenizers: pip install 'jaxae[text]'") from None
    return tokenizers
