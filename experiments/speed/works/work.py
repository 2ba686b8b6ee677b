"""Description of a work: what is trained, on which rows, and by whom.

Importing it imports neither jax nor torch, so that a worker is pinned first.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from works.flops import Layer, of_step


@dataclass(frozen=True)
class Peer:
    """Reference to the same model in another library: a function of a module next to `compare.py`."""

    module: str
    """Name of the module, which is imported in the process of the contender only."""
    function: str
    """Name of the function or class that returns the model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its keyword arguments."""

    def build(self, **options: Any) -> Any:
        """Return the model; `options` replace those of the reference."""
        function = getattr(importlib.import_module(self.module), self.function)
        return function(**{**self.options, **options})


@dataclass(frozen=True)
class Variant:
    """One model of a work, in jaxae and in the other libraries."""

    model: Callable[[], Any]
    """Factory of jaxae's model."""
    torch: Peer | None = None
    """The same loss in PyTorch: a module that maps a batch to the loss."""
    flax: Peer | None = None
    """The same loss with Flax's own layers."""
    layers: tuple[Layer, ...] | None = None
    """Layers whose products are counted; None if the forms differ too much for one count."""


@dataclass(frozen=True)
class Work:
    """A training that all contenders do."""

    name: str
    """Letter of the family and a short name, such as `a-vae-100`."""
    title: str
    """Heading of the table."""
    what: str
    """Sentences on what all sides do."""
    variants: Mapping[str, Variant]
    """Models by name; the name is empty if there is one."""
    contenders: tuple[str, ...]
    """Names of `contenders.CONTENDERS`, in the order of a round."""
    data: str
    """Name of the rows, see `speed_data`."""
    rows: int
    """Training rows in an epoch."""
    batch_size: int = 100
    """Rows in a step."""
    binarize: bool = False
    """Whether pixels are drawn anew at every presentation."""
    images: bool = False
    """Whether PyTorch gets images [B, C, H, W] in place of flat rows."""
    product: tuple[int, int, int] = (100, 784, 400)
    """Rows, inner and outer size of a typical matrix product of the work."""
    lanes: int = 1
    """Runs of a sweep; 1 is a single training."""
    epochs: int = 1
    """Epochs in a round."""
    tolerance: float = 0.05
    """Largest relative difference of the last training losses that the seed may explain."""

    @property
    def steps(self) -> int:
        """Training steps of one run in a round."""
        return self.epochs * (self.rows // self.batch_size)

    def flops(self, variant: str) -> int | None:
        """Return the operations of the products of one training step, or None if they are not counted."""
        layers = self.variants[variant].layers
        return None if layers is None else of_step(layers)

    def entries(self) -> list[str]:
        """Return the names of all rows of the table, `contender` or `contender/variant`."""
        return [
            f"{name}/{variant}" if variant else name for variant in self.variants for name in self.contenders
        ]


def split_entry(entry: str) -> tuple[str, str]:
    """Return (contender, variant) of a row's name."""
    name, _, variant = entry.partition("/")
    return name, variant
