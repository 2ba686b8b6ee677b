"""Train a work in PyTorch with rows preloaded as one tensor: eager, channels_last and torch.compile."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from works import Work

LEARNING_RATE = 1e-3
AfterEpoch = Callable[..., None]


def preloaded(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train with the plain Adam."""
    _train(work, begin(work, variant, seed), x, epochs, after_epoch, fused=False)


def fused(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train with the fused Adam."""
    _train(work, begin(work, variant, seed), x, epochs, after_epoch)


def channels_last(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train with the fused Adam, and images and kernels with their channels as the last axis in memory."""
    model: Any = begin(work, variant, seed)
    model = model.to(memory_format=torch.channels_last)
    _train(work, model, x, epochs, after_epoch, memory_format=torch.channels_last)


def compiled(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train with the fused Adam and a compiled loss, forward and backward."""
    model = torch.compile(begin(work, variant, seed))
    _train(work, model, x, epochs, after_epoch)


def vector_quantize(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train with the fused Adam and the quantiser of vector-quantize-pytorch."""
    _train(work, begin(work, variant, seed, library=True), x, epochs, after_epoch)


def jacfwd(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train with the fused Adam and the Jacobian by forward derivatives."""
    _train(work, begin(work, variant, seed, jacobian="jacfwd"), x, epochs, after_epoch)


def jacrev(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train with the fused Adam and the Jacobian by reverse derivatives."""
    _train(work, begin(work, variant, seed, jacobian="jacrev"), x, epochs, after_epoch)


def begin(work: Work, variant: str, seed: int, **options: Any) -> nn.Module:
    """Return the model with Flax's initialisation: truncated normal of variance 1/fan_in, biases 0."""
    torch.manual_seed(seed)
    peer = work.variants[variant].torch
    assert peer is not None
    model = peer.build(**options)
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            # [out, in] or [out, in, kh, kw]; a transposed convolution has [in, out, kh, kw].
            inputs = layer.weight.shape[0 if isinstance(layer, nn.ConvTranspose2d) else 1]
            # The divisor is the standard deviation of N(0, 1) truncated to [-2, 2]; Flax has it as well.
            std = math.sqrt(1 / (inputs * layer.weight[0, 0].numel())) / 0.87962566103423978
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def preload(work: Work, x: np.ndarray) -> Tensor:
    """Return all rows as the model sees them, f32[N, D] or f32[N, C, H, W]."""
    rows = torch.from_numpy(x)
    if rows.dtype == torch.uint8:
        rows = rows.to(torch.float32).div(255)
    return rows.permute(0, 3, 1, 2).contiguous() if work.images else rows.reshape(len(rows), -1)


def batches(work: Work, rows: Tensor) -> Iterator[Tensor]:
    """Yield the batches of an epoch in random order, binarised if the work says so."""
    last = len(rows) // work.batch_size * work.batch_size
    for indices in torch.randperm(len(rows))[:last].split(work.batch_size):
        batch = rows.index_select(0, indices)
        # A comparison is a little faster than torch.bernoulli.
        yield (torch.rand_like(batch) < batch).to(batch.dtype) if work.binarize else batch


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> Tensor:
    """Take one step on a batch and return its loss."""
    optimizer.zero_grad()
    loss = model(x)
    loss.backward()
    optimizer.step()
    return loss.detach()


def adam(parameters: Any, fused: bool = True) -> torch.optim.Optimizer:
    """Return Adam with the settings of all contenders."""
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=fused)


def _train(
    work: Work,
    model: Any,
    x: np.ndarray,
    epochs: int,
    after_epoch: AfterEpoch,
    fused: bool = True,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> None:
    rows = preload(work, x).to(memory_format=memory_format)
    optimizer = adam(model.parameters(), fused)
    for _ in range(epochs):
        losses = [step(model, optimizer, batch) for batch in batches(work, rows)]
        after_epoch(torch.stack(losses).mean().item())
