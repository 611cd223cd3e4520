"""Who is told, by which number, and when they sleep.

A number is kept as E.164 (``+994500000001``), whichever way it was written. It has to be
*possible*: of a known country and of a length that country has. Whether a possible number is in
use is not judged: the tables of numbering plans lag behind the operators, and refusing a number
that works would leave a village untold, where the gateway says soon enough that one does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType, ValidationResult
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kahriz.configured import one_line

DEFAULT_COUNTRY = "AZ"
"""Whose national notation a number is read in, where nothing else is said."""

LONGEST_NUMBER = 40
"""Characters of a number as it is written, spaces and all."""

LONGEST_CONTACT = 40
"""Characters of a contact's name."""

# Others are letters, which the library would read as the keys of a phone.
_WRITTEN = re.compile(r"\+?[\d\s()./-]+")
_EMAIL = re.compile(
    r"[^\s\x00-\x1f\x7f@\"(),:;<>\[\]\\]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}"
)
_LONGEST_EMAIL = 254
_QUIET = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)

_WHY_NOT = {
    ValidationResult.INVALID_COUNTRY_CODE: "no country has this code",
    ValidationResult.TOO_SHORT: "too short",
    ValidationResult.TOO_LONG: "too long",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area or operator code is missing",
    ValidationResult.INVALID_LENGTH: "no number there has so many digits",
}


def country_code(country: str) -> str:
    """Return `country` if numbers can be read in its notation; ValueError otherwise."""
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{country!r} is no country of two capital letters, like AZ")
    return country


def e164(number: str, country: str = DEFAULT_COUNTRY) -> str:
    """Return a phone number as networks know it: ``+994500000001``.

    Parameters
    ----------
    number
        International (``+994 50 000 00 01``) or, in `country`, national (``050 000 00 01``).
    country
        Two letters (ISO 3166); where a number without a country code is dialled.

    Raises
    ------
    ValueError
        Names the number and what is wrong with it.
    """
    if len(number) > LONGEST_NUMBER or not _WRITTEN.fullmatch(number.strip()):
        raise ValueError(f"{number[:LONGEST_NUMBER]!r} is no phone number, like +994500000001")
    try:
        parsed = phonenumbers.parse(number, country)
    except NumberParseException as error:
        is_code = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
        why = "no country has this code" if is_code else "too short"
        raise ValueError(f"{number!r} is no phone number in {country}: {why}") from error
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != ValidationResult.IS_POSSIBLE:
        raise ValueError(f"{number!r} is no phone number in {country}: {_WHY_NOT[possible]}")
    if phonenumbers.number_type(parsed) == PhoneNumberType.PREMIUM_RATE:
        raise ValueError(f"{number!r} is a premium number: every text to it would cost")
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When somebody sleeps: local times, from `start` to before `end`, over midnight too."""

    start: time
    end: time

    def covers(self, local: time) -> bool:
        """Return whether it is quiet at a local time."""
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


def quiet_hours(text: str) -> QuietHours | None:
    """Return the hours of ``22:00-08:00``; None for an empty text; ValueError otherwise."""
    if not text:
        return None
    found = _QUIET.fullmatch(text)
    hours = None if found is None else QuietHours(*map(time.fromisoformat, found.groups()))
    if hours is None or hours.start == hours.end:
        raise ValueError(f"{text!r} are no hours of a night, like 22:00-08:00; empty: none")
    return hours


class Contact(BaseModel):
    """Somebody who is told, without being a user."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, AfterValidator(one_line)] = Field(min_length=1, max_length=LONGEST_CONTACT)
    role: Literal["chair", "deputy", "digger", "engineer"]
    country: str = DEFAULT_COUNTRY
    """Whose national notation `phone` may be in; the kahriz's where it is not given."""
    phone: str = ""
    """E.164, whichever way it was written; empty: texts go to `email` alone."""
    email: str = ""
    language: Literal["az", "en", "ru"] = "az"
    alphabet: Literal["folded", "full"] = "folded"
    quiet_hours: str = "22:00-08:00"
    """Local hours in which only what cannot wait is sent; empty: none."""
    consent_on: date | None = None
    """The day they agreed to be told."""

    @field_validator("country")
    @classmethod
    def _country_has_numbers(cls, country: str) -> str:
        return country_code(country)

    @field_validator("phone")
    @classmethod
    def _phone_is_possible(cls, phone: str, info: ValidationInfo) -> str:
        # Without a country that one is what is wrong.
        return e164(phone, info.data.get("country", DEFAULT_COUNTRY)) if phone else ""

    @field_validator("email")
    @classmethod
    def _email_has_its_parts(cls, email: str) -> str:
        if email and (len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
            raise ValueError(f"{email[:80]!r} is no e-mail address, like water@example.org")
        return email

    @field_validator("quiet_hours")
    @classmethod
    def _hours_are_a_night(cls, hours: str) -> str:
        quiet_hours(hours)
        return hours

    @model_validator(mode="after")
    def _can_be_reached(self) -> Contact:
        if not (self.phone or self.email):
            raise ValueError(f"contact {self.name!r} has neither phone nor email")
        return self

    @property
    def quiet(self) -> QuietHours | None:
        """When they are left to sleep; None: never."""
        return quiet_hours(self.quiet_hours)
