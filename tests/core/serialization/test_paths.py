"""Paths that travel: with content or as names, and where they land."""

import os
import pathlib
import pickle
import stat

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import paths
from raisin_core.serialization.families.paths import File, Folder
from tests.core.serialization.channels import Sent, travel


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "here" / "data.bin"
    path.parent.mkdir()
    path.write_bytes(b"content" * 1000)
    return path


def inside(path, folder):
    return folder.resolve() in path.resolve().parents


def test_a_file_arrives_with_name_and_content(file, tmp_path):
    there = travel(file, tmp_path / "there")
    assert type(there) is type(file)
    assert there.name == file.name
    assert there != file
    assert inside(there, tmp_path / "there")
    assert there.read_bytes() == file.read_bytes()


def test_the_same_file_in_one_object_is_one_file(file, tmp_path):
    odd = pathlib.Path(str(file.parent), "..", file.parent.name, file.name)
    one, two, three = travel([file, pathlib.Path(str(file)), odd], tmp_path / "there")
    assert one == two == three


def test_two_files_of_one_name_stay_two(file, tmp_path):
    other = tmp_path / file.name
    other.write_bytes(b"other")
    one, two = travel([file, other], tmp_path / "there")
    assert (one.name, two.name) == (file.name, file.name)
    assert (one.read_bytes(), two.read_bytes()) == (file.read_bytes(), b"other")


@pytest.mark.parametrize("name", ["missing", ".", "..", "here", "nul\0name"])
def test_what_is_no_file_is_a_name(name, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = Sent()
    assert pickle.loads(sent.dumps(pathlib.Path(name))) == pathlib.Path(name)
    assert not sent.contents


@pytest.mark.parametrize("pure", [pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath(r"C:\a\b.txt")])
def test_pure_paths_are_names(pure):
    again = pickle.loads(data := Sent().dumps(pure))
    assert (type(again), again) == (type(pure), pure)
    assert b"pathlib._local" not in data


def test_classes_of_paths_are_named_where_every_python_has_them(tmp_path):
    assert b"pathlib" not in Sent().dumps(tmp_path / "missing").replace(b"families.paths", b"")


def test_copy_file_decides(file, tmp_path):
    assert travel(file, tmp_path / "a", copy_file=False) == file
    assert travel(file, tmp_path / "b", copy_file=7000).read_bytes() == file.read_bytes()
    with pytest.raises(SerializationError, match=r"raisin\.File"):
        travel(file, tmp_path / "c", copy_file=6999)


def test_large_files_travel_on_request_only(tmp_path):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, paths.MOST_BYTES + 1)
    with pytest.raises(SerializationError, match=r"above 100 MB travel on request only: raisin\.File\('.*large'\)"):
        Sent().dumps(path)
    sent = Sent()
    sent.dumps(File(path))
    assert len(sent.contents) == 1


def test_file_is_explicit_and_arrives_as_a_path(file, tmp_path):
    there = travel(File(file), tmp_path / "there", copy_file=1)
    assert type(there) is type(file)
    assert there.read_bytes() == file.read_bytes()
    assert File(file).read_bytes() == file.read_bytes()
    assert os.fspath(File(file)) == str(file)
    assert File(file) == File(str(file)) != Folder(file)
    assert hash(File(file)) == hash(File(str(file)))
    with pytest.raises(SerializationError, match="no such file"):
        Sent().dumps(File(tmp_path))


def test_a_link_arrives_as_a_file_of_its_own_name(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    there = travel(link, tmp_path / "there")
    assert there.name == "link"
    assert not there.is_symlink()
    assert there.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("mode", "arrives"), [(0o4755, 0o700), (0o2644, 0o600), (0o1777, 0o700), (0o444, 0o600)])
def test_only_the_owner_has_rights(mode, arrives, file, tmp_path):
    file.chmod(mode)
    assert stat.S_IMODE(travel(file, tmp_path / "there").stat().st_mode) == arrives


def test_the_content_is_that_of_when_it_is_drawn(file, tmp_path):
    sent = Sent()
    sent.dumps(file)
    file.write_bytes(b"later")
    assert b"".join(sent.contents[1]) == b"later"
    file.unlink()
    file.mkdir()
    with pytest.raises(SerializationError, match="is none any more"):
        b"".join(sent.contents[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="this system has no /proc")
def test_files_that_claim_to_be_empty(tmp_path):
    assert b"Name:" in travel(pathlib.Path("/proc/self/status"), tmp_path / "there").read_bytes()


def test_files_that_may_not_be_read_are_refused(file, tmp_path):
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything; see the test with another user")
    with pytest.raises(SerializationError, match="copy_file=False"):
        Sent().dumps(file)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="changes the user, which takes root")
def test_files_of_somebody_else_are_refused(file):
    file.chmod(0)
    for folder in (file.parent, file.parent.parent, file.parent.parent.parent, file.parent.parent.parent.parent):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(SerializationError, match="copy_file=False"):
            Sent().dumps(file)
        assert pickle.loads(Sent(copy_file=False).dumps(file)) == file
    finally:
        os.seteuid(0)


def test_subclasses_are_names_as_with_cloudpickle(file):
    class Mine(type(pathlib.Path())):
        pass

    sent = Sent()
    again = pickle.loads(sent.dumps(Mine(file)))
    assert (type(again).__name__, str(again)) == ("Mine", str(file))
    assert not sent.contents


# Of another system

THERE = "nt" if os.name == "posix" else "posix"


def test_relative_paths_of_another_system_are_paths_here():
    assert paths.rebuild_path(THERE, "data/a.csv") == pathlib.Path("data", "a.csv")
    assert isinstance(paths.rebuild_path(THERE, "data/a.csv"), pathlib.Path)


@pytest.mark.parametrize("text", [r"C:\data\a.csv", r"C:a.csv", r"\\host\share\a.csv", r"\a.csv"])
@pytest.mark.skipif(os.name != "posix", reason="paths of Windows are paths there")
def test_places_on_windows_stay_names(text):
    assert paths.rebuild_path("nt", text) == pathlib.PureWindowsPath(text)


def test_a_windows_file_arrives_in_the_private_folder(file, tmp_path):
    there = travel(file, tmp_path / "there")
    assert inside(there, tmp_path / "there")
    assert pathlib.PureWindowsPath(r"C:\here\data.bin").name == there.name
