"""Folders that travel on request."""

import os
import stat

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization import arrivals
from raisin_core.serialization.families import paths
from raisin_core.serialization.families.paths import Folder
from tests.core.serialization.channels import Arrived, Sent, travel


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "project"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "a" / "one").write_text("1")
    (root / "a" / "b" / "two").write_text("2")
    return root


def tree(root):
    return {str(path.relative_to(root)): path.is_dir() or path.read_bytes() for path in root.rglob("*")}


def test_a_folder_arrives_with_all_that_is_in_it(folder, tmp_path):
    there = travel(Folder(folder), tmp_path / "there")
    assert (type(there), there.name) == (type(folder), "project")
    assert tree(there) == tree(folder)
    assert stat.S_IMODE((there / "run.sh").stat().st_mode) == 0o700
    assert stat.S_IMODE((there / "a" / "one").stat().st_mode) == 0o600
    assert stat.S_IMODE((there / "a").stat().st_mode) == 0o700


def test_without_request_it_is_a_name(folder, tmp_path):
    assert travel(folder, tmp_path / "there") == folder


def test_the_same_folder_twice_is_one(folder, tmp_path):
    one, two = travel([Folder(folder), Folder(folder / "a" / "..")], tmp_path / "there")
    assert one == two


def test_links_and_pipes_stay_behind(folder, tmp_path):
    (folder / "link").symlink_to(folder / "run.sh")
    (folder / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert set(tree(travel(Folder(folder), tmp_path / "there"))) == {"a", "a/b", "a/b/two", "a/one", "empty", "run.sh"}


def test_a_file_that_becomes_a_link_is_not_followed(folder, tmp_path):
    sent = Sent()
    data = sent.dumps(Folder(folder))
    (folder / "run.sh").unlink()
    (folder / "run.sh").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=r"run\.sh"):
        Arrived(sent, tmp_path).loads(data)


def test_too_many_entries_are_refused(folder, monkeypatch):
    monkeypatch.setattr(paths, "MOST_ENTRIES", 5)
    with pytest.raises(SerializationError, match="more than 5 entries"):
        Sent().dumps(Folder(folder))


def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(SerializationError, match="no such folder"):
        Sent().dumps(Folder(folder / "run.sh"))


# What hostile streams say


@pytest.fixture
def here(tmp_path):
    sent = Sent()
    for _ in range(3):
        sent.content([b"content"])
    (tmp_path / "there").mkdir()
    return Arrived(sent, tmp_path / "there")


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        ([("..",)], []),
        ([("a", "..", "..", "b")], []),
        ([("/etc",)], []),
        ([()], []),
        ([], [(("..", "x"), 1, False)]),
        ([], [(("",), 1, False)]),
        ([("a",), ("a",)], []),
        ([("x",)], [(("x",), 1, False)]),
        ([], [(("x",), 1, False), (("x",), 2, False)]),
        ([], [(("x",), 1, False), (("x", "y"), 2, False)]),
        ([], [(("not", "made"), 1, False)]),
        ([("a" * 200,) * n for n in range(1, 40)], []),
        ([], [(("x",), 1, False), (("y",), 1, False)]),
    ],
)
def test_hostile_folders_are_refused(folders, files, here, tmp_path):
    with arrivals.of(here), pytest.raises(SerializationError):
        paths.rebuild_folder("folder", folders, files)
    assert os.listdir(tmp_path) == ["there"]


def test_names_that_are_one_on_this_system_are_refused(here, monkeypatch):
    """As on Windows, where a colon and a question mark cannot be in names."""
    local = paths.filenames.local
    monkeypatch.setattr(paths.filenames, "local", lambda name: local(name, "nt").lower())
    with arrivals.of(here), pytest.raises(SerializationError, match="one on this system"):
        paths.rebuild_folder("folder", [], [(("a:b",), 1, False), (("A?b",), 2, False)])
