"""`raisin results`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from raisin_cli.commands.clusters import about_a_cluster, connected, digits_of

if TYPE_CHECKING:
    from raisin_core.client.collecting import Found
    from raisin_core.client.handles import Handle

INTERRUPTED: Final = 130
SHOWN: Final = 20

EPILOG = """\b
Examples:
  raisin results 3f2a
  raisin results 3f2a --json > results.jsonl
  raisin results 3f2a --output results.pickle
  raisin results 3f2a --partial       what is there now, without waiting
"""


@click.command(epilog=EPILOG)
@click.argument("id")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a pickle.")
@click.option("--force", is_flag=True, help="Overwrite that file if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Lines of JSON: index, and res or error.")
@click.option("--partial", is_flag=True, help="What is there now, without waiting.")
@about_a_cluster
def results(
    id: str,
    output: Path | None,
    force: bool,
    as_json: bool,
    partial: bool,
    broker: str | None,
    broker_key: str | None,
    key_file: Path | None,
) -> int:
    """Collect a job's results; waits until it is over (Ctrl-C stops the waiting, not the job).

    Prints one result per line, in order; failed tasks go to standard error, and make the exit code 1. The pickle of
    --output holds what `get()` gives, with the exception in the place of a task that failed; with --partial it is a
    dict by index. Of the ID the first digits will do, four or more. It runs code of whoever submitted the job.
    """
    (digits,) = digits_of(id)
    if output and as_json:
        raise click.UsageError("--output writes a pickle, --json prints: choose one")
    if output:
        from raisin_cli.files import check_target

        check_target(output, force)
    with connected(broker, broker_key, key_file):
        from raisin_core.client.attach import attach

        handle = attach(digits)
        if not partial and not _awaited(handle):
            return INTERRUPTED
        failures = _Failures(as_json)
        if output:
            _write(handle, output, force, partial, failures)
        else:
            for each in failures.told(_found(handle, partial)):
                _show(each, as_json)
        if partial and not handle.done():
            said = handle.progress()
            click.echo(f"raisin: it is not over: {said.done} done, {said.failed} of them failed", err=True)
        return failures.finish()


class _Failures:
    """Tells of failed tasks on standard error: the first ones, then how many."""

    def __init__(self, as_json: bool) -> None:
        self._silent, self._count, self._of = as_json, 0, 0

    def told(self, found: Iterator[Found]) -> Iterator[Found]:
        """All that is found, counted."""
        from raisin_cli.said import error_line

        for each in found:
            self._of += 1
            if each.failed:
                self._count += 1
                if self._count <= SHOWN and not self._silent:
                    click.echo(f"raisin: task {each.index} failed: {error_line(each.value)}", err=True)
            yield each

    def finish(self) -> int:
        """Say how many; gives the exit code."""
        if self._count:
            click.echo(f"raisin: {self._count} of {self._of} failed", err=True)
        return int(self._count > 0)


def _awaited(handle: Handle) -> bool:
    """Wait for its end; False if Ctrl-C came first. Raises ClickException if it ended without all its results."""
    from raisin_cli.waiting import Line
    from raisin_core.client.collecting import await_end
    from raisin_core.texts import plain

    line = Line(handle, "Ctrl-C stops the waiting; --partial takes what is there")
    try:
        await_end(handle, line.tick)
    except KeyboardInterrupt:
        line.clear()
        again = f"raisin results {handle.id[:8]}"
        click.echo(f"raisin: not waiting any more; the job goes on. Again: {again}", err=True)
        return False
    finally:
        line.clear()
    if handle.state in ("cancelled", "late"):
        said = handle.progress()
        of = f" of {said.total}" if said.total >= 0 else ""
        how = "was cancelled" if handle.state == "cancelled" else "passed its deadline"
        raise click.ClickException(
            f"{plain(handle.name)} (job {handle.id[:8]}) {how} with {said.done}{of} tasks done; "
            "--partial gives their results"
        )
    return True


def _found(handle: Handle, partial: bool) -> Iterator[Found]:
    """In order; with `partial` those that are there (they are gathered first: they come in any order)."""
    from raisin_core.client.collecting import arrived, in_order

    return iter(sorted(arrived(handle), key=lambda each: each.index)) if partial else in_order(handle)


def _show(found: Found, as_json: bool) -> None:
    from raisin_cli.said import dumps, error_line, value_line, value_record

    if as_json and found.failed:
        click.echo(dumps({"index": found.index, "error": error_line(found.value)}))
    elif as_json:
        click.echo(value_record(found.index, found.value))
    elif not found.failed:
        click.echo(value_line(found.value))


def _write(handle: Handle, output: Path, force: bool, partial: bool, failures: _Failures) -> None:
    from raisin_cli.files import write_whole
    from raisin_core.client.collecting import shaped

    found = failures.told(_found(handle, partial))
    if partial:
        content: Any = {each.index: each.value for each in found}
        count = len(content)
    else:
        values = [each.value for each in found]
        content, count = shaped(handle, values), len(values)
    size = write_whole(output, lambda file: _pickle(content, file), force)
    click.echo(f"{output}: {count} results, {size:,} bytes; pickle.load reads it")


def _pickle(content: Any, file: BinaryIO) -> None:
    """By value where it must be: classes of the submitting program may be nowhere else. Raises ClickException."""
    import cloudpickle

    try:
        cloudpickle.dump(content, file)
    except Exception as error:
        if isinstance(error, OSError):
            raise
        from raisin_cli.said import error_line

        raise click.ClickException(f"the results cannot be pickled: {error_line(error)}") from None
