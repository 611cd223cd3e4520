from __future__ import annotations

import re
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st
from pydantic import ValidationError

from kahriz.contacts import Contact, e164, quiet_hours
from kahriz.errors import ConfigError
from kahriz.sites import Registry, load_registry

SITE = """
[[kahriz.site]]
id = "outlet"
kind = "outlet"
name = "Outlet"
"""
HEAD = '[[kahriz]]\nid = "k"\nname = "K"\nvillage = "V"\ndistrict = "D"\n'
COUNTRIES = ["AZ", "RU", "TR", "GE", "IR", "US"]
CHAIR = '[[kahriz.contact]]\nname = "Chair"\nrole = "chair"\n'


def registry(folder: Path, text: str) -> Registry:
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


@pytest.mark.parametrize(
    ("written", "country", "kept"),
    [
        ("+994500000001", "AZ", "+994500000001"),
        ("+994 50 000 00 01", "AZ", "+994500000001"),
        ("050 000 00 01", "AZ", "+994500000001"),
        ("(050) 000-00-01", "AZ", "+994500000001"),
        ("00994500000001", "AZ", "+994500000001"),
        ("０５０ ０００ ００ ０１", "AZ", "+994500000001"),
        ("8 (900) 123-45-67", "RU", "+79001234567"),
        ("0532 123 45 67", "TR", "+905321234567"),
        ("+90 532 123 45 67", "AZ", "+905321234567"),
        # A line no table knows as one in use, and of the right length all the same.
        ("012 498 00 00", "AZ", "+994124980000"),
    ],
)
def test_a_number_is_kept_as_networks_know_it_however_it_was_written(
    written: str, country: str, kept: str
) -> None:
    assert e164(written, country) == kept


@pytest.mark.parametrize("last", range(100))
def test_the_numbers_of_the_example_stay_possible(last: int) -> None:
    assert e164(f"+9945000000{last:02}") == f"+9945000000{last:02}"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("+99450000000", "too short"),
        ("+9945000000011", "too long"),
        ("112", "too short"),
        ("000 00 01", "operator code is missing"),
        ("+999 50 000 00 01", "no country has this code"),
        ("0500000001a", "no phone number, like"),
        ("050 000 00 01 ext 5", "no phone number, like"),
        ("tel:+994500000001", "no phone number, like"),
        ("+9945\n00000001\x00", "no phone number, like"),
        (" " * 41, "no phone number, like"),
        ("+", "no phone number, like"),
        ("+1 900 234 5678", "premium number: every text to it would cost"),
    ],
)
def test_a_number_that_cannot_be_one_is_named_with_the_reason(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        e164(written)

    assert repr(written[:40]) in str(refused.value)


def test_national_numbers_are_those_of_the_kahriz_s_country(tmp_path: Path) -> None:
    phone = CHAIR + 'phone = "8 900 123 45 67"\n'
    abroad = CHAIR.replace("Chair", "Engineer") + 'country = "AZ"\nphone = "050 000 00 09"\n'
    found = registry(tmp_path, HEAD + 'country = "RU"' + SITE + phone + abroad).find("k")

    assert [c.phone for c in found.contact] == ["+79001234567", "+994500000009"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('phone = "112"', "kahriz 'k' contact 'Chair' phone: '112' is no phone number in AZ"),
        ('phone = "x"', "'x' is no phone number, like +994500000001"),
        ("phone = 50", "contact 'Chair' phone: not a text in \"quotes\" (got 50)"),
        ("", "contact 'Chair' has neither phone nor email"),
        ('email = "chair"', "'chair' is no e-mail address, like water@example.org"),
        ('email = "a@b c.org"', "'a@b c.org' is no e-mail address"),
        ('country = "Azerbaijan"\nphone = "112"', "'Azerbaijan' is no country of two capital"),
        ('phone = "+994500000001"\nquiet_hours = "22-8"', "'22-8' are no hours of a night"),
        ('phone = "+994500000001"\nquiet_hours = "08:00-08:00"', "no hours of a night"),
        ('phone = "+994500000001"\nquiet_hours = "24:00-08:00"', "no hours of a night"),
        ('phone = "+994500000001"\nconsent_on = "soon"', "not a date, like 2026-05-01"),
        ('phone = "+994500000001"\nemial = ""', "unknown key 'emial' (did you mean 'email'?)"),
    ],
)
def test_a_contact_that_cannot_be_told_is_one_line_that_names_him_and_the_value(
    tmp_path: Path, keys: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        registry(tmp_path, HEAD + SITE + CHAIR + keys)

    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_kahriz_of_no_country_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kahriz 'k' country: 'az' is no country"):
        registry(tmp_path, HEAD + 'country = "az"' + SITE)


@pytest.mark.parametrize(
    ("key", "longest"),
    [
        ("name", 24),
        ("village", 24),
        ("district", 24),
        ("contact_for_repair", 40),
        ("access_note", 60),
    ],
)
def test_what_a_text_has_to_carry_is_as_long_as_fits_and_no_longer(
    tmp_path: Path, key: str, longest: int
) -> None:
    def with_length(length: int) -> Registry:
        keys = {"name": "K", "village": "V", "district": "D"} | {key: "ə" * length}
        head = '[[kahriz]]\nid = "k"\n' + "".join(f'{k} = "{v}"\n' for k, v in keys.items())
        return registry(tmp_path, head + SITE)

    assert len(getattr(with_length(longest).find("k"), key)) == longest
    with pytest.raises(ConfigError, match=rf"kahriz 'k' {key}: more than {longest} characters"):
        with_length(longest + 1)


@pytest.mark.parametrize("key", ["name", "village", "contact_for_repair", "access_note"])
@pytest.mark.parametrize("unseen", ["\\n", "\\u200b", "\\t", "\\u2028"])
def test_what_stands_in_a_text_is_one_line_that_can_be_seen(
    tmp_path: Path, key: str, unseen: str
) -> None:
    keys = {"name": "K", "village": "V", "district": "D"} | {key: f"a{unseen}b"}
    head = '[[kahriz]]\nid = "k"\n' + "".join(f'{k} = "{v}"\n' for k, v in keys.items())

    with pytest.raises(ConfigError, match=rf"kahriz 'k' {key}: holds what cannot be seen: 'a"):
        registry(tmp_path, head + SITE)


def test_spaces_around_a_name_are_not_sent(tmp_path: Path) -> None:
    kahriz = registry(tmp_path, HEAD.replace('"V"', '"  V "') + SITE).find("k")

    assert kahriz.village == "V"


@seed(20260523)
@given(st.text(max_size=60) | st.text("+0123456789 ()-", max_size=20), st.sampled_from(COUNTRIES))
def test_whatever_is_written_is_a_number_or_is_refused_by_name(text: str, country: str) -> None:
    try:
        kept, said = e164(text, country), ""
    except ValueError as refused:
        kept, said = "", str(refused)

    assert kept or repr(text[:40]) in said
    if kept:
        assert re.fullmatch(r"\+[1-9][0-9]{5,16}", kept)
        assert e164(kept) == kept


def test_the_name_of_a_contact_has_at_most_40_characters() -> None:
    assert Contact(name="ə" * 40, role="chair", email="a@b.org").phone == ""
    with pytest.raises(ValidationError, match="at most 40"):
        Contact(name="ə" * 41, role="chair", email="a@b.org")


def test_who_says_nothing_else_sleeps_from_ten_to_eight(tmp_path: Path) -> None:
    phone = 'phone = "+994500000001"\n'
    agreed = "consent_on = 2026-05-01\n"
    chair = registry(tmp_path, HEAD + SITE + CHAIR + phone + agreed).find("k").contact[0]

    assert chair.quiet == quiet_hours("22:00-08:00")
    assert chair.consent_on == date(2026, 5, 1)
    assert chair.model_copy(update={"quiet_hours": ""}).quiet is None


@pytest.mark.parametrize(
    ("hours", "local", "is_quiet"),
    [
        ("22:00-08:00", time(21, 59, 59), False),
        ("22:00-08:00", time(22, 0), True),
        ("22:00-08:00", time(0, 0), True),
        ("22:00-08:00", time(7, 59, 59), True),
        ("22:00-08:00", time(8, 0), False),
        ("13:00-14:30", time(13, 0), True),
        ("13:00-14:30", time(14, 30), False),
        ("13:00-14:30", time(1, 0), False),
    ],
)
def test_quiet_hours_reach_over_midnight_and_end_before_their_end(
    hours: str, local: time, is_quiet: bool
) -> None:
    quiet = quiet_hours(hours)

    assert quiet is not None
    assert quiet.covers(local) is is_quiet
