from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hub.errors import HubError, UsageError
from hub.interface import Options
from hub.pipeline import Journal, Request, Silent, convert, default_budget, resumable

Hub = Callable[..., "subprocess.CompletedProcess[str]"]
MORE = ["--encode", "f16", "--jobs", "2"]


def again(source: Path, target: Path, **more: object) -> Request:
    options = {"encode": ["f16"], "budget": default_budget(2), "resume": True, **more}
    return Request(source, target, **options)  # type: ignore[arg-type]


def whole(notes: Sequence[str]) -> tuple[int, int]:
    """How many pieces were whole, of how many."""
    (match,) = filter(None, (re.fullmatch(r"--resume: (\d+) of (\d+) pieces were whole", note) for note in notes))
    return int(match[1]), int(match[2])


@pytest.mark.parametrize("target", ["out.gguf", "out.apr", "out.safetensors", "out"])
def test_a_killed_conversion_goes_on_from_what_is_whole(
    tiny_gguf: Path, tmp_path: Path, target: str, broken: Hub
) -> None:
    (tmp_path / "straight").mkdir()
    convert(Request(tiny_gguf, tmp_path / "straight" / target, encode=["f16"]))
    done = broken(signal.SIGKILL, 9000, "convert", tiny_gguf, target, *MORE, "--resume")
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / target).exists()
    report = convert(again(tiny_gguf, tmp_path / target))
    taken, pieces = whole(report.notes)
    assert 1 < taken < pieces
    assert report.verified
    straight, resumed = tmp_path / "straight" / target, tmp_path / target
    names = sorted(p.name for p in straight.iterdir()) if straight.is_dir() else [""]
    assert [(straight / n).read_bytes() for n in names] == [(resumed / n).read_bytes() for n in names]
    assert not resumable(resumed).exists()


def test_a_conversion_may_be_killed_twice_and_changed_between(many: Path, tmp_path: Path, broken: Hub) -> None:
    convert(Request(many, tmp_path / "straight.safetensors", encode=["f16"]))
    target = tmp_path / "out.safetensors"
    for after in (400_000, 1_200_000):
        broken(signal.SIGKILL, after, "convert", many, target.name, *MORE, "--resume", "--executor", "thread")
    kept = resumable(target)
    staged = kept / "files" / target.name
    data = bytearray(staged.read_bytes())
    data[len(data) // 4] ^= 1
    staged.write_bytes(data)
    with (kept / "journal").open("ab") as journal:
        journal.write(b'{"file": "out.safe')  # the line that was being written
    written = (kept / "journal").read_bytes().count(b'"digest"')
    taken, pieces = whole(convert(again(many, target)).notes)
    assert 8 < taken < written
    assert pieces == 64
    assert target.read_bytes() == (tmp_path / "straight.safetensors").read_bytes()


def test_workers_write_what_was_not_whole(many: Path, tmp_path: Path, broken: Hub) -> None:
    convert(Request(many, tmp_path / "straight.safetensors", encode=["f16"]))
    target = tmp_path / "out.safetensors"
    broken(signal.SIGKILL, 800_000, "convert", many, target.name, *MORE, "--resume", "--executor", "process")
    taken, pieces = whole(convert(again(many, target, executor="process")).notes)
    assert 0 < taken < pieces
    assert target.read_bytes() == (tmp_path / "straight.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ({"encode": ["bf16"]}, "--encode, the planned tensors differ"),
        ({"options": Options(shard_size=1 << 20)}, "--shard-size differ"),
    ],
)
def test_other_options_are_refused(
    many: Path, tmp_path: Path, broken: Hub, more: dict[str, object], differs: str
) -> None:
    target = tmp_path / "out"
    broken(signal.SIGKILL, 400_000, "convert", many, target, *MORE, "--resume")
    with pytest.raises(UsageError, match=f"another conversion: {differs}.*rm -r"):
        convert(again(many, target, **more))
    assert resumable(target).is_dir()
    assert whole(convert(again(many, target)).notes)[0] > 0


def test_a_source_that_changed_is_refused(many: Path, tmp_path: Path, broken: Hub) -> None:
    target = tmp_path / "out.safetensors"
    broken(signal.SIGKILL, 400_000, "convert", many, target, *MORE, "--resume")
    os.utime(many, (1, 1))
    with pytest.raises(UsageError, match="the source differ"):
        convert(again(many, target))


def test_an_interruption_keeps_only_what_was_asked_for(many: Path, tmp_path: Path, broken: Hub) -> None:
    done = broken(signal.SIGINT, 400_000, "convert", many, "out.safetensors", *MORE)
    assert done.returncode == 130
    assert [p.name for p in tmp_path.iterdir()] == [many.name]
    done = broken(signal.SIGINT, 400_000, "convert", many, "out.safetensors", *MORE, "--resume")
    assert done.returncode == 130
    kept = resumable(tmp_path / "out.safetensors")
    assert f"hub: kept in {kept}: the same command goes on from it, rm -r '{kept}' removes it" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {many.name, kept.name}


def test_what_killed_runs_left_is_said(many: Path, tmp_path: Path, broken: Hub, hub: Hub) -> None:
    for more in ([], ["--resume"]):
        broken(signal.SIGKILL, 400_000, "convert", many, "out.safetensors", *MORE, *more)
    (stage,) = tmp_path.glob(".hub-*.tmp")
    os.utime(stage, (1, 1))
    with Journal(tmp_path / "elsewhere", {}):  # in use: not left behind
        done = hub("convert", many, "out.safetensors", "--encode", "f16")
    assert f"Note: a conversion that was killed left {stage}: rm -r '{stage}' removes it" in done.stdout
    kept = resumable(tmp_path / "out.safetensors")
    assert f"Note: a conversion broke off in {kept}: --resume goes on from it" in done.stdout
    assert "elsewhere" not in done.stdout


def test_two_runs_do_not_meet_in_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", {}), pytest.raises(HubError, match="another run is writing here just now"):
        Journal(tmp_path / "out", {}).__enter__()


def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = resumable(tmp_path / "out")
    folder.mkdir()
    (folder / "journal").write_text("[]\n[]\n")
    with pytest.raises(HubError, match="is no journal of a conversion"):
        Journal(tmp_path / "out", {}).__enter__()


def test_one_that_broke_off_in_verification_writes_nothing_again(many: Path, tmp_path: Path) -> None:
    class Stop(Silent):
        def start(self, what: str, nbytes: int) -> None:
            if what == "verify":
                raise KeyboardInterrupt

    target = tmp_path / "out.safetensors"
    with pytest.raises(KeyboardInterrupt):
        convert(again(many, target), Stop())
    assert resumable(target).is_dir()
    taken, pieces = whole(convert(again(many, target)).notes)
    assert taken == pieces
    with pytest.raises(UsageError, match="--resume has no effect with --compression"):
        convert(again(many, tmp_path / "out.apr", options=Options(compression="zstd")))
    assert sorted(p.name for p in tmp_path.iterdir()) == [many.name, target.name]
