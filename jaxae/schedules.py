"""Schedules: numbers that change with the step, as specs that are called with it (i32[] or int -> f32[]).

Every number of a schedule is a leaf, step counts too (hence floats). All are traced, so a sweep over the
length of a warm-up compiles one program. Steps count from 0 and are exact up to 2^24.

Example:
    >>> import jaxae
    >>> beta = jaxae.schedules.Linear(start=0.0, end=1.0, steps=100)
    >>> float(beta(50))
    0.5
    >>> vae = jaxae.VAE(beta=beta)
"""

from typing import Annotated, TypeVar

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from jax import Array
from jax.typing import ArrayLike

from jaxae.protocols.parts import Schedule
from jaxae.specs.pytree import spec

T = TypeVar("T")
ROUNDING = 2.0**-23  # relative error in float32 of a decimal number times a count


def value(schedule: ArrayLike | Schedule, step: ArrayLike) -> Array:
    """Return the number at `step`.

    Args:
        schedule: A schedule, or a number that is the same at every step.
        step: The step, from 0.

    Returns:
        f32[].
    """
    return jnp.asarray(schedule(step) if callable(schedule) else schedule, float)


def at(tree: T, step: ArrayLike) -> T:
    """Resolve the schedules of a spec at a step.

    Args:
        tree: A spec, or any pytree with schedules in it.
        step: The step, i32[], from 0.

    Returns:
        The same tree with each schedule replaced by its number, f32[]: the values that the step computes
        with.
    """
    return jax.tree.map(lambda leaf: leaf(step) if callable(leaf) else leaf, tree, is_leaf=callable)


def boundary(steps: ArrayLike) -> Array:
    """Return the number of steps, f32[], without float32's rounding error if it should be a whole number.

    33.3 * 10 in float32 may be larger than 333. Step 333 would then not have reached it.
    """
    steps = jnp.asarray(steps, float)
    nearest = jnp.round(steps)
    return jnp.where(jnp.abs(steps - nearest) <= ROUNDING * nearest, nearest, steps)


@spec
class Constant:
    """The same number at every step."""

    value: float
    """The number at every step."""

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return `value`, f32[]."""
        return jnp.asarray(self.value, float)


@spec
class Linear:
    """Straight line from `start` at step 0 to `end` at step `steps`; `end` after that.

    From 0 to 1 it is the warm-up of the KL term (Bowman et al., 2016, arXiv 1511.06349).
    """

    start: float = 0.0
    """The number at step 0."""

    end: float = 1.0
    """The number at step `steps` and after it."""

    steps: Annotated[float, Gt(0)]
    """Length of the line, in steps; above 0."""

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return start + (end - start) min(step / steps, 1), f32[]."""
        return _interpolate(self.start, self.end, _fraction(step, self.steps))


@spec
class Cosine:
    """Line from 0 up to `start` over `warmup` steps, then half a cosine down to `end` at step `steps`.

    `steps` includes the warm-up, so it is the length of a run. Loshchilov & Hutter, 2017 (arXiv 1608.03983).
    """

    start: float = 1.0
    """The number at step `warmup`, where the cosine starts."""

    end: float = 0.0
    """The number at step `steps` and after it."""

    steps: Annotated[float, Gt(0)]
    """Length of the warm-up and the cosine together, in steps; above `warmup`."""

    warmup: Annotated[float, Ge(0)] = 0.0
    """Length of the warm-up, in steps; 0 for none."""

    def check(self) -> None:
        """Check that the warm-up leaves steps for the cosine; raise ValueError otherwise."""
        if self.warmup >= self.steps:
            raise ValueError(f"warmup: got {self.warmup}, expected less than steps, {self.steps}")

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return start step / warmup, then end + (start - end) (1 + cos(pi t)) / 2, t from 0 to 1, f32[]."""
        since = jnp.asarray(step, float) - self.warmup
        # At least one step long: a warm-up as long as the schedule would give 0 / 0, here or in the gradient.
        fraction = _fraction(since, jnp.maximum(self.steps - self.warmup, 1.0))
        cosine = _interpolate(self.start, self.end, 0.5 * (1.0 - jnp.cos(jnp.pi * fraction)))
        line = self.start * _fraction(step, jnp.maximum(self.warmup, 1.0))
        # Both sides are computed: the step is traced, so Python cannot choose one.
        return jnp.where(since < 0.0, line, cosine)


@spec
class Step:
    """`value`, multiplied by `factor` after every `every` steps."""

    value: float
    """The number during the first `every` steps."""

    factor: Annotated[float, Gt(0)]
    """Factor of each change; above 0, below 1 to decay."""

    every: Annotated[float, Gt(0)]
    """Steps from one change to the next; above 0."""

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return value factor^floor(step / every), f32[]."""
        step = jnp.asarray(step, float)
        # floor_divide uses the remainder: it is exact at multiples of `every`, however the backend rounds
        # divisions.
        changes = jnp.floor_divide(step, self.every)
        # float32(0.1) is above 0.1, so step 1 would see 9 changes. Allowing a gap of at most 1/2 to the next
        # change keeps a whole `every` exact for all steps.
        gap = (changes + 1.0) * self.every - step
        changes = changes + (gap <= jnp.minimum(ROUNDING * step, 0.5))
        return self.value * jnp.asarray(self.factor, float) ** changes


@spec
class Piecewise:
    """`values[0]` before step `boundaries[0]`, `values[1]` from there to `boundaries[1]`, and so on."""

    values: tuple[float, ...]
    """The numbers, in order; one more than `boundaries`."""

    boundaries: tuple[Annotated[float, Gt(0)], ...]
    """The steps at which the next number starts; above 0 and ascending."""

    def check(self) -> None:
        """Check that values and boundaries fit together; raise ValueError otherwise."""
        if len(self.values) != len(self.boundaries) + 1:
            given = f"{len(self.values)} values and {len(self.boundaries)} boundaries"
            raise ValueError(f"got {given}, expected one more value than boundaries")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries: got {self.boundaries}, expected ascending steps")

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return values[number of boundaries <= step], f32[]."""
        index = jnp.sum(jnp.asarray(self.boundaries, float) <= jnp.asarray(step, float))
        return jnp.asarray(self.values, float)[index]


def _fraction(step: ArrayLike, steps: ArrayLike) -> Array:
    """Return step / steps, clipped to [0, 1]."""
    return jnp.clip(jnp.asarray(step, float) / steps, 0.0, 1.0)


def _interpolate(start: ArrayLike, end: ArrayLike, fraction: Array) -> Array:
    """Return the point between `start` (fraction 0) and `end` (fraction 1), exact at both ends."""
    # Not start + fraction * (end - start), which float32 rounds to a number near `end` at fraction 1.
    return (1.0 - fraction) * start + fraction * end
