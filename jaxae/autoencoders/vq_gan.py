"""The VQ-GAN (Esser, Rombach & Ommer, 2021, arXiv 2012.09841)."""

import functools
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Ge
from flax import linen as nn
from jax import Array
from jax.lax import stop_gradient

from jaxae import nets
from jaxae.autoencoders.base.pairs import Shape
from jaxae.autoencoders.base.perceptual import RotationFeatures
from jaxae.autoencoders.vq_vae import VQVAE
from jaxae.errors import JaxaeError, nearest
from jaxae.maths.precision import widened
from jaxae.optimizers import Adam
from jaxae.protocols.parts import LearnedPerceptualLoss, Optimizer, PerceptualLoss, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables

DELTA, LARGEST = 1e-4, 1e4  # under what lambda divides by, and its bound, as in the authors' code


@spec
class VQGAN(VQVAE):
    """loss of the VQ-VAE + perceptual_weight P(x, x') + generator_weight lambda generator, x' decoded.

    generator = mean over patches of -d(x'), d the logits of a discriminator. The discriminator learns by the
    hinge loss 1/2 (max(0, 1 - d(x)) + max(0, 1 + d(x'))) with a separate optimiser. The adaptive weight
    lambda (equation 7) makes the two gradients at the decoder's last layer equally long:
    |grad L_rec| / (|grad generator| + 1e-4), with L_rec = D + perceptual_weight P, means over the batch.
    `extra`: that of the quantiser, and `perceptual`.

    An adversarial loss says little about which epoch is best. A blurred epoch from before
    `discriminator_start` may have the lowest loss: without validation rows (`num_validation=0`) the last
    epoch is kept.
    """

    discriminator: nn.Module = nets.PatchDiscriminator()
    """The net image -> a logit for each patch, asked for the shape (*patches, 1)."""
    patches: Shape = ()
    """Patches with a logit each: for images height and width; () for as many as the grid has."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-3, b1=0.5, b2=0.9)
    """How the discriminator learns."""
    discriminator_start: Annotated[float, Ge(0)] = 0.0
    """The first step of the discriminator's training and of the generator loss."""
    generator_weight: Annotated[float, Ge(0)] | Schedule = 0.8
    """Weight of the generator loss."""
    adaptive: bool = True
    """Whether the generator loss is multiplied by the adaptive weight lambda."""
    last_layer: str = "out"
    """The name among the decoder's parameters of the layer that lambda looks at."""
    perceptual: PerceptualLoss | None = RotationFeatures()
    """How different x and x' look; None leaves it out."""
    perceptual_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the perceptual loss, which is of the order of 1; the distortion is summed over pixels."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # a part of the ELBO, if it is of a density

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """Terms that depend on the batch: the adaptive weight does."""
        return ("generator",) if self.adaptive else ()

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of the VQ-VAE, the discriminator and the features."""
        vae_key, discriminator_key, perceptual_key = jax.random.split(key, 3)
        params, extra = VQVAE.init(self, vae_key, batch)
        if self.adaptive and self.last_layer not in params["decoder"]:
            known = nearest(self.last_layer, params["decoder"])
            raise JaxaeError(f"last_layer: the decoder has no '{self.last_layer}'; {known}")
        params["discriminator"] = nets.init(self.discriminator, discriminator_key, batch.x, self._asked)
        if self.perceptual is None:
            return Variables(params, extra)
        own = self.perceptual.init(perceptual_key, batch.x)
        learned = {"perceptual": own.params} if own.params else {}
        return Variables({**params, **learned}, {**dict(extra), "perceptual": own.extra})

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """The VQ-VAE's, `perceptual` and what its features learn by, `generator`, `discriminator`; f32[B]."""
        vae_key, perceptual_key = jax.random.split(key)
        found, parameters = self.passed(variables, batch, vae_key)
        image = self.image(parameters)
        logits = functools.partial(self.discriminator_logits, variables.params["discriminator"])
        terms = {
            **self.differences(variables, batch.x, parameters),
            **found.terms,
            "generator": self.generator_loss(variables, image),
            "discriminator": hinge(logits(batch.x), logits(stop_gradient(image))),
        }
        if self.adaptive:
            terms["generator"] *= self.adaptive_weight(variables, batch, found.values)
        if self.perceptual is None:
            return terms, found.extra
        extra = {**dict(found.extra), "perceptual": variables.extra["perceptual"]}
        return terms | self.perceptual.losses(self._own(variables), batch.x, perceptual_key), extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The VQ-VAE's and the fields'; 0 for both adversarial losses before `discriminator_start`."""
        started = jnp.where(step >= self.discriminator_start, 1.0, 0.0)
        weights = VQVAE.weights(self, step)
        if self.perceptual is not None:
            weights |= {"perceptual": value(self.perceptual_weight, step), **self.perceptual.weights(step)}
        generator = started * value(self.generator_weight, step)
        return {**weights, "generator": generator, "discriminator": started}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; adversarial losses are means of logits, features have no unit."""
        adversarial = {"generator": "logits", "discriminator": "logits"}
        return {**VQVAE.term_units(self), **adversarial, "perceptual": "no unit", "rotation": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        """The discriminator's own, and that of the features where they learn."""
        own: dict[str, Optimizer] = {"discriminator": self.discriminator_optimizer}
        if isinstance(self.perceptual, LearnedPerceptualLoss):
            own["perceptual"] = self.perceptual.optimizer
        return own

    def differences(self, variables: Variables, x: Array, parameters: dict[str, Array]) -> Terms:
        """`distortion` and `perceptual` of x and what was decoded, f32[B]."""
        terms = {"distortion": self.reconstruction.distortion(parameters, x, len(self.data_shape))}
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual.distances(self._own(variables), x, self.image(parameters))
        return terms

    def generator_loss(self, variables: Variables, image: Array) -> Array:
        """Mean over patches of -d(x'), f32[B, ...] -> f32[B]; no gradient to the discriminator."""
        return -self.discriminator_logits(stop_gradient(variables.params["discriminator"]), image).mean(
            axis=1
        )

    def discriminator_logits(self, params: Params, x: Array) -> Array:
        """d(x), above 0 for what looks real, f32[B, ...] -> f32[B, patches]."""
        return nets.apply(self.discriminator, params, x, self._asked).reshape(x.shape[0], -1)

    def adaptive_weight(self, variables: Variables, batch: Batch, values: Array) -> Array:
        """lambda for the codes f32[B, P, D] of a batch, f32[] without a gradient.

        Both gradients are pulled back through the decoder's last layer only.
        """
        params, extra = stop_gradient((variables.params, variables.extra))
        variables, weight = Variables(params, extra), value(self.perceptual_weight, 0)  # a number by now

        def decoded(layer: Params) -> dict[str, Array]:
            decoder = {**params["decoder"], self.last_layer: layer}
            return self.decoded({**params, "decoder": decoder}, stop_gradient(values))

        def rec(parameters: dict[str, Array]) -> Array:
            terms = self.differences(variables, batch.x, parameters)
            return terms["distortion"].mean() + weight * terms.get("perceptual", jnp.zeros(())).mean()

        def generator(parameters: dict[str, Array]) -> Array:
            return self.generator_loss(variables, self.image(parameters)).mean()

        parameters, pull = jax.vjp(decoded, params["decoder"][self.last_layer])
        of_rec, of_generator = (_length(pull(jax.grad(loss)(parameters))) for loss in (rec, generator))
        return stop_gradient(jnp.clip(of_rec / (of_generator + DELTA), 0.0, LARGEST))

    def _own(self, variables: Variables) -> Variables:
        """The perceptual loss's variables."""
        return Variables(variables.params.get("perceptual", {}), variables.extra["perceptual"])

    @property
    def _asked(self) -> tuple[int, ...]:
        """(*patches, 1), what the discriminator is asked for."""
        return (*(self.patches or self.grid), 1)


def hinge(real: Array, fake: Array) -> Array:
    """Mean over patches of 1/2 (max(0, 1 - real) + max(0, 1 + fake)), f32[B, patches] twice -> f32[B]."""
    return 0.5 * (jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)).mean(axis=1)


def _length(tree: Params) -> Array:
    """The Euclidean length of all numbers of a tree, f32[]."""
    squares = [(widened(leaf) ** 2).sum() for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares, start=jnp.zeros(())))
