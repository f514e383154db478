"""Waiting in asyncio: each wait has a thread of its own.

Not the loop's executor: it has few threads, and its loop does not end before they do, although a wait was given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

END: Final = object()


async def in_thread(call: Callable[[], Any]) -> Any:
    """What `call()` gives or raises (but no StopIteration)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.done():
            return  # given up
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    def run() -> None:
        value, failed = None, None
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=run, name="raisin-await", daemon=True).start()
    return await future


class AsyncValues(AsyncIterator[Any]):
    """An iterator's values, for `async for`; like it, it goes on after an exception."""

    def __init__(self, values: Iterator[Any]) -> None:
        self._values = values

    async def __anext__(self) -> Any:
        value = await in_thread(lambda: next(self._values, END))
        if value is END:
            raise StopAsyncIteration
        return value
