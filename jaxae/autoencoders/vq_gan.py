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

# Both as in the authors' code: the small number in lambda's denominator, and the upper bound of lambda.
DELTA, LARGEST = 1e-4, 1e4


@spec
class VQGAN(VQVAE):
    """VQ-GAN: loss = VQ-VAE loss + perceptual_weight P(x, x') + generator_weight lambda G + discriminator.

    All terms are f32[B], and x' is the reconstruction:

    - P is the perceptual distance of x and x', without unit;
    - G is the mean over patches of -d(x'), where d are the discriminator's logits;
    - discriminator is its hinge loss 1/2 (max(0, 1 - d(x)) + max(0, 1 + d(x'))), with a separate optimiser;
    - lambda = |grad L_rec| / (|grad G| + 1e-4), the adaptive weight (equation 7).

    Both gradients of lambda are those in the decoder's last layer, so that lambda makes them equally long.
    L_rec = D + perceptual_weight P, where D is the distortion; both are means over the batch. `extra` holds
    that of the quantiser, and `perceptual`.

    An adversarial loss says little about which epoch is best. A blurred epoch from before
    `discriminator_start` may have the lowest loss. Without validation rows (`num_validation=0`) the last
    epoch is kept. Esser, Rombach & Ommer, 2021.
    """

    discriminator: nn.Module = nets.PatchDiscriminator()
    """Network image -> a logit for each patch; it is called with the shape (*patches, 1)."""
    patches: Shape = ()
    """Grid of patches with one logit each, (height, width) for images; () for the grid of tokens."""
    discriminator_optimizer: Optimizer = Adam(learning_rate=1e-3, b1=0.5, b2=0.9)
    """Optimiser of the discriminator."""
    discriminator_start: Annotated[float, Ge(0)] = 0.0
    """First step in which the discriminator and the generator loss are trained."""
    generator_weight: Annotated[float, Ge(0)] | Schedule = 0.8
    """Weight of the generator loss; 0 trains the autoencoder without it."""
    adaptive: bool = True
    """Multiply the generator loss by the adaptive weight lambda."""
    last_layer: str = "out"
    """Name of the decoder's last layer among its parameters, in which lambda compares gradients."""
    perceptual: PerceptualLoss | None = RotationFeatures()
    """Perceptual loss of x and x'; None for no perceptual loss."""
    perceptual_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the perceptual loss, which is of order 1; the distortion is summed over pixels."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # a part of the ELBO, if it is of a density

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """Names of terms that depend on the batch: the adaptive weight does."""
        return ("generator",) if self.adaptive else ()

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise the VQ-VAE, the discriminator and the perceptual features."""
        vae_key, discriminator_key, perceptual_key = jax.random.split(key, 3)
        params, extra = VQVAE.init(self, vae_key, batch)
        # Checked here: inside `terms` a missing layer would fail while a training step is traced.
        if self.adaptive and self.last_layer not in params["decoder"]:
            hint = nearest(self.last_layer, params["decoder"])
            raise JaxaeError(f"last_layer: got '{self.last_layer}', which the decoder lacks; {hint}")
        params["discriminator"] = nets.init(self.discriminator, discriminator_key, batch.x, self._patch_shape)
        if self.perceptual is None:
            return Variables(params, extra)
        perceptual_variables = self.perceptual.init(perceptual_key, batch.x)
        learned = {"perceptual": perceptual_variables.params} if perceptual_variables.params else {}
        return Variables({**params, **learned}, {**dict(extra), "perceptual": perceptual_variables.extra})

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute the VQ-VAE's terms, the perceptual ones, `generator` and `discriminator`; f32[B] each."""
        vae_key, perceptual_key = jax.random.split(key)
        quantised, parameters = self.passed(variables, batch, vae_key)
        image = self.image(parameters)
        logits = functools.partial(self.discriminator_logits, variables.params["discriminator"])
        terms = {
            **self.differences(variables, batch.x, parameters),
            **quantised.terms,
            "generator": self.generator_loss(variables, image),
            # The hinge loss sees a detached image: its gradient trains the discriminator only.
            "discriminator": hinge(logits(batch.x), logits(stop_gradient(image))),
        }
        # lambda multiplies the term, not its weight: it depends on the parameters, and weights on the step
        # only.
        if self.adaptive:
            terms["generator"] *= self.adaptive_weight(variables, batch, quantised.values)
        if self.perceptual is None:
            return terms, quantised.extra
        # A quantiser that carries nothing has the extra (), of which dict makes {}.
        extra = {**dict(quantised.extra), "perceptual": variables.extra["perceptual"]}
        feature_variables = self._perceptual_variables(variables)
        return terms | self.perceptual.losses(feature_variables, batch.x, perceptual_key), extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights; 0 for both adversarial losses before `discriminator_start`."""
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
        """Return the separate optimisers of the discriminator and of features that learn."""
        optimizers: dict[str, Optimizer] = {"discriminator": self.discriminator_optimizer}
        if isinstance(self.perceptual, LearnedPerceptualLoss):
            optimizers["perceptual"] = self.perceptual.optimizer
        return optimizers

    def differences(self, variables: Variables, x: Array, parameters: dict[str, Array]) -> Terms:
        """Compute the terms that compare x with its reconstruction.

        Args:
            variables: Variables of the model.
            x: Images, f32[B, ...].
            parameters: Parameters of p(x|z), from the decoder.

        Returns:
            `distortion` and, if used, `perceptual`, f32[B] each.
        """
        terms = {"distortion": self.reconstruction.distortion(parameters, x, len(self.data_shape))}
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual.distances(
                self._perceptual_variables(variables), x, self.image(parameters)
            )
        return terms

    def generator_loss(self, variables: Variables, image: Array) -> Array:
        """Compute the mean over patches of -d(x'), without a gradient to the discriminator.

        Args:
            variables: Variables of the model.
            image: Reconstructions x', f32[B, ...].

        Returns:
            f32[B].
        """
        return -self.discriminator_logits(stop_gradient(variables.params["discriminator"]), image).mean(
            axis=1
        )

    def discriminator_logits(self, params: Params, x: Array) -> Array:
        """Compute the discriminator's logits d(x), above 0 for images that it takes for real.

        Args:
            params: Parameters of the discriminator.
            x: Images, f32[B, ...].

        Returns:
            f32[B, patches].
        """
        return nets.apply(self.discriminator, params, x, self._patch_shape).reshape(x.shape[0], -1)

    def adaptive_weight(self, variables: Variables, batch: Batch, values: Array) -> Array:
        """Compute the adaptive weight lambda, f32[], without a gradient (Esser et al., 2021, equation 7).

        Args:
            variables: Variables of the model.
            batch: Examples of the batch, f32[B, ...].
            values: Their codes, f32[B, P, D].

        Returns:
            f32[], from 0 to 1e4.
        """
        params, extra = stop_gradient((variables.params, variables.extra))
        # Schedules are resolved to numbers before `terms` is called, so that the step has no effect here.
        variables, weight = Variables(params, extra), value(self.perceptual_weight, 0)

        # The decoder as a function of its last layer alone; everything else is a constant.
        def decode_with(layer: Params) -> dict[str, Array]:
            decoder = {**params["decoder"], self.last_layer: layer}
            return self.decoded({**params, "decoder": decoder}, stop_gradient(values))

        def reconstruction_loss(parameters: dict[str, Array]) -> Array:
            terms = self.differences(variables, batch.x, parameters)
            return terms["distortion"].mean() + weight * terms.get("perceptual", jnp.zeros(())).mean()

        def generator_loss(parameters: dict[str, Array]) -> Array:
            return self.generator_loss(variables, self.image(parameters)).mean()

        # One forward pass of the decoder; both gradients are pulled back through its last layer only.
        parameters, pull = jax.vjp(decode_with, params["decoder"][self.last_layer])
        rec_norm, generator_norm = (
            _norm(pull(jax.grad(loss)(parameters))) for loss in (reconstruction_loss, generator_loss)
        )
        # A factor, and no part of the objective: without stop_gradient lambda itself would be minimised.
        return stop_gradient(jnp.clip(rec_norm / (generator_norm + DELTA), 0.0, LARGEST))

    def _perceptual_variables(self, variables: Variables) -> Variables:
        """Return the variables of the perceptual loss."""
        return Variables(variables.params.get("perceptual", {}), variables.extra["perceptual"])

    @property
    def _patch_shape(self) -> tuple[int, ...]:
        """Shape of the discriminator's output for one image, (*patches, 1)."""
        return (*(self.patches or self.grid), 1)


def hinge(real: Array, fake: Array) -> Array:
    """Compute the hinge loss 1/2 (max(0, 1 - real) + max(0, 1 + fake)), averaged over patches.

    Args:
        real: Logits of images of the data, f32[B, patches].
        fake: Logits of reconstructions, f32[B, patches].

    Returns:
        f32[B].
    """
    return 0.5 * (jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)).mean(axis=1)


def _norm(tree: Params) -> Array:
    """Compute the Euclidean norm of all numbers of a tree, f32[]."""
    # float32 at least: squares of small bfloat16 gradients would underflow or lose their sum.
    squares = [(widened(leaf) ** 2).sum() for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares, start=jnp.zeros(())))
