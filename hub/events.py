"""Calling the hooks of plugins: one plugin after another, so that whatever goes wrong has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hub.errors import HubError, PluginError
from hub.plugins import registry, traced


@contextmanager
def blamed(plugin: str, doing: str) -> Iterator[None]:
    """Errors of the block name `plugin`; what is no `HubError` becomes a `PluginError` that says what was done."""
    try:
        yield
    except HubError as error:
        error.plugin = error.plugin or plugin
        raise
    except Exception as error:  # a stranger's code may raise anything
        raise PluginError(f"raised {error!r} in {doing}", plugin=plugin) from error


def fire(hook: str, **arguments: Any) -> list[tuple[str, Any]]:
    """Call `hook` in every plugin that has it; by plugin, what was returned and is not None. An error ends it."""
    answers = []
    for plugin, answer in fire_each(hook, **arguments):
        if isinstance(answer, HubError):
            raise answer
        answers.append((plugin, answer))
    return answers


def fire_each(hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
    """As `fire`, one plugin at a time; an error is an answer too, and the others are called all the same."""
    for plugin, call in _calls(hook):
        try:
            with blamed(plugin, hook):
                answer = call(**arguments)
        except HubError as error:
            answer = error
        if answer is not None:
            yield plugin, answer


def _calls(hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each plugin that has `hook`, in pluggy's order, and a call of it alone."""
    manager = registry().manager
    for implementation in reversed(getattr(manager.hook, hook).get_hookimpls()):
        others = [p for p in manager.get_plugins() if p is not implementation.plugin]
        call = _alone(manager.subset_hook_caller(hook, others))
        yield implementation.plugin_name, traced(call, hook, implementation.plugin_name)


def _alone(caller: Callable[..., list[Any]]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        """What the one plugin returned; what it yields is collected here, where its errors can be named."""
        value = next(iter(caller(**arguments)), None)
        return list(value) if isinstance(value, Iterator) else value

    return call
