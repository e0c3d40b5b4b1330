"""Writing a bundle: whole or as it was, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.bundle import MANIFEST_FILE, Bundle, Manifest, file_entries, write_bundle
from seatrial.domain.errors import StorageFullError, UsageError
from seatrial.domain.model import ArtifactFormat
from tests.builders import manifest

PLAIN = manifest("onnx-fp32", ArtifactFormat.ONNX)


def fill_with(text: str) -> Callable[[Path], None]:
    """Writes two files, one in a directory."""

    def fill(where: Path) -> None:
        (where / "first.bin").write_text(text, "utf-8")
        (where / "deep").mkdir()
        (where / "deep" / "second.bin").write_text(text, "utf-8")

    return fill


def content(bundle: Bundle) -> str:
    """What the bundle's files hold, after verification."""
    return (Bundle.open(bundle.directory).directory / "deep" / "second.bin").read_text("utf-8")


def names(directory: Path) -> list[str]:
    """Everything in a directory, hidden files included."""
    return sorted(path.name for path in directory.iterdir())


def test_the_directory_is_made_with_its_parents_and_nothing_beside_it(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "a" / "b", PLAIN, fill_with("x"))
    assert names(tmp_path / "a") == ["b"]
    assert names(bundle.directory) == ["deep", "first.bin", MANIFEST_FILE]


def test_what_is_known_only_once_the_files_are_there_can_stand_in_the_manifest(tmp_path: Path) -> None:
    def fill(where: Path) -> Manifest:
        fill_with("x")(where)
        return replace(PLAIN, lineage={"files": sorted(file_entries(where))})

    bundle = Bundle.open(write_bundle(tmp_path / "b", PLAIN, fill).directory)
    assert bundle.manifest.lineage == {"files": ["deep/second.bin", "first.bin"]}
    assert bundle.manifest.files == file_entries(bundle.directory)


def test_files_can_be_read_by_everyone_whatever_made_them(tmp_path: Path) -> None:
    def fill(where: Path) -> None:
        fill_with("x")(where)
        (where / "first.bin").chmod(0o600)  # as save_pretrained does
        (where / "deep").chmod(0o700)

    directory = write_bundle(tmp_path / "b", PLAIN, fill).directory
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))}
    assert modes == {"b": 0o755, "deep": 0o755, "first.bin": 0o644, "second.bin": 0o644, MANIFEST_FILE: 0o644}


def test_a_bundle_already_there_is_replaced(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", PLAIN, fill_with("old"))
    assert content(write_bundle(tmp_path / "b", PLAIN, fill_with("new"))) == "new"
    assert names(tmp_path) == ["b"]


def test_it_is_replaced_on_file_systems_that_cannot_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.bundle.atomic._exchange", lambda first, second: False)
    write_bundle(tmp_path / "b", PLAIN, fill_with("old"))
    assert content(write_bundle(tmp_path / "b", PLAIN, fill_with("new"))) == "new"
    assert names(tmp_path) == ["b"]


def test_a_copied_manifest_is_written_anew(tmp_path: Path) -> None:
    """A bundle is given a version by copying its files under a manifest that has one."""
    source = write_bundle(tmp_path / "source", PLAIN, fill_with("x"))

    def fill(where: Path) -> None:
        shutil.copytree(source.directory, where, dirs_exist_ok=True)

    bundle = write_bundle(tmp_path / "copy", manifest("onnx-fp32", ArtifactFormat.ONNX, version=7), fill)
    assert Bundle.open(bundle.directory).manifest.version == 7
    assert bundle.manifest.artifact.sha256 == source.manifest.artifact.sha256


def raise_(error: BaseException) -> Callable[[Path], None]:
    """Writes half a file, then fails."""

    def fill(where: Path) -> None:
        (where / "half").write_text("half", "utf-8")
        raise error

    return fill


@pytest.mark.parametrize("error", [RuntimeError("exporter"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("before", [True, False], ids=["replacing", "new"])
def test_a_failure_leaves_the_old_bundle_or_none(tmp_path: Path, error: BaseException, before: bool) -> None:
    if before:
        write_bundle(tmp_path / "b", PLAIN, fill_with("old"))
    with pytest.raises(type(error)):
        write_bundle(tmp_path / "b", PLAIN, raise_(error))
    assert names(tmp_path) == (["b"] if before else [])
    if before:
        assert (tmp_path / "b" / "first.bin").read_text("utf-8") == "old"
        Bundle.open(tmp_path / "b")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG], ids=errno.errorcode.get)
def test_no_room_is_an_error_of_its_own(tmp_path: Path, number: int) -> None:
    with pytest.raises(StorageFullError, match=r"No room to write .*/b: free some space"):
        write_bundle(tmp_path / "b", PLAIN, raise_(OSError(number, "no room")))
    assert names(tmp_path) == []


def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    def fill(where: Path) -> None:
        (where / "first.bin").write_bytes(b"x")
        Path("/dev/full").write_bytes(b"x")

    with pytest.raises(StorageFullError, match="free some space"):
        write_bundle(tmp_path / "b", PLAIN, fill)
    assert names(tmp_path) == []


def test_other_faults_of_the_system_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        write_bundle(tmp_path / "b", PLAIN, raise_(PermissionError(errno.EACCES, "not yours")))
    assert names(tmp_path) == []


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


WRITER = """
    import sys
    from pathlib import Path
    from seatrial.bundle import Manifest, write_bundle
    from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision, Signature

    ARTIFACT = Artifact("onnx-fp32", ArtifactFormat.ONNX, Precision.FP32, Layout.PADDED, "")
    PLAIN = Manifest("tiny", 1, ARTIFACT, Signature(("no", "yes"), 64), {})

    def write(directory, size_bytes, letter="x"):
        def fill(where):
            (where / "first.bin").write_bytes(letter.encode() * size_bytes)
            (where / "deep").mkdir()
            (where / "deep" / "second.bin").write_text(letter, "utf-8")
        return write_bundle(directory, PLAIN, fill)
"""


@pytest.mark.parametrize(
    ("size_bytes", "limit_bytes"), [(4096, 1000), (4, 200)], ids=["in a file of fill", "in the manifest"]
)
def test_a_file_size_limit_of_the_process(tmp_path: Path, size_bytes: int, limit_bytes: int) -> None:
    script = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write fails instead of the process
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    try:
        write(Path(sys.argv[1]), int(sys.argv[2]))
    except Exception as error:
        print(type(error).__name__, error)
    """
    done = run(WRITER + script, tmp_path / "b", size_bytes, limit_bytes)
    assert done.stdout.startswith("StorageFullError No room to write"), done.stderr
    assert names(tmp_path) == []


def test_a_kill_at_any_step_leaves_the_old_bundle_or_the_new_and_the_next_writer_cleans_up(tmp_path: Path) -> None:
    """Forks one writer for each operation of the file system, and kills it just before that operation."""
    script = """
    import os, signal
    from seatrial.bundle import Bundle

    def die_before(step):
        seen = 0
        def watch(event, arguments):
            nonlocal seen
            if event in {"open", "os.mkdir", "os.rename", "os.chmod", "os.remove", "os.rmdir", "fcntl.flock",
                         "tempfile.mkdtemp", "shutil.rmtree", "ctypes.dlsym", "os.scandir"}:
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
        sys.addaudithook(watch)

    directory = Path(sys.argv[1])
    write(directory, 1, "o")
    step, found = 0, []
    while True:
        child = os.fork()
        if child == 0:
            die_before(step)
            write(directory, 1, "n")
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        found.append((Bundle.open(directory).directory / "deep" / "second.bin").read_text("utf-8"))
        beside = sorted(path.name for path in directory.parent.iterdir())
        write(directory, 1, "o")
        assert os.listdir(directory.parent) == [directory.name], (step, beside)
        if status == 0:
            break
        step += 1
    print("".join(found))
    """
    done = run(WRITER + script, tmp_path / "b")
    assert done.returncode == 0, done.stderr
    states = done.stdout.strip()
    assert states == "o" * states.count("o") + "n" * states.count("n")  # old up to one moment, new from then on
    assert states.count("o") > 10
    assert states.count("n") > 1


def test_writers_of_one_directory_take_turns(tmp_path: Path) -> None:
    inside: list[str] = []
    together: list[int] = []
    start = threading.Barrier(4)

    def write(letter: str) -> None:
        def fill(where: Path) -> None:
            inside.append(letter)
            together.append(len(inside))
            fill_with(letter)(where)
            inside.remove(letter)

        start.wait()
        for _ in range(5):
            write_bundle(tmp_path / "b", PLAIN, fill)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [1] * 20
    assert names(tmp_path) == ["b"]
    Bundle.open(tmp_path / "b")


def test_a_link_is_no_file_of_a_bundle(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret", "utf-8")
    outside.chmod(0o600)
    with pytest.raises(UsageError, match="'link' cannot stand in a bundle"):
        write_bundle(tmp_path / "b", PLAIN, lambda where: (where / "link").symlink_to(outside))
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert names(tmp_path) == ["outside"]


def test_a_device_is_no_file_of_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot stand in a bundle"):
        write_bundle(tmp_path / "b", PLAIN, lambda where: os.mkfifo(where / "pipe"))


def test_a_file_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("somebody's", "utf-8")
    with pytest.raises(NotADirectoryError):
        write_bundle(tmp_path / "b", PLAIN, fill_with("x"))
    assert (tmp_path / "b").read_text("utf-8") == "somebody's"
    assert names(tmp_path) == ["b"]


def test_the_manifest_can_be_read_by_people(tmp_path: Path) -> None:
    chinese = replace(PLAIN, lineage={"labels": "负面"})
    directory = write_bundle(tmp_path / "b", chinese, fill_with("x")).directory
    text = (directory / MANIFEST_FILE).read_text("utf-8")
    assert "负面" in text
    assert json.loads(text)["lineage"] == {"labels": "负面"}
