"""The programs of a group, compiled beside one another and ahead of their use.

XLA compiles a program mostly on one core: what is compiled at once, and while another group trains, costs
no time of its own. Groups of one structure, layout and shape of data share their programs.
"""

import functools
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxae import keys, memory
from jaxae.data import AnyDataset
from jaxae.estimators.bound_scores import IWELBO_SAMPLES, most_draws
from jaxae.estimators.scores import first_guess
from jaxae.maths import precision
from jaxae.runs.code import traces
from jaxae.sweeps.groups import layouts
from jaxae.sweeps.groups.lanes import Part, parts_of
from jaxae.sweeps.groups.layouts import Layout
from jaxae.training import loop
from jaxae.types import Examples

SPLITS = ("train", "validation", "test")


class Programs(NamedTuple):
    """Futures of the compiled programs that train a group."""

    begin: Future  # of one lane: the very program of a single run
    advance: Future


class Inputs(NamedTuple):
    """What programs are compiled for: arrays, or their shapes and types."""

    layout: Layout
    experiments: Any  # leaves f32[R]
    seeds: Any  # u32[R]
    batch: Any  # an example of one
    splits: dict[str, Examples]


MOST_KEPT = 32  # structures: compiled code takes memory maps, of which a process has about 65,000
_training: dict[Any, Programs] = {}
_scoring: dict[Any, dict[tuple[str, Part], Future]] = {}
_number = [0]  # of structures compiled, in all


def number_compiled() -> int:
    """How many structures, in how many layouts, this process has compiled."""
    return _number[0]


def forget(all_but: int = 0) -> None:
    """Lets go of all but the newest programs."""
    for known in (_training, _scoring):
        for key in list(known)[: max(0, len(known) - all_but)]:
            del known[key]


def inputs(layout: Layout, experiments: Any, seeds: Any, batch: Any, dataset: AnyDataset) -> Inputs:
    """The inputs of a group's programs."""
    splits = {name: _abstract(layout, getattr(dataset, name)) for name in SPLITS}
    return Inputs(layout, experiments, seeds, batch, splits)


def training(of: Inputs) -> Programs:
    """`begin` and `advance`, known already or from now on being compiled."""
    key = _key(of)
    if key not in _training:
        rows, number = (of.splits["train"], of.splits["validation"]), jax.ShapeDtypeStruct((), jnp.int32)
        advance = layouts.advance.lower(*of[:3], _lanes(of), rows, number, number)
        # Another program around the same initialisation is fused in another way: measured with jax 0.12
        # on CPU, weights then differ in their last bit from those of a single run.
        first_key = jax.eval_shape(keys.root, _of_one(of.seeds))
        begin = loop.begin_program.lower(_of_one(of.experiments), first_key, of.batch)
        forget(all_but=MOST_KEPT - 1)
        _training[key] = Programs(_pool().submit(begin.compile), _pool().submit(advance.compile))
        _number[0] += 1
    return _training[key]


class Score(NamedTuple):
    """The program of a part of a split's scores, compiled for as many codes at once as memory allows."""

    at_once: int
    compiled: Any
    static: dict[str, Any]

    def __call__(self, *arguments: Any) -> Any:
        """Return what `layouts.score` gives; where memory runs out, compiled again for half the codes.

        Raises:
            OutOfMemory: If not even one example and one draw fit.
        """

        def call(at_once: int) -> Any:
            if at_once == self.at_once:
                return self.compiled(*arguments)
            return layouts.score(*arguments, at_once=at_once, **self.static)

        return memory.halving(call, self.at_once)[0]


def scoring(of: Inputs, num_steps: int) -> dict[tuple[str, Part], Future]:
    """A `Score` of each part of each split that has rows; `num_steps` are those of a whole run."""
    key = num_steps, *_key(of)
    if key not in _scoring:
        lanes, static = _lanes(of), {"layout": of.layout, "num_steps": num_steps}
        _scoring[key] = {
            (name, part): _pool().submit(
                _score, (*of[1:3], lanes, of.splits[name]), {**static, "part": part, "split": name}
            )
            for name in SPLITS[1:]
            if of.splits[name].x.shape[0]
            for part in parts_of(of.experiments.model)
        }
    return _scoring[key]


def _score(arguments: Any, static: dict[str, Any]) -> Score:
    experiments, *_, examples = arguments
    num_draws = most_draws(IWELBO_SAMPLES) if static["part"] == "draws" else 1
    at_once = 1 if static["part"] == "terms" else first_guess(examples, num_draws)
    with precision.of(experiments):  # a mode of the thread, and this is one of the pool's
        return Score(*memory.fitting(layouts.score, *arguments, at_once=at_once, **static), static)


def _key(of: Inputs) -> tuple[Any, ...]:
    """Equal for inputs that the same programs take."""
    leaves, structure = jax.tree.flatten(of[1:])
    return traces.generation(), of.layout, structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def _lanes(of: Inputs) -> Any:
    """The shapes and types of the lanes."""
    halted = jax.ShapeDtypeStruct(of.seeds.shape, jnp.bool_)
    return layouts.abstract(of.layout, layouts.like(of.experiments, of.seeds, halted, of.batch))


def _of_one(stacked: Any) -> Any:
    """Return the shapes and types of one lane's arrays [R, ...]."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stacked)


def _abstract(layout: Layout, examples: Examples) -> Examples:
    """The shapes and types of a split as it lies on the device."""

    def leaf(array: Any) -> jax.ShapeDtypeStruct:
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        return jax.ShapeDtypeStruct(array.shape, dtype, sharding=layouts.of_rows(layout))

    return jax.tree.map(leaf, examples)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="jaxae-compile")
