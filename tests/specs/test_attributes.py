"""`help` of a class shows its fields; the docstring in the source stays what the pages are made from."""

import contextlib
import io
import pydoc
from typing import Annotated

import pytest
from annotated_types import Gt

import jaxae
from jaxae.specs import public
from jaxae.specs.attributes import section
from jaxae.specs.field_docs import docstring, field_docs
from jaxae.specs.pytree import fields, is_spec


@jaxae.spec
class Own:
    """A class of one's own."""

    widths: tuple[Annotated[int, Gt(0)], ...]
    """Sizes, größer als 0."""
    rate: Annotated[float, Gt(0)] | None = 0.5
    schedule: jaxae.protocols.Schedule | None = None
    """How it changes."""


OWN = """\
A class of one's own.

Attributes:
    widths: tuple[int, ...] (> 0), required. Sizes, größer als 0.
    rate: float or None (> 0), default 0.5.
    schedule: Schedule or None, default None. How it changes. Schedule is one of
        Constant, Cosine, Linear, Piecewise, Step."""


def test_fields_stand_in_the_docstring_with_all_that_is_known() -> None:
    assert Own.__doc__ == OWN and docstring(Own) == "A class of one's own."
    assert Own(widths=(1,)).__doc__ == OWN
    assert section(jaxae.Bernoulli) == "" and docstring(jaxae.Bernoulli) == jaxae.Bernoulli.__doc__


@pytest.mark.parametrize("name", ["VAE", "DataSpec", "Experiment", "Adam", "MLP", "Transformer"])
def test_help_shows_each_field(name: str) -> None:
    cls, text = getattr(jaxae, name), io.StringIO()
    with contextlib.redirect_stdout(text):
        print(pydoc.render_doc(cls, renderer=pydoc.plaintext))
    words = " ".join(text.getvalue().replace("|", " ").split())
    for field in fields(cls):
        meaning = " ".join(field_docs(cls)[field].replace("|", " ").split())
        assert f" {field}: " in words and meaning in words, field


def test_every_public_class_with_fields_has_the_section() -> None:
    with_fields = [cls for cls in public.classes() if is_spec(cls) and fields(cls)]
    assert len(with_fields) > 40
    for cls in with_fields:
        assert "\nAttributes:\n" in (cls.__doc__ or "") and "Attributes:" not in docstring(cls), cls


def test_a_class_that_inherits_has_its_own_docstring() -> None:
    @jaxae.spec
    class Inner(Own):
        more: int = 3

    assert docstring(Inner).startswith("Inner(") and "    more: int, default 3." in (Inner.__doc__ or "")
    assert "widths: tuple[int, ...]" in (Inner.__doc__ or "")


def test_a_docstring_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at any moment; a class that was pickled by value has other fields than Python made."""
    monkeypatch.delattr(Own, "__dataclass_fields__")
    assert Own.__doc__ == "A class of one's own."
