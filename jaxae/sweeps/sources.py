"""The source of a user's own classes in a sweep's directory: code/DIGEST/, a folder for each."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxae import provenance, runs
from jaxae.code import kept
from jaxae.sweeps.plan import Planned, Program, digest, run_id, structure_digest
from jaxae.sweeps.store import Store


def adopted(store: Store, programs: Sequence[Program]) -> list[Program]:
    """The programs, of which those that a sweep was begun with before jaxae kept code have their old names.

    They are not trained again. Whether their code has changed cannot be known: a warning says so.
    """
    if not store.exists:
        return list(programs)
    scheduled = {group.program: set[str]() for group in store.groups()}
    for group in store.groups():
        scheduled[group.program].update(group.runs)
    found: list[Program] = []
    for program in programs:
        name = structure_digest(program.example, program.dataset, None)
        old: list[Planned] = []
        new: list[Planned] = []
        for run in program.runs:
            plain = run_id(run.experiment, run.seed, program.dataset, None)
            is_old = run.code is not None and plain in scheduled.get(name, ())
            (old if is_old else new).append(dataclasses.replace(run, id=plain, code=None) if is_old else run)
        found += [dataclasses.replace(program, runs=new)] if new else []
        found += [Program(name, program.dataset, old)] if old else []
        if old:
            message = kept.cannot_compare(None, program.code)
            runs.warn(store.path, f"{store.path}: {len(old)} of its runs: {message}")
    return found


def keep(store: Store, record: dict[str, Any], programs: Sequence[Program]) -> None:
    """Writes the code of new programs, and the diffs of trees that are dirty, into the sweep's directory."""
    known: dict[str, Any] = record.get(kept.KEY, {})
    for program in programs:
        code = program.code
        if code is None or code.digest is None or code.short in known:
            continue
        earlier = [each for each in known.values() if set(each["classes"]) == set(code.classes)]
        if earlier:
            changed = kept.changes(earlier[-1], code)
            runs.warn(
                store.path,
                f"{store.path}: the code of its classes has changed: {changed}; runs are trained with the "
                "changed code, and the column `code` tells their rows from those of before",
            )
        folder = f"{kept.FOLDER}/{code.short}"
        kept.keep(store.path, code, folder)
        known = {**known, str(code.short): {**code.record(), "folder": folder}}
    if known:
        record[kept.KEY] = known
    if programs:
        texts = provenance.uncommitted()
        named = {f"{kept.FOLDER}/{digest([text])}-{name}": text for name, text in texts.items()}
        runs.keep_files(store.path, named)
        if named:
            record["uncommitted"] = list(dict.fromkeys([*record.get("uncommitted", []), *named]))
