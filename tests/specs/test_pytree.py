from typing import Annotated, Literal

import jax
import pytest
from annotated_types import Gt

import jaxae
from jaxae.errors import JaxaeError
from jaxae.nets import MLP
from jaxae.protocols.capabilities import Autoencoder
from jaxae.protocols.parts import Schedule
from jaxae.schedules import Linear
from jaxae.specs.pytree import fields, get, paths, replace, spec


@spec
class Inner:
    rate: Annotated[float, Gt(0)] = 0.5
    width: int = 3


@spec
class Outer:
    inner: Inner = Inner()
    beta: float | Schedule = 1.0
    clip: float | None = None
    boundaries: tuple[float, ...] = (1.0, 2.0)
    widths: tuple[int, ...] = (4, 5)
    name: Literal["a", "b"] = "a"
    flag: bool = False
    net: MLP = MLP(widths=(7,))
    model: Autoencoder | None = None


def test_floats_and_only_floats_are_leaves() -> None:
    assert jax.tree.leaves(Outer()) == [0.5, 1.0, 1.0, 2.0]
    assert jax.tree.leaves(Outer(clip=9.0, beta=Linear(steps=3.0)))[1:5] == [0.0, 1.0, 3.0, 9.0]


@pytest.mark.parametrize(
    "change", [{"widths": (4, 6)}, {"name": "b"}, {"flag": True}, {"net": MLP(widths=(8,))}, {"clip": 1.0}]
)
def test_everything_else_is_structure(change: dict) -> None:
    assert jax.tree.structure(Outer(**change)) != jax.tree.structure(Outer())


def test_changing_a_float_keeps_the_structure() -> None:
    other = Outer(inner=Inner(rate=2.0), beta=3.0, boundaries=(5.0, 6.0))
    assert jax.tree.structure(other) == jax.tree.structure(Outer())


def test_paths_reach_specs_and_nets_alike() -> None:
    names = [path for path, _, _ in paths(Outer())]
    assert names[:3] == ["inner", "inner.rate", "inner.width"]
    assert "net.widths" in names and "net.parent" not in names and "net.name" not in names


def test_get_and_replace_by_dotted_name() -> None:
    changed = replace(replace(Outer(), "inner.rate", 2.0), "net.widths", (1, 2))
    assert get(changed, "inner.rate") == 2.0 and changed.net.widths == (1, 2)
    assert get(changed, "inner.width") == 3 and Outer().net.widths == (7,)


@pytest.mark.parametrize(
    "path, hint", [("inner.rat", "rate"), ("bета", "valid"), ("inner.rate.x", "no such field")]
)
def test_unknown_path_names_the_nearest(path: str, hint: str) -> None:
    for operation in (lambda: get(Outer(), path), lambda: replace(Outer(), path, 1.0)):
        with pytest.raises(JaxaeError, match=hint) as raised:
            operation()
        assert str(raised.value).startswith(f"{path}: no such field; ")


def test_specs_are_frozen_keyword_only_and_hashable() -> None:
    assert hash(Outer()) == hash(Outer()) and Outer() == Outer()
    with pytest.raises(AttributeError):
        Outer().flag = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        Inner(1.0)  # type: ignore[misc]


def test_fields_keep_their_ranges() -> None:
    assert fields(Inner)["rate"] == Annotated[float, Gt(0)]


def test_classes_with_the_same_fields_are_different_structures() -> None:
    """To jaxlib's own dataclass nodes they are equal, and a jitted function may take one for the other."""
    rates = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8}
    left, right = (jax.tree.structure(cls(**rates)) for cls in (jaxae.Adam, jaxae.Adamax))
    assert left != right and left == jax.tree.structure(jaxae.Adam(**rates))
    assert jax.tree.structure(jaxae.Bernoulli()) != jax.tree.structure(jaxae.SquaredError())


def stack() -> jaxae.Stacked:
    return jaxae.Stacked(stages=(jaxae.DenoisingAE(latent_dim=5), jaxae.AE(latent_dim=2)))


def test_parts_of_a_tuple_of_specs_are_named_by_their_numbers() -> None:
    found = {path: value for path, _, value in paths(stack())}
    assert found["stages.0.corruption.rate"] == 0.25 and found["stages.1.latent_dim"] == 2
    changed = replace(stack(), "stages.1.latent_dim", 3)
    assert get(changed, "stages.1.latent_dim") == 3 and changed.stages[0] == stack().stages[0]
    with pytest.raises(JaxaeError, match="no such field"):
        get(stack(), "stages.2.latent_dim")


def test_floats_inside_a_tuple_of_specs_are_leaves() -> None:
    changed = replace(stack(), "stages.0.corruption.rate", 0.5)
    assert jax.tree.structure(changed) == jax.tree.structure(stack())
    assert jax.tree.leaves(changed) != jax.tree.leaves(stack())
    assert jax.tree.structure(replace(stack(), "stages.1.latent_dim", 3)) != jax.tree.structure(stack())
