"""Optimisers as specs: hyperparameters are leaves, and `build` returns the optax transformation.

A transformation is built inside jit from traced numbers, so runs that differ only in them share one program.
In the formulas g is the gradient, p the parameter and t the number of the update, from 1. A learning rate is
a number or a schedule of the number of steps taken before the update, from 0. Weight decay is decoupled from
the gradient's statistics (Loshchilov & Hutter, 2019, arXiv 1711.05101) and decays every parameter, biases
too.

Example:
    >>> import jaxae
    >>> rate = jaxae.schedules.Cosine(start=1e-3, steps=10_000, warmup=500)
    >>> experiment = jaxae.Experiment(optimizer=jaxae.AdamW(learning_rate=rate, weight_decay=0.01))
    >>> experiment.optimizer.weight_decay
    0.01
"""

from typing import Annotated

import optax
from annotated_types import Ge, Gt, Lt

from jaxae.protocols.parts import Schedule
from jaxae.specs.pytree import spec

# Both are leaves: a rate or decay that is swept is traced, and no value of it compiles another program.
Rate = Annotated[float, Ge(0)] | Schedule
Decay = Annotated[float, Ge(0), Lt(1)]


@spec
class Adam:
    """p -= learning_rate m_hat / (sqrt(v_hat) + eps); Kingma & Ba, 2015, algorithm 1 (arXiv 1412.6980).

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, m_hat = m / (1 - b1^t), v_hat = v / (1 - b2^t).
    """

    learning_rate: Rate = 1e-3
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    b1: Decay = 0.9
    """Decay of the mean of the gradients; in [0, 1)."""

    b2: Decay = 0.999
    """Decay of the mean of the squared gradients; in [0, 1)."""

    eps: Annotated[float, Gt(0)] = 1e-8
    """Number added to the root of the mean square, in the gradient's unit; above 0."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.adam(self.learning_rate, b1=self.b1, b2=self.b2, eps=self.eps)


@spec
class AdamW:
    """Adam with decoupled weight decay: p -= learning_rate (Adam's step + weight_decay p).

    Loshchilov & Hutter, 2019 (arXiv 1711.05101).
    """

    learning_rate: Rate = 1e-3
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    b1: Decay = 0.9
    """Decay of the mean of the gradients; in [0, 1)."""

    b2: Decay = 0.999
    """Decay of the mean of the squared gradients; in [0, 1)."""

    eps: Annotated[float, Gt(0)] = 1e-8
    """Number added to the root of the mean square, in the gradient's unit; above 0."""

    weight_decay: Annotated[float, Ge(0)] = 1e-4
    """Pull of every parameter towards 0, multiplied by the learning rate; 0 or above."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.adamw(
            self.learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, weight_decay=self.weight_decay
        )


@spec
class Adamax:
    """p -= learning_rate m_hat / u; Kingma & Ba, 2015, algorithm 2 (arXiv 1412.6980).

    m = b1 m + (1 - b1) g, m_hat = m / (1 - b1^t), u = max(b2 u, |g| + eps).
    """

    learning_rate: Rate = 2e-3
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    b1: Decay = 0.9
    """Decay of the mean of the gradients; in [0, 1)."""

    b2: Decay = 0.999
    """Decay of the largest gradient seen; in [0, 1)."""

    eps: Annotated[float, Gt(0)] = 1e-8
    """Number added to the size of each gradient, in the gradient's unit; above 0."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.adamax(self.learning_rate, b1=self.b1, b2=self.b2, eps=self.eps)


@spec
class SGD:
    """p -= learning_rate (m + weight_decay p) with m = momentum m + g; Polyak, 1964; Sutskever et al., 2013.

    Nesterov's form steps along g + momentum m instead of m. Without momentum the weight decay equals an L2
    penalty.
    """

    learning_rate: Rate = 1e-2
    """Step size, in the parameters' unit over the gradient's; 0 or above, or a schedule."""

    momentum: Decay = 0.0
    """Decay of the sum of the gradients; in [0, 1)."""

    nesterov: bool = False
    """Whether the step looks ahead along the momentum; no difference at momentum 0."""

    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Pull of every parameter towards 0, multiplied by the learning rate; 0 or above."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.chain(
            # Also at momentum 0, which optax.sgd would leave out: momentum is traced and cannot choose a
            # program.
            optax.trace(decay=self.momentum, nesterov=self.nesterov),
            # After the momentum, which must not sum the decay up: that is what "decoupled" means.
            optax.add_decayed_weights(self.weight_decay),
            optax.scale_by_learning_rate(self.learning_rate),
        )


@spec
class RMSprop:
    """p -= m with m = momentum m + learning_rate g / (sqrt(v) + eps); Tieleman & Hinton, 2012, lecture 6.5.

    v = decay v + (1 - decay) g^2 from v = 0. The lecture has no eps; here it is added to the root, as in
    Adam.
    """

    learning_rate: Rate = 1e-3
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    decay: Decay = 0.9
    """Decay of the mean of the squared gradients; in [0, 1)."""

    eps: Annotated[float, Gt(0)] = 1e-8
    """Number added to the root of the mean square, in the gradient's unit; above 0."""

    momentum: Decay = 0.0
    """Decay of the sum of the steps; in [0, 1)."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        # optax's default adds eps inside the root; outside, as in Adam, it has the gradient's unit.
        return optax.rmsprop(
            self.learning_rate, decay=self.decay, eps=self.eps, eps_in_sqrt=False, momentum=self.momentum
        )


@spec
class Lion:
    """p -= learning_rate (sign(b1 m + (1 - b1) g) + weight_decay p), then m = b2 m + (1 - b2) g.

    Chen et al., 2023 (arXiv 2302.06675).
    """

    learning_rate: Rate = 1e-4
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    b1: Decay = 0.9
    """Weight of the mean, against the new gradient, in the sign of the step; in [0, 1)."""

    b2: Decay = 0.99
    """Decay of the mean of the gradients; in [0, 1)."""

    weight_decay: Annotated[float, Ge(0)] = 1e-3
    """Pull of every parameter towards 0, multiplied by the learning rate; 0 or above."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.lion(self.learning_rate, b1=self.b1, b2=self.b2, weight_decay=self.weight_decay)


@spec
class Adagrad:
    """p -= learning_rate g / sqrt(G + eps) with G = initial_accumulator + sum of g^2; Duchi et al., 2011."""

    learning_rate: Rate = 1e-2
    """Step size, in the parameters' unit; 0 or above, or a schedule."""

    initial_accumulator: Annotated[float, Ge(0)] = 0.1
    """Start of the sum of the squared gradients, in the gradient's unit squared; 0 or above."""

    eps: Annotated[float, Gt(0)] = 1e-7
    """Number added to that sum under the root, in the gradient's unit squared; above 0."""

    def build(self) -> optax.GradientTransformation:
        """Return the optax transformation."""
        return optax.adagrad(
            self.learning_rate, initial_accumulator_value=self.initial_accumulator, eps=self.eps
        )
