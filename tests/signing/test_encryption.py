"""Encryption: what comes back, who can open it, and that nothing that was touched does."""

from __future__ import annotations

import base64
import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import hub
from hub.cli import main
from hub.errors import DamagedFile, HubError, NotAuthentic, TargetExists, UnsupportedFile, UsageError
from hub.signing.encryption import decrypt, encrypt, load_identity, load_recipient
from hub.signing.encryption._header import Header
from hub.signing.encryption._pieces import seal
from hub.signing.encryption._recipients import ToKey

VECTORS = Path(__file__).parent / "vectors" / "encrypted-v1"
PIECE, TAG = 1 << 20, 16
IDENTITY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
RECIPIENT = IDENTITY.public_key()


def text(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A file of three pieces, the last one short."""
    path = tmp_path / "model.gguf"
    path.write_bytes(text(2 * PIECE + 77))
    return path


@pytest.fixture
def sealed(plain: Path, tmp_path: Path) -> Path:
    """`plain`, encrypted for RECIPIENT."""
    path = tmp_path / "model.enc"
    encrypt(plain, path, recipients=[RECIPIENT])
    return path


def by_the_book(data: bytes, *, key: X25519PrivateKey | None = None, passphrase: bytes = b"") -> bytes:
    """The text of an encrypted file, read as docs/encryption.md describes it, by none of the hub's code."""

    def derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt, b"hub-encrypted/1 " + purpose).derive(secret)

    assert data[:8] == b"hub.enc\x01"
    (size,) = struct.unpack_from("<I", data, 8)
    head, mac, body = data[: 12 + size], data[12 + size : 44 + size], data[44 + size :]
    header = json.loads(head[12:])
    file_key = b""
    for entry in header["recipients"]:
        if entry["type"] == "argon2id":
            salt, cost = base64.b64decode(entry["salt"]), entry["memory_kib"]
            made = Argon2id(salt=salt, length=32, iterations=entry["passes"], lanes=entry["lanes"], memory_cost=cost)
            wrapping = made.derive(passphrase)
        else:
            assert key is not None
            share = base64.b64decode(entry["share"])
            shared = key.exchange(X25519PublicKey.from_public_bytes(share))
            wrapping = derived(shared, share + key.public_key().public_bytes_raw(), b"x25519")
        try:
            file_key = AESGCM(wrapping).decrypt(bytes(12), base64.b64decode(entry["key"]), None)
        except InvalidTag:  # another recipient's
            continue
    check = HMAC(derived(file_key, b"", b"header"), SHA256())
    check.update(head)
    check.verify(mac)
    payload = AESGCM(derived(file_key, base64.b64decode(header["salt"]), b"payload"))
    pieces = [body[at : at + PIECE + TAG] for at in range(0, len(body), PIECE + TAG)]
    nonces = [i.to_bytes(11, "big") + bytes([i == len(pieces) - 1]) for i in range(len(pieces))]
    return b"".join(payload.decrypt(nonce, piece, None) for nonce, piece in zip(nonces, pieces, strict=True))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5])
def test_what_was_encrypted_comes_back(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(text(size))
    done = encrypt(tmp_path / "a", tmp_path / "a.enc", recipients=[RECIPIENT])
    pieces = max(1, -(-size // PIECE))
    data = (tmp_path / "a.enc").read_bytes()
    header = 44 + int.from_bytes(data[8:12], "little")
    assert len(data) == done.encrypted_bytes == header + size + TAG * pieces
    assert by_the_book(data, key=IDENTITY) == text(size)
    assert decrypt(tmp_path / "a.enc", tmp_path / "b", identity=IDENTITY).plain_bytes == size
    assert (tmp_path / "b").read_bytes() == text(size)


def test_a_passphrase_opens_what_it_closed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    encrypt(tmp_path / "a", tmp_path / "a.enc", passphrase="pässword".encode())
    assert by_the_book((tmp_path / "a.enc").read_bytes(), passphrase="pässword".encode()) == b"text"
    decrypt(tmp_path / "a.enc", tmp_path / "b", passphrase="pässword".encode())
    assert (tmp_path / "b").read_bytes() == b"text"
    with pytest.raises(NotAuthentic, match="passphrase"):
        decrypt(tmp_path / "a.enc", tmp_path / "c", passphrase=b"password")


def test_every_recipient_opens_it_and_nobody_else(plain: Path, tmp_path: Path) -> None:
    keys = [X25519PrivateKey.generate() for _ in range(3)]
    encrypt(plain, tmp_path / "x", recipients=[k.public_key() for k in keys])
    for n, key in enumerate(keys):
        decrypt(tmp_path / "x", tmp_path / str(n), identity=key)
        assert (tmp_path / str(n)).read_bytes() == plain.read_bytes()
    with pytest.raises(NotAuthentic, match="none of its recipients"):
        decrypt(tmp_path / "x", tmp_path / "no", identity=IDENTITY)
    assert not (tmp_path / "no").exists()


def test_two_encryptions_share_no_byte_of_key(plain: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        encrypt(plain, tmp_path / name, recipients=[RECIPIENT])
    x, y = ((tmp_path / n).read_bytes()[-2 * PIECE :] for n in ("x", "y"))
    assert sum(a == b for a, b in zip(x[:4096], y[:4096], strict=True)) < 100


@pytest.mark.parametrize("kind", ["recipient", "passphrase"])
def test_what_version_1_wrote_decrypts_for_ever(tmp_path: Path, kind: str) -> None:
    secret = (VECTORS / "passphrase.txt").read_bytes().strip()
    if kind == "recipient":
        decrypt(VECTORS / "recipient.enc", tmp_path / "out", identity=load_identity(VECTORS / "recipient.pem"))
    else:
        decrypt(VECTORS / "passphrase.enc", tmp_path / "out", passphrase=secret)
    assert (tmp_path / "out").read_bytes() == (VECTORS / "plain.txt").read_bytes()


def test_the_folder_that_version_1_wrote_decrypts_for_ever(tmp_path: Path) -> None:
    done = decrypt(VECTORS / "folder.enc", tmp_path / "out", identity=load_identity(VECTORS / "recipient.pem"))
    assert done.content == "folder"
    found = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    plain = (VECTORS / "plain.txt").read_bytes()
    assert found == {"config.json": b"{}\n", "inner/empty": b"", "plain.txt": plain}


Damage = Callable[[bytes, int], bytes]  # the whole file, and where its pieces start


def pieces_moved(*order: int) -> Damage:
    def damage(data: bytes, at: int) -> bytes:
        pieces = [data[i : i + PIECE + TAG] for i in range(at, len(data), PIECE + TAG)]
        return data[:at] + b"".join(pieces[i] for i in order)

    return damage


def flipped(where: Callable[[int, int], int]) -> Damage:
    def damage(data: bytes, at: int) -> bytes:
        index = where(at, len(data))
        return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]

    return damage


DAMAGES: dict[str, Damage] = {
    "cut in the header": lambda data, _: data[:40],
    "cut after the header": lambda data, at: data[:at],
    "cut in a piece": lambda data, at: data[: at + PIECE],
    "cut between pieces": pieces_moved(0, 1),
    "cut after the first piece": pieces_moved(0),
    "cut by one byte": lambda data, _: data[:-1],
    "last piece left out": pieces_moved(0, 1),
    "middle piece left out": pieces_moved(0, 2),
    "first piece left out": pieces_moved(1, 2),
    "pieces swapped": pieces_moved(1, 0, 2),
    "piece doubled": pieces_moved(0, 0, 1, 2),
    "last piece doubled": pieces_moved(0, 1, 2, 2),
    "one byte more": lambda data, _: data + b"\0",
    "a piece of zeros more": lambda data, _: data + bytes(PIECE + TAG),
    "bit in the first piece": flipped(lambda at, _: at),
    "bit in the middle": flipped(lambda at, _: at + PIECE + TAG + 5),
    "bit in the last tag": flipped(lambda _, end: end - 1),
    "bit in the header's mac": flipped(lambda at, _: at - 1),
    "empty": lambda _data, _at: b"",
    "magic alone": lambda data, _: data[:8],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_that_was_touched_opens(sealed: Path, tmp_path: Path, damage: str) -> None:
    data = sealed.read_bytes()
    start = 44 + int.from_bytes(data[8:12], "little")
    sealed.write_bytes(DAMAGES[damage](data, start))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((NotAuthentic, DamagedFile)):
        decrypt(sealed, tmp_path / "out", identity=IDENTITY)
    assert sorted(tmp_path.rglob("*")) == before


def test_no_bit_of_the_header_can_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    encrypt(tmp_path / "a", tmp_path / "x", recipients=[RECIPIENT])
    data = (tmp_path / "x").read_bytes()
    end = 44 + int.from_bytes(data[8:12], "little")
    for at in range(end):
        for bit in (1, 0x20, 0x80):
            (tmp_path / "x").write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            with pytest.raises(HubError):
                decrypt(tmp_path / "x", tmp_path / "out", identity=IDENTITY)


def test_a_piece_of_another_file_does_not_fit(plain: Path, sealed: Path, tmp_path: Path) -> None:
    encrypt(plain, tmp_path / "other", recipients=[RECIPIENT])
    mine, other = sealed.read_bytes(), (tmp_path / "other").read_bytes()
    assert len(mine) == len(other)
    sealed.write_bytes(mine[: -PIECE // 2] + other[-PIECE // 2 :])
    with pytest.raises(NotAuthentic):
        decrypt(sealed, tmp_path / "out", identity=IDENTITY)


def headed(data: bytes, **changes: object) -> bytes:
    """`data` with members of its only recipient, or of its header, changed; the rest as it was."""
    size = int.from_bytes(data[8:12], "little")
    header = json.loads(data[12 : 12 + size])
    for key, value in changes.items():
        (header if key in header or key == "more" else header["recipients"][0])[key] = value
    new = json.dumps(header, separators=(",", ":")).encode()
    return data[:8] + len(new).to_bytes(4, "little") + new + data[12 + size :]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_kib": 1 << 32}, "at most 1048576 KiB"), ({"memory_kib": 8}, "8 a lane"),
        ({"memory_kib": -1}, "at most"),
        ({"passes": 1 << 30}, "at most"), ({"passes": 0}, "at most"), ({"lanes": 1 << 20}, "at most"),
        ({"lanes": 0}, "at most"), ({"salt": "AA=="}, "16 bytes"), ({"key": ""}, "48 bytes"),
        ({"content": "other"}, "other members"), ({"recipients": []}, "other members"), ({"more": 1}, "other members"),
        ({"recipients": [{"type": "rsa"}]}, "no known kind"), ({"passes": "3"}, "no known kind"),
    ],
)  # fmt: skip
def test_a_header_asks_for_nothing_without_bounds(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(headed((VECTORS / "passphrase.enc").read_bytes(), **changes))
    with pytest.raises(DamagedFile, match=message):
        decrypt(tmp_path / "x", tmp_path / "out", passphrase=b"correct horse battery staple")


def test_other_costs_than_those_written_open_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(headed((VECTORS / "passphrase.enc").read_bytes(), passes=1))
    with pytest.raises(NotAuthentic):
        decrypt(tmp_path / "x", tmp_path / "out", passphrase=b"correct horse battery staple")


def test_a_passphrase_stands_alone(tmp_path: Path) -> None:
    data = (VECTORS / "passphrase.enc").read_bytes()
    entry = json.loads(data[12 : 12 + int.from_bytes(data[8:12], "little")])["recipients"][0]
    (tmp_path / "x").write_bytes(headed(data, recipients=[entry, entry]))
    with pytest.raises(DamagedFile, match="alone"):
        decrypt(tmp_path / "x", tmp_path / "out", passphrase=b"correct horse battery staple")


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hub.enc\x01\xff\xff\xff\xff")
    with pytest.raises(DamagedFile, match="at most 65536"):
        decrypt(tmp_path / "x", tmp_path / "out", identity=IDENTITY)


def test_another_version_and_another_file_are_told_apart(sealed: Path, tmp_path: Path) -> None:
    data = sealed.read_bytes()
    sealed.write_bytes(data[:7] + b"\x02" + data[8:])
    with pytest.raises(UnsupportedFile, match="version 2"):
        decrypt(sealed, tmp_path / "out", identity=IDENTITY)
    sealed.write_bytes(b"GGUF" + data)
    with pytest.raises(DamagedFile, match="hub encrypt"):
        decrypt(sealed, tmp_path / "out", identity=IDENTITY)


def test_a_share_of_low_order_opens_nothing(tmp_path: Path, sealed: Path) -> None:
    sealed.write_bytes(headed(sealed.read_bytes(), share=base64.b64encode(bytes(32)).decode()))
    with pytest.raises(NotAuthentic):
        decrypt(sealed, tmp_path / "out", identity=IDENTITY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    for name, size in {"config.json": 5, "model.safetensors": PIECE + 9, "1_Pooling/config.json": 0}.items():
        (made / name).write_bytes(text(size))
    return made


def test_a_folder_comes_back_whole(folder: Path, tmp_path: Path) -> None:
    encrypt(folder, tmp_path / "x", recipients=[RECIPIENT])
    assert decrypt(tmp_path / "x", tmp_path / "back", identity=IDENTITY).files == 3
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "back" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    with pytest.raises(TargetExists, match="holds files"):
        decrypt(tmp_path / "x", tmp_path / "back", identity=IDENTITY)


def test_a_link_in_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "weights").symlink_to(folder / "model.safetensors")
    with pytest.raises(UnsupportedFile, match="neither a file nor a folder"):
        encrypt(folder, tmp_path / "x", recipients=[RECIPIENT])
    assert not (tmp_path / "x").exists()


def from_a_stranger(target: Path, listed: object, body: bytes = b"") -> Path:
    """A folder that somebody who only knows the public key encrypted: authentic, and made up."""
    file_key, index = bytes(32), json.dumps(listed).encode()
    header = Header.make("folder", bytes(16), [ToKey.make(file_key, RECIPIENT)], file_key)
    pieces = seal([len(index).to_bytes(4, "little") + index + body], header.payload_key(file_key, target))
    target.write_bytes(header.raw + header.mac + b"".join(pieces))
    return target


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([["../out/x", 0]], "no file of a folder"), ([["/etc/x", 0]], "no file"), ([["a/../b", 0]], "no file"),
        ([["a", 0], ["a", 0]], "no file"), ([["a\\b", 0]], "no file"), ([["", 0]], "no file"),
        ([["C:x", 0]], "no file"), ([["a", -1]], "no file"), ([["a"]], "no file"), ({"a": 1}, "no file"),
        ([], "no file"), ([["a", 9]], "ends"),
        ([["a", 0], ["a/b", 0]], "as a file and as a folder"), ([["a", 1 << 62]], "ends"), ([["a", 1]], "bytes follow"),
    ],
)  # fmt: skip
def test_a_stranger_writes_nothing_outside_the_folder(listed: object, message: str, tmp_path: Path) -> None:
    file = from_a_stranger(tmp_path / "x", listed, b"ab" if message == "bytes follow" else b"")
    with pytest.raises(DamagedFile, match=message):
        decrypt(file, tmp_path / "out", identity=IDENTITY)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_list_of_files_without_end_is_refused(tmp_path: Path) -> None:
    file_key = bytes(32)
    header = Header.make("folder", bytes(16), [ToKey.make(file_key, RECIPIENT)], file_key)
    pieces = seal([b"\xff\xff\xff\xff" + bytes(9)], header.payload_key(file_key, tmp_path))
    (tmp_path / "x").write_bytes(header.raw + header.mac + b"".join(pieces))
    with pytest.raises(DamagedFile, match="at most 16777216"):
        decrypt(tmp_path / "x", tmp_path / "out", identity=IDENTITY)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(24 * PIECE)
    tracemalloc.start()
    encrypt(tmp_path / "a", tmp_path / "x", recipients=[RECIPIENT])
    decrypt(tmp_path / "x", tmp_path / "b", identity=IDENTITY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * PIECE


def test_what_does_not_fit_together_is_an_error_of_usage(plain: Path, sealed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="one of the two"):
        encrypt(plain, out)
    with pytest.raises(UsageError, match="one of the two"):
        encrypt(plain, out, recipients=[RECIPIENT], passphrase=b"x")
    with pytest.raises(UsageError, match="one of the two"):
        decrypt(sealed, out)
    with pytest.raises(UsageError, match="recipients' keys"):
        decrypt(sealed, out, passphrase=b"x")
    with pytest.raises(UsageError, match="a passphrase"):
        decrypt(VECTORS / "passphrase.enc", out, identity=IDENTITY)
    with pytest.raises(UsageError, match="no such file"):
        decrypt(tmp_path / "none", out, identity=IDENTITY)
    out.write_bytes(b"mine")
    with pytest.raises(TargetExists):
        decrypt(sealed, out, identity=IDENTITY)
    assert out.read_bytes() == b"mine"
    decrypt(sealed, out, identity=IDENTITY, overwrite=True)
    assert out.read_bytes() == plain.read_bytes()


def test_what_is_encrypted_is_never_replaced_by_the_result(folder: Path, plain: Path, tmp_path: Path) -> None:
    inside = next(path for path in folder.rglob("*") if path.is_file())
    for source, target in ((folder, inside), (plain, plain)):
        before = target.read_bytes()
        with pytest.raises(UsageError, match="is part of what is read, and would be replaced"):
            encrypt(source, target, recipients=[RECIPIENT], overwrite=True)
        assert target.read_bytes() == before
    encrypt(plain, tmp_path / "enc", recipients=[RECIPIENT])
    with pytest.raises(UsageError, match="is part of what is read"):
        decrypt(tmp_path / "enc", tmp_path / "enc", identity=IDENTITY, overwrite=True)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        encrypt(tmp_path / "pipe", tmp_path / "out", recipients=[RECIPIENT])
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        decrypt(tmp_path / "pipe", tmp_path / "out", identity=IDENTITY)


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    from hub.signing import PrivateKey, write_pair

    write_pair(PrivateKey.generate("ed25519").key, tmp_path / "k")
    with pytest.raises(UnsupportedFile, match="not an X25519 key"):
        load_recipient(tmp_path / "k.pub")
    with pytest.raises(UnsupportedFile, match="not an X25519 key"):
        load_identity(tmp_path / "k")
    with pytest.raises(UnsupportedFile, match="private key"):
        load_recipient(VECTORS / "recipient.pem")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A pair of keys of a recipient, as hub keygen makes it."""
    assert main(["keygen", "--type", "x25519", "-o", str(tmp_path / "key")]) == 0
    return tmp_path / "key"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*map(str, args)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_commands_encrypt_and_decrypt(
    plain: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, args in {
        "encrypt": (plain, "-o", tmp_path / "x", "--recipient", f"{keys}.pub"),
        "decrypt": (tmp_path / "x", "-o", tmp_path / "back", "--key", keys),
    }.items():
        code, out, err = run(capsys, command, *args)
        assert (code, err) == (0, "")
        assert " -> " in out
        code, out, _ = run(capsys, command, *args, "--force", "--json")
        schema = json.loads((Path(hub.__file__).parent / "schemas" / f"{command}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(json.loads(out))
    assert (tmp_path / "back").read_bytes() == plain.read_bytes()


def test_the_commands_take_passphrases(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret, other = tmp_path / "secret", tmp_path / "other"
    secret.write_bytes(b"correct horse\n")
    other.write_bytes(b"wrong horse\n")
    assert run(capsys, "encrypt", plain, "-o", tmp_path / "x", "--passphrase-file", secret)[0] == 0
    code, _, err = run(capsys, "decrypt", tmp_path / "x", "-o", tmp_path / "y", "--passphrase-file", other)
    assert (code, "the passphrase is not the one" in err) == (1, True)
    assert run(capsys, "decrypt", tmp_path / "x", "-o", tmp_path / "y", "--passphrase-file", secret)[0] == 0
    other.write_bytes(b"\n")
    assert "no passphrase" in run(capsys, "encrypt", plain, "-o", tmp_path / "z", "--passphrase-file", other)[2]


def test_commands_that_read_models_say_that_it_is_encrypted(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "inspect", sealed)
    assert code == 2
    assert "is encrypted; hub decrypt opens it" in err


def test_a_key_may_have_a_passphrase_of_its_own(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_bytes(b"correct horse\n")
    assert main(["keygen", "--type", "x25519", "-o", str(key), "--passphrase-file", str(secret)]) == 0
    assert main(["encrypt", str(plain), "-o", str(tmp_path / "x"), "--recipient", f"{key}.pub"]) == 0
    decrypting = ("decrypt", tmp_path / "x", "-o", tmp_path / "y", "--key", key)
    code, _, err = run(capsys, *decrypting)
    assert (code, "encrypted" in err) == (2, True)
    assert run(capsys, *decrypting, "--passphrase-file", secret)[0] == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("encrypt", "model.gguf", "-o", "y"), "give recipients or a passphrase"),
        (("decrypt", "model.enc", "-o", "y"), "give a key or a passphrase"),
        (("decrypt", "model.enc", "-o", "y", "--key", "key", "--passphrase-file", "model.gguf"), "has no effect"),
        (("encrypt", "model.gguf", "-o", "model.enc", "--recipient", "key.pub"), "exists already"),
        (("encrypt", "model.gguf", "-o", "y", "--recipient", "key"), "private key"),
    ],
)
def test_what_the_commands_do_not_take(
    args: tuple[str, ...],
    message: str,
    sealed: Path,
    keys: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {sealed.parent, keys.parent} == {tmp_path}
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *args)
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "y").exists()
