"""Files in Git that are missing from the working tree, in real repositories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kestra_sync.model import FlowId
from kestra_sync.repo import git as git_module
from kestra_sync.repo.git import GitError, checkout_of, executable, git, git_text
from kestra_sync.repo.git_index import entries_of, index_file, read_index
from kestra_sync.repo.git_status import is_dirty
from kestra_sync.repo.incomplete import Cause, IncompleteCheckout
from kestra_sync.repo.load import flows_in, load
from kestra_sync.repo.missing import find_missing
from tests.support.git import commit, isolate
from tests.support.git import git as run


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path / "home")
    monkeypatch.setattr("kestra_sync.repo.missing._LOCK_WAIT", 0.2)


def flow(name: str) -> str:
    """A small flow."""
    return f"id: {name}\nnamespace: acme\ntasks: []\n"


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with flows, and a submodule with more of them, in the folder ``now``."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder / "home")
        _make(folder / "now")
    return folder


@pytest.fixture
def origin(made: Path) -> Iterator[Path]:
    """That repository, as it was made, where it was made: its submodule has an address."""
    now, kept = made / "now", made / "kept"
    if not kept.exists():
        now.rename(kept)
    shutil.copytree(kept, now, symlinks=True)
    yield now / "origin"
    shutil.rmtree(now)


def _make(folder: Path) -> None:
    shared, main = folder / "shared", folder / "origin"
    for root in (shared, main):
        root.mkdir(parents=True)
        run(root, "init", "-q", "--template=")
    for name in ("s1", "s2"):
        write(shared, f"{name}.yaml", flow(name))
    commit(shared)
    for name in ("a/one", "a/two", "b/three"):
        write(main, f"flows/{name}.yaml", flow(name[2:]))
    write(main, "README.md", "flows\n")
    run(main, "submodule", "--quiet", "add", str(shared), "flows/shared")
    commit(main)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the clone of each test goes."""
    return tmp_path / "clone"


def clone(origin: Path, here: Path, *args: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    run(origin, "clone", "-q", *args, f"file://{origin}", str(here))
    monkeypatch.chdir(here)
    return here


def found(*paths: str, ignore: tuple[str, ...] = ()) -> IncompleteCheckout:
    """What is not here, asked as a plan asks it."""
    paths = paths or ("flows",)
    return find_missing(paths, ignore=ignore, repository=load(paths), flows_in=flows_in)


def causes(said: IncompleteCheckout) -> dict[str, Cause]:
    return {str(each): each.cause for each in said.paths}


def id_of(name: str) -> FlowId:
    return FlowId("acme", name)


def both_ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[IncompleteCheckout]:
    """The answer of Git, and what is read where there is no Git."""
    yield found()
    monkeypatch.setattr(git_module, "_find", lambda _path: None)
    yield found()


def test_submodule__uninitialized_is_incomplete(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, monkeypatch=monkeypatch)
    for said in both_ways(monkeypatch):
        assert causes(said) == {"flows/shared": Cause.SUBMODULE}
        held = said.find(id_of("s1"), "flows/shared/s1.yaml")
        assert held is not None
        assert "submodules: true" in held.remedy
        # Its content is not known: whatever has no file may have been moved there.
        assert said.find(id_of("gone"), "flows/a/gone.yaml") is held
        assert said.find(id_of("gone"), None) is held
    assert [each.reason for each in said.problems] == ["git is not on the PATH"]


def test_checkout__complete_one_lacks_nothing(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", "--depth=1", monkeypatch=monkeypatch)
    Path("flows/a/one.yaml").unlink()  # plainly deleted
    run(here, "rm", "-q", "flows/a/two.yaml")  # staged
    Path("flows/shared/s1.yaml").unlink()
    for said in both_ways(monkeypatch):
        assert said.paths == ()
        assert said.find(id_of("one"), "flows/a/one.yaml") is None


@pytest.mark.parametrize("how", ["cone", "non-cone", "sparse-index"])
def test_sparse_checkout__omitted_flows_are_known(
    origin: Path, here: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    if how == "non-cone":
        run(here, "sparse-checkout", "set", "--no-cone", "/*", "!/flows/b/")
    else:
        more = ["--sparse-index"] if how == "sparse-index" else []
        run(here, "sparse-checkout", "set", "--cone", *more, "flows/a")
    assert not Path("flows/b").exists()
    said = found()
    assert causes(said) == {"flows/b/three.yaml": Cause.SPARSE}
    assert said.paths[0].flows == frozenset({id_of("three")})
    assert said.find(id_of("three"), "elsewhere.yaml") is said.paths[0]
    # The omitted paths are known, so other missing files were deleted.
    assert said.find(id_of("one"), "flows/a/one.yaml") is None
    monkeypatch.setattr(git_module, "_find", lambda _path: None)
    without = found()
    place = "flows/b" if how == "sparse-index" else "flows/b/three.yaml"
    assert causes(without) == {place: Cause.SPARSE}
    assert without.find(id_of("three"), "flows/b/three.yaml") is not None


def test_partial_clone__missing_objects_are_not_fetched(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(origin, "config", "uploadpack.allowFilter", "true")
    clone(
        origin, here, "--filter=blob:none", "--sparse", "--recurse-submodules",
        monkeypatch=monkeypatch,
    )  # fmt: skip
    run(here, "sparse-checkout", "set", "flows/a")
    shutil.move(str(origin), f"{origin}-away")
    said = found()
    assert causes(said) == {"flows/b/three.yaml": Cause.SPARSE}
    assert said.paths[0].flows is None
    assert said.find(id_of("one"), "flows/a/one.yaml") is not None


def test_a_submodule_at_another_commit_is_compared_with_the_one_recorded(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    write(origin.parent / "shared", "s3.yaml", flow("s3"))
    commit(origin.parent / "shared")
    run(here / "flows/shared", "pull", "-q", "origin", "main")
    run(here, "add", "flows/shared")
    assert found().paths == ()
    run(here / "flows/shared", "checkout", "-q", "HEAD~")
    said = found()
    assert causes(said) == {"flows/shared/s3.yaml": Cause.OTHER_COMMIT}
    assert said.paths[0].flows == frozenset({id_of("s3")})
    run(here, "add", "flows/shared")  # meant
    assert found().paths == ()
    # A commit that is not here cannot be compared.
    run(here, "update-index", "--cacheinfo", f"160000,{'1' * 40},flows/shared")
    assert causes(found()) == {"flows/shared": Cause.OTHER_COMMIT}


def test_submodules_of_submodules_and_their_own_gaps(
    origin: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    run(deep, "init", "-q")
    write(deep, "d.yaml", flow("d"))
    commit(deep)
    run(origin.parent / "shared", "submodule", "--quiet", "add", str(deep), "deep")
    commit(origin.parent / "shared")
    run(origin / "flows/shared", "pull", "-q", "origin", "main")
    commit(origin)
    clone(origin, here, monkeypatch=monkeypatch)
    run(here, "submodule", "--quiet", "update", "--init")
    assert causes(found()) == {"flows/shared/deep": Cause.SUBMODULE}
    run(here, "submodule", "--quiet", "update", "--init", "--recursive")
    assert found().paths == ()
    run(here / "flows/shared", "sparse-checkout", "set", "--no-cone", "/*", "!/s2.yaml")
    assert causes(found()) == {"flows/shared/s2.yaml": Cause.SPARSE}
    # The source itself is a submodule: the checkout around it is asked as well.
    run(here / "flows/shared", "sparse-checkout", "disable")
    assert found("flows/shared").paths == ()
    run(here / "flows/shared", "checkout", "-q", "HEAD~")
    shutil.rmtree("flows/shared/deep")
    assert causes(found("flows/shared"))["flows/shared/deep"] is Cause.OTHER_COMMIT


def test_checkout__failed_one_is_incomplete(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--no-checkout", monkeypatch=monkeypatch)
    Path("flows").mkdir()
    said = found()
    assert said.find(id_of("one"), "flows/a/one.yaml") is not None
    assert set(causes(said).values()) == {Cause.FAILED, Cause.SUBMODULE}
    run(here, "read-tree", "HEAD")  # an index, and still no file
    assert causes(found())["flows/a/one.yaml"] is Cause.FAILED
    run(here, "checkout", "-q", "-f", "HEAD")
    run(here, "submodule", "--quiet", "update", "--init")
    assert found().paths == ()
    # Killed while it wrote the index.
    (here / ".git/index.lock").touch()
    assert causes(found()) == {".": Cause.FAILED}
    assert "index.lock" in found().paths[0].remedy


def test_checkout__paths_that_git_skips_are_incomplete(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    run(here, "update-index", "--assume-unchanged", "flows/a/one.yaml")
    run(here, "update-index", "--skip-worktree", "flows/a/two.yaml")
    for name in ("a/one", "a/two", "b/three"):
        Path(f"flows/{name}.yaml").unlink()
    for said in both_ways(monkeypatch):
        assert causes(said) == {
            "flows/a/one.yaml": Cause.ASSUMED,
            "flows/a/two.yaml": Cause.SPARSE,
        }


def test_a_pointer_is_not_the_file(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    Path("flows/a/one.yaml").write_text(pointer)
    Path("flows/a/two.yaml").write_text("/annex/objects/MD5E-s5--00.yaml\n")
    said = found()
    assert set(causes(said).values()) == {Cause.POINTER}
    assert said.find(id_of("other"), None) is not None
    assert "lfs: true" in said.paths[0].remedy


def test_link__missing_target_is_reported(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(origin, "mv", "flows/shared", "flows/.modules")
    (origin / "flows/shared").symlink_to(".modules")
    commit(origin)
    clone(origin, here, monkeypatch=monkeypatch)
    said = found()
    assert causes(said) == {"flows/.modules": Cause.SUBMODULE}
    assert said.find(id_of("s1"), "flows/shared/s1.yaml") is not None
    assert said.find(id_of("s1"), None) is not None
    Path("flows/.modules").rmdir()
    assert causes(found())["flows/shared"] is Cause.LINK
    Path("flows/shared").unlink()
    Path("flows/shared").write_text(".modules")  # as without core.symlinks
    assert causes(found())["flows/shared"] is Cause.LINK


def test_only_the_files_of_a_run_make_others_uncertain(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, monkeypatch=monkeypatch)
    for said in (
        found("flows/a"),
        found("flows", ignore=("flows/shared/",)),
        found("flows/a", "flows/b"),
    ):
        assert said.find(id_of("gone"), "flows/a/gone.yaml") is None
        assert said.find(id_of("s1"), "flows/shared/s1.yaml") is not None
    assert found("flows/a", "flows/shared").find(id_of("gone"), None) is not None


def test_git__worktrees_and_redirecting_variables(
    origin: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    run(here, "worktree", "add", "-q", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path / "tree")
    monkeypatch.setenv("GIT_DIR", str(here / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(here))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "none"))
    for said in both_ways(monkeypatch):
        assert causes(said) == {"flows/shared": Cause.SUBMODULE}


def test_without_git_nothing_is_missing(
    origin: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "plain", "flows/a.yaml", flow("a"))
    monkeypatch.chdir(tmp_path / "plain")
    assert found() == IncompleteCheckout()
    run(tmp_path / "plain", "init", "-q")  # no commit yet
    assert found() == IncompleteCheckout()
    shutil.rmtree(tmp_path / "plain/.git")
    (tmp_path / "plain/.git").write_text("gitdir: /nowhere/.git/worktrees/x\n")
    said = found()
    assert causes(said) == {".": Cause.UNKNOWN}
    assert "does not point to a repository" in said.paths[0].remedy


def test_checkout__repository_of_another_user_is_read_without_git_and_reported(
    origin: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, monkeypatch=monkeypatch)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    said = found()
    assert causes(said) == {"flows/shared": Cause.SUBMODULE}
    (problem,) = said.problems
    assert "dubious ownership" in problem.reason
    assert problem.remedy is not None
    assert f"safe.directory {here}" in problem.remedy


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_the_index_is_read_as_git_reads_it(origin: Path, version: str) -> None:
    for number in range(200):
        write(origin, f"flows/more/{'x' * (number % 70)}{number}.yaml", "")
    run(origin, "add", "-A")
    run(origin, "update-index", "--index-version", version)
    if version == "3":
        run(origin, "update-index", "--skip-worktree", "README.md")
        run(origin, "rm", "-q", "--cached", "flows/a/one.yaml")
        run(origin, "add", "--intent-to-add", "flows/a/one.yaml")
    assert read_index(index_file(origin)) == entries_of(origin)


def test_git_index__unknown_format_is_reported(tmp_path: Path, origin: Path) -> None:
    run(origin, "update-index", "--split-index")
    with pytest.raises(GitError, match="is not a valid Git index"):
        read_index(index_file(origin))
    sha256 = tmp_path / "sha256"
    sha256.mkdir()
    run(sha256, "init", "-q", "--object-format=sha256")
    write(sha256, "a.yaml", flow("a"))
    write(sha256, "b.yaml", flow("b"))
    run(sha256, "add", "-A")
    with pytest.raises(GitError, match="is not a valid Git index"):
        read_index(index_file(sha256))
    for data in (b"", b"DIRC", index_file(origin).read_bytes()[:100]):
        (tmp_path / "index").write_bytes(data)
        with pytest.raises(GitError):
            read_index(tmp_path / "index")


def test_git__executes_nothing_in_the_checkout(
    origin: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, monkeypatch=monkeypatch)
    witness = tmp_path / "witness"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{witness}'\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "filter.x.clean", "filter.x.process"):
        run(here, "config", name, str(script))
    run(here, "config", "filter.x.required", "true")
    run(here, "config", "core.hooksPath", str(tmp_path / "hooks"))
    write(here, ".gitattributes", "* filter=x\n")
    for hook in ("post-index-change", "post-checkout"):
        write(tmp_path, f"hooks/{hook}", script.read_text())
        (tmp_path / "hooks" / hook).chmod(0o755)
    (here / "git").symlink_to(script)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    (here / "flows/a/one.yaml").write_text(flow("other"))
    assert causes(found()) == {"flows/shared": Cause.SUBMODULE}
    assert is_dirty(here) is True
    assert not witness.exists()


def test_dirty_means_tracked_files(
    origin: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(origin, here, "--recurse-submodules", monkeypatch=monkeypatch)
    write(here, "flows/new.yaml", flow("new"))
    assert is_dirty(here) is False
    assert is_dirty(here, untracked=["flows/a", str(tmp_path)]) is False
    assert is_dirty(here, untracked=["flows"]) is True
    Path("flows/a/one.yaml").unlink()
    assert is_dirty(here) is True
    assert is_dirty(tmp_path) is None


def test_git__that_hangs_or_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(git_module, "TIMEOUT", 0.2)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert executable() == str(slow)
    with pytest.raises(GitError, match=r"timed out after 0\.2 s"):
        git(tmp_path, "status")
    assert git_text(tmp_path, "status") is None
    monkeypatch.setenv("PATH", "relative")
    with pytest.raises(GitError, match="git is not on the PATH"):
        git(tmp_path, "status")
    assert checkout_of(tmp_path) is None
