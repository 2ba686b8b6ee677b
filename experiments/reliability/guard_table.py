"""The guards of the reliability code: what removes each one, and the tests that fail without it.

A guard is code without which everything works until something goes wrong: a kill, a full disk, a second
process, a damaged file, an edited record, a number that is not finite. `guards.py` removes them one at a
time. `tests/experiments/test_guards.py` checks that each text occurs once and that each test exists.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Guard(NamedTuple):
    """One guard, and the change of the source that removes it."""

    name: str  # what holds because of it
    file: str
    text: str  # occurs once in the file
    instead: str  # replaces the text
    tests: tuple[str, ...]  # each of them fails without the guard


def _of(file: str, *guards: tuple[str, ...]) -> Iterator[Guard]:
    """Yield the guards of a file, from (name, text, replacement, tests ...)."""
    for name, text, instead, *tests in guards:
        yield Guard(name, file, text, instead, tuple(f"tests/{test}" for test in tests))


DIRECTORY = _of(
    "jaxae/runs/directory.py",
    (
        "A directory that holds a run is refused for a new one",
        "if (path / RECORD).exists():",
        "if False:",
        "runs/test_directory.py::test_an_existing_run_is_never_overwritten",
    ),
    (
        "A directory with other files is refused for a new run",
        'if names and not (".lock" in names and names <= STARTED):',
        "if False:",
        "runs/test_directory.py::test_an_existing_run_is_never_overwritten",
    ),
    (
        "The name of a run leads to no path outside of runs/",
        're.sub(r"[^\\w.-]+", "-", name)[:100]',
        "name",
        "runs/test_directory.py::test_a_name_never_leads_out_of_runs",
    ),
    (
        "Two runs of one name and second get two directories",
        "        path.mkdir()\n",
        "        path.mkdir(exist_ok=True)\n",
        "runs/test_directory.py::test_names_never_collide",
    ),
    (
        "One process at a time writes to a run",
        "if not locks.acquire(handle, wait=False):",
        "if False:",
        "runs/test_directory.py::test_one_writer_at_a_time",
    ),
    (
        "The lock of a run is free after an error",
        "        handle.close()  # which releases the lock",
        "        globals().setdefault('leaked', []).append(handle)",
        "runs/test_directory.py::test_the_lock_is_free_after_an_error",
    ),
    (
        "Readers see that another process holds a run",
        "        # Also for a directory without permission to write: who reads the run of another user must "
        "believe it.\n        return True",
        "        return False",
        "runs/test_status.py::test_a_killed_run_is_recognised",
    ),
    (
        "A run that does not fit on the disk is refused",
        "    if free < needed:",
        "    if False:",
        "runs/test_directory.py::test_room_for_three_checkpoints_is_asked_for_first",
    ),
    (
        "The disk needs room for a third checkpoint while two are kept",
        "3 * state_bytes + 2**20",
        "2 * state_bytes + 2**20",
        "runs/test_directory.py::test_room_for_three_checkpoints_is_asked_for_first",
    ),
    (
        "A file is written under another name, then renamed",
        'temporary = path.with_name(path.name + ".part")',
        "temporary = path",
        "runs/test_directory.py::test_json_is_written_whole_or_not_at_all",
    ),
    (
        "The data of a file is on the disk before its name",
        "            file.flush()\n            os.fsync(file.fileno())",
        "            file.flush()",
        "runs/test_directory.py::test_json_is_written_whole_or_not_at_all",
    ),
    (
        "A status file that cannot be written stops no run",
        "    except OSError:\n        with contextlib.suppress(OSError):\n            temporary",
        "    except ZeroDivisionError:\n        with contextlib.suppress(OSError):\n            temporary",
        "runs/test_status.py::test_a_full_disk_costs_only_the_status",
    ),
    (
        "Numbers that are not finite are null in JSON",
        "return None if isinstance(value, float) and not math.isfinite(value) else value",
        "return value",
        "runs/test_directory.py::test_a_number_that_is_not_finite_is_null",
    ),
    (
        "Scores from before a run was extended are not its scores",
        'return bool(extensions) and extensions[-1].get("scores") == digest_of(run / SCORES)',
        "return False",
        "runs/test_extension.py::test_a_kill_leaves_the_old_run_or_the_extended_one",
    ),
    (
        "A history with a gap is refused",
        'if [line["epoch"] for line in lines] != list(range(1, last_epoch + 1)):',
        "if False:",
        "runs/test_directory.py::test_a_history_with_a_gap_is_refused",
    ),
    (
        "A line of the history without an epoch is refused",
        'if not isinstance(line.get("epoch"), int):',
        "if False:",
        "runs/test_directory.py::test_a_line_that_is_no_epoch_is_named",
    ),
    (
        "Epochs that are trained again have one line in the history",
        "    write_lines(run / HISTORY, lines)\n",
        "",
        "runs/test_directory.py::test_history_after_the_checkpoint_is_dropped",
        "runs/test_execution.py::test_a_run_that_failed_between_two_checkpoints_goes_on_to_the_same_bits",
    ),
    (
        "A log that cannot be written stops no run",
        'with contextlib.suppress(OSError):\n        append_line(run / LOG, f"warning',
        'if True:\n        append_line(run / LOG, f"warning',
        "runs/test_directory.py::test_a_warning_goes_to_the_screen_and_the_log",
    ),
    (
        "TensorStore's error of a full disk is reported as one",
        'is_tensorstore_full = isinstance(error, ValueError) and "RESOURCE_EXHAUSTED" in str(error)',
        "is_tensorstore_full = False",
        "runs/test_directory.py::test_a_full_disk_is_told_alike_however_it_is_reported",
    ),
    (
        "XLA's error of full memory is not reported as a full disk",
        'isinstance(error, ValueError) and "RESOURCE_EXHAUSTED" in str(error)',
        '"RESOURCE_EXHAUSTED" in str(error)',
        "runs/test_directory.py::test_other_errors_are_left_alone",
    ),
    (
        "The system's error of a full disk is reported as one",
        'or getattr(error, "errno", None) == errno.ENOSPC',
        "",
        "runs/test_directory.py::test_a_full_disk_is_told_alike_however_it_is_reported",
    ),
    (
        "Orbax's error of a full disk is reported as one",
        'or "No space left" in str(error)',
        "",
        "runs/test_directory.py::test_a_full_disk_is_told_alike_however_it_is_reported",
    ),
)

EXECUTION = _of(
    "jaxae/runs/execution.py",
    (
        "A full disk while a run trains is one line",
        "directory.disk_errors(run.path) if run.path else contextlib.nullcontext()",
        "contextlib.nullcontext()",
        "runs/test_execution.py::test_a_full_disk_while_a_run_saves_is_named",
    ),
    (
        "The last good state of a run that diverged is saved",
        "if len(history) >= first:",
        "if False:",
        "runs/test_execution.py::test_the_last_good_state_of_a_diverged_run_is_saved_once",
    ),
    (
        "A run that had diverged before is not saved again",
        "if len(history) >= first:",
        "if True:",
        "runs/test_execution.py::test_the_last_good_state_of_a_diverged_run_is_saved_once",
    ),
    (
        "A diverged state that is not finite is not saved",
        "if only_if_finite and not all(",
        "if False and not all(",
        "runs/test_execution.py::test_a_diverged_state_that_is_not_finite_is_not_saved",
    ),
    (
        "A diverged epoch is not checkpointed when it is due",
        "is_due = is_wanted and not has_diverged",
        "is_due = is_wanted",
        "runs/test_execution.py::test_an_epoch_that_diverged_has_no_checkpoint_though_it_is_due",
    ),
    (
        "A callback that stops a diverged epoch hides no divergence",
        "and not is_last and not has_diverged",
        "and not is_last",
        "runs/test_execution.py::test_a_callback_that_stops_a_diverged_epoch_hides_no_divergence",
    ),
    (
        "The history is on the disk before the checkpoint of its epochs",
        "    directory.sync_history(run.path)\n",
        "",
        "runs/test_execution.py::test_the_history_of_each_checkpoint_is_on_the_disk_before_it",
    ),
    (
        "The line of an epoch is written before its checkpoint",
        "            directory.append_history(run.path, line)\n            if is_due:\n"
        "                _save(run, result.epoch, result.carry)",
        "            if is_due:\n                _save(run, result.epoch, result.carry)\n"
        "            directory.append_history(run.path, line)",
        "runs/test_execution.py::test_the_history_of_each_checkpoint_is_on_the_disk_before_it",
    ),
    (
        "A resumed run is refused if the disk has no room for its checkpoints",
        "        if run.path:\n            check_fits(run, run.path)\n",
        "",
        "runs/test_execution.py::test_a_run_that_does_not_fit_on_the_disk_is_refused_before_it_starts_or_goes_on",
    ),
    (
        "Old scores of an extended run get another name, also after a kill",
        "    if folder:\n        directory.rename_old_scores(run.folder)\n",
        "",
        "runs/test_extension.py::test_a_kill_leaves_the_old_run_or_the_extended_one",
    ),
    (
        "A stopped run that trains again has no scores meanwhile",
        "(run.folder / directory.SCORES).unlink(missing_ok=True)",
        "pass",
        "runs/test_execution.py::test_while_a_stopped_run_trains_again_it_has_no_scores",
    ),
    (
        "Lines of a history before the first checkpoint are dropped",
        "history = directory.keep_history(run.folder, 0) if folder else []",
        "history = []",
        "runs/test_execution.py::test_a_run_that_failed_between_two_checkpoints_goes_on_to_the_same_bits",
    ),
    (
        "Lines of a history after the last checkpoint are dropped",
        "named_as_today(directory.keep_history(run.folder, restored.epoch), run.experiment)",
        "named_as_today(directory.read_history(run.folder, restored.epoch), run.experiment)",
        "runs/test_execution.py::test_a_run_that_failed_between_two_checkpoints_goes_on_to_the_same_bits",
    ),
)

OPENING = _of(
    "jaxae/runs/opening.py",
    (
        "A directory that another process has taken meanwhile is refused",
        "        directory.refuse_existing(run.folder)\n",
        "",
        "runs/test_execution.py::test_of_two_runs_that_start_at_once_in_one_directory_one_is_refused",
    ),
    (
        "A new run is written under its lock",
        "    with directory.lock(run.folder):\n        # Again",
        "    if True:\n        # Again",
        "runs/test_execution.py::test_a_new_run_is_written_under_its_lock",
    ),
    (
        "A new run that does not fit on the disk leaves no directory",
        '    execution.check_fits(prepared, path or Path("runs"))\n',
        "",
        "runs/test_execution.py::test_a_run_that_does_not_fit_on_the_disk_is_refused_before_it_starts_or_goes_on",
    ),
    (
        "A run is held while it trains",
        "        processes.call_in_all(run.mesh, lambda: stack.enter_context(lock))\n",
        "",
        "runs/test_execution.py::test_fit_and_resume_train_under_the_lock_of_the_run",
    ),
    (
        "A run is not resumed with other data",
        "    processes.call_in_all(mesh, lambda: run_record.check_data(run, record))\n",
        "",
        "runs/test_result.py::test_a_run_of_ones_own_rows_needs_them_again",
    ),
    (
        "A run is not resumed with other code of the user's classes",
        "processes.call_in_all(mesh, lambda: kept.check(folder, record, code, **options))",
        "False",
        "cli/test_code_changes.py::test_a_changed_class_is_refused_in_one_line_and_nothing_is_written",
    ),
    (
        "A run is not loaded with other code of the user's classes",
        "        _check_code(run, accept_code_changes)\n",
        "        pass\n",
        "cli/test_code_changes.py::test_from_python_as_well",
    ),
    (
        "A run that goes on in another environment warns",
        "    if differences and run.path:",
        "    if False:",
        "runs/test_provenance.py::test_a_run_that_goes_on_under_other_flags_or_elsewhere_warns",
    ),
    (
        "A loaded run has the history of its checkpoint, without later lines",
        "directory.read_history(folder, restored.epoch)",
        "directory.read_history(folder, directory.last_epoch(folder))",
        "runs/test_execution.py::test_a_loaded_run_has_the_history_of_its_checkpoint",
    ),
)

EXTENSION = _of(
    "jaxae/runs/extension.py",
    (
        "A run is not shortened",
        "    _check_not_shorter(run, new, trained)\n",
        "",
        "cli/test_bad_inputs.py::test_runs",
    ),
    (
        "A run that diverged is not extended",
        "    if int(carry.first_bad_step) != NEVER:",
        "    if False:",
        "runs/test_extension.py::test_a_run_that_diverged_is_not_extended",
    ),
    (
        "A run that stopped early is not extended",
        "    if loop.has_stopped(run.experiment, int(carry.since_improved)):",
        "    if False:",
        "runs/test_extension.py::test_what_cannot_be_extended_says_why_and_changes_nothing",
    ),
    (
        "A run whose model depends on the length is not extended",
        "        _check_model(run, new)\n",
        "",
        "runs/test_extension.py::test_what_cannot_be_extended_says_why_and_changes_nothing",
    ),
    (
        "A run of a sweep with its best state only is not extended",
        "    if run.path and references.is_extracted(run.path):",
        "    if False:",
        "runs/test_extension.py::test_a_run_of_a_sweep_is_not_extended",
    ),
    (
        "A run that was saved from a sweep with its best state only is not extended",
        "    if int(carry.state.step) != _plan(run, run.experiment).end(restored.epoch):",
        "    if False:",
        "runs/test_extension.py::test_a_run_that_was_saved_from_a_sweep_is_not_extended",
    ),
    (
        "Checkpoints that the longer run would not have are deleted",
        "    checkpoint.delete(folder / execution.CHECKPOINTS, after=start)\n",
        "",
        "runs/test_extension.py::test_the_last_epoch_is_trained_again_if_the_longer_run_has_another",
    ),
    (
        "An epoch that validates only in the shorter run is trained again",
        " and validated[0] == validated[1]",
        "",
        "runs/test_extension.py::test_the_last_epoch_is_trained_again_if_the_longer_run_has_another",
    ),
)

INITIAL = _of(
    "jaxae/runs/initial.py",
    (
        "A copy of initial variables that is missing is named",
        "        if restored is None:\n            raise",
        "        if False:\n            raise",
        "runs/test_warm_start.py::test_a_copy_that_is_damaged_is_named",
    ),
    (
        "A damaged entry about initial variables is named",
        'if not isinstance(entry, dict) or not isinstance(entry.get("left"), dict):',
        "if False:",
        "runs/test_warm_start.py::test_a_damaged_entry_of_the_record_is_named",
    ),
)

PROVENANCE = _of(
    "jaxae/runs/provenance.py",
    (
        "Versions are compared on resume",
        'BITWISE = ("versions", "device", "flags")',
        'BITWISE = ("device", "flags")',
        "runs/test_provenance.py::test_whatever_changes_bits_is_a_difference",
    ),
    (
        "The device is compared on resume",
        'BITWISE = ("versions", "device", "flags")',
        'BITWISE = ("versions", "flags")',
        "runs/test_provenance.py::test_whatever_changes_bits_is_a_difference",
        "runs/test_provenance.py::test_a_run_that_goes_on_under_other_flags_or_elsewhere_warns",
    ),
    (
        "XLA's flags are compared on resume",
        'BITWISE = ("versions", "device", "flags")',
        'BITWISE = ("versions", "device")',
        "runs/test_provenance.py::test_whatever_changes_bits_is_a_difference",
        "runs/test_provenance.py::test_a_run_that_goes_on_under_other_flags_or_elsewhere_warns",
    ),
    (
        "XLA's flags are recorded",
        'flag for flag in os.environ.get("XLA_FLAGS", "").split()',
        "flag for flag in ()",
        "runs/test_provenance.py::test_the_flags_of_xla_are_recorded",
    ),
    (
        "The number of devices on the machine gives no warning",
        'IGNORED_FIELDS = {"count", "x64"}',
        'IGNORED_FIELDS = {"x64"}',
        "runs/test_provenance.py::test_what_changes_no_bits_is_no_difference",
    ),
    (
        "Forced devices of a CPU give no warning",
        " if not flag.startswith(FORCED)",
        "",
        "runs/test_provenance.py::test_what_changes_no_bits_is_no_difference",
    ),
)

RECORD = _of(
    "jaxae/runs/run_record.py",
    (
        "A record of a future format is refused",
        '    if record.get("format") not in READABLE:',
        "    if False:",
        "cli/test_bad_inputs.py::test_records",
    ),
    (
        "A record with an entry of a wrong type is refused",
        "        if not isinstance(record.get(name), expected_type):",
        "        if False:",
        "cli/test_bad_inputs.py::test_records",
    ),
    (
        "A seed that is none is refused",
        "if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:",
        "if False:",
        "runs/test_result.py::test_mistakes_are_named_and_leave_nothing",
    ),
    (
        "The experiment is part of a run's identity",
        'parts = [old_records.identity(record.get("experiment")), ',
        "parts = [",
        "runs/test_run_record.py::test_all_that_decides_the_numbers_is_part_of_the_identity",
    ),
    (
        "The seed is part of a run's identity",
        'record.get("seed"), record.get("data_hash")]',
        'record.get("data_hash")]',
        "runs/test_run_record.py::test_all_that_decides_the_numbers_is_part_of_the_identity",
    ),
    (
        "The data are part of a run's identity",
        'record.get("seed"), record.get("data_hash")]',
        'record.get("seed")]',
        "runs/test_run_record.py::test_all_that_decides_the_numbers_is_part_of_the_identity",
    ),
    (
        "The code of the user's classes is part of a run's identity",
        "*([code] if code else []), ",
        "",
        "runs/test_run_record.py::test_all_that_decides_the_numbers_is_part_of_the_identity",
    ),
    (
        "Initial variables of another run are part of a run's identity",
        '*([{"initial": start}] if start else [])',
        "",
        "runs/test_run_record.py::test_all_that_decides_the_numbers_is_part_of_the_identity",
    ),
    (
        "Data with another hash has changed",
        "    if dataset.hash == expected:",
        "    if True:",
        "runs/test_recorded_data.py::test_other_rows_are_refused_when_they_are_asked_for",
    ),
    (
        "A value that no record can hold is named before anything is written",
        "        except TypeError as error:\n            raise JaxaeError",
        "        except ZeroDivisionError as error:\n            raise JaxaeError",
        "cli/test_commands.py::test_fields_of_ones_own_that_no_record_can_hold_are_named",
    ),
)

DATA = (
    *_of(
        "jaxae/runs/recorded_data.py",
        (
            "Rows of a loaded run that are read later are compared with its record",
            "    if difference := data_difference(dataset, record):",
            "    if False:",
            "sweeps/test_origins.py::test_rows_from_python_are_given_again_where_they_are_used",
        ),
        (
            "Data in another place is used only if it has not changed",
            "        if change is None:\n            return value",
            "        if True:\n            return value",
            "runs/test_recorded_data.py::test_a_file_of_the_same_name_but_with_other_rows_is_passed_over",
        ),
        (
            "A prior's tokenizer must have the recorded weights",
            "        if tokenizer.weights_hash == expected:",
            "        if True:",
            "tokens/test_tokenizer.py::test_a_prior_is_not_resumed_over_another_tokenizer",
        ),
        (
            "The place that a user names for moved data is the only one",
            "    if any(moved):\n        return _moved_places",
            "    if False:\n        return _moved_places",
            "runs/test_recorded_data.py::test_other_data_is_refused_with_both_hashes",
        ),
    ),
    *_of(
        "jaxae/data/downloads/retrieve.py",
        (
            "A download with another checksum is refused",
            "        wrong = difference(part, file.checksum)\n",
            '        wrong = ""\n',
            "data/test_retrieve.py::test_a_fault_is_one_line_and_leaves_no_file",
        ),
        (
            "A damaged file of a data set is downloaded again",
            "        wrong = difference(path, file.checksum)\n",
            '        wrong = ""\n',
            "data/test_retrieve.py::test_only_missing_and_damaged_files_are_downloaded",
        ),
        (
            "A download that does not fit on the disk is refused",
            "    if needed > free:",
            "    if False:",
            "data/test_retrieve.py::test_a_full_disk_before_and_during_the_download",
        ),
        (
            "Two downloads into one folder take turns",
            "        with _locked(target, display):",
            "        if True:",
            "data/test_retrieve.py::test_two_downloads_at_once_take_turns",
        ),
    ),
    *_of(
        "jaxae/data/downloads/transfer.py",
        (
            "A full disk while data are downloaded is one line",
            "        if error.errno in (errno.ENOSPC, errno.EDQUOT):",
            "        if False:",
            "data/test_retrieve.py::test_a_full_disk_before_and_during_the_download",
        ),
        (
            "A web page instead of a file is refused",
            '    if start == 0 and first.lstrip().startswith(b"<"):',
            "    if False:",
            "data/test_retrieve.py::test_a_fault_is_one_line_and_leaves_no_file",
        ),
    ),
)

CODE = _of(
    "jaxae/runs/code/kept.py",
    (
        "Changed code that is not accepted is refused",
        "    if not all(is_changed(entry, code) for entry in known):",
        "    if True:",
        "cli/test_code_changes.py::test_a_changed_class_is_refused_in_one_line_and_nothing_is_written",
    ),
    (
        "Code that was accepted for reading does not count for training",
        'if change["trains"] or not trains]',
        "]",
        "cli/test_code_changes.py::test_changed_code_that_is_accepted_is_used_and_recorded",
    ),
    (
        "A record whose code was edited is one line",
        "        if not isinstance(names, dict) or not all(",
        "        if False and not all(",
        "cli/test_code_changes.py::test_a_record_whose_code_was_edited_is_one_line",
    ),
)

LOCKS = (
    *_of(
        "jaxae/runs/locks.py",
        (
            "A lock that must wait waits",
            "            flags = portalocker.LOCK_EX if wait else ",
            "            wait = False\n            flags = ",
            "runs/test_locks.py::test_a_waiting_process_gets_the_lock_when_it_is_free",
        ),
        (
            "A lock that is held is refused",
            "            if not wait:\n                return False",
            "            if not wait:\n                return True",
            "runs/test_locks.py::test_a_lock_of_an_older_version_is_seen_and_ends_with_its_process",
        ),
        (
            "A file system without locks is an error of the system",
            "            raise _cause(error) from None",
            "            raise",
            "runs/test_locks.py::test_an_error_of_the_file_system_is_an_oserror",
        ),
    ),
    *_of(
        "jaxae/runs/status.py",
        (
            "A killed run is recognised by its process and its lock",
            '    if content["status"] == RUNNING and not is_alive(content, folder):',
            "    if False:",
            "runs/test_status.py::test_a_killed_run_is_recognised",
        ),
        (
            "A process number that another process has does not count",
            "has_process(content) is not False and directory.is_held(folder)",
            "has_process(content) is not False",
            "runs/test_status.py::test_a_killed_run_is_recognised",
        ),
        (
            "A damaged status file is ignored",
            "    except (OSError, ValueError, RecursionError):\n        return None",
            "    except OSError:\n        return None",
            "runs/test_status.py::test_a_damaged_status_is_that_of_an_old_run",
        ),
    ),
    *_of(
        "jaxae/runs/compilation_cache.py",
        (
            "A cache folder that cannot be written switches the cache off",
            "if (reason := _problem(folder)) is not None:",
            "if (reason := None) is not None:",
            "runs/test_compilation_cache.py::test_a_folder_that_cannot_be_made_switches_the_cache_off",
        ),
    ),
)

CHECKPOINT = _of(
    "jaxae/training/checkpoint.py",
    (
        "A checkpoint with a flipped bit is not used",
        'wrong = [name for name in actual if actual[name] != record["leaves"].get(name)]',
        "wrong = []",
        "training/test_checkpoint.py::test_a_flipped_bit_in_array_data_is_found_by_the_digest_alone",
    ),
    (
        "A checkpoint of another run is not used",
        'is_same_run = record["run"] in owners',
        "is_same_run = True",
        "training/test_checkpoint.py::test_a_checkpoint_of_another_run_is_refused",
        "sweeps/groups/test_group_training.py::test_checkpoints_of_another_group_are_not_used",
    ),
    (
        "A checkpoint of another type is not cast",
        'header = f"{array.dtype.str}{np.shape(leaf)}".encode()',
        'header = b""',
        "training/test_checkpoint.py::test_digests_see_dtype_shape_and_bytes",
    ),
    (
        "A damaged checkpoint is no error of Orbax but a reason to fall back",
        "    except Exception as error:\n        # Orbax",
        "    except ZeroDivisionError as error:\n        # Orbax",
        "training/test_checkpoint.py::test_an_empty_directory_with_a_higher_number_is_passed_over",
    ),
    (
        "Two checkpoints are kept",
        "    return saved[-2:]",
        "    return saved[-1:]",
        "training/test_checkpoint.py::test_the_newest_ones_are_kept_and_the_newest_is_read",
    ),
    (
        "Older checkpoints are deleted",
        "    return saved[-2:]",
        "    return saved",
        "training/test_checkpoint.py::test_the_newest_ones_are_kept_and_the_newest_is_read",
    ),
    (
        "Damaged checkpoints of later epochs push out no whole one",
        "saved = [number for number in epochs(folder) if number <= epoch]",
        "saved = epochs(folder)",
        "training/test_checkpoint.py::test_an_empty_directory_with_a_higher_number_is_passed_over",
    ),
    (
        "What a killed save has left is deleted by the next save",
        'unfinished = [path.name for path in folder.iterdir() if ".orbax-checkpoint-tmp" in path.name]',
        "unfinished: list[str] = []",
        "training/test_checkpoint.py::test_what_a_killed_save_left_is_neither_read_nor_kept",
    ),
    (
        "Only numbers are names of checkpoints",
        're.fullmatch(r"[1-9][0-9]{0,17}", name)',
        're.match(r"\\d+", name)',
        "training/test_checkpoint.py::test_what_a_killed_save_left_is_neither_read_nor_kept",
    ),
    (
        "A newer damaged checkpoint is set aside",
        "        set_aside(folder, restored.epoch)\n",
        "        pass\n",
        "training/test_checkpoint.py::test_resuming_warns_of_damaged_checkpoints_and_sets_them_aside",
        "sweeps/groups/test_group_training.py::test_a_group_falls_back_and_sets_its_newer_damaged_checkpoint_aside",
    ),
    (
        "A checkpoint that is set aside replaces no other one",
        "(folder / str(epoch)).rename(next(name for name in names if not name.exists()))",
        "(folder / str(epoch)).rename(names[0])",
        "training/test_checkpoint.py::test_what_is_set_aside_twice_is_kept_twice",
    ),
    (
        "A fall-back is a warning",
        '                warn(f"{line}; using epoch {epoch} instead")',
        "                pass",
        "training/test_checkpoint.py::test_resuming_warns_of_damaged_checkpoints_and_sets_them_aside",
    ),
    (
        "Without a whole checkpoint a run does not start again silently",
        '    if damaged:\n        raise JaxaeError(f"{damaged[0]}',
        '    if False:\n        raise JaxaeError(f"{damaged[0]}',
        "cli/test_commands.py::test_without_a_whole_checkpoint_there_is_no_going_on",
    ),
    (
        "Checkpoints from before an extension count up to the common epoch",
        "for name, last in earlier.items() if epoch <= last)",
        "for name, last in earlier.items())",
        "training/test_checkpoint.py::test_an_earlier_identity_counts_up_to_its_last_epoch",
    ),
    (
        "Late messages of Orbax about a damaged file are not logged",
        "logger.addFilter(_is_not_from_orbax)",
        "pass",
        "training/test_checkpoint.py::test_only_what_orbax_failed_with_is_not_logged_late",
    ),
)

TRAINING = (
    *_of(
        "jaxae/training/loop.py",
        (
            "A run that has diverged is not trained further",
            '    if int(carry.first_bad_step) != NEVER:\n        raise Diverged(f"diverged',
            '    if False:\n        raise Diverged(f"diverged',
            "cli/test_commands.py::test_a_run_that_diverges_is_told_in_one_line_and_stays_so",
        ),
        (
            "A divergence is an error",
            "        if summary[2] != NEVER:\n",
            "        if False:\n",
            "training/test_epoch.py::test_a_run_that_diverges_stops_with_step_and_term_and_keeps_its_last_good_state",
        ),
        (
            "A run that has stopped early trains no further epoch",
            "        if has_stopped(experiment, since_improved):\n            return",
            "        if False:\n            return",
            "training/test_epoch.py::test_early_stopping_waits_for_its_patience_after_its_warm_up",
        ),
    ),
    *_of(
        "jaxae/training/finite_steps.py",
        (
            "A loss that is not finite is a bad step",
            "jnp.isfinite(info.loss) & jnp.isfinite(info.gradient_norm)",
            "jnp.isfinite(info.gradient_norm)",
            "training/test_finite_steps.py::test_a_loss_or_a_gradient_that_is_not_finite_is_enough",
        ),
        (
            "A gradient that is not finite is a bad step",
            "jnp.isfinite(info.loss) & jnp.isfinite(info.gradient_norm)",
            "jnp.isfinite(info.loss)",
            "training/test_finite_steps.py::test_a_loss_or_a_gradient_that_is_not_finite_is_enough",
        ),
        (
            "Lanes of a sweep keep their last good state",
            "jnp.where(is_good, after, before), new, state)",
            "after, new, state)",
            "training/test_finite_steps.py::test_the_state_is_the_last_good_one",
            "training/test_finite_steps.py::test_lanes_next_to_a_bad_one_go_on",
        ),
        (
            "A single run ends before its first bad step",
            "return attempt, jnp.where(attempt.is_bad, num_good, limit), first_bad_step",
            "return attempt._replace(is_bad=jnp.zeros_like(attempt.is_bad)), limit, first_bad_step",
            "training/test_finite_steps.py::test_the_state_is_the_last_good_one",
        ),
        (
            "A run that was bad before takes no step",
            "limit = jnp.where(first_bad_step == NEVER, limit, 0).astype(jnp.int32)",
            "limit = jnp.asarray(limit, jnp.int32)",
            "training/test_finite_steps.py::test_a_run_that_was_bad_before_takes_no_step",
        ),
    ),
)

SWEEPS = (
    *_of(
        "jaxae/sweeps/store.py",
        (
            "A directory with other files is refused for a sweep",
            "if not self.exists and self.path.is_dir() and self._has_something_else():",
            "if False:",
            "sweeps/test_sweep.py::test_another_experiment_is_refused",
        ),
        (
            "A sweep of a future format is refused",
            'if not isinstance(record, dict) or record.get("format") not in READABLE:',
            "if False:",
            "sweeps/test_store.py::test_a_sweep_of_another_format_is_named",
        ),
        (
            "One process at a time changes sweep.json and the tables",
            "            locks.acquire(file, wait=True)\n",
            "",
            "sweeps/test_store.py::test_what_two_processes_add_to_a_sweep_at_once_is_kept",
            "sweeps/test_store.py::test_tables_wait_for_the_process_that_writes_them",
        ),
        (
            "A group that another process trains is left to it",
            "            except directory.Held:\n                is_ours = False",
            "            except directory.Held:\n                is_ours = True",
            "sweeps/test_sweep.py::test_a_group_that_another_process_trains_is_left_to_it",
        ),
        (
            "A group whose lock fails is not taken for one of another process",
            "            except directory.Held:\n",
            "            except JaxaeError:\n",
            "sweeps/test_store.py::test_a_folder_of_a_group_that_cannot_be_written_is_no_group_of_another_process",
        ),
        (
            "One process searches in a directory",
            "        with directory.lock(folder):\n            yield folder",
            "        if True:\n            yield folder",
            "sweeps/test_search.py::test_one_process_searches_in_a_directory",
        ),
        (
            "The rows of a group are written before its checkpoints are deleted",
            "        directory.write_lines(folder / ROWS, rows)\n",
            "        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)\n"
            "        directory.write_lines(folder / ROWS, rows)\n",
            "sweeps/test_store.py::test_the_checkpoints_of_a_group_stay_until_its_rows_are_written",
        ),
    ),
    *_of(
        "jaxae/sweeps/groups/group_schedule.py",
        (
            "The schedule is changed under the lock",
            "    with store.locked():",
            "    if True:",
            "sweeps/test_store.py::test_what_two_processes_add_to_a_sweep_at_once_is_kept",
        ),
        (
            "A directory with a sweep of another experiment is refused",
            "        _check_same(store, record, base)\n",
            "",
            "sweeps/test_sweep.py::test_another_experiment_is_refused",
        ),
        (
            "A mistake in the options is reported before the directory is made",
            "    _check_summary(store, programs, swept, options)",
            "    pass",
            "sweeps/test_sweep.py::test_a_mistake_in_the_options_is_told_before_anything_is_trained",
        ),
        (
            "A group that another process trains is not made again",
            "        if is_ours:\n            store.drop(group)\n        return not is_ours",
            "        store.drop(group)\n        return False",
            "sweeps/test_store.py::test_a_group_that_another_process_trains_keeps_its_checkpoint_under_another_layout",
        ),
    ),
    *_of(
        "jaxae/sweeps/groups/worker.py",
        (
            "A group that another process has finished is not trained again",
            "        if is_ours and not store.is_done(group):",
            "        if is_ours:",
            "sweeps/groups/test_group_training.py::"
            "test_a_group_that_another_process_has_finished_meanwhile_is_not_trained_again",
        ),
        (
            "A damaged file of progress is ignored",
            "    if fields is None:\n        return None",
            "    if False:\n        return None",
            "sweeps/groups/test_group_training.py::test_a_damaged_file_of_progress_is_no_progress",
        ),
        (
            "A worker waits for the lock of a lost one",
            "                if signals or time.monotonic() > deadline:",
            "                if True:",
            "sweeps/launching/test_ray_launcher.py::test_a_lost_workers_lock_is_waited_for",
        ),
        (
            "A worker with other code of the user's classes is refused",
            "    if planned.code is not None and code is not None and code.digest != planned.code:",
            "    if False:",
            "sweeps/groups/test_group_training.py::test_a_worker_with_other_code_is_refused",
        ),
    ),
    *_of(
        "jaxae/sweeps/groups/group_training.py",
        (
            "A group that does not fit on the disk is refused",
            "    directory.preflight(\n",
            "    (lambda *_: None)(\n",
            "sweeps/groups/test_group_training.py::"
            "test_a_group_that_does_not_fit_on_the_disk_is_refused_before_it_trains",
        ),
        (
            "A full disk while a group trains is one line",
            "    with directory.disk_errors(folder):",
            "    if True:",
            "sweeps/groups/test_group_training.py::test_a_full_disk_while_a_group_saves_is_named",
        ),
        (
            "A newer damaged checkpoint of a group is set aside",
            "checkpoint.resume(checkpoints, _abstract(work), work.id, warn)",
            "checkpoint.restore(checkpoints, _abstract(work), work.id, warn)",
            "sweeps/groups/test_group_training.py::"
            "test_a_group_falls_back_and_sets_its_newer_damaged_checkpoint_aside",
        ),
        (
            "If no checkpoint of a group is whole, all are set aside",
            "        checkpoint.set_aside(checkpoints, 0)\n",
            "",
            "sweeps/groups/test_group_training.py::"
            "test_a_group_without_a_whole_checkpoint_starts_again_and_sets_all_aside",
        ),
        (
            "A group without a whole checkpoint starts again",
            "    except JaxaeError as error:\n",
            "    except ZeroDivisionError as error:\n",
            "sweeps/groups/test_group_training.py::"
            "test_a_group_without_a_whole_checkpoint_starts_again_and_sets_all_aside",
        ),
        (
            "Checkpoints of a group belong to it",
            "        return self.group.id\n",
            '        return ""\n',
            "sweeps/groups/test_group_training.py::test_checkpoints_of_another_group_are_not_used",
        ),
        (
            "States of a finished group that are missing are named",
            "    if restored is None:\n        raise JaxaeError",
            "    if False:\n        raise JaxaeError",
            "sweeps/groups/test_group_training.py::test_a_group_without_kept_states_is_named",
        ),
        (
            "A group is resumed on as many devices as it was started on",
            "    if group.devices > available:",
            "    if False:",
            "sweeps/groups/test_group_training.py::test_a_group_needs_the_devices_that_it_was_started_on",
        ),
        (
            "A stopped group saves first",
            "            if not is_due:\n                _save",
            "            if False:\n                _save",
            "sweeps/test_sweep.py::test_ctrl_c_from_python_saves_first_and_the_same_call_goes_on",
        ),
    ),
    *_of(
        "jaxae/sweeps/session.py",
        (
            "Tables are written though the training failed",
            "            run_table.write_tables(job.store, job.options)\n        raise",
            "            pass\n        raise",
            "sweeps/test_store.py::test_tables_are_written_though_the_training_failed",
        ),
        (
            "An error of the tables hides no error of the training",
            "        with contextlib.suppress(OSError, JaxaeError):",
            "        if True:",
            "sweeps/launching/test_launchers.py::test_the_error_of_a_launcher_is_shown_and_not_one_of_the_tables",
        ),
    ),
    *_of(
        "jaxae/sweeps/tables/run_table.py",
        (
            "The tables are written under the lock",
            "    with store.locked():",
            "    if True:",
            "sweeps/test_store.py::test_tables_wait_for_the_process_that_writes_them",
        ),
    ),
    *_of(
        "jaxae/sweeps/tables/live_tables.py",
        (
            "The tables of a running sweep are written under the lock",
            "        with self.store.locked():",
            "        if True:",
            "sweeps/test_store.py::test_tables_wait_for_the_process_that_writes_them",
        ),
    ),
    *_of(
        "jaxae/sweeps/sweep_results.py",
        (
            "Half a directory of an extracted run is no run",
            'making = self.path / EXTRACTED / f".{os.getpid()}" / row["run"]',
            "making = folder",
            "sweeps/test_sweep_results.py::test_a_kill_while_a_run_is_extracted_leaves_no_run",
        ),
    ),
    *_of(
        "jaxae/sweeps/launching/ray_launcher.py",
        (
            "A group whose worker was lost is submitted again",
            "        self.submit(group, lost)",
            "        pass",
            "sweeps/launching/test_ray_launcher.py::test_a_lost_group_goes_on_from_its_checkpoint",
        ),
        (
            "A group that only loses workers is given up",
            "        if lost > RETRIES:",
            "        if lost > 10 * RETRIES:",
            "sweeps/launching/test_ray_launcher.py::test_a_group_that_only_loses_workers_is_given_up_after_the_others",
        ),
        (
            "An error in a worker is raised",
            "        if self.errors:\n            raise",
            "        if False:\n            raise",
            "sweeps/launching/test_ray_launcher.py::test_an_error_in_a_worker_is_raised_after_the_others",
        ),
        (
            "The next try of a group waits for the lock of its lost worker",
            "PATIENCE if lost else 0.0",
            "0.0",
            "sweeps/launching/test_ray_launcher.py::test_a_lost_group_goes_on_from_its_checkpoint",
        ),
    ),
)

FILES = (
    *_of(
        "jaxae/runs/tracking.py",
        (
            "A tracker that fails stops no run",
            "            except Exception as error:\n",
            "            except ZeroDivisionError as error:\n",
            "runs/test_tracking.py::test_a_tracker_that_fails_is_reported_once_and_changes_nothing",
        ),
    ),
    *_of(
        "jaxae/runs/notes.py",
        (
            "Damaged notes are no notes",
            "    except (OSError, ValueError, RecursionError):",
            "    except OSError:",
            "runs/test_notes.py::test_an_edited_file_that_is_damaged_has_no_notes",
        ),
    ),
    *_of(
        "jaxae/runs/passed_trials.py",
        (
            "A damaged file of passed trials is made again",
            "    with contextlib.suppress(OSError, ValueError):",
            "    with contextlib.suppress(OSError):",
            "runs/test_passed_trials.py::test_a_damaged_file_is_made_again",
        ),
    ),
    *_of(
        "jaxae/exports/folder.py",
        (
            "A full disk leaves no part of an export",
            "        shutil.rmtree(temporary, ignore_errors=True)\n",
            "",
            "exports/test_export_run.py::test_a_full_disk_leaves_nothing",
        ),
    ),
    *_of(
        "jaxae/data/prepare.py",
        (
            "A data set that is prepared appears as a whole",
            "        shutil.rmtree(scratch, ignore_errors=True)",
            "        pass",
            "data/test_prepare.py::test_nothing_half_written_is_left",
        ),
    ),
)

INTERRUPTS = (
    *_of(
        "jaxae/runs/interrupts.py",
        (
            "A second Ctrl-C in a script or notebook stops at once",
            "elif pending.num_repeated > 1 or (pending.number in REPEATED and number in REPEATED):",
            "elif False:",
            "runs/test_interrupts.py::test_the_second_press_stops_at_once",
        ),
        (
            "The first Ctrl-C in a script or notebook waits for the epoch",
            "with heard_by(hear), handled_by(handle, numbers):",
            "with heard_by(hear):",
            "runs/test_result.py::test_ctrl_c_in_a_run_with_a_directory_saves_its_epoch_first",
        ),
        (
            "A program's own handler of Ctrl-C stays",
            "return signal.getsignal(number) is usual",
            "return True",
            "runs/test_interrupts.py::test_a_handler_of_a_programs_own_stays",
        ),
        (
            "Ctrl-C of a run in another thread is not changed",
            "(*STOPS, *SAVES) if enabled and in_main and",
            "(*STOPS, *SAVES) if enabled and",
            "runs/test_interrupts.py::test_a_run_in_another_thread_leaves_the_handler",
        ),
        (
            "The handler of Ctrl-C is put back",
            "            signal.signal(number, previous)",
            "            pass",
            "runs/test_result.py::test_ctrl_c_in_a_run_with_a_directory_saves_its_epoch_first",
        ),
    ),
    *_of(
        "jaxae/cli/signals.py",
        (
            "The second signal while a run trains ends the process, also while XLA computes",
            "        if pending.num_repeated > 1 and number in REPEATED:\n            _leave(number)",
            "        if False:\n            _leave(number)",
            "cli/test_signals.py::test_the_first_signal_is_answered_while_xla_computes_and_the_second_ends_it",
        ),
        (
            "A signal outside of training ends the process with one line",
            "        signal.signal(number, lambda number, _: _leave",
            "        (lambda *_: None)(number, lambda number, _: _leave",
            "cli/test_signals.py::test_outside_of_training_the_first_signal_is_enough",
        ),
        (
            "A signal after the end has no effect",
            "        signal.signal(number, signal.SIG_IGN)",
            "        pass",
            "cli/test_signals.py::test_when_all_is_done_no_signal_changes_the_exit_code",
            "cli/test_signals.py::test_a_signal_after_the_end_of_a_command_does_not_change_its_exit_code",
        ),
    ),
    *_of(
        "jaxae/cli/run_to_end.py",
        (
            "A signal in the last epoch stops the command before scoring",
            "    if pending.number is not None:\n        raise Stopped(pending.number, f",
            "    if False:\n        raise Stopped(pending.number, f",
            "cli/test_signals.py::test_a_signal_in_the_last_epoch_stops_before_scoring",
        ),
        (
            "A signal stops a run at the end of its epoch",
            "            return has_stopped or pending.stops",
            "            return has_stopped",
            "cli/test_signals.py::test_a_signal_stops_a_run_after_its_epoch",
        ),
        (
            "A figure that fails costs no scores",
            "    except Exception as error:\n        reason",
            "    except ZeroDivisionError as error:\n        reason",
            "cli/test_commands.py::test_a_figure_that_fails_costs_no_score",
        ),
        (
            "A full disk while figures are drawn is no failed figure",
            "    except OSError:\n        # A full disk",
            "    except ZeroDivisionError:\n        # A full disk",
            "cli/test_run_to_end.py::test_a_full_disk_while_figures_are_drawn_leaves_the_run_unfinished",
        ),
        (
            "A run is finished only after its figures",
            "                draw_figures(result, path)\n",
            "                api.write_scores(result)\n                draw_figures(result, path)\n",
            "cli/test_run_to_end.py::test_a_full_disk_while_figures_are_drawn_leaves_the_run_unfinished",
        ),
    ),
    *_of(
        "jaxae/cli/main.py",
        (
            "Signals are ignored when a command has ended",
            "    ignore()\n",
            "",
            "cli/test_signals.py::test_a_signal_after_the_end_of_a_command_does_not_change_its_exit_code",
        ),
        (
            "Signals are answered from the start of a command",
            "    guard()\n",
            "",
            "cli/test_signals.py::test_a_signal_while_libraries_are_imported",
        ),
        (
            "A mistake in the input is one line",
            "    except JaxaeError as error:\n",
            "    except ZeroDivisionError as error:\n",
            "cli/test_bad_inputs.py::test_commands_and_names",
        ),
        (
            "A run that diverged is one line",
            "    except Diverged as error:\n",
            "    except ZeroDivisionError as error:\n",
            "cli/test_commands.py::test_a_run_that_diverges_is_told_in_one_line_and_stays_so",
        ),
        (
            "An error of the system is one line",
            "    except OSError as error:\n        reason",
            "    except ZeroDivisionError as error:\n        reason",
            "cli/test_run_to_end.py::test_a_full_disk_while_figures_are_drawn_leaves_the_run_unfinished",
        ),
        (
            "A reader that goes away is one line",
            "    except BrokenPipeError:\n",
            "    except ZeroDivisionError:\n",
            "cli/test_commands.py::test_a_reader_that_goes_away_is_no_traceback",
        ),
        (
            "A full memory is one line",
            '        if "RESOURCE_EXHAUSTED" not in str(error):\n',
            "        if True:\n",
            "cli/test_bad_inputs.py::test_full_memory_is_one_line_that_names_what_helps",
        ),
        (
            "A number that JAX_DEBUG_NANS finds is one line",
            "    except FloatingPointError as error:\n",
            "    except ZeroDivisionError as error:\n",
            "cli/test_run_to_end.py::test_a_number_that_jaxs_debug_flags_forbid_is_one_line",
        ),
    ),
    *_of(
        "jaxae/cli/evaluate_command.py",
        (
            "Scores of an older state replace no scores of the end",
            "        if _is_finished(run, outcome):",
            "        if True:",
            "cli/test_commands.py::test_evaluate_never_replaces_the_scores_by_those_of_an_older_state",
        ),
        (
            "A run is held while it is evaluated",
            "    with directory.lock(folder):\n        opening.remember(run, moved)",
            "    if True:\n        opening.remember(run, moved)",
            "cli/test_commands.py::test_a_second_writer_is_refused_and_told_of_the_first",
        ),
    ),
    *_of(
        "jaxae/cli/output.py",
        (
            "With --json other lines go to standard error",
            "sys.stderr if as_json else io.StringIO()",
            "stdout if as_json else io.StringIO()",
            "cli/test_output.py::test_commands_print_one_object",
        ),
        (
            "With --json numbers that are not finite are null",
            "json.dumps(finite(_report.content), default=str)",
            "json.dumps(_report.content, default=str)",
            "cli/test_output.py::test_a_number_that_is_not_finite_is_null",
        ),
    ),
    *_of(
        "jaxae/runs/api.py",
        (
            "A full disk while scores are written is one line",
            "    with directory.disk_errors(result.run.folder):",
            "    if True:",
            "runs/test_execution.py::test_a_full_disk_while_scores_are_written_is_named",
        ),
        (
            "Ctrl-C in the last epoch stops a run before scoring",
            "        if pending.number is not None:\n",
            "        if False:\n",
            "runs/test_interrupts.py::test_a_press_in_the_last_epoch_stops_before_scoring",
        ),
    ),
)

SEALS = (
    *_of(
        "jaxae/runs/seals.py",
        (
            "A changed digit is noticed",
            "if found[1] != _digest(text[: found.start()]):",
            "if False:",
            "runs/test_seals.py::test_each_changed_character_of_a_number_is_noticed",
            "runs/test_seals.py::test_a_changed_number_of_a_run_is_refused",
            "runs/test_seals.py::test_a_changed_number_of_a_sweep_is_refused",
        ),
        (
            "A digest that was removed is noticed",
            "        if required:\n",
            "        if False:\n",
            "runs/test_seals.py::test_no_removed_span_gives_another_value",
        ),
        (
            "The format of the record says whether digests are required",
            "return found is not None and int(found[1]) >= SINCE",
            "return False",
            "runs/test_seals.py::test_the_format_of_the_record_says_whether_digests_are_required",
        ),
        (
            "JSON with a key twice is refused",
            ", object_pairs_hook=_each_key_once)",
            ")",
            "runs/test_directory.py::test_what_is_no_json_is_named",
        ),
        (
            "JSON that is nested without end is refused in one line",
            'except (ValueError, RecursionError) as error:\n        raise JaxaeError(f"{place}: is not',
            'except ValueError as error:\n        raise JaxaeError(f"{place}: is not',
            "runs/test_directory.py::test_what_is_no_json_is_named",
        ),
        (
            "A file that cannot be read is named",
            "except (OSError, ValueError) as error:  # ValueError: not UTF-8",
            "except ZeroDivisionError as error:",
            "runs/test_directory.py::test_json_that_cannot_be_read_is_named",
        ),
        (
            "A last line that was torn by a kill is dropped",
            'text_of(path).split("\\n")[:-1]',
            "text_of(path).splitlines()",
            "runs/test_directory.py::test_a_torn_last_line_is_dropped",
        ),
    ),
    *_of(
        "jaxae/runs/opening.py",
        (
            "Scores of a damaged checkpoint are not those of an older one",
            "if not scores or scored == restored:",
            "if True:",
            "runs/test_seals.py::test_scores_of_a_damaged_checkpoint_are_not_those_of_the_older_one",
        ),
    ),
    *_of(
        "jaxae/runs/edits.py",
        (
            "Nothing is accepted that is no JSON",
            "    except (ValueError, RecursionError) as error:",
            "    except ZeroDivisionError as error:",
            "runs/test_seals.py::test_nothing_is_accepted_that_is_no_json",
        ),
    ),
    *_of(
        "jaxae/sweeps/files.py",
        (
            "Rows that are missing are noticed",
            'if [row.get("run") for row in rows] != list(runs):',
            "if False:",
            "runs/test_seals.py::test_rows_that_are_missing_are_noticed",
        ),
    ),
    *_of(
        "jaxae/data/free_memory.py",
        (
            "Rows that do not fit in memory are refused before they are read",
            "if num_bytes > SHARE * free:",
            "if False:",
            "data/test_free_memory.py::test_a_bomb_is_refused_before_it_is_unpacked",
        ),
    ),
)

GUARDS: tuple[Guard, ...] = (
    *DIRECTORY,
    *EXECUTION,
    *OPENING,
    *EXTENSION,
    *INITIAL,
    *PROVENANCE,
    *RECORD,
    *DATA,
    *CODE,
    *LOCKS,
    *CHECKPOINT,
    *TRAINING,
    *SWEEPS,
    *FILES,
    *INTERRUPTS,
    *SEALS,
)
