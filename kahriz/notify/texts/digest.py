"""One text for several kahrizes: a district without signal is one thing to know, not forty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kahriz.errors import NotFoundError
from kahriz.notify.texts.catalogue import Text, catalogue, complete, fitting, listed


def render_digest(
    kind: str,
    names: Sequence[str],
    language: str,
    alphabet: str,
    *,
    reason: str = "first",
    code: str = "",
    district: str = "",
    access_notes: Sequence[str] = (),
    can_answer: bool = False,
) -> Text:
    """Return the text that tells of one kind of trouble at several kahrizes.

    Parameters
    ----------
    kind
        E.g. ``offline``.
    names
        Of the kahrizes, two or more, those that matter most first: named while they fit, then
        counted.
    language, alphabet
        As of `kahriz.notify.texts.render`.
    reason
        ``first``, or ``resolved`` when all of it is over.
    code
        What an answer may name, ``K7``; empty: none.
    district
        Where they are, if they are in one; empty: not said.
    access_notes
        Theirs. One that is the only one is repeated; of several it is said that there are.
    can_answer
        A text to the number it comes from is read.

    Raises
    ------
    NotFoundError
        There is no such language, kind or reason.
    """
    words = catalogue(language)
    if "many" not in words.get(kind, {}) or reason not in ("first", "resolved"):
        raise NotFoundError(f"digest ({language})", f"{kind}.{reason}")
    digest = words["digest"]
    notes = {note.rstrip("."): None for note in access_notes if note}
    figures = {
        "count": str(len(names)),
        "district": district,
        "do": words[kind]["do"],
        "access": digest["careful"] if len(notes) > 1 else "".join(notes),
        "answer": words["answer"] if can_answer else "",
    }
    many_back = words[kind].get("many_back") or digest["many_back"]
    figures |= {
        "many": words[kind]["many"].format_map(figures),
        "many_back": many_back.format_map(figures),
    }
    head = f"#{code} " if code else ""
    candidates = [head + text for text in _wordings(digest, reason, names, figures)]
    return fitting(candidates, candidates[-1], alphabet)


def _wordings(
    digest: Mapping[str, Any], reason: str, names: Sequence[str], figures: Mapping[str, str]
) -> Iterator[str]:
    for says in digest[reason]:
        # What names nobody needs no list, ever shorter.
        lists = listed(names) if "{names}" in says else [""]
        for named in lists:
            yield from complete([says], {**figures, "names": named})
