"""Figures by matplotlib, which is imported at the first use of a function.

For papers: `curves`, `codes`, `reconstructions` and `samples` of a result return a `Plot`, which has a
caption and writes vectors. A sweep's `Results` has `plot`, `plot_rates` and `plot_curves`.
"""

import logging

import lazy_loader

# Without a home directory that can be written, matplotlib logs three lines about its temporary files at each
# start. They concern no figure.
_PLACES = ("created a temporary", "mkdir -p failed", "not a writable directory", "building the font cache")


def _is_about_figures(record: logging.LogRecord) -> bool:
    return not any(words in record.getMessage() for words in _PLACES)


for _name in ("matplotlib", "matplotlib.font_manager"):
    logging.getLogger(_name).addFilter(_is_about_figures)

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"of_runs": ["codes", "curves", "reconstructions", "samples"], "plot": ["Plot"]},
)
