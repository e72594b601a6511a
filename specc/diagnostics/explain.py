"""The pages behind `specc explain CODE`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

_pages: dict[str, str] = {}

EXPLANATIONS: Mapping[str, str] = MappingProxyType(_pages)
"""Every diagnostic's page by its code: what it means, why it is an error, an example, the fix."""


def explained(code: str, text: str) -> str:
    """Register the page of a diagnostic and return its code.

    Raises:
        ValueError: Another page has this code already, or the page is empty.
    """
    page = inspect.cleandoc(text)
    if not page or _pages.get(code, page) != page:
        raise ValueError(f"diagnostic `{code}` needs exactly one page")
    _pages[code] = page
    return code


def rule(code: str) -> Callable[[_Function], _Function]:
    """Register a rule function's docstring as the page of the diagnostic it yields."""

    def register(function: _Function) -> _Function:
        explained(code, function.__doc__ or "")
        return function

    return register
