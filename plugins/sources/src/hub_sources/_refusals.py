"""What becomes of a place that refuses: asked again when it is busy, and said in one line with what to do."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from hub.errors import HubError

T = TypeVar("T")

_BUSY = {429, 500, 502, 503, 504}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_LONGEST = 60.0  # seconds; whoever asks for a longer wait is asked again by the user, not by us

# What a status means, and what to do about it.
_MEANING = {
    401: ("wants to know who asks (401)", "set HF_TOKEN to a token that may read it, and check the spelling"),
    403: ("does not allow it (403)", "HF_TOKEN must be of an account that has access"),
    404: ("is not there (404)", "check the spelling; private repositories need HF_TOKEN"),
    429: ("too many requests (429)", "wait; requests with HF_TOKEN set have a higher limit"),
}


# To those who write.
_WRITING = {
    401: ("wants to know who asks (401)", "set HF_TOKEN to a token that may write"),
    403: ("does not allow it (403)", "HF_TOKEN must be of an account, and of a kind, that may write there"),
    404: ("is not there (404)", "check the spelling; HF_TOKEN must be of an account that may write there"),
    409: ("something else has been done there at the same time (409)", "look what, and publish again"),
    412: ("somebody else has changed it at the same time (412)", "look what, and publish again"),
    429: ("too many requests (429)", "wait, and publish again: what has arrived is not sent twice"),
}


def patiently(ask: Callable[[], T], patience: Sequence[float]) -> T:
    """What `ask` returns; while the answer is that the place is busy, it is asked again after each wait.

    The place's own Retry-After, in seconds, takes the place of a wait; one of more than a minute ends it.
    """
    for wait in patience:
        try:
            return ask()
        except OSError as error:
            response = getattr(error, "response", None)
            if response is None or response.status_code not in _BUSY:
                raise
            asked = _asked(response)
            if asked is not None and asked > _LONGEST:
                raise
            time.sleep(wait if asked is None else asked)
    return ask()


@contextmanager
def saying(what: str, place: str, *, writes: bool = False) -> Iterator[None]:
    """Errors of the block, whichever HTTP client they are of, as a `HubError` about `what` at `place`.

    `writes` when the block sends something there.
    """
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # huggingface_hub has changed its client three times
        raise refusal(error, what, place, writes=writes) from error


def refusal(error: BaseException, what: str, place: str, *, writes: bool = False) -> HubError:
    """The error that says what `error` means to the user."""
    from huggingface_hub import errors

    if isinstance(error, OSError) and error.errno in _DISK:
        return HubError(f"cannot be kept: {error.strerror}", file=error.filename or what)
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "response", None) is None and cause.__cause__ is not None:
        cause = cause.__cause__
    if writes:
        return _of_writing(cause or error, what, place)
    if isinstance(cause, errors.GatedRepoError):
        hint = f"accept its conditions at {place}/{what.removeprefix('hf://')} and set HF_TOKEN"
        return HubError("is gated: its owner lets people in who accepted the conditions", file=what, hint=hint)
    if isinstance(cause, errors.RevisionNotFoundError):
        return HubError("has no such revision", file=what)
    if isinstance(error, errors.LocalEntryNotFoundError) and getattr(cause, "response", None) is None:
        return HubError(f"cannot be had: {place} does not answer, and the cache has none", file=what, hint=_OFFLINE)
    return _of_status(cause or error, what, place, _MEANING, f"cannot be fetched from {place}", _OFFLINE)


_AGAIN = "publish again: what has arrived is not sent twice, and nothing is visible before all of it has"


def _of_writing(error: BaseException, what: str, place: str) -> HubError:
    return _of_status(error, what, place, _WRITING, f"cannot be sent to {place}", _AGAIN)


_OFFLINE = "check the connection; --offline takes what was fetched before"


def _of_status(
    error: BaseException, what: str, place: str, meanings: Mapping[int, tuple[str, str]], failed: str, hint: str
) -> HubError:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None:
        said = " ".join(str(error).split()) or type(error).__name__
        return HubError(f"{failed}: {said}", file=what, hint=hint)
    meaning, hint = meanings.get(status, (f"answers {status}", "the fault is there; try again later"))
    asked = _asked(response)
    wait = f", and asks to wait {asked:g} s" if asked is not None else ""
    return HubError(f"{place}: {meaning}{wait}", file=what, hint=hint)


def _asked(response: Any) -> float | None:
    """Seconds that the place asks to wait (RFC 9110, 10.2.3); None when it says none, or a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
