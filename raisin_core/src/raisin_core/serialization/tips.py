"""What to do about things that cannot travel, by their kind.

Rules of this file: data, and one look-up that imports nothing.
"""

from __future__ import annotations

from typing import Final

CONNECT: Final = "connect inside the function"
START: Final = "start it inside the function"
PROCESS: Final = "it belongs to this process; pass what it was made from, and make it inside the function"
WINDOW: Final = "windows stay here; pass plain values to the function"
AWAIT: Final = "pass its result, or call the async function inside with asyncio.run"
POINTER: Final = "memory addresses mean nothing elsewhere; pass bytes(...) or an array"

# Full names, or names of classes alone, or of packages with a dot behind; subclasses count.
TIPS: Final = {
    "_socket.socket": CONNECT,
    "socket.socket": CONNECT,
    "ssl.": CONNECT,
    "_ssl.": CONNECT,
    "sqlite3.": CONNECT,
    "psycopg.": CONNECT,
    "psycopg2.": CONNECT,
    "pymongo.": CONNECT,
    "redis.": CONNECT,
    "sqlalchemy.": CONNECT,
    "paramiko.": CONNECT,
    "zmq.": CONNECT,
    "Connection": CONNECT,
    "Cursor": CONNECT,
    "_thread._ThreadHandle": START,
    "threading.Thread": START,
    "concurrent.futures.": START,
    "multiprocessing.": START,
    "multiprocessing.connection.": CONNECT,
    "multiprocessing.queues.": "use queue.Queue, or make it inside the function",
    "multiprocessing.synchronize.": "use the one of threading, or make it inside the function",
    "subprocess.Popen": START,
    "asyncio.": AWAIT,
    "_asyncio.": AWAIT,
    "builtins.coroutine": AWAIT,
    "builtins.async_generator": "collect its items in a list first",
    "builtins.frame": PROCESS,
    "builtins.traceback": "pass traceback.format_exception(error), or the exception without its traceback",
    "_contextvars.": PROCESS,
    "select.": PROCESS,
    "selectors.": PROCESS,
    "mmap.mmap": "pass its path, or bytes(...) of it",
    "_csv.": "pass its file or path, or list(...) of it",
    "csv.": "pass its file or path, or list(...) of it",
    "_hashlib.": "pass its digest, or what it was made from",
    "zlib.": "pass what it was made from, or its result",
    "_bz2.": "pass what it was made from, or its result",
    "_lzma.": "pass what it was made from, or its result",
    "ScandirIterator": "pass the paths: [each.path for each in it]",
    "DirEntry": "pass its path",
    "finalize": "pass a path, or raisin.Folder(path)",
    "KeyWrapper": "pass the function that functools.cmp_to_key was given",
    "_tkinter.": WINDOW,
    "tkinter.": WINDOW,
    "matplotlib.": "draw inside the function, or pass plain values",
    "_ctypes.": POINTER,
    "ctypes.": POINTER,
    "queue.SimpleQueue": "use queue.Queue",
    "_queue.SimpleQueue": "use queue.Queue",
}


def tip(kind: type) -> str:
    """What to do about an object of this type; empty where nothing is known.

    >>> import socket
    >>> tip(socket.socket)
    'connect inside the function'
    """
    for each in type.__dict__["__mro__"].__get__(kind):
        home, name = (str(type.__dict__[what].__get__(each)) for what in ("__module__", "__name__"))
        for key in (f"{home}.{name}", f"{home}.", name, f"{home.partition('.')[0]}."):
            if key in TIPS:
                return TIPS[key]
    return ""
