"""A stream in memory, for tests of families: what goes beside an object, and the same as it arrives.

Items are pickled when the reader asks for them, each on its own, as a stream does it.
"""

import io
import pickle
from pathlib import Path

from raisin_core.serialization import arrivals
from raisin_core.serialization.pickling import Pickler


class Sent:
    """The writing side: an object's pickle, and the channels beside it."""

    def __init__(self, copy_file=True, out_of_band=False):
        self.copy_file = copy_file
        self.contents = {}
        self.iterators = {}
        self.buffers = [] if out_of_band else None
        self._last = 0

    def content(self, chunks):
        self._last += 1
        self.contents[self._last] = chunks
        return self._last

    def items(self, iterator):
        self._last += 1
        self.iterators[self._last] = iterator
        return self._last

    def dumps(self, value):
        file = io.BytesIO()
        Pickler(file, self, self.buffers.append if self.buffers is not None else None).dump(value)
        return file.getvalue()


class Arrived:
    """The reading side, in that folder."""

    def __init__(self, sent, folder):
        self._sent, self._folder = sent, Path(folder)

    def folder(self):
        return self._folder

    def content(self, number):
        self._receive()
        return self._folder / f"{number}.part"

    def items(self, number):
        for item in self._sent.iterators.pop(number):
            yield self.loads(self._sent.dumps(item))

    def loads(self, data):
        self._receive()
        with arrivals.of(self):
            return pickle.loads(data, buffers=self._sent.buffers)

    def _receive(self):
        while self._sent.contents:
            number, chunks = self._sent.contents.popitem()
            with open(self._folder / f"{number}.part", "xb") as file:
                for chunk in chunks:
                    file.write(chunk)


def travel(value, folder, **options):
    """The object as it arrives; files in that folder."""
    folder = Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sent = Sent(**options)
    data = sent.dumps(value)
    return Arrived(sent, folder).loads(data)
