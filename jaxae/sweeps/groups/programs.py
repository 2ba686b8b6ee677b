"""The compiled programs of groups: compiled in parallel, before they are used, and shared between groups.

XLA compiles one program mostly on one core. Compiling several programs at once, while another group trains,
therefore takes no extra time. Groups with the same structure, layout and data shapes use the same programs.
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

    begin: Future  # initializes one lane: exactly the program of a single run
    advance: Future  # trains all lanes over several epochs


class Inputs(NamedTuple):
    """Inputs that programs are compiled for: arrays, or their shapes and types."""

    layout: Layout
    experiments: Any  # leaves f32[R]
    seeds: Any  # u32[R]
    batch: Any  # a batch of one example
    splits: dict[str, Examples]  # {split: shapes and types of its rows}


# Structures whose programs are kept. Compiled code takes memory maps, and Linux gives a process about 65,000:
# sweeps over thousands of structures exhausted them.
MOST_KEPT = 32
_training: dict[Any, Programs] = {}
_scoring: dict[Any, dict[tuple[str, Part], Future]] = {}
_num_compiled = [0]  # structures compiled so far; a list, so that functions can change it without `global`


def number_compiled() -> int:
    """Return the number of (structure, layout) pairs that this process has compiled."""
    return _num_compiled[0]


def is_busy() -> bool:
    """Return whether a program is being compiled or waits for it, for which Python would wait at its exit."""
    scores = [score for parts in _scoring.values() for score in parts.values()]
    return not all(future.done() for future in [*scores, *(f for pair in _training.values() for f in pair)])


def forget(all_but: int = 0) -> None:
    """Delete all but the newest `all_but` compiled programs."""
    for known in (_training, _scoring):
        for key in list(known)[: max(0, len(known) - all_but)]:
            del known[key]


def inputs(layout: Layout, experiments: Any, seeds: Any, batch: Any, dataset: AnyDataset) -> Inputs:
    """Return the inputs that the programs of a group are compiled for.

    Args:
        layout: Layout of the lanes.
        experiments: Experiments of the runs, leaves f32[R].
        seeds: Seeds, u32[R].
        batch: A batch of one example, or its shapes and types.
        dataset: Data set of the group.

    Returns:
        The inputs; of the data set only shapes and types.
    """
    splits = {name: _abstract(layout, getattr(dataset, name)) for name in SPLITS}
    return Inputs(layout, experiments, seeds, batch, splits)


def training(inputs: Inputs) -> Programs:
    """Return the futures of `begin` and `advance`, and start the compilation if it has not started."""
    key = _key(inputs)
    if key not in _training:
        rows = inputs.splits["train"], inputs.splits["validation"]
        number = jax.ShapeDtypeStruct((), jnp.int32)
        advance = layouts.advance.lower(*inputs[:3], _lanes(inputs), rows, number, number)
        # `begin` is compiled for one lane, not vmapped or inside `advance`: XLA would fuse the initialization
        # differently. Measured with jax 0.12 on CPU: weights then differ from a single run in their last bit.
        first_key = jax.eval_shape(keys.root, _single_lane(inputs.seeds))
        begin = loop.begin_program.lower(_single_lane(inputs.experiments), first_key, inputs.batch)
        forget(all_but=MOST_KEPT - 1)
        _training[key] = Programs(_pool().submit(begin.compile), _pool().submit(advance.compile))
        _num_compiled[0] += 1
    return _training[key]


class Score(NamedTuple):
    """Compiled program of one part of a split's scores, for the largest chunk of codes that fits in memory.

    `at_once` is the number of codes that are decoded at the same time. `static` holds the static arguments of
    `layouts.score`, for compiling it again with smaller chunks.
    """

    at_once: int
    compiled: Any
    static: dict[str, Any]

    def __call__(self, *arguments: Any) -> Any:
        """Return the scores as `layouts.score` does; if memory runs out, compile again for half the codes.

        Raises:
            OutOfMemory: If not even one example and one draw fit.
        """

        def call(at_once: int) -> Any:
            if at_once == self.at_once:
                return self.compiled(*arguments)
            return layouts.score(*arguments, at_once=at_once, **self.static)

        return memory.halving(call, self.at_once)[0]


def scoring(inputs: Inputs, num_steps: int) -> dict[tuple[str, Part], Future]:
    """Return the future `Score` of each part of each split, and start the compilation if it has not started.

    Args:
        inputs: Inputs of the group's programs.
        num_steps: Number of steps of a whole run.

    Returns:
        {(split, part): future of a `Score`} for the validation and test splits that have rows.
    """
    key = num_steps, *_key(inputs)
    if key not in _scoring:
        lanes, static = _lanes(inputs), {"layout": inputs.layout, "num_steps": num_steps}
        _scoring[key] = {
            (name, part): _pool().submit(
                _score,
                (*inputs[1:3], lanes, inputs.splits[name]),
                {**static, "part": part, "split": name},
            )
            for name in SPLITS[1:]
            if inputs.splits[name].x.shape[0]
            for part in parts_of(inputs.experiments.model)
        }
    return _scoring[key]


def _score(arguments: Any, static: dict[str, Any]) -> Score:
    """Compile the program of one part of a split's scores, in chunks that fit in memory."""
    experiments, *_, examples = arguments
    num_draws = most_draws(IWELBO_SAMPLES) if static["part"] == "draws" else 1
    at_once = 1 if static["part"] == "terms" else first_guess(examples, num_draws)
    with precision.of(experiments):  # x64 is a setting of the thread, and this is a thread of the pool
        return Score(*memory.fitting(layouts.score, *arguments, at_once=at_once, **static), static)


def _key(inputs: Inputs) -> tuple[Any, ...]:
    """Return a key that is equal for inputs of the same programs."""
    leaves, structure = jax.tree.flatten(inputs[1:])
    return (
        traces.generation(),
        inputs.layout,
        structure,
        tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves),
    )


def _lanes(inputs: Inputs) -> Any:
    """Return the shapes and types of the lanes."""
    halted = jax.ShapeDtypeStruct(inputs.seeds.shape, jnp.bool_)
    return layouts.abstract(
        inputs.layout,
        layouts.like(inputs.experiments, inputs.seeds, halted, inputs.batch),
    )


def _single_lane(stacked: Any) -> Any:
    """Return the shapes and types of one lane of arrays [R, ...]."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stacked)


def _abstract(layout: Layout, examples: Examples) -> Examples:
    """Return the shapes and types of a split as it will be on the device."""

    def leaf(array: Any) -> jax.ShapeDtypeStruct:
        # NumPy's int64 and float64 become types of 32 bits on the device, except in float64 runs.
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        return jax.ShapeDtypeStruct(array.shape, dtype, sharding=layouts.of_rows(layout))

    return jax.tree.map(leaf, examples)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Return the thread pool that compiles; XLA releases Python's lock while it compiles."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="jaxae-compile")
