"""raisin: a group's laptops as one computer, in the manner of threading and multiprocessing.

import raisin
def foo(x): return x ** 2
list(raisin.map(foo, range(5)))        # on all cores of this machine, or on the cluster you connected to
"""

import os

from raisin_core import __version__
from raisin_core.client.attach import attach
from raisin_core.client.connection import connect
from raisin_core.client.jobs import jobs
from raisin_core.client.map import Map, map, starmap
from raisin_core.client.members import members, status
from raisin_core.client.process import Process, process
from raisin_core.client.scan import Scan, scan
from raisin_core.errors import (
    BrokerUnreachable,
    CancelledError,
    ClusterError,
    CodeError,
    DataLost,
    DeadlineExceeded,
    ForkError,
    FunctionChanged,
    InstallationError,
    InvitationError,
    JobIncomplete,
    NoHostFits,
    NotAdmitted,
    NotYourJob,
    RaisinError,
    RemoteTraceback,
    RosterError,
    SealError,
    SerializationError,
    StartError,
    StreamError,
    Tampered,
    TaskCrashed,
    TaskError,
    TaskFailed,
    TaskTimeout,
    TimeoutError,
    Truncated,
    UnknownFormat,
    UnknownJob,
    UntrustedResult,
    UsageError,
    VersionMismatch,
    WrongBrokerKey,
    WrongPassword,
)
from raisin_core.serialization.api import copy, deserialize, dump, dumps, load, loads, serialize
from raisin_core.serialization.families.executed import remember_executed_text
from raisin_core.serialization.families.paths import File, Folder

if os.environ.get("RAISIN_KEEP_EXEC") == "1":
    remember_executed_text()  # before functions are made that are to run on other Pythons

__all__ = [
    "BrokerUnreachable",
    "CancelledError",
    "ClusterError",
    "CodeError",
    "DataLost",
    "DeadlineExceeded",
    "File",
    "Folder",
    "ForkError",
    "FunctionChanged",
    "InstallationError",
    "InvitationError",
    "JobIncomplete",
    "Map",
    "NoHostFits",
    "NotAdmitted",
    "NotYourJob",
    "Process",
    "RaisinError",
    "RemoteTraceback",
    "RosterError",
    "Scan",
    "SealError",
    "SerializationError",
    "StartError",
    "StreamError",
    "Tampered",
    "TaskCrashed",
    "TaskError",
    "TaskFailed",
    "TaskTimeout",
    "TimeoutError",
    "Truncated",
    "UnknownFormat",
    "UnknownJob",
    "UntrustedResult",
    "UsageError",
    "VersionMismatch",
    "WrongBrokerKey",
    "WrongPassword",
    "__version__",
    "attach",
    "connect",
    "copy",
    "deserialize",
    "dump",
    "dumps",
    "jobs",
    "load",
    "loads",
    "map",
    "members",
    "process",
    "scan",
    "serialize",
    "starmap",
    "status",
]
