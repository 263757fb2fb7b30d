"""GET /: the chat page, one file with everything in it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response


async def page(_: Request) -> Response:
    """The page. The browser runs the script in it and no other, and asks nobody but this server."""
    body, policy = _page()
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return Response(body, media_type="text/html", headers=headers)


@cache
def _page() -> tuple[bytes, str]:
    """The file, and the policy that names the hash of its script."""
    body = files(__package__).joinpath("page.html").read_bytes()
    script = body.partition(b"<script>")[2].rpartition(b"</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode("ascii")
    return body, (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
