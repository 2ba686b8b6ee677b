"""Train the same VAE in PyTorch: as pytorch/examples does, and with everything that speeds it up on a CPU."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE, LEARNING_RATE = 100, 1e-3
PIXELS, WIDTH, LATENT = 784, 400, 20

AfterEpoch = Callable[[float, Callable[[], dict[str, np.ndarray]]], None]


class VAE(nn.Module):
    """VAE 784-400-20-400-784 with ReLU.

    The two heads are separate layers as in pytorch/examples, or one matrix product.
    """

    def __init__(self, one_head: bool) -> None:
        super().__init__()
        self.encoder = nn.Linear(PIXELS, WIDTH)
        self.heads = nn.ModuleList(
            [nn.Linear(WIDTH, size) for size in ([2 * LATENT] if one_head else [LATENT] * 2)]
        )
        self.decoder = nn.Linear(LATENT, WIDTH)
        self.outputs = nn.Linear(WIDTH, PIXELS)

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the ELBO in nats, [B, 784] of 0 and 1 -> [].

        It is summed over pixels, and the mean over the batch.
        """
        hidden = F.relu(self.encoder(x))
        codes = [head(hidden) for head in self.heads]
        mean, log_var = codes if len(codes) == 2 else codes[0].chunk(2, dim=-1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        logits = self.outputs(F.relu(self.decoder(z)))
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        rate = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return (distortion + rate) / len(x)


class Images(Dataset):
    """MNIST as torchvision yields it with ToTensor: uint8 row -> PIL image -> f32[1, 28, 28]."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.data, self.targets = torch.from_numpy(x), torch.from_numpy(y)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, target = Image.fromarray(self.data[index].numpy(), mode="L"), int(self.targets[index])
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(image.size[1], image.size[0], 1)
        return pixels.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255), target


def examples(x: np.ndarray, y: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train with the loop of pytorch/examples.

    It has a DataLoader, a transform for each image, Adam, and `item` for each batch.
    """
    model, optimizer = _begin(seed, one_head=False, fused=False)
    loader = DataLoader(Images(x, y), batch_size=BATCH_SIZE, shuffle=True)
    for _ in range(epochs):
        total = 0.0
        for images, _ in loader:
            total += _step(model, optimizer, torch.bernoulli(images.view(-1, PIXELS))).item()
        after_epoch(total / len(loader), lambda: _parameters(model))


def preloaded(x: np.ndarray, y: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train on rows that are one f32 tensor, with batches from a permutation and Adam."""
    _preloaded(x, epochs, after_epoch, *_begin(seed, one_head=False, fused=False), torch.bernoulli)


def fused(x: np.ndarray, y: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train as `preloaded` does, with the fused Adam."""
    _preloaded(x, epochs, after_epoch, *_begin(seed, one_head=False, fused=True), torch.bernoulli)


def tuned(x: np.ndarray, y: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train as `fused` does, with one head and binarisation by comparison.

    Comparison is a little faster than torch.bernoulli.
    """
    _preloaded(x, epochs, after_epoch, *_begin(seed, one_head=True, fused=True), _draw)


def products(times: int) -> dict[str, float]:
    """Measure the GFLOP/s of float32 matrix products.

    One is large and square, the other has the shapes of the VAE.
    """
    return {
        name: _rate(*shape, times=times)
        for name, shape in {"1024": (1024,) * 3, "VAE": (100, 784, 400)}.items()
    }


def _preloaded(
    x: np.ndarray,
    epochs: int,
    after_epoch: AfterEpoch,
    model: VAE,
    optimizer: torch.optim.Optimizer,
    draw: Callable[[Tensor], Tensor],
) -> None:
    rows = torch.from_numpy(x).reshape(len(x), PIXELS).to(torch.float32).div(255)
    for _ in range(epochs):
        losses = [_step(model, optimizer, draw(batch)) for batch in _batches(rows)]
        after_epoch(torch.stack(losses).mean().item(), lambda: _parameters(model))


def _batches(rows: Tensor) -> Iterator[Tensor]:
    for indices in torch.randperm(len(rows)).split(BATCH_SIZE):
        yield rows.index_select(0, indices)


def _draw(x: Tensor) -> Tensor:
    return (torch.rand_like(x) < x).to(x.dtype)


def _begin(seed: int, one_head: bool, fused: bool) -> tuple[VAE, torch.optim.Optimizer]:
    """Return a model and Adam.

    The model has Flax's initialisation: truncated normal of variance 1/fan_in, biases 0.
    """
    torch.manual_seed(seed)
    model = VAE(one_head)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            # The divisor is the standard deviation of N(0, 1) truncated to [-2, 2]; Flax has it as well.
            std = math.sqrt(1 / layer.in_features) / 0.87962566103423978
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(layer.bias)
    return model, torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)


def _step(model: VAE, optimizer: torch.optim.Optimizer, x: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = model(x)
    loss.backward()
    optimizer.step()
    return loss.detach()


def _parameters(model: VAE) -> dict[str, np.ndarray]:
    """Return the kernels [in, out] and biases by layer."""
    heads = [(head.weight, head.bias) for head in model.heads]
    layers = {
        "encoder": (model.encoder.weight, model.encoder.bias),
        "code": tuple(torch.cat(parts) for parts in zip(*heads, strict=True)),
        "decoder": (model.decoder.weight, model.decoder.bias),
        "outputs": (model.outputs.weight, model.outputs.bias),
    }
    arrays = {
        name: (weight.detach().numpy().T, bias.detach().numpy()) for name, (weight, bias) in layers.items()
    }
    return {
        f"{name}_{kind}": part for name, pair in arrays.items() for kind, part in zip("wb", pair, strict=True)
    }


@torch.no_grad()
def _rate(rows: int, inner: int, outer: int, times: int) -> float:
    x = torch.randn(rows, inner)
    there, back = torch.randn(inner, outer) / inner**0.5, torch.randn(outer, inner) / outer**0.5
    repeats = max(1, int(times * 1e8 / (rows * inner * outer)))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            x = (x @ there) @ back
        seconds.append(time.perf_counter() - start)
    return 4 * repeats * rows * inner * outer / min(seconds) / 1e9
