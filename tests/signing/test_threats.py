"""What somebody may do to a signed model: each must be refused, whatever the key is and whatever the model's shape."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadSignature, UsageError
from hub.signing import KeyTrust, PrivateKey, Seal, Verified, sign_model, usual_signature, verify_model


@pytest.fixture(params=["p256", "ed25519"])
def signer(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.getfixturevalue(request.param)
    return found


def verify(model: Path, key: PrivateKey, **options: Any) -> Verified:
    return verify_model(model, KeyTrust(key.public), **options)


def refused(model: Path, key: PrivateKey, why: str, **options: Any) -> None:
    with pytest.raises(BadSignature, match=why) as caught:
        verify(model, key, **options)
    assert caught.value.exit_code == 1


def flip(file: Path, at: int = -1) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_what_was_signed_is_verified(models: Any, signer: PrivateKey) -> None:
    for model, files in ((models.file, 1), (models.folder, 4), (models.parts[0], len(models.parts))):
        signed = sign_model(model, signer, name="org/tiny", sequence=3)
        assert signed.signature == usual_signature(model)
        seen = verify(model, signer)
        assert (seen.key, seen.statement.name, seen.statement.sequence) == (signer.public, "org/tiny", 3)
        assert len(seen.seal.files) == len(signed.statement.files) >= files
        seen.seal.check()


def test_a_model_can_be_moved_and_its_folder_renamed(models: Any, signer: PrivateKey, tmp_path: Path) -> None:
    sign_model(models.folder, signer)
    assert verify(models.folder.rename(tmp_path / "elsewhere"), signer)
    sign_model(models.file, signer)
    models.file.rename(tmp_path / "renamed.gguf")
    usual_signature(models.file).rename(tmp_path / "renamed.gguf.sig")
    assert verify(tmp_path / "renamed.gguf", signer)


@pytest.mark.parametrize("at", [0, 1000, -1])
def test_a_flipped_bit(models: Any, signer: PrivateKey, at: int) -> None:
    for model, file in (
        (models.file, models.file),
        (models.folder, models.folder / "model.safetensors"),
        (models.parts[0], models.parts[2]),
    ):
        sign_model(model, signer)
        flip(file, at)
        refused(model, signer, f"not what was signed: {file.name} is changed")


def test_every_problem_is_named(models: Any, p256: PrivateKey) -> None:
    sign_model(models.folder, p256)
    flip(models.folder / "config.json")
    (models.folder / "tokenizer.json").unlink()
    (models.folder / "extra.json").touch()
    refused(models.folder, p256, "extra.json is not signed, tokenizer.json is missing, config.json is changed")


def test_bytes_added_or_cut_off(models: Any, signer: PrivateKey) -> None:
    sign_model(models.file, signer)
    data = models.file.read_bytes()
    for other in (data + b"\0", data[:-1], b""):
        models.file.write_bytes(other)
        refused(models.file, signer, "tiny.gguf is changed")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_configuration_or_tokenizer_that_is_edited(models: Any, signer: PrivateKey, file: str) -> None:
    sign_model(models.folder, signer)
    document = json.loads((models.folder / file).read_text())
    (models.folder / file).write_text(json.dumps({**document, "extra": 1}))
    refused(models.folder, signer, f"{file} is changed")
    refused(models.folder / "model.safetensors", signer, f"{file} is changed")


def test_shards_that_are_swapped_or_missing(models: Any, signer: PrivateKey, tmp_path: Path) -> None:
    first, second, third, *_ = models.parts
    sign_model(first, signer)
    assert verify(third, signer), "the first shard's signature is that of all"
    for a, b in ((first, tmp_path / "x"), (second, first), (tmp_path / "x", second)):
        shutil.move(a, b)
    refused(first, signer, f"{first.name} is changed, {second.name} is changed")
    for a, b in ((first, tmp_path / "x"), (second, first), (tmp_path / "x", second)):
        shutil.move(a, b)
    assert verify(first, signer)
    third.unlink()
    refused(first, signer, f"{third.name} is missing")


@pytest.mark.parametrize("name", ["extra.json", ".git/config", ".github/workflow.yml", ".gitattributes", "a/b/c.bin"])
def test_a_file_that_is_added_anywhere(models: Any, signer: PrivateKey, name: str) -> None:
    sign_model(models.folder, signer)
    (models.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (models.folder / name).write_text("{}")
    refused(models.folder, signer, f"{name} is not signed")
    refused(models.folder / "model.safetensors", signer, f"{name} is not signed")


def test_what_the_signer_left_out_is_said_and_may_change(models: Any, signer: PrivateKey) -> None:
    for name in (".git/config", "notes/today.bin", "notes.bin"):
        (models.folder / name).parent.mkdir(exist_ok=True)
        (models.folder / name).write_text("x")
    signed = sign_model(models.folder, signer, ignore=["notes/"])
    assert set(signed.statement.ignored) == {".git", "model.sig", "notes"}
    (models.folder / "notes/today.bin").write_text("y")
    (models.folder / ".git/more").write_text("y")
    assert verify(models.folder, signer).statement.ignored == signed.statement.ignored
    flip(models.folder / "notes.bin")
    refused(models.folder, signer, "notes.bin is changed")


def test_what_the_signer_left_out_is_not_read_with_the_model(models: Any, signer: PrivateKey) -> None:
    sign_model(models.folder, signer, ignore=["tokenizer.json"])
    refused(models.folder, signer, "tokenizer.json: is read with the model, and nobody signed it")


def test_a_document_that_is_put_beside_a_signed_file_is_not_read_with_it(models: Any, signer: PrivateKey) -> None:
    alone = models.folder.parent / "alone" / "model.safetensors"
    alone.parent.mkdir()
    shutil.copy(models.folder / "model.safetensors", alone)
    sign_model(alone, signer)
    assert verify(alone, signer)
    shutil.copy(models.folder / "config.json", alone.parent)
    refused(alone, signer, "config.json: is read with the model, and nobody signed it")


def test_a_weights_file_is_signed_with_the_documents_it_is_read_with(models: Any, signer: PrivateKey) -> None:
    weights = models.folder / "model.safetensors"
    signed = sign_model(weights, signer)
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= signed.statement.files.keys()
    assert verify(weights, signer)
    flip(models.folder / "config.json")
    refused(weights, signer, "config.json is changed")


def change_tensors(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    change(tensors)
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("change", ["add", "remove", "rename"])
def test_a_tensor_added_removed_or_renamed_in_a_valid_file(models: Any, signer: PrivateKey, change: str) -> None:
    change_tensors(models.folder, lambda _: None)
    sign_model(models.folder, signer)
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "add": lambda t: t.update(backdoor=next(iter(t.values()))),
        "remove": lambda t: t.popitem(),
        "rename": lambda t: t.update(other=t.pop(next(iter(t)))),
    }
    change_tensors(models.folder, changes[change])
    refused(models.folder, signer, "model.safetensors is changed")


def test_a_link_in_place_of_a_file_or_folder(models: Any, signer: PrivateKey, tmp_path: Path) -> None:
    sign_model(models.folder, signer)
    config = models.folder / "config.json"
    config.rename(tmp_path / "config.json")
    config.symlink_to(tmp_path / "config.json")
    refused(models.folder, signer, "config.json: is a symbolic link")
    with pytest.raises(BadSignature, match="is a symbolic link"):
        sign_model(models.folder, signer, overwrite=True)

    sign_model(models.file, signer)
    models.file.rename(tmp_path / "real.gguf")
    models.file.symlink_to(tmp_path / "real.gguf")
    refused(models.file, signer, "tiny.gguf: is a symbolic link")


def test_a_link_to_a_folder_inside(models: Any, signer: PrivateKey, tmp_path: Path) -> None:
    inside = models.folder / "1_Pooling"
    inside.mkdir()
    (inside / "config.json").write_text("{}")
    sign_model(models.folder, signer)
    assert verify(models.folder, signer)
    inside.rename(tmp_path / "1_Pooling")
    inside.symlink_to(tmp_path / "1_Pooling")
    refused(models.folder, signer, "1_Pooling: is a symbolic link")


def test_a_link_that_is_swapped_in_between_the_check_and_the_opening(
    models: Any, signer: PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = models.folder / "1_Pooling"
    inside.mkdir()
    (inside / "config.json").write_text("{}")
    sign_model(models.folder, signer)
    real, lock = os.open, threading.Lock()

    def racing(path: Any, flags: int, *args: Any, **named: Any) -> int:
        """The attacker acts just before a worker opens what it has found to be no link."""
        with lock:
            if str(path) == victim.name and not victim.is_symlink():
                victim.rename(tmp_path / "moved")
                victim.symlink_to(tmp_path / "moved")
        return real(path, flags, *args, **named)

    monkeypatch.setattr(os, "open", racing)
    for victim in (inside, models.folder / "config.json"):
        refused(models.folder, signer, f"{victim.name}: is a symbolic link")
        victim.unlink()
        (tmp_path / "moved").rename(victim)


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(models: Any, signer: PrivateKey) -> None:
    sign_model(models.folder, signer)
    (models.folder / "config.json").unlink()
    os.mkfifo(models.folder / "config.json")
    refused(models.folder, signer, "is neither a file nor a folder")


def write_and_set_the_time_back(file: Path) -> None:
    before = file.stat().st_mtime_ns
    flip(file)
    os.utime(file, ns=(before, before))


def replace_by_a_copy(file: Path) -> None:
    Path(shutil.copy2(file, file.with_name("copy"))).replace(file)


def replace_by_a_link(file: Path) -> None:
    elsewhere = file.rename(file.parent.parent / "x")
    file.symlink_to(elsewhere)


def swap_and_put_back(file: Path) -> None:
    file.rename(file.parent / "x").rename(file)


CHANGES = (flip, write_and_set_the_time_back, replace_by_a_copy, replace_by_a_link, swap_and_put_back, Path.unlink)


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_a_file_that_changes_after_it_was_verified(
    models: Any, p256: PrivateKey, change: Callable[[Path], None]
) -> None:
    sign_model(models.folder, p256)
    seal = verify(models.folder, p256).seal
    seal.check()
    change(models.folder / "model.safetensors")
    with pytest.raises(BadSignature, match="is no longer the file that was verified|has gone since"):
        seal.check()


def test_a_file_that_is_added_after_the_folder_was_verified(models: Any, p256: PrivateKey) -> None:
    sign_model(models.folder, p256)
    seal = verify(models.folder, p256).seal
    (models.folder / "added.json").touch()
    with pytest.raises(BadSignature, match="added.json: was not there when the model was verified"):
        seal.check()


@pytest.mark.parametrize("victim", ["the folder", "a folder in it", "a link to it"])
def test_a_folder_that_is_swapped_for_another_and_put_back(
    models: Any, p256: PrivateKey, tmp_path: Path, victim: str
) -> None:
    """Its files are then the very ones that were verified; what was read in between may have been others."""
    (models.folder / "1_Pooling").mkdir()
    (models.folder / "1_Pooling" / "config.json").write_text("{}")
    sign_model(models.folder, p256)
    link = tmp_path / "link"
    link.symlink_to(models.folder)
    opened, swapped = {
        "the folder": (models.folder, models.folder),
        "a folder in it": (models.folder, models.folder / "1_Pooling"),
        "a link to it": (link, link),
    }[victim]
    seal = verify(opened, p256).seal
    seal.check()
    aside = swapped.rename(tmp_path / "aside")
    swapped.mkdir()
    swapped.rmdir()
    aside.rename(swapped)
    with pytest.raises(BadSignature, match="is no longer the folder that was verified"):
        seal.check()


def test_a_file_that_changes_while_it_is_read_or_described(models: Any, p256: PrivateKey) -> None:
    file = models.file

    def meddle(_: object = None) -> None:
        flip(file)

    sign_model(file, p256)
    refused(file, p256, "tiny.gguf: changed while it was read", advance=meddle)
    with pytest.raises(BadSignature, match="is no longer the file that was verified"):
        sign_model(file, p256, overwrite=True, describe=meddle)


def test_names_that_differ_by_case_or_unicode_form(models: Any, signer: PrivateKey) -> None:
    folder = models.folder
    for first, second in (("Weights.bin", "weights.bin"), ("caf\u00e9.txt", "cafe\u0301.txt"), ("\u212a.txt", "k.txt")):
        (folder / first).write_text("1")
        sign_model(folder, signer, overwrite=True)
        assert verify(folder, signer)
        (folder / second).write_text("2")
        refused(folder, signer, "differ in case or Unicode form only")
        with pytest.raises(BadSignature, match="differ in case or Unicode form only"):
            sign_model(folder, signer, overwrite=True)
        (folder / first).unlink()
        refused(folder, signer, "is not signed")
        (folder / second).unlink()


def test_another_key(models: Any, p256: PrivateKey, ed25519: PrivateKey) -> None:
    for mine, other in ((p256, ed25519), (ed25519, p256), (p256, PrivateKey.generate("p256"))):
        sign_model(models.file, mine, overwrite=True)
        refused(models.file, other, f"not signed by the key {other.public.fingerprint[:16]} .{other.type}.")


def test_another_model_s_signature(models: Any, signer: PrivateKey, tmp_path: Path) -> None:
    other = shutil.copytree(models.folder, tmp_path / "other")
    flip(other / "model.safetensors")
    theirs = sign_model(other, signer, name="org/other").signature
    refused(models.folder, signer, "model.safetensors is changed", signature=theirs)
    refused(models.folder, signer, "is not signed: there is no model.sig")
    refused(other, signer, "was signed as 'org/other', not as 'org/tiny'", name="org/tiny")
    refused(models.file, signer, "which has no such file", signature=theirs)
    refused(other, signer, "of a single file", signature=sign_model(models.file, signer).signature)


def test_a_signature_replaces_no_file_of_the_model(models: Any, p256: PrivateKey, tmp_path: Path) -> None:
    for model, file in (
        (models.file, models.file),
        (models.folder, models.folder / "config.json"),
        (models.folder, models.folder / "model.safetensors"),
        (models.parts[0], models.parts[2]),
        (models.folder / "model.safetensors", models.folder / "tokenizer.json"),
    ):
        before = file.read_bytes()
        with pytest.raises(
            UsageError, match=f"{file.name}: is a file of the model, which a signature does not replace"
        ):
            sign_model(model, p256, signature=file, overwrite=True)
        assert file.read_bytes() == before
    (models.folder / "model.sig").write_text("half a signa")
    for place in (models.folder / "model.sig", models.folder / "lab.sig", tmp_path / "elsewhere.sig"):
        for _ in range(2):
            sign_model(models.folder, p256, signature=place, overwrite=True)
        verify(models.folder, p256, signature=place)
        place.unlink()


def test_a_signature_that_is_stripped(models: Any, signer: PrivateKey) -> None:
    for model in (models.file, models.folder, models.parts[0]):
        sign_model(model, signer).signature.unlink()
        refused(model, signer, "is not signed: there is no")


def test_a_signature_of_100_mb(models: Any, signer: PrivateKey) -> None:
    signature = sign_model(models.file, signer).signature
    with signature.open("r+b") as file:
        file.truncate(100_000_000)
    refused(models.file, signer, "has 100,000,000 bytes; at most 67,108,864 are read")


def test_the_seal_is_what_the_hub_asks_for(models: Any, p256: PrivateKey) -> None:
    from hub import interface

    sign_model(models.file, p256)
    asked: interface.Seal = verify(models.file, p256).seal
    assert isinstance(asked, Seal)
