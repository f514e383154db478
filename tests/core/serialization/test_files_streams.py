"""Files, folders and generators in real streams, between forms and between Pythons."""

import io
import itertools
import os

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization import api
from raisin_core.serialization.families.paths import File, Folder
from tests.core.serialization import laptops
from tests.support import pythons

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def through_a_file(value, **options):
    file = io.BytesIO()
    api.dump(value, file, **options)
    file.seek(0)
    return api.load(file)


FORMS = {
    "text": lambda value, **options: api.loads(api.dumps(value, **options)),
    "file": through_a_file,
    "bytes": lambda value, **options: api.deserialize(b"".join(api.serialize(value, **options))),
    "chunks": lambda value, **options: api.deserialize(api.serialize(value, **options)),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "here" / "data.txt"
    path.parent.mkdir()
    path.write_bytes(b"line\n" * 500_000)
    return path


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


def test_a_path_is_more_than_a_value(form, path):
    for value in (path, [path], File(path)):
        found = form(value)
        there = found[0] if isinstance(value, list) else found
        assert there != path
        assert (there.name, there.read_bytes()) == (path.name, path.read_bytes())


def test_names_only(form, path):
    assert form([path], copy_file=False) == [path]
    assert form(path.parent) == path.parent
    with pytest.raises(SerializationError, match="on request only"):
        form([path], copy_file=1000)


def test_open_files_and_folders(form, path):
    with open(path) as file:
        next(file)
        text, folder = form((file, Folder(path.parent)))
        with text:
            assert text.readline() == "line\n"
            assert text.tell() == 10
        assert os.listdir(folder) == ["data.txt"]


def test_generators_of_files(form, path, tmp_path):
    def versions():
        for n in range(3):
            path.write_text(str(n))
            yield path
        return (each for each in "ab")

    generator = form(versions())
    assert [each.read_text() for each in itertools.islice(generator, 3)] == ["0", "1", "2"]
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert list(end.value.value) == ["a", "b"]


def test_one_generator_in_many_places(form):
    def sharing():
        yield inner
        yield [inner]

    inner = (n for n in range(4))
    one, (two,) = form(sharing())
    assert one is two
    assert list(one) == [0, 1, 2, 3]


WRITE = """
import itertools
from raisin_core.serialization import api
from raisin_core.serialization.families.paths import File, Folder

def failing():
    yield 1
    yield Path("data", "run.sh")
    raise LookupError("nothing more")

Path("data").mkdir()
Path("data", "run.sh").write_text("echo")
Path("data", "run.sh").chmod(0o755)
with open("text", "w+", encoding="utf-16", newline="\\r\\n") as file, open("../sent", "wb") as sent:
    file.write("one\\ntwo\\nthree\\n")
    file.seek(0)
    next(file)
    api.dump([file, Path("data", "run.sh"), Folder("data"), failing(), itertools.pairwise("abc"), iter("xy")], sent)
"""

READ = """
import os
from raisin_core.serialization import api
with open("../sent", "rb") as sent:
    file, path, folder, generator, pairs, letters = api.load(sent)
    with file:
        print([file.readline(), file.mode, file.encoding, file.read()])
    print([path.name, path.read_text(), os.access(path, os.X_OK), type(path) is type(Path())])
    print([folder.name, os.listdir(folder), next(generator), next(generator).read_text()])
    try:
        next(generator)
    except LookupError as error:
        print([str(error), list(pairs), list(letters)])
"""

EXPECTED = [
    "['two\\r\\n', 'w+', 'utf-16', 'three\\r\\n']",
    "['run.sh', 'echo', True, True]",
    "['data', ['run.sh'], 1, 'echo']",
    "['nothing more', [('a', 'b'), ('b', 'c')], ['x', 'y']]",
]


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("writer", ["3.10", "3.11", "3.12", "3.13"])
def test_every_python_reads_what_any_wrote(writer, reader, tmp_path):
    writes, reads = pythons.interpreter(writer), pythons.interpreter(reader)
    if writes is None or reads is None:
        pytest.skip(f"no Python {writer} or {reader} here")
    assert laptops.Laptop(tmp_path / "writer", python=writes).run(WRITE) == []
    assert laptops.Laptop(tmp_path / "reader", python=reads).run(READ) == EXPECTED
