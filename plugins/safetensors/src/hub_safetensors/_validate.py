"""The stages of `hub check` that are about the files themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hub.errors import HubError
from hub.interface import Finding, Stage
from hub.ir import File
from hub_safetensors._companions import read_small
from hub_safetensors._json import read_object
from hub_safetensors._locate import Located, locate
from hub_safetensors._reading import check_shards
from hub_safetensors.container import ALIGNMENT, DTYPES, Header, check_entries, parse_header, read_text


def findings(path: Path) -> Iterator[Finding]:
    """What each stage from magic to checksum finds at `path`; the stages after one that fails are SKIP."""
    state = _State(path)
    failed = ""
    for stage, work in state.stages.items():
        if failed:
            yield Finding(stage, "SKIP", f"not looked at: {failed} failed")
            continue
        try:
            yield work()
        except (HubError, OSError) as error:
            failed = stage.value
            detail = error.message if isinstance(error, HubError) else f"cannot be read: {error.strerror}"
            file = Path(getattr(error, "file", None) or path).name
            offset, tensor = getattr(error, "offset", None), getattr(error, "tensor", None)
            yield Finding(stage, "FAIL", detail if file == path.name else f"{file}: {detail}", offset, tensor)
    yield Finding(Stage.CHECKSUM, "SKIP", "the format has no checksum")


class _State:
    """What the stages hand on to each other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = Located(())
        self.texts: list[tuple[File, bytes]] = []
        self.headers: list[tuple[File, Header]] = []
        self.stages: dict[Stage, Callable[[], Finding]] = {
            Stage.MAGIC: self._magic,
            Stage.HEADER: self._header,
            Stage.METADATA: self._metadata,
            Stage.INDEX: self._index,
            Stage.ALIGNMENT: self._alignment,
        }

    def _magic(self) -> Finding:
        self.place = locate(self.path)
        self.texts = [(file, read_text(file)) for file in map(File, self.place.weights)]
        return Finding(Stage.MAGIC, "PASS", f"{_files(len(self.texts))} with a header length and a JSON object")

    def _header(self) -> Finding:
        self.headers = [(file, parse_header(raw, file.path)) for file, raw in self.texts]
        count = sum(len(header.entries) for _, header in self.headers)
        return Finding(Stage.HEADER, "PASS", f"{count} tensors, every entry well formed")

    def _metadata(self) -> Finding:
        folder = self.place.folder
        if folder is not None and (folder / "config.json").is_file():
            config = read_object(read_small(folder / "config.json"), folder / "config.json")
            return Finding(Stage.METADATA, "PASS", f"config.json with {len(config)} keys")
        keys = len(self.headers[0][1].metadata)
        if any(key.startswith("hub.file.config.json") for key in self.headers[0][1].metadata):
            return Finding(Stage.METADATA, "PASS", f"config.json inside __metadata__, {keys} keys in all")
        return Finding(Stage.METADATA, "SKIP", f"no config.json; __metadata__ has {keys} keys")

    def _index(self) -> Finding:
        for file, header in self.headers:
            check_entries(header, file.size, file.path)
        check_shards(self.place, {file.path: header for file, header in self.headers})
        shards = f"; the index and {_files(len(self.headers))} agree" if self.place.index else ""
        return Finding(Stage.INDEX, "PASS", f"the tensors fill the payload without overlap or hole{shards}")

    def _alignment(self) -> Finding:
        for file, header in self.headers:
            if header.start % ALIGNMENT:
                detail = (
                    f"{file.path.name}: the payload begins at byte {header.start}, not at a multiple of {ALIGNMENT}"
                )
                return Finding(Stage.ALIGNMENT, "FAIL", detail, header.start)
            for e in header.entries:
                if e.start % DTYPES[e.dtype].nbytes and e.stop > e.start:
                    detail = f"{file.path.name}: {e.dtype} values begin at an odd byte"
                    return Finding(Stage.ALIGNMENT, "FAIL", detail, header.start + e.start, e.name)
        return Finding(
            Stage.ALIGNMENT, "PASS", f"payloads begin at multiples of {ALIGNMENT}, tensors at their own width"
        )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
