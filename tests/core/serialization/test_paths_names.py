"""Names of files from elsewhere: whatever they are, they land in the private folder."""

import os
import pathlib
import tempfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raisin_core.errors import SerializationError
from raisin_core.serialization import arrivals
from raisin_core.serialization.families import contents, filenames
from tests.core.serialization.channels import Arrived, Sent

ODD = st.text(st.sampled_from('a.~ /\\:*?"<>|\0\n\x7fü\u0301é\ud800\udc80conNUL1$²'), max_size=12)
NAMES = st.one_of(st.text(max_size=300), ODD, st.sampled_from(["..", ".", "", "a" * 255 + ".txt", "ß" * 200]))


@given(NAMES, st.sampled_from(["nt", "posix"]))
@example("..\\..\\x", "posix")
@example("C:\\x", "nt")
@example("x:stream", "nt")
@example("con .txt", "nt")
@settings(max_examples=300, deadline=None)
def test_what_is_left_is_one_name(name, system):
    try:
        found = filenames.local(name, system)
    except SerializationError:
        assert name in ("", ".", "..") or "/" in name or "\0" in name
        return
    assert found not in ("", ".", "..")
    assert not set("/\0") & set(found)
    if system == "nt":
        assert len(found.encode("utf-16-le", "surrogatepass")) <= 510
        assert not set('<>:"/\\|?*') & set(found)
        assert min(found) >= " "
        assert found[-1] not in ". "
        assert not filenames.DEVICES.match(found)
        assert pathlib.PureWindowsPath("C:\\folder", found).parts == ("C:\\", "folder", found)
    else:
        assert len(os.fsencode(found)) <= 255
    assert filenames.local(found, system) == found


@given(st.lists(NAMES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_hostile_names_never_land_outside(found):
    with tempfile.TemporaryDirectory() as folder:
        private = pathlib.Path(folder, "private")
        private.mkdir()
        sent = Sent()
        for name in found:
            number = sent.content([b"content"])
            with arrivals.of(Arrived(sent, private)):
                try:
                    path = contents.rebuild_carried(number, name, False)
                except SerializationError:
                    continue
            assert path.parent.parent == private
            assert path.read_bytes() == b"content"
            assert not path.is_symlink()
        assert os.listdir(folder) == ["private"]


@pytest.mark.parametrize("name", ["a", "a b.txt", ".hidden", "ü.csv", "naïve e\u0301.txt", "x" * 255, "a..b", "~"])
@pytest.mark.parametrize("system", ["nt", "posix"])
def test_usual_names_stay(name, system):
    assert filenames.local(name, system) == name


@pytest.mark.parametrize("name", ["a:b", "con", "aux.c", "back\\slash", "what?", "trailing.", "blank "])
def test_names_of_this_kind_of_system_stay_on_it(name):
    assert filenames.local(name, "posix") == name
    assert filenames.local(name, "nt") != name


@pytest.mark.parametrize("name", ["con", "NUL.txt", "Com1", "lpt9.a.b", "COM\u00b2", "conin$", "prn .txt"])
def test_devices_of_windows_are_none(name):
    assert filenames.local(name, "nt").startswith("_")


def test_names_that_are_cut_stay_different():
    one, two = filenames.local("a" * 300 + "1.txt", "nt"), filenames.local("a" * 300 + "2.txt", "nt")
    assert one != two
    assert one.endswith(".txt")


def test_nothing_is_replaced_and_no_link_is_followed(tmp_path):
    sent = Sent()
    first, second = sent.content([b"first"]), sent.content([b"second"])
    here = Arrived(sent, tmp_path)
    with arrivals.of(here):
        target = contents.rebuild_carried(first, "name", False)
        with pytest.raises(SerializationError):
            contents.land(second, target, False)
        assert target.read_bytes() == b"first"
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(SerializationError):
            contents.land(second, link, False)
        assert not (tmp_path / "elsewhere").exists()
        with pytest.raises(SerializationError):
            contents.rebuild_carried(first, "again", False)


def test_what_arrives_as_a_link_is_no_file(tmp_path):
    sent = Sent()
    number = sent.content([b""])
    here = Arrived(sent, tmp_path)
    source = here.content(number)
    source.unlink()
    source.symlink_to("/etc/passwd")
    with arrivals.of(here), pytest.raises(SerializationError, match="did not arrive as a file"):
        contents.rebuild_carried(number, "name", False)


def test_without_links_files_are_moved(tmp_path, monkeypatch):
    def no_links(*_, **__):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    sent = Sent()
    number, other = sent.content([b"content"]), sent.content([b"other"])
    with arrivals.of(Arrived(sent, tmp_path)):
        target = contents.rebuild_carried(number, "name", True)
        assert (target.read_bytes(), os.access(target, os.X_OK)) == (b"content", True)
        with pytest.raises(SerializationError):
            contents.land(other, target, False)
        assert target.read_bytes() == b"content"
