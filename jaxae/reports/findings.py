"""Warnings for a reader: runs that failed, codes that collapsed, scores not to trust."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxae.runs import edits

Notice = tuple[str, str]  # (level, text)
RISE = 0.01  # share of the best validation loss by which a later epoch must exceed it to be worth a warning
FALL = 0.002  # share of the loss by which the last tenth of the epochs must lower it to advise more epochs
FEW_DRAWS = 0.1  # share of the importance samples below which the effective sample size is called low
UNUSED = 0.5  # share of a codebook that is in use below which a warning is given


def of_run(
    state: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    codes: np.ndarray | None = None,
    is_variational: bool = False,
) -> list[Notice]:
    """Return the warnings of a run.

    Args:
        state: Status of the run, with status and reason.
        history: The epochs.
        scores: Scores of the run, as in scores.json.
        codes: Codes of test rows [N, L], or None.
        is_variational: Whether the codes are means of a posterior, so that a constant one carries nothing.

    Returns:
        (level, text) of each, the most severe first.
    """
    found = [*_ending(state), *_overfitting(history), *_collapse(codes, is_variational)]
    for split in ("test", "validation"):
        if values := scores.get(split):
            found += [*_importance(values, split), *_units(values, split)]
            # The test rows had no part in any choice; validation rows only without them.
            break
    order = ["problem", "warning", "hint"]
    return sorted(found, key=lambda each: order.index(each[0]))


def of_edits(record: Mapping[str, Any]) -> list[Notice]:
    """Return a warning for each file that was edited by hand and accepted.

    Args:
        record: Content of record.json or sweep.json.

    Returns:
        (level, text) of each.
    """
    return [("warning", f"Edited by hand: {line}") for line in edits.lines(record)]


def of_sweep(
    rows: Sequence[Mapping[str, Any]], differences: Sequence[str], failed: Sequence[str]
) -> list[Notice]:
    """Return the warnings of a sweep.

    Args:
        rows: Rows of the runs.
        differences: Differences between the environments of the rows.
        failed: Values of `status` of failed runs.

    Returns:
        (level, text) of each.
    """
    found: list[Notice] = []
    if lost := [row for row in rows if row["status"] in failed]:
        first = "; ".join(f"run {row['run']}: {row.get('reason') or row['status']}" for row in lost[:3])
        more = f"; and {len(lost) - 3} more" if len(lost) > 3 else ""
        found.append(("problem", f"{len(lost)} of {len(rows)} runs failed. {first}{more}"))
    if differences:
        found.append(
            (
                "warning",
                f"Runs were made in different environments, and means mix them: {', '.join(differences)}",
            )
        )
    return found


def _ending(state: Mapping[str, Any]) -> list[Notice]:
    status, reason = state.get("status"), state.get("reason")
    text = f"The run is {status}" + (f": {reason}" if reason else "")
    if status in ("diverged", "failed"):
        return [("problem", text)]
    return [("warning", text)] if status not in ("finished", "stopped early") else []


def _overfitting(history: Sequence[Mapping[str, Any]]) -> list[Notice]:
    """Compare the last epoch with the best one, by validation loss."""
    known = [
        (line["epoch"], line["validation"]["loss"], line["train"]["loss"])
        for line in history
        if (line.get("validation") or {}).get("loss") is not None and line["train"].get("loss") is not None
    ]
    if len(known) < 3:
        return []
    best_epoch, best, best_train = min(known, key=lambda each: each[1])
    last_epoch, last, last_train = known[-1]
    if last - best > RISE * abs(best) and last_train < best_train:
        share = (last - best) / abs(best) if best else math.inf
        return [
            (
                "warning",
                f"Overfitting: after epoch {best_epoch} of {last_epoch} the validation loss rose by "
                f"{share:.1%} while the training loss fell. The scores are those of the best epoch.",
            )
        ]
    # The last tenth, since single epochs are noisy.
    earlier = known[max(0, len(known) - 1 - max(1, len(known) // 10))][1]
    if (
        best_epoch == last_epoch
        and earlier - last > FALL * abs(earlier)
        and not history[-1].get("stopped_early")
    ):
        return [
            (
                "hint",
                "The validation loss was still falling at the last epoch. More epochs may help.",
            )
        ]
    return []


def _collapse(codes: np.ndarray | None, is_variational: bool) -> list[Notice]:
    """Count the dimensions whose code varies over rows (Burda et al., 2016, section 5)."""
    if codes is None or not is_variational:
        return []
    from jaxae.estimators.code_health import active_dimensions

    num, active = codes.shape[1], int(active_dimensions(codes).sum())
    if active == num:
        return []
    text = f"{active} of {num} latent dimensions are active: their code has a variance over rows above 0.01."
    # All of a standard VAE's rate may be in few dimensions; none at all is the known failure.
    if active == 0:
        return [("problem", f"Posterior collapse: no latent dimension carries information. {text}")]
    return [("warning" if active <= num / 2 else "hint", f"Unused latent dimensions: {text}")]


def _importance(values: Mapping[str, Any], split: str) -> list[Notice]:
    """Look at the diagnostics of importance sampling."""
    found: list[Notice] = []
    for name, value in values.items():
        # Names such as iwelbo_64_ess hold the number of draws.
        bound, _, what = name.rpartition("_")
        if what == "unreliable" and value:
            found.append(
                (
                    "warning",
                    f"{bound} of {value:.0%} of the {split} rows is not reliable: pareto_k is above 0.7.",
                )
            )
        if what == "ess" and value is not None and bound.rpartition("_")[2].isdigit():
            draws = int(bound.rpartition("_")[2])
            if value < FEW_DRAWS * draws:
                found.append(
                    (
                        "warning",
                        f"{bound} has an effective sample size of {value:.3g} of {draws} draws ({split}).",
                    )
                )
    return found


def _units(values: Mapping[str, Any], split: str) -> list[Notice]:
    """Look at units of sparse codes and at codebooks."""
    found: list[Notice] = []
    if dead := values.get("dead_units"):
        found.append(("warning", f"{dead:,.0f} units are dead: they are 0 for every {split} row."))
    usage = values.get("codebook_usage")
    if usage is not None and usage < UNUSED:
        found.append(("warning", f"Only {usage:.0%} of the codebook is in use on {split} rows."))
    return found
