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

from jaxae.data import Dataset
from jaxae.sweeps import layouts
from jaxae.sweeps.layouts import Layout
from jaxae.types import Examples

SPLITS = ("train", "validation", "test")


class Programs(NamedTuple):
    """`begin`, `advance` and, for each split that has rows, `score`: futures of compiled programs."""

    begin: Future
    advance: Future
    score: dict[str, Future]


_known: dict[Any, Programs] = {}


def number_compiled() -> int:
    """How many structures, in how many layouts, this process has compiled."""
    return len(_known)


def of(
    layout: Layout, experiments: Any, seeds: Any, batch: Any, dataset: Dataset, num_steps: int
) -> Programs:
    """The programs for experiments with f32[R] leaves, known already or from now on being compiled.

    `batch` is an example of one; `num_steps` are those of a whole run.
    """
    splits = {name: _abstract(layout, getattr(dataset, name)) for name in SPLITS}
    leaves, structure = jax.tree.flatten((experiments, batch, splits))
    key = layout, num_steps, structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    if key not in _known:
        _known[key] = _compiled(layout, experiments, seeds, batch, splits, num_steps)
    return _known[key]


def _compiled(
    layout: Layout, experiments: Any, seeds: Any, batch: Any, splits: dict[str, Examples], num_steps: int
) -> Programs:
    """Traces here and now, and compiles in other threads."""
    arguments = layout, experiments, seeds
    halted = jax.ShapeDtypeStruct(seeds.shape, jnp.bool_)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    lanes = layouts.abstract(
        layout, jax.eval_shape(functools.partial(layouts.begin, layout), experiments, seeds, halted, batch)
    )
    rows = splits["train"], splits["validation"]
    advance = layouts.advance.lower(*arguments, lanes, rows, number, number)
    begin = layouts.begin.lower(*arguments, halted, batch)
    scores = {
        name: layouts.score.lower(*arguments, lanes, splits[name], split=name, num_steps=num_steps)
        for name in SPLITS[1:]
        if len(splits[name].x.shape) and splits[name].x.shape[0]
    }
    compile_it = _pool().submit
    return Programs(
        compile_it(begin.compile),
        compile_it(advance.compile),
        {name: compile_it(score.compile) for name, score in scores.items()},
    )


def _abstract(layout: Layout, examples: Examples) -> Examples:
    """The shapes and types of a split as it lies on the device."""

    def leaf(array: Any) -> jax.ShapeDtypeStruct:
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        return jax.ShapeDtypeStruct(array.shape, dtype, sharding=layouts.of_rows(layout))

    return jax.tree.map(leaf, examples)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="jaxae-compile")
