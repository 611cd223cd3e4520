"""What a month costs, and what it spares people: ``python -m bench.month``; some minutes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from math import isnan
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.month.district import district
from bench.month.figures import Figures, figures, read_month
from bench.month.life import live, new_book

SEEDS = (1, 2, 3)
PRICE = 0.05
"""AZN a part: assumed, ask the operator."""


def month_of(seed: int, kahrizes: int, days: int, price: float) -> Figures:
    """Return the figures of one month."""
    place = district(seed, kahrizes, days)
    with new_book(place) as book:
        live(place, book, seed)
        return figures(read_month(place, book), price)


def show(months: Sequence[Figures]) -> None:
    """Print the median, the least and the most of every figure."""
    table = Table("", "", *(f"month {n}" for n in range(1, len(months) + 1)), "median")
    for section in months[0]:
        rows = dict.fromkeys(row for month in months for row in month[section])
        for n, row in enumerate(rows):
            said = [month[section].get(row, 0.0) for month in months]
            known = [value for value in said if not isnan(value)]
            middle = median(known) if known else float("nan")
            table.add_row("" if n else section, row, *map(_short, said), _short(middle))
        table.add_section()
    Console(width=110).print(table)


def _short(value: float) -> str:
    if isnan(value):
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def main() -> int:
    """Live through the months and print the table."""
    parser = argparse.ArgumentParser(prog="bench.month", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="a month each")
    parser.add_argument("--kahrizes", type=int, default=24, help="of the district, at most 24")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--price", type=float, default=PRICE, help="of one SMS (assumed: 0.05 AZN)")
    options = parser.parse_args()
    if not 1 <= options.kahrizes <= 24 or options.days < 3 or options.price < 0:
        parser.error("kahrizes are 1 to 24, days at least 3, a price is not negative")
    months = []
    for seed in options.seeds:
        began = time.process_time()
        months.append(month_of(seed, options.kahrizes, options.days, options.price))
        spent = time.process_time() - began
        sys.stderr.write(f"seed {seed}: {options.days} days in {spent:.0f} s of CPU\n")
    show(months)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
