"""Provenance names the code that ran, wherever the command was given."""

import os
import re
import subprocess
from pathlib import Path

import pytest

import met2net
from pipelines.code_version import git_commit

VERSION = f"met2net {met2net.__version__}"


def git(folder: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER")
             for what in ("NAME", "EMAIL")}  # fmt: skip
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | names
    ).stdout.strip()


def make_checkout(folder: Path) -> str:
    folder.mkdir()
    (folder / "code.py").write_text(f"name = {folder.name!r}\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "code")
    return git(folder, "rev-parse", "HEAD")


def test_a_clean_checkout_gives_its_commit_and_data_beside_the_code_are_no_change(tmp_path):
    commit = make_checkout(tmp_path / "ours")
    (tmp_path / "ours" / "run.log").touch()
    (tmp_path / "ours" / "era5.nc").touch()
    assert git_commit(tmp_path / "ours") == commit


@pytest.mark.parametrize("name", ["code.py", "configs/new.yaml"])
def test_changed_and_new_files_show(tmp_path, name):
    commit = make_checkout(tmp_path / "ours")
    (tmp_path / "ours" / "configs").mkdir()
    (tmp_path / "ours" / name).write_text("changed = True\n")
    assert git_commit(tmp_path / "ours") == f"{commit}-dirty"


def test_a_hook_of_another_repository_does_not_count(tmp_path, monkeypatch):
    commit, other = make_checkout(tmp_path / "ours"), make_checkout(tmp_path / "other")
    assert commit != other
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    assert git_commit(tmp_path / "ours") == commit


def test_a_checkout_of_another_owner_gives_its_commit(tmp_path, monkeypatch):
    commit = make_checkout(tmp_path / "ours")
    monkeypatch.setenv("HOME", str(tmp_path))  # no setting of the user's own
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for tests
    with pytest.raises(subprocess.CalledProcessError) as refused:
        git(tmp_path / "ours", "status")
    assert "dubious ownership" in refused.value.stderr
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    if os.getuid() == 0:
        for path in [tmp_path / "ours", *(tmp_path / "ours").rglob("*")]:
            os.chown(path, 12345, 12345)
        with pytest.raises(subprocess.CalledProcessError):
            git(tmp_path / "ours", "status")
    assert git_commit(tmp_path / "ours") == commit


def test_a_worktree_gives_its_own_commit(tmp_path):
    make_checkout(tmp_path / "ours")
    git(tmp_path / "ours", "worktree", "add", "-q", "-b", "b", str(tmp_path / "tree"))
    (tmp_path / "tree" / "more.py").touch()
    git(tmp_path / "tree", "add", ".")
    git(tmp_path / "tree", "commit", "-qm", "more")
    assert git_commit(tmp_path / "tree") == git(tmp_path / "tree", "rev-parse", "HEAD")


def test_an_installed_copy_says_so_even_inside_somebody_s_checkout(tmp_path):
    make_checkout(tmp_path / "theirs")
    site = tmp_path / "theirs" / "site-packages"
    site.mkdir()
    assert git_commit(site) == f"{VERSION} (no git checkout)"


def test_without_git_or_a_commit_the_reason_stands_there(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    assert git_commit(tmp_path / "empty").startswith(f"{VERSION} (git: fatal: ")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path / "empty") == f"{VERSION} (git is not installed)"


def test_this_checkout_is_the_default():
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|met2net .+ \(.+\)", git_commit())
