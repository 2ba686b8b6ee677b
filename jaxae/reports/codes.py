"""Codes of a run's test rows with a small image of each row, for the chart of codes."""

import io
from typing import Any, NamedTuple

import numpy as np

from jaxae.plots.canvas import label_name
from jaxae.plots.pages import as_images, planes, single
from jaxae.reports.blocks import png_url

MOST_CODES = 1_000
SIDE = 32  # pixels of the longer side of an image on hover
BYTES = 3_000_000  # of all images together; with more, fewer rows have one


class Codes(NamedTuple):
    """Codes of test rows."""

    rows: list[dict[str, Any]]  # x0, y0, x1, y1, row; label, place and image if known
    names: list[tuple[str, str]]  # names of the axes of each plane
    num_labels: int  # 0 for rows without labels
    values: np.ndarray  # the codes [N, L]


def codes(result: Any, computed: Any) -> Codes:
    """Return the codes of test rows in the planes of the figure `codes`.

    Args:
        result: The result of a run.
        computed: What `plots.pages.compute` has returned.

    Returns:
        The codes of at most 1,000 rows.
    """
    values, dataset = computed.codes[:MOST_CODES], result.run.dataset
    found = planes(values)
    rows: list[dict[str, Any]] = [{"row": number} for number in range(len(values))]
    for place, plane in enumerate(found):
        for row, (x, y) in zip(rows, plane.points, strict=True):
            row |= {f"x{place}": round(float(x), 4), f"y{place}": round(float(y), 4)}
    labels = single(computed.y)
    if labels is not None:
        labels = labels[:MOST_CODES]
        for row, label in zip(rows, labels, strict=True):
            row |= {"label": label_name(int(label), dataset.classes), "place": int(label)}
        # In the order of the labels' numbers, which is the order of the legend.
        rows.sort(key=lambda row: row["place"])
    split = dataset.test if len(dataset.test.x) else dataset.validation
    x = np.asarray(split.x[:MOST_CODES], np.float32) / split.scale
    images = thumbnails(x, dataset.display_range)
    for row in rows:
        if row["row"] < len(images):
            row["image"] = images[row["row"]]
    return Codes(
        rows, [plane.names for plane in found], 0 if labels is None else len(np.unique(labels)), values
    )


def thumbnails(x: np.ndarray, span: tuple[float, float]) -> list[str]:
    """Return rows as small images, data URLs of PNG files.

    Args:
        x: Rows [N, ...] in the model's unit.
        span: The values that are shown as black and white.

    Returns:
        The URLs of the first rows, `BYTES` at most. Empty if the rows are no images.
    """
    # Rows of tables have no picture; the tooltip then shows their number and label.
    shown = as_images(x)
    if shown is None:
        return []
    (images,), _ = shown
    urls: list[str] = []
    size = 0
    for image in images:
        urls.append(png_url(png(image, span, SIDE)))
        size += len(urls[-1])
        # A page that is sent by mail must stay small; other rows are dots without a picture.
        if size > BYTES:
            break
    return urls


def png(image: np.ndarray, span: tuple[float, float], side: int | None = None) -> bytes:
    """Return an image as the content of a PNG file.

    Args:
        image: Image [H, W, C] of one or three channels.
        span: The values that are shown as black and white.
        side: Pixels of the longer side, at most; None for those of the image.

    Returns:
        The bytes.
    """
    from PIL import Image

    scaled = np.clip((np.asarray(image, np.float64) - span[0]) / (span[1] - span[0]), 0, 1)
    # Rounded, not cut: 254.99 is white.
    pixels = np.round(255 * scaled).astype(np.uint8)
    picture = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
    if side and max(picture.size) > side:
        picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
