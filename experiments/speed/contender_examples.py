"""Train the VAE with the loop of pytorch/examples.

It has a DataLoader, a transform for each image, Adam, and `item` for each batch.
"""

import numpy as np
import torch
from contender_torch import AfterEpoch, adam, begin, step
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from works import Work


class Images(Dataset):
    """MNIST as torchvision yields it with ToTensor: uint8 row -> PIL image -> f32[1, 28, 28]."""

    def __init__(self, x: np.ndarray) -> None:
        self.data = torch.from_numpy(x.reshape(len(x), 28, 28))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Tensor:
        image = Image.fromarray(self.data[index].numpy(), mode="L")
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(image.size[1], image.size[0], 1)
        return pixels.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255)


def train(work: Work, variant: str, x: np.ndarray, seed: int, epochs: int, after_epoch: AfterEpoch) -> None:
    """Train with two separate heads, as the example has them."""
    model = begin(work, variant, seed, one_head=False)
    optimizer = adam(model.parameters(), fused=False)
    loader = DataLoader(Images(x), batch_size=work.batch_size, shuffle=True, drop_last=True)
    for _ in range(epochs):
        total = 0.0
        for images in loader:
            total += step(model, optimizer, torch.bernoulli(images.view(len(images), -1))).item()
        after_epoch(total / len(loader))
