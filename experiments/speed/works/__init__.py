"""Works of the benchmark, by name; the first letter is the family."""

from works import classical_works, conv_works, mlp_works, sweep_works
from works.work import Work as Work
from works.work import split_entry as split_entry

WORKS: dict[str, Work] = {
    work.name: work
    for module in (mlp_works, classical_works, conv_works, sweep_works)
    for work in module.WORKS
}


def chosen(names: list[str]) -> list[Work]:
    """Return the works of the given letters or names, in their usual order; all works without names.

    Exits with a message that lists the valid names if one is unknown.
    """
    letters = {name[0] for name in WORKS}
    unknown = [name for name in names if name not in WORKS and name not in letters]
    if unknown:
        raise SystemExit(
            f"--works: got {unknown[0]!r}, expected one of {', '.join(sorted(letters))} or {', '.join(WORKS)}"
        )
    return [work for work in WORKS.values() if not names or {work.name, work.name[0]} & set(names)]
