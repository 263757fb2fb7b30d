"""`hub formats`: what each installed format can hold."""

from __future__ import annotations

from hub.cli import _output as out
from hub.cli._arguments import Json

# How `hub convert` spells the options that a format may take.
FLAGS = {
    "compression": "--compression", "overwrite": "--force", "portable": "--portable", "pre": "--pre",
    "shard_size": "--shard-size",
}  # fmt: skip


def formats(as_json: Json = False) -> None:
    """List the installed formats.

    What each can hold, what it drops, which options it takes.
    """
    from hub.inspection import list_formats
    from hub.plugins import registry

    report = list_formats(registry())
    if as_json:
        out.emit("formats", report)
        return
    for f in report.formats:
        out.say(f"{f.name}: {f.title} [{f.plugin}]")
        holds = [word for word, yes in f.capabilities.items() if yes]
        out.pairs(
            [
                ("  extensions", " ".join(f.extensions)),
                ("  holds", " ".join(holds)),
                ("  drops", " ".join(f.drops) or "nothing"),
                ("  options", " ".join(FLAGS[o] for o in f.options if o in FLAGS) or "none"),
                ("  alignment", f.alignment and f"{f.alignment} bytes"),
                ("  encodings", " ".join(f.encodings)),
            ]
        )
    if not report.formats:
        out.say("no formats are installed; try pip install hub-gguf hub-safetensors hub-apr")
