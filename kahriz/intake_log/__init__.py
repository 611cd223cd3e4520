"""Every message as it came, for two days: what a lost store is made of anew.

Segment files in one folder, one writer, any number of readers. A message is in the file before its
batch goes to the store, so before it is acknowledged; `write` has been called by then, which a
kill -9 of the process survives. A power cut may cost the last second of it: nothing is lost by
that, because what was acknowledged is in the store, and what was not comes again.

`IntakeLog` writes, `read` reads, `frames` says how the bytes are laid out.
"""

from kahriz.intake_log.reader import Found, Missing, Record, read
from kahriz.intake_log.writer import IntakeLog

__all__ = ["Found", "IntakeLog", "Missing", "Record", "read"]
