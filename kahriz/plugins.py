"""Find an implementation of a seam by its short name, or any ``module:Class``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from kahriz.errors import ConfigError


def load(seam: str, name: str, known: Mapping[str, str]) -> Any:
    """Return the class or function that `name` stands for in the seam's table.

    Parameters
    ----------
    seam
        The seam in words, for the error, e.g. ``"store"``.
    name
        A key of `known`, or ``"module:Class"`` for one that lives outside this repository.
    known
        The seam's table of names to ``"module:Class"``.

    Raises
    ------
    ConfigError
        No such name, module or attribute; lists the valid names.
    """
    target = known.get(name, name)
    module_name, colon, attribute = target.partition(":")
    valid = "valid: " + ", ".join(sorted(known)) + ', or any "module:Class"'
    if not colon or not module_name or module_name.startswith("."):
        raise ConfigError(seam, f"unknown name {name!r}", valid)
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(seam, f"{name!r} cannot be loaded: {error}", valid) from error
