"""The tokenizer's files of a Hugging Face folder, parsed when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from hub.errors import DamagedFile

# The largest vocabulary known has 901,629 tokens.
MOST_TOKENS = 1 << 20
NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


class Folder:
    """`files` by name, and `config`, the folder's config.json. `DamagedFile` for what is not the JSON it should be."""

    def __init__(self, files: Mapping[str, bytes], config: Mapping[str, Any]) -> None:
        self.files, self.config = files, config

    def json(self, name: str) -> dict[str, Any]:
        """The object in file `name`; empty when there is no such file."""
        data = self.files.get(name)
        if data is None:
            return {}
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as e:
            reason = "it nests too deep" if isinstance(e, RecursionError) else str(e)
            raise DamagedFile(f"JSON was expected: {reason}", file=name) from None
        if not isinstance(value, dict):
            raise DamagedFile(f"a JSON object was expected, {type(value).__name__} is there", file=name)
        return value

    def text(self, name: str) -> str | None:
        """File `name` as text with plain line ends; None when there is none."""
        data = self.files.get(name)
        try:
            return None if data is None else data.decode().replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as e:
            raise DamagedFile("UTF-8 was expected", file=name, offset=e.start) from None

    @cached_property
    def tokenizer(self) -> dict[str, Any]:
        """tokenizer.json."""
        return self.json("tokenizer.json")

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        """tokenizer_config.json."""
        return self.json("tokenizer_config.json")

    @cached_property
    def model(self) -> dict[str, Any]:
        """The model in tokenizer.json."""
        model = self.tokenizer.get("model")
        return model if isinstance(model, dict) else {}

    @property
    def family(self) -> str | None:
        """`model_type` of config.json."""
        return self.config.get("model_type")

    @property
    def vocab_size(self) -> int | None:
        """Tokens that the model has, holes among them; None when config.json does not say."""
        inner = self.config.get("text_config")
        size = self.config.get("vocab_size") or (inner.get("vocab_size") if isinstance(inner, dict) else None)
        return bounded(size, "config.json") if type(size) is int else None

    def added(self) -> Iterator[dict[str, Any]]:
        """The added tokens of tokenizer.json; `DamagedFile` when one lacks its id or text."""
        for token in self.tokenizer.get("added_tokens") or ():
            if not isinstance(token, dict) or type(token.get("id")) is not int or text_of(token) is None:
                raise DamagedFile(f"an added token lacks its id or content: {str(token)[:80]}", file="tokenizer.json")
            yield token

    def added_in_config(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The added tokens of tokenizer_config.json with their ids."""
        for key, token in (self.tokenizer_config.get("added_tokens_decoder") or {}).items():
            if not str(key).isdecimal() or not isinstance(token, dict) or text_of(token) is None:
                raise DamagedFile(f"added token {key!r} has no id or content", file="tokenizer_config.json")
            yield int(key), token

    def named(self, name: str) -> str | None:
        """The text of `bos_token` and the like in tokenizer_config.json."""
        return text_of(self.tokenizer_config.get(f"{name}_token"))


def bounded(size: int, file: str) -> int:
    """`size`, the length of a vocabulary that `file` states, when it is one; lists of that length are made next."""
    if not 0 <= size <= MOST_TOKENS:
        raise DamagedFile(f"a vocabulary of {size} tokens: up to {MOST_TOKENS} were expected", file=file)
    return size


def text_of(token: Any) -> str | None:
    """A token stated as its text or as an object with its content."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None
