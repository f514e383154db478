"""raisin: a group's laptops as one computer, in the manner of threading and multiprocessing.

import raisin
def foo(x): return x ** 2
list(raisin.map(foo, range(5)))        # on all cores of this machine, or on the cluster you connected to
"""

from raisin_core import __version__
from raisin_core.client.attach import attach
from raisin_core.client.connection import connect
from raisin_core.client.jobs import jobs
from raisin_core.client.map import Map, map, starmap
from raisin_core.client.process import Process, process
from raisin_core.client.scan import Scan, scan
from raisin_core.errors import (
    BrokerUnreachable,
    CancelledError,
    ClusterError,
    DataLost,
    DeadlineExceeded,
    ForkError,
    FunctionChanged,
    InstallationError,
    JobIncomplete,
    NoHostFits,
    NotAdmitted,
    NotYourJob,
    RaisinError,
    RemoteTraceback,
    SerializationError,
    StartError,
    TaskCrashed,
    TaskError,
    TaskFailed,
    TaskTimeout,
    TimeoutError,
    UnknownJob,
    UsageError,
    VersionMismatch,
    WrongBrokerKey,
)

__all__ = [
    "BrokerUnreachable",
    "CancelledError",
    "ClusterError",
    "DataLost",
    "DeadlineExceeded",
    "ForkError",
    "FunctionChanged",
    "InstallationError",
    "JobIncomplete",
    "Map",
    "NoHostFits",
    "NotAdmitted",
    "NotYourJob",
    "Process",
    "RaisinError",
    "RemoteTraceback",
    "Scan",
    "SerializationError",
    "StartError",
    "TaskCrashed",
    "TaskError",
    "TaskFailed",
    "TaskTimeout",
    "TimeoutError",
    "UnknownJob",
    "UsageError",
    "VersionMismatch",
    "WrongBrokerKey",
    "__version__",
    "attach",
    "connect",
    "jobs",
    "map",
    "process",
    "scan",
    "starmap",
]
