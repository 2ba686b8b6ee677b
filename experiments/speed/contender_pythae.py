"""Train a VAE or an importance weighted autoencoder with pythae's trainer.

pythae does not binarise: it gets grey values. Copies of the best model and files are left out, since only
`train_step`, an epoch of its trainer, is called.
"""

import tempfile
from typing import Any

import numpy as np
import torch
from contender_torch import AfterEpoch, preload
from pythae.data.datasets import BaseDataset
from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn
from torch_mlp import mlp
from works import Work
from works.sweep_works import MOST_SINGLE


class Encoder(BaseEncoder):
    """The encoder of a work as pythae wants it."""

    def __init__(self, inputs: int, widths: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.net = mlp(inputs, *widths, 2 * latent)

    def forward(self, x: Tensor) -> ModelOutput:
        """Compute mean and log-variance, [B, D] -> two of [B, L]."""
        mean, log_var = self.net(x.reshape(len(x), -1)).chunk(2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
    """The decoder of a work as pythae wants it: probabilities, not logits."""

    def __init__(self, inputs: int, widths: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*mlp(latent, *widths[::-1], inputs), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        """Compute the reconstruction, [B, L] -> [B, D]."""
        return ModelOutput(reconstruction=self.net(z))


def train(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train one model."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(work, variant, x, seed, folder)
        for epoch in range(1, epochs + 1):
            after_epoch(float(trainer.train_step(epoch)))


def one_after_another(
    work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch
) -> None:
    """Train the first runs of a sweep in turns of one epoch."""
    lanes = min(work.lanes, MOST_SINGLE)
    with tempfile.TemporaryDirectory() as folder:
        trainers = [_trainer(work, variant, x, seed + number, folder) for number in range(lanes)]
        for epoch in range(1, epochs + 1):
            losses = [float(trainer.train_step(epoch)) for trainer in trainers]
            after_epoch(sum(losses) / lanes, lanes=lanes)


def _trainer(work: Work, variant: str, x: np.ndarray, seed: int, folder: str) -> Any:
    torch.manual_seed(seed)
    peer = work.variants[variant].torch
    assert peer is not None
    sizes: dict[str, Any] = {"inputs": 784, **peer.options}
    samples = sizes.pop("samples", None)
    shared = {
        "input_dim": (sizes["inputs"],),
        "latent_dim": sizes["latent"],
        "reconstruction_loss": "bce",
    }
    nets = {"encoder": Encoder(**sizes), "decoder": Decoder(**sizes)}
    model = (
        IWAE(IWAEConfig(**shared, number_samples=samples), **nets)
        if samples
        else VAE(VAEConfig(**shared), **nets)
    )
    rows = preload(work, x)
    config = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=work.batch_size,
        learning_rate=1e-3,
        optimizer_cls="Adam",
        no_cuda=True,
    )
    trainer = BaseTrainer(model, BaseDataset(rows, torch.zeros(len(rows))), training_config=config)
    trainer.prepare_training()
    return trainer
