"""The source of a user's own classes in a sweep's directory: code/DIGEST/, a folder for each."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxae.runs import directory, provenance
from jaxae.runs.code import kept
from jaxae.sweeps.plan import Program, digest, run_id
from jaxae.sweeps.store import Store


def adopted(store: Store, programs: Sequence[Program]) -> list[Program]:
    """The programs, of which those that a sweep was begun with before jaxae kept code have their old names.

    They are not trained again. Whether their code has changed cannot be known: a warning says so.
    """
    if not store.exists:
        return list(programs)
    scheduled = {run: group.program for group in store.groups() for run in group.runs}
    found: list[Program] = []
    for program in programs:
        plain = {run.id: run_id(run.experiment, run.seed, program.dataset, None) for run in program.runs}
        old = [run for run in program.runs if run.code is not None and plain[run.id] in scheduled]
        new = [run for run in program.runs if run not in old]
        found += [dataclasses.replace(program, runs=new)] if new else []
        if old:
            renamed = [dataclasses.replace(run, id=plain[run.id], code=None) for run in old]
            found.append(Program(scheduled[renamed[0].id], program.dataset, renamed))
            message = kept.cannot_compare(None, program.code)
            directory.warn(store.path, f"{store.path}: {len(old)} of its runs: {message}")
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
            directory.warn(
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
        directory.keep_files(store.path, named)
        if named:
            record["uncommitted"] = list(dict.fromkeys([*record.get("uncommitted", []), *named]))
