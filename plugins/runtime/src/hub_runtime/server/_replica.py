"""One replica: a server of its own behind a Unix socket, for as long as its parent lives."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading

from hub.errors import HubError
from hub_runtime.server._config import Config
from hub_runtime.server._keys import Keys
from hub_runtime.server._log import start_logging
from hub_runtime.server._serve import SWITCH, run
from hub_runtime.server._state import State
from hub_runtime.server._until import Stop


def main(path: str, number: str) -> int:
    """Serve on the socket `path` as replica `number`; the configuration is the first line of standard input.

    When standard input ends, the parent is gone, and so are we.
    """
    start_logging(replica=int(number))
    sys.setswitchinterval(SWITCH)
    config = Config.model_validate_json(sys.stdin.buffer.readline())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(2048)
        try:
            return asyncio.run(_until_orphaned(State(config, Keys([])), listener))
        except (HubError, OSError) as error:
            print(f"hub: error: {error}", file=sys.stderr)
            return 2


async def _until_orphaned(state: State, listener: socket.socket) -> int:
    stop = Stop()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.ask, 0)

    threading.Thread(target=watch, daemon=True).start()
    return await run(state, listener, stop)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
