"""From a verb's arguments to a call under way: checks, packs and submits, or runs here."""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from raisin_core import nesting, pages
from raisin_core.client import connection, function, options
from raisin_core.client.commands import Printed
from raisin_core.client.feeder import Feeder
from raisin_core.client.job import Job
from raisin_core.client.local import LocalRun
from raisin_core.client.options import Options
from raisin_core.client.pager import Pager, known_length
from raisin_core.client.runs import RemoteRun
from raisin_core.client.trust import Trust
from raisin_core.messages import Form

if TYPE_CHECKING:
    from raisin_core.client.resumed import Resumed


class Plan(NamedTuple):
    """What a verb was asked to do. `star`: each element is a tuple of arguments. For a scan, `axes` are its arguments
    as ("axis", list) or ("constant", value), and `elements` is not used."""

    form: Form
    target: Callable[..., Any]
    options: Options
    star: bool
    iterables: Sequence[Iterable[Any]] = ()
    axes: Sequence[tuple[str, Any]] = ()

    @property
    def shape(self) -> list[int]:
        """For a scan, the lengths of its axes; for a map, how many arguments a task has (0: as many as its tuple)."""
        if self.form == "scan":
            return [len(values) for kind, values in self.axes if kind == "axis"]
        return [len(self.iterables) if len(self.iterables) > 1 or not self.star else 0]


def start(plan: Plan, verb: str = "") -> RemoteRun | LocalRun:
    """Carry a plan out; where elements are pulled bit by bit, the run's feeder has yet to be set going. `verb`
    is that of a call without a handle.

    Raises SerializationError, ClusterError, InstallationError.
    """
    if plan.options.where == "process" or nesting.inside:
        return _local(plan)
    cluster = connection.current(plan.options.where)
    cluster.check_where(plan.options.members)
    first = _whole(plan)
    key = secrets.token_bytes(16)
    job = Job(cluster.session, key, cluster.context, cluster.seal(key))
    packed = _packed(plan, job, axes=plan.form == "scan" and first is not None)
    trust = Trust(plan.options.trust, packed.classes, verb)
    mine = cluster.mine if job.sealer.epoch else None
    cluster.announce()
    name = plan.options.name
    resumed = _resumed(plan, job)

    def show(news: Printed) -> None:
        cluster.printer.put(f"{name} {news.index} {news.host}", news.text)

    job.on_text = show
    job.open(plan.form, name, packed, plan.options.wire(mine), plan.shape, resumed)
    save = plan.options.save or resumed is not None
    if resumed is not None:  # now, not when results are wanted, is the time to say that the function has changed
        job.wait(lambda: job.accepted, None, cluster.heal)
    if first is not None:
        count, encoded = first
        if count:
            job.add_page(0, count, encoded, last=True)
        else:
            job.close(0)
        return RemoteRun(job, name, cluster, save, trust=trust)
    elements = (itertools.product(*_axes(plan)),) if plan.form == "scan" else plan.iterables
    feeder = Feeder(job, Pager(elements), resumed.tags if resumed else None)
    return RemoteRun(job, name, cluster, save, feeder, trust=trust)


def _packed(plan: Plan, job: Job, axes: bool) -> function.Packed:
    """The function; where payloads are sealed, others than oneself compute results, which come without pickle."""
    target, kwargs = plan.target, plan.options.kwargs
    if not job.sealer.epoch:
        return function.pack(target, kwargs, plan.star, axes)
    from raisin_core.analysis.valuetypes import value_types  # what it needs takes a while to import

    return function.pack(target, kwargs, plan.star, axes, True, value_types(target, kwargs, _samples(plan)))


def _samples(plan: Plan) -> list[Any]:
    """Some of what the function is called with, as far as it is there."""
    axes = [values for _, values in plan.axes]
    return axes + [each[:1] for each in plan.iterables if isinstance(each, (list, tuple))]


def parse(verb: str, target: Any, given: dict[str, Any]) -> Options:
    """Check the function and the options of a verb. Raises UsageError."""
    function.check(verb, target)
    return options.parse(verb, given, function.name_of(target))


def _resumed(plan: Plan, job: Job) -> Resumed | None:
    """What the option `resume` asks for."""
    options = plan.options
    if not options.resume:
        return None
    from raisin_core.client.resumed import Resumed  # what it needs takes long to import

    name = function.name_of(plan.target)
    return Resumed(options.resume, options.force, name, plan.target, options.kwargs, job.sealer)


def _whole(plan: Plan) -> tuple[int, pages.Encoded] | None:
    """Tasks and the one page of a job that is submitted whole: a process, or a scan with its axes. (Not where each
    task's arguments need a tag.)"""
    if plan.options.resume:
        return None
    if plan.form == "process":
        return 1, pages.encode([next(iter(plan.iterables[0]))], "the arguments of call")
    if plan.form == "scan":
        return math.prod(plan.shape), pages.encode(list(plan.axes), "axis")
    return None


def _local(plan: Plan) -> LocalRun:
    target, kwargs = plan.target, plan.options.kwargs

    def call(element: Any) -> Any:
        return target(*element, **kwargs) if plan.star else target(element, **kwargs)

    return LocalRun(secrets.token_bytes(16), plan.options, call, _elements(plan), length(plan))


def _elements(plan: Plan) -> Iterator[Any]:
    if plan.form == "scan":
        return itertools.product(*_axes(plan))
    return iter(plan.iterables[0]) if len(plan.iterables) == 1 else zip(*plan.iterables)


def _axes(plan: Plan) -> list[Sequence[Any]]:
    return [values if kind == "axis" else [values] for kind, values in plan.axes]


def length(plan: Plan) -> int | None:
    return math.prod(plan.shape) if plan.form == "scan" else known_length(plan.iterables)
