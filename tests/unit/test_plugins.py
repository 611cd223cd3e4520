"""An implementation is found by its short name or by module and class, or named as wrong."""

from __future__ import annotations

import pytest

from kahriz import plugins
from kahriz.errors import ConfigError
from kahriz.store.memory import MemoryStore

KNOWN = {"memory": "kahriz.store.memory:MemoryStore", "lost": "kahriz.store.lost:LostStore"}


def test_a_short_name_and_any_module_and_class_are_found() -> None:
    assert plugins.load("store", "memory", KNOWN) is MemoryStore
    assert plugins.load("store", "kahriz.store.memory:MemoryStore", {}) is MemoryStore


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("memmory", "unknown name 'memmory'"),
        ("", "unknown name ''"),
        (":MemoryStore", "unknown name ':MemoryStore'"),
        (".memory:MemoryStore", "unknown name '.memory:MemoryStore'"),
        ("kahriz.store.memory:", "has no attribute ''"),
        ("kahriz.store.memory:Memori", "has no attribute 'Memori'"),
        ("no.such.module:Class", "No module named 'no'"),
        ("lost", "'lost' cannot be loaded: No module named 'kahriz.store.lost'"),
    ],
)
def test_a_name_that_finds_nothing_is_said_with_the_valid_ones(name: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plugins.load("store", name, KNOWN)

    assert problem in str(refused.value)
    assert 'valid: lost, memory, or any "module:Class"' in str(refused.value)
