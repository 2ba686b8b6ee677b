"""Numbers as words."""


def count(num: int, noun: str) -> str:
    """Return a number with its noun, `1 run` or `20 runs`.

    Args:
        num: The number.
        noun: The noun in the singular; the plural has an s.

    Returns:
        The text.

    Example:
        >>> count(1, "run"), count(1200, "lane")
        ('1 run', '1,200 lanes')
    """
    return f"{num:,} {noun}{'' if num == 1 else 's'}"
