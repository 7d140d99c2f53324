"""The folder that a command writes: it appears complete, and an interruption loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onnxviz.errors import DataError, UsageError
from onnxviz.formats import output_folder
from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.output_folder import OutputFolder


def write(folder, *names):
    for name in names:
        with folder.item(name) as item:
            (item / "note.txt").write_text(name)


def complete(path, *names, **options):
    with OutputFolder(path, **options) as folder:
        write(folder, *names)
    return folder


def interrupted(path, *names, error=KeyboardInterrupt, **options):
    """Write some items, then fail."""
    folder = OutputFolder(path, **options)
    try:
        with folder:
            write(folder, *names)
            raise error
    except error:
        return folder


def names(path):
    """What stands in a folder, without its settings."""
    return sorted(entry.name for entry in Path(path).iterdir() if entry.name != "settings.json")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_the_folder_appears_when_it_is_finished(out):
    with OutputFolder(out) as folder:
        write(folder, "a", "conv1[12]")
        assert not out.exists()
        assert folder.partial == Path(f"{out}.partial")
        assert folder.finished() == ("a/note.txt", "conv1[12]/note.txt")
    assert names(out) == ["a", "conv1[12]"]
    assert (out / "a" / "note.txt").read_text() == "a"
    assert os.listdir(out.parent) == ["out"]
    assert folder.message == ""


def test_files_and_folders_of_files_can_be_written(out):
    with OutputFolder(out) as folder:
        for name in ("index.html", "assets/style.css"):
            with atomic_file(folder.file(name)) as file:
                file.write(b"x")
            assert folder.done(name)
        write(folder, "units/conv1[0]")
        assert folder.done("units/conv1[0]")
        assert not folder.done("units/conv1[1]")
    assert names(out) == ["assets", "index.html", "units"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_interrupted_run_keeps_what_is_finished_and_tells(out, error):
    folder = interrupted(out, "a", "b", error=error)
    assert not out.exists()
    assert names(folder.partial) == ["a", "b"]
    assert folder.message == (
        f"2 finished files are kept in {folder.partial}; `resume` goes on from there, `overwrite` starts anew"
    )


def test_a_run_that_finished_nothing_leaves_nothing(out):
    folder = interrupted(out)
    assert os.listdir(out.parent) == []
    assert folder.message == "nothing was finished, so nothing was kept"


def test_an_item_that_fails_is_not_kept(out):
    def fail(folder):
        with folder.item("b") as item:
            (item / "half.txt").write_text("half")
            raise RuntimeError

    folder = OutputFolder(out)
    with folder:
        write(folder, "a")
        with pytest.raises(RuntimeError):
            fail(folder)
        assert names(folder.partial) == ["a"]
        assert not folder.done("b")
    assert names(out) == ["a"]


def test_an_error_of_the_block_itself_passes_as_it_is(out):
    def fail(folder):
        with folder.item("a"):
            Path("/no/such/file").read_text()

    with OutputFolder(out) as folder, pytest.raises(FileNotFoundError):
        fail(folder)


def test_an_item_written_again_replaces_the_first(out):
    with OutputFolder(out) as folder:
        write(folder, "a")
        with folder.item("a") as item:
            (item / "other.txt").write_text("")
    assert os.listdir(out / "a") == ["other.txt"]


def test_resuming_an_interrupted_run_keeps_and_finishes(out):
    interrupted(out, "a", settings={"seed": 0})
    with OutputFolder(out, resume=True, settings={"seed": 0}) as folder:
        assert folder.done("a")
        assert not folder.done("b")
        write(folder, "b")
    assert names(out) == ["a", "b"]
    assert os.listdir(out.parent) == ["out"]


def test_resuming_a_finished_run_adds_to_it(out):
    complete(out, "a")
    with OutputFolder(out, resume=True) as folder:
        assert folder.done("a")
        write(folder, "b")
    assert names(out) == ["a", "b"]


def test_resuming_where_nothing_is_starts(out):
    complete(out, "a", resume=True)
    assert names(out) == ["a"]


def test_a_resumed_run_may_be_interrupted_and_resumed_again(out):
    complete(out, "a")
    folder = interrupted(out, "b", resume=True)
    assert "2 finished files are kept" in folder.message
    complete(out, "c", resume=True)
    assert names(out) == ["a", "b", "c"]


def test_resuming_clears_what_a_killed_run_left_unfinished(out):
    folder = interrupted(out, "a")
    (folder.partial / ".b.unfinished").mkdir()
    (folder.partial / ".c.png.123.tmp").write_text("half")
    complete(out, resume=True)
    assert os.listdir(out / "a") == ["note.txt"]
    assert names(out) == ["a"]


def test_overwriting_replaces_only_at_the_end(out):
    complete(out, "old")
    with OutputFolder(out, overwrite=True) as folder:
        write(folder, "new")
        assert names(out) == ["old"]
    assert names(out) == ["new"]
    assert os.listdir(out.parent) == ["out"]


def test_an_interrupted_overwriting_leaves_the_old_folder(out):
    complete(out, "old")
    folder = interrupted(out, "new", overwrite=True)
    assert names(out) == ["old"]
    assert names(folder.partial) == ["new"]
    assert folder.message.endswith(f"; {out} is as it was")
    complete(out, "newer", resume=True)
    assert names(out) == ["new", "newer"]


def test_overwriting_drops_an_unfinished_run(out):
    interrupted(out, "a")
    complete(out, "b", overwrite=True)
    assert names(out) == ["b"]


def test_the_old_folder_comes_back_when_the_last_rename_fails(out, monkeypatch):
    complete(out, "old")
    replace = os.replace

    def fail(source, target):
        if str(source).endswith(".partial"):
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    folder = OutputFolder(out, overwrite=True)
    folder.__enter__()
    write(folder, "new")
    monkeypatch.setattr(output_folder.os, "replace", fail)
    with pytest.raises(DataError, match=r"out: cannot be put in place: Permission denied; all is in .*out\.partial"):
        folder.__exit__(None, None, None)
    monkeypatch.undo()
    assert names(out) == ["old"]
    assert names(folder.partial) == ["new"]


@pytest.mark.parametrize("step", ["between the renames", "before the last removal"])
def test_a_run_killed_at_its_very_end_loses_nothing(out, step):
    complete(out, "old")
    former = Path(f"{out}.former")
    if step == "between the renames":
        interrupted(out, "new", overwrite=True)
        out.rename(former)
        with pytest.raises(UsageError, match="holds an unfinished run"):
            complete(out)
        complete(out, resume=True)
        assert names(out) == ["new"]
    else:
        out.rename(former)
        complete(out.with_name("other"), "new")
        out.with_name("other").rename(out)
        complete(out, resume=True)
        assert names(out) == ["new"]
    assert not former.exists()


def test_a_link_goes_on_leading_to_the_folder(tmp_path):
    real, link = tmp_path / "real" / "results", tmp_path / "out"
    real.parent.mkdir()
    complete(real, "old")
    link.symlink_to(real)
    complete(link, "new", overwrite=True)
    assert link.is_symlink()
    assert names(real) == ["new"]


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_of_somebody_elses_is_left_alone(out, options):
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError) as caught, OutputFolder(out, **options):
        pytest.fail("this folder must not be entered")
    told = (
        "was not written by onnxviz, so it is left alone"
        if options
        else "exists; `overwrite` starts anew, `resume` finishes"
    )
    assert f"{out}: {told}" in str(caught.value)
    assert (out / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("suffix", [".partial", ".former"])
def test_a_neighbor_of_somebody_elses_is_left_alone(out, suffix):
    neighbor = Path(f"{out}{suffix}")
    neighbor.mkdir()
    (neighbor / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="was not written by onnxviz"), OutputFolder(out, overwrite=True):
        pytest.fail("this folder must not be entered")
    assert (neighbor / "thesis.tex").exists()


@pytest.mark.parametrize("suffix", ["", ".partial", ".former"])
@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}])
def test_an_empty_folder_is_nobodys(out, suffix, options):
    Path(f"{out}{suffix}").mkdir()
    complete(out, "a", **options)
    assert names(out) == ["a"]
    assert os.listdir(out.parent) == ["out"]


def test_an_existing_folder_is_refused(out):
    complete(out, "a")
    with pytest.raises(UsageError) as caught:
        complete(out, "b")
    assert str(caught.value) == f"{out}: exists; `overwrite` starts anew, `resume` finishes what is missing"
    assert caught.value.exit_code == 2
    assert names(out) == ["a"]


def test_an_unfinished_run_is_refused(out):
    interrupted(out, "a")
    with pytest.raises(
        UsageError, match=r"out\.partial: holds an unfinished run; `resume` finishes it, `overwrite` starts anew"
    ):
        complete(out)
    assert names(f"{out}.partial") == ["a"]


def test_other_settings_are_told_one_by_one(out):
    interrupted(out, "a", settings={"seed": 0, "steps": 256, "model": "abc"})
    with pytest.raises(UsageError) as caught:
        complete(out, resume=True, settings={"seed": 1, "steps": 256, "range": [0, 1]})
    assert "was begun with other settings (model: '\"abc\"' then, 'none' now, " in str(caught.value)
    assert "range: 'none' then, '[0, 1]' now, seed: '0' then, '1' now); `overwrite` starts anew" in str(caught.value)
    assert names(f"{out}.partial") == ["a"]


def test_settings_are_compared_as_json(out):
    import numpy as np

    interrupted(out, "a", settings={"shape": (1, 3), "rate": np.float64(0.05), "bound": float("inf")})
    complete(out, resume=True, settings={"shape": [1, 3], "rate": 0.05, "bound": None})
    assert names(out) == ["a"]


def test_a_missing_parent_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"its parent folder .*missing does not exist; make it first"):
        complete(tmp_path / "missing" / "out")


@pytest.mark.parametrize("suffix", ["", ".partial", ".former"])
@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_file_in_the_way_is_told_and_kept(out, suffix, options):
    path = Path(f"{out}{suffix}")
    path.write_text("mine")
    with pytest.raises(UsageError, match="is a file, and a folder is to be written there; give another name"):
        complete(out, **options)
    assert path.read_text() == "mine"


def test_overwrite_and_resume_contradict_each_other(out):
    with pytest.raises(UsageError, match="`overwrite` starts anew and `resume` goes on; give one of them"):
        OutputFolder(out, overwrite=True, resume=True)


def test_the_root_of_the_file_system_is_refused():
    with pytest.raises(UsageError, match="cannot be replaced by a folder of results"):
        OutputFolder("/")


@pytest.mark.parametrize(
    "name", ["../escaped", "/etc/passwd", "a/../b", "a\\b", "", "a/", ".hidden", "con.png", "settings.json"]
)
def test_names_that_lead_out_or_are_not_safe_are_refused(out, name):
    with OutputFolder(out) as folder:
        for use in (folder.file, folder.done):
            with pytest.raises(UsageError, match="cannot be the name of a file here; make it safe first"):
                use(name)
        with pytest.raises(UsageError), folder.item(name):
            pytest.fail("this item must not be begun")
    assert names(out) == []


def test_a_full_disk_is_told(out, monkeypatch):
    def fail(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(DataError, match=r"out\.partial: cannot be written: No space left on device"):
        complete(out)
