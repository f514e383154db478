"""All errors that raisin raises, in one file; their texts say what happened, where, and what to do.

    RaisinError
    +-- UsageError                 also a TypeError: a wrong option, type or call
    +-- SerializationError         also a TypeError: an object that cannot travel
    |   +-- UntrustedResult        what is no value, from somebody whose pickles are not to be loaded
    |   +-- CodeError              code written by another Python that has no source or cannot be compiled here
    |   +-- StreamError            also a ValueError: bytes that are no stream of raisin's
    |       +-- UnknownFormat      a later version of the format, or something else
    |       +-- Truncated          also an EOFError: the stream ends before its object does
    |       +-- Tampered           the stream was changed after it was written
    |       +-- WrongPassword      another password, or none
    +-- InstallationError          also an ImportError: a part of raisin is not installed
    +-- KeyFileError               also a ValueError: a key file that cannot be used
    +-- RosterError                also a ValueError: a roster that says what it cannot mean
    +-- SealError                  also a ValueError: a payload that no member wrote for this place
    +-- InvitationError            also a ValueError: an invitation that does not let in
    +-- ListenError                also an OSError: a broker cannot listen there
    +-- DirectoryBusy              another broker or worker runs with this directory
    +-- StoreError                 the broker's store cannot do it now
    |   +-- BlobRefused            a blob that cannot be right
    +-- ForkError                  also a RuntimeError: a handle used in a forked child
    +-- ClusterError               also a ConnectionError
    |   +-- BrokerUnreachable      nobody answers
    |   +-- WrongBrokerKey         somebody else answers
    |   +-- NotAdmitted            the broker does not know this machine's key
    |   +-- VersionMismatch        the other side speaks another version of the protocol
    |   +-- StartError             a part of the embedded cluster did not start
    |   +-- DataLost               the broker has lost what it had acknowledged (a power cut, an old backup)
    |   +-- NotYourJob             also a PermissionError: a job of another account
    +-- FunctionChanged            also a ValueError: the results under a `resume` key are another function's
    +-- UnknownJob                 also a LookupError
    +-- JobIncomplete              its client ended before it had submitted all of it
    +-- CancelledError             also concurrent.futures.CancelledError
    +-- TimeoutError               also the TimeoutError of builtins, multiprocessing and concurrent.futures
    |   +-- DeadlineExceeded       the job's `deadline`
    +-- TaskError                  what a task did instead of giving a result
        +-- TaskFailed             its exception could not travel, or would have ended the caller
        |   +-- RemoteError        it came from a host whose pickles are not loaded
        +-- TaskCrashed            its process ended, again and again
        +-- TaskTimeout            also a TimeoutError: it took longer than `task_timeout`
        +-- NoHostFits             no host has what it needs
    RemoteTraceback                the last link of a remote exception's chain: where it happened

Rules of this file: the standard library only; every error can be pickled.
"""

from __future__ import annotations

import builtins
import concurrent.futures
import multiprocessing
import sys


class RaisinError(Exception):
    """Whatever raisin itself raises."""


class UsageError(RaisinError, TypeError):
    """A call that cannot mean anything: an unknown option, a wrong type, a handle started twice."""


class SerializationError(RaisinError, TypeError):
    """An object cannot travel; the text names it and the path to it."""


class UntrustedResult(SerializationError):
    """What is no plain value, and was to be read without pickle; the text names its type and place."""


class CodeError(SerializationError):
    """Code that another version of Python wrote, whose source is unknown or cannot be compiled by this one; the text
    names it and both versions."""


class StreamError(SerializationError, ValueError):
    """Bytes from which no object can be read."""


class UnknownFormat(StreamError):
    """The bytes are of a later version of the format, or of something else; the text says which."""


class Truncated(StreamError, EOFError):
    """The stream ends before its object does."""


class Tampered(StreamError):
    """The stream is not as it was written, or not sealed though a password was given."""


class WrongPassword(StreamError):
    """The stream was sealed with another password, or it is sealed and no password was given."""


class InstallationError(RaisinError, ImportError):
    """A part of raisin is missing; the text says what to install."""


class KeyFileError(RaisinError, ValueError):
    """A key file cannot be used; the text says what to do."""


class RosterError(RaisinError, ValueError):
    """A roster says something that it cannot mean; the text names the file, the entry and the problem."""


class SealError(RaisinError, ValueError):
    """A payload cannot be opened, or was not written by a member for this place; the text says which."""


class InvitationError(RaisinError, ValueError):
    """An invitation does not let in: cut, used up, after its time, or for another cluster; the text says which."""


class ListenError(RaisinError, OSError):
    """The broker cannot listen there; the text says why and what to do."""


class DirectoryBusy(RaisinError):
    """Another broker or worker runs with this directory."""


class StoreError(RaisinError):
    """The broker's store cannot do it now (full, locked, damaged); the text says what to do."""


class BlobRefused(StoreError):
    """What was asked of a blob cannot be right: a wrong size, or a digest that is none."""


class ForkError(RaisinError, RuntimeError):
    """A handle or connection was used in a forked child of the process that made it."""


class ClusterError(RaisinError, ConnectionError):
    """The cluster cannot be used."""


class BrokerUnreachable(ClusterError):
    """Nobody answers at the broker's address."""


class WrongBrokerKey(ClusterError):
    """Whoever answers at the broker's address does not hold the expected key."""


class NotAdmitted(ClusterError):
    """The broker does not know this machine's key."""


class VersionMismatch(ClusterError):
    """The other side speaks another version of the protocol."""


class StartError(ClusterError):
    """A part of the embedded cluster did not start; the text ends with the tail of its log."""


class DataLost(ClusterError):
    """The broker no longer has what it had acknowledged: its machine lost its power, or an older copy was restored."""


class NotYourJob(ClusterError, PermissionError):
    """The job belongs to another account."""


class FunctionChanged(RaisinError, ValueError):
    """The results recorded under a `resume` key are those of another function; the text says what changed."""


class UnknownJob(RaisinError, LookupError):
    """The broker has no such job (any more), or it is not yours."""


class JobIncomplete(RaisinError):
    """The job's client ended before it had submitted all elements; those that it had are done."""


class CancelledError(RaisinError, concurrent.futures.CancelledError):
    """The job was cancelled before it had all its results."""


if sys.version_info >= (3, 11):

    class TimeoutError(RaisinError, multiprocessing.TimeoutError, builtins.TimeoutError):
        """Waited in vain; the job goes on."""

else:

    class TimeoutError(
        RaisinError, multiprocessing.TimeoutError, concurrent.futures.TimeoutError, builtins.TimeoutError
    ):
        """Waited in vain; the job goes on."""


class DeadlineExceeded(TimeoutError):
    """The job's `deadline` passed before all its tasks were done."""


class TaskError(RaisinError):
    """What a task did instead of giving a result."""


class TaskFailed(TaskError):
    """A task raised something that cannot travel, or that would have ended the caller (`SystemExit`,
    `StopIteration`)."""


class RemoteError(TaskFailed):
    """What a task raised on a host whose pickles are not loaded: the exception's name and text."""


class TaskCrashed(TaskError):
    """The process ended each time it ran this task; the text names the hosts and what was seen there."""


class TaskTimeout(TaskError, TimeoutError):
    """A task ran longer than its `task_timeout`; its process was ended."""


class NoHostFits(TaskError):
    """No host can run the task: the text lists what is missing, host by host."""


class RemoteTraceback(Exception):
    """Where a task's exception was raised: host, attempt and the traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text
