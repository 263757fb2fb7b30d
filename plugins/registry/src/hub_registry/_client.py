"""oras's client, made fit for large models and for people who wait.

oras brings sessions, credentials (Docker's configuration and its helpers) and the exchange of tokens. What it does not
do is done here and in `hub_registry._remote`: its own requests know no time limit, wait for two minutes before they say
that nobody answers, and keep a token that allows reading when writing needs another; its uploads read a blob into
memory whole, its downloads begin anew and compare no digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import oras.auth
import oras.auth.utils
import oras.provider
from requests import Response
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from hub.errors import HubError

ATTEMPTS = 4
_LIMITS = (10.0, 60.0)  # seconds to connect, and between two pieces
_BUSY = (429, 502, 503, 504)


class Adapter(HTTPAdapter):
    """Requests end; those that change nothing are asked again when the registry is busy or does not answer."""

    def __init__(self) -> None:
        again = Retry(
            ATTEMPTS - 1,
            redirect=5,
            status_forcelist=_BUSY,
            allowed_methods=("GET", "HEAD"),
            backoff_factor=0.2,
            raise_on_status=False,
        )
        super().__init__(max_retries=again)

    def send(self, *request: Any, **given: Any) -> Response:
        """As requests calls it, with a limit where none is given."""
        return super().send(*request, **{**given, "timeout": given.get("timeout") or _LIMITS})


class Client(oras.provider.Registry):  # type: ignore[misc]  # oras has no types
    """oras's client without its waiting, and with a fresh token for each refusal."""

    def __init__(self, host: str, *, plain: bool, here: bool) -> None:
        super().__init__(host, insecure=plain)
        self.session.mount("http://", Adapter())
        self.session.mount("https://", Adapter())
        self.session.trust_env = not here  # no proxy is asked for this machine

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: Any = None,
        json: Any = None,
        stream: bool = False,
    ) -> Any:
        """One request, and a second with credentials when the first is refused; another host is told none."""
        if self.prefix == "https" and not url.startswith("https:"):
            raise HubError("was named by an https registry, and anybody could change what goes there", file=url)
        own = urlsplit(url).netloc == self.hostname
        headers = {"Accept-Encoding": "identity", **(headers or {}), **(self._known() if own else {})}
        ask = {"data": data, "json": json, "stream": stream, "verify": self._tls_verify}
        answer = self.session.request(method, url, headers=headers, **ask)
        challenge = answer.headers.get("Www-Authenticate")
        if answer.status_code not in {401, 403} or not challenge or not own:
            return answer
        check_realm(url, challenge)
        if challenge.lower().startswith("basic") and not getattr(self.auth, "_basic_auth", None):
            return answer
        answer.close()
        headers, changed = self.auth.authenticate_request(answer, headers, refresh=True)
        return self.session.request(method, url, headers=headers, **ask) if changed else answer

    def _known(self) -> Mapping[str, str]:
        """The credentials that an earlier answer asked for."""
        if isinstance(self.auth, oras.auth.TokenAuth) or getattr(self.auth, "_basic_auth", None):
            return dict(self.auth.get_auth_header())
        return {}


def check_realm(url: str, challenge: str) -> None:
    """Credentials for an https registry do not go to a plain http address, whatever its answer asks for."""
    realm = oras.auth.utils.parse_auth_header(challenge).realm or ""
    if url.startswith("https:") and realm.lower().startswith("http:"):
        raise HubError("asks for credentials at a plain http:// address; they were not sent", file=realm)
