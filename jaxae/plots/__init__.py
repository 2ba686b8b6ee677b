"""Figures by matplotlib, which is imported at the first use of a function.

For papers: `curves`, `codes`, `reconstructions` and `samples` of a result return a `Plot`, which has a
caption and writes vectors. A sweep's `Results` has `plot`, `plot_rates` and `plot_curves`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"of_runs": ["codes", "curves", "reconstructions", "samples"], "plot": ["Plot"]},
)
