"""What tokens are told: labels or texts, as the first positions of a sequence.

B batch, N texts, T positions. A condition has V ids (`size`), T of them an example (`length`); id V is the
null condition, which a prior knows and a condition does not.
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

PADDING, PADDED = 0, "[PAD]"  # no word: punctuation stands alone, and letters are lower case
NEAREST = 8  # words that an error names, of a vocabulary that may have thousands


@spec
class Labels:
    """Labels 0, ..., num_classes - 1, y i32[B]: one position."""

    num_classes: Annotated[int, Ge(0)] = 0
    """Number of labels; 0 until the data are known."""

    @property
    def size(self) -> int:
        """V, the number of ids."""
        return self.num_classes

    @property
    def length(self) -> int:
        """T, the number of positions."""
        return 1

    def fitted(self, dataset: Any) -> "Labels":
        """Return the condition with the number of labels of a data set of tokens. Raises: JaxaeError."""
        if dataset.tokenizer.text is not None:
            raise JaxaeError("model.condition: Labels needs labels, of data.name tokens:RUN")
        y = dataset.train.y
        known = len(dataset.classes) or (0 if isinstance(y, tuple) else int(np.max(y)) + 1)
        return Labels(num_classes=self.num_classes or known)

    def ids(self, y: Any) -> Array:
        """Labels i32[B] -> i32[B, 1]. Raises: JaxaeError for a y of another shape."""
        if jnp.ndim(y) != 1:
            raise JaxaeError(f"y: got shape {jnp.shape(y)}, expected labels of shape (B,)")
        return jnp.asarray(y, jnp.int32)[:, None]


@spec
class Text:
    """Texts as words of a vocabulary, y i32[B, length]: id i + 1 is word i, 0 is padding behind the last."""

    vocabulary: tuple[str, ...] = ()
    """The words, in lower case; a sign of punctuation is a word. () until the data are known."""
    length: Annotated[int, Ge(0)] = 0
    """T, words of the longest text."""

    def check(self) -> None:
        """Raises ValueError for a word that is there twice."""
        counts = collections.Counter(self.vocabulary).most_common(1)
        if counts and counts[0][1] > 1:
            raise ValueError(f"vocabulary: has {counts[0][0]!r} twice, expected distinct words")

    @property
    def size(self) -> int:
        """V, the number of ids: the words and the padding; 0 without a vocabulary."""
        return len(self.vocabulary) + 1 if self.vocabulary else 0

    def ids(self, y: Any) -> Array:
        """Tokens of texts i32[B, T], as they are. Raises: JaxaeError for a y of another shape."""
        if jnp.ndim(y) != 2 or jnp.shape(y)[1] != self.length:
            raise JaxaeError(
                f"y: got shape {jnp.shape(y)}, expected tokens of texts of shape (B, {self.length})"
            )
        return jnp.asarray(y, jnp.int32)

    def fitted(self, dataset: Any) -> "Text":
        """Return the condition with the words of a data set of captions. Raises: JaxaeError."""
        text = dataset.tokenizer.text
        if text is None:
            raise JaxaeError("model.condition: Text needs words, of data.name captions:RUN")
        if self.vocabulary and self != text:
            raise JaxaeError("model.condition: the vocabulary is not that of the data's captions")
        return text

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Text":
        """The vocabulary and the length that hold these texts. Raises: JaxaeError for texts without words."""
        each = words(texts)
        vocabulary = tuple(sorted({word for text in each for word in text}))
        if not vocabulary:
            raise JaxaeError(f"texts: got {len(each)} texts without a word, expected words")
        return cls(vocabulary=vocabulary, length=max(map(len, each)))

    def tokens(self, texts: Sequence[str]) -> np.ndarray:
        """The ids of each text's words, then padding; i32[N, T].

        Raises: JaxaeError for a word that is not in the vocabulary, with the nearest, and for a longer text.
        """
        self._check(texts)
        tokenizers = _tokenizers()
        known = {
            PADDED: PADDING,
            **{word: number for number, word in enumerate(self.vocabulary, PADDING + 1)},
        }
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, unk_token=PADDED))
        tokenizer.normalizer, tokenizer.pre_tokenizer = _parts(tokenizers)
        tokenizer.enable_padding(pad_id=PADDING, pad_token=PADDED, length=self.length)
        encoded = tokenizer.encode_batch(list(texts))
        return np.array([each.ids for each in encoded], np.int32).reshape(len(encoded), self.length)

    def _check(self, texts: Sequence[str]) -> None:
        """That each text is made of known words, and not too many."""
        known = set(self.vocabulary)
        for text, found in zip(texts, words(texts), strict=True):
            for word in found:
                if word not in known:
                    close = difflib.get_close_matches(word, self.vocabulary, NEAREST, cutoff=0.0)
                    told = f"text {text!r}: unknown word {word!r}, not one of {len(known)}"
                    raise JaxaeError(f"{told}; {nearest(word, close)}")
            if len(found) > self.length:
                raise JaxaeError(f"text {text!r}: has {len(found)} words, expected at most {self.length}")


def words(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text: lower case, parted at white space and around each sign of punctuation."""
    lower, parting = _parts(_tokenizers())
    return [[word for word, _ in parting.pre_tokenize_str(lower.normalize_str(text))] for text in texts]


def _parts(tokenizers: Any) -> tuple[Any, Any]:
    """What makes letters lower case, and what parts words."""
    parts = tokenizers.pre_tokenizers
    return tokenizers.normalizers.Lowercase(), parts.Sequence([parts.WhitespaceSplit(), parts.Punctuation()])


def _tokenizers() -> Any:
    """The library. Raises: JaxaeError where it is not installed."""
    try:
        import tokenizers
    except ImportError:
        raise JaxaeError("texts need the package tokenizers: pip install 'jaxae[text]'") from None
    return tokenizers
