"""Text files: encodings, newlines, and positions in the middle of everything."""

import io
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import textfiles
from tests.core.serialization.channels import Sent, travel

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "shift_jis", "utf-7", "gb18030", "hz"]
NEWLINES = [None, "", "\n", "\r", "\r\n"]
LETTERS = {"latin-1": "aü\n\r", "shift_jis": "aあ\n\r", "hz": "a中\n\r"}


def sure(file):
    return (
        *(file.encoding, file.errors, file.line_buffering, file.write_through, file.mode),
        textfiles.newline(file, file.tell()),
    )


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("mode", ["r", "r+", "w", "w+", "a"])
def test_how_it_was_opened(mode, newline, tmp_path):
    (path := tmp_path / "a").write_bytes(b"a\r\nb\rc\n")
    with open(path, mode, encoding="ascii", errors="replace", newline=newline, buffering=1) as file:
        with travel(file, tmp_path / "there") as copy:
            assert sure(copy) == sure(file)
            assert sure(copy) == ("ascii", "replace", True, False, mode, newline)
            for each in (file, copy):
                if each.writable():
                    each.write("ü\n")
                    each.seek(0)
            if file.readable():
                assert copy.read() == file.read()
        file.flush()
        with open(copy.name, "rb") as arrived:
            assert arrived.read() == path.read_bytes()


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_positions(encoding, data):
    letters = st.sampled_from(LETTERS.get(encoding, "aü€\n\r\U0001f40d"))
    text = data.draw(st.text(letters, max_size=30))
    newline = data.draw(st.sampled_from(NEWLINES))
    size = data.draw(st.sampled_from([1, 2, 5, 8192]))
    steps = data.draw(st.lists(st.one_of(st.just("line"), st.integers(0, 5)), max_size=3))
    if data.draw(st.booleans()):
        steps.append("next")
    file, twin = (_after(text.encode(encoding), steps, size, encoding, newline) for _ in range(2))
    copy = _travel(file)
    assert copy.tell() == file.tell()
    assert copy.read() == file.read() == twin.read()


def _after(content, steps, size, encoding, newline):
    file = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline=newline)
    file._CHUNK_SIZE = size
    for step in steps:
        if step == "next":
            next(file, None)
        else:
            file.readline() if step == "line" else file.read(step)
    return file


def _travel(value):
    sent = Sent()
    data = sent.dumps(value)
    assert not sent.contents
    return pickle.loads(data)


def test_after_next_the_loop_goes_on(tmp_path):
    path = tmp_path / "lines"
    path.write_text("".join(f"line {n}\n" for n in range(20000)))
    with open(path) as file:
        seen = []
        for line in file:
            if len(seen) == 10000:
                with travel(file, tmp_path / "there") as copy:
                    rest = copy.readlines()
            seen.append(line)
    assert seen[10001:] == rest
    assert len(seen) == 20000


def test_a_byte_order_mark_is_written_once(tmp_path):
    with open(tmp_path / "a", "w", encoding="utf-16") as file:
        file.write("a")
        with travel(file, tmp_path / "there") as copy:
            copy.write("b")
        with open(copy.name, encoding="utf-16") as arrived:
            assert arrived.read() == "ab"


def test_over_a_buffer_in_memory():
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding="utf-8", newline="\r\n", write_through=True)
    file.write("a\n")
    copy, below = _travel([file, buffer])
    copy.write("b\n")
    assert copy.buffer is below
    assert below.getvalue() == b"a\r\nb\r\n"


def test_what_cannot_be_found_out_is_not_guessed(monkeypatch, tmp_path):
    monkeypatch.setattr(textfiles.gc, "get_referents", lambda value: ["utf-8", "?", "strict"])
    (tmp_path / "a").touch()
    with open(tmp_path / "a") as file, pytest.raises(SerializationError, match="newlines"):
        Sent().dumps(file)
