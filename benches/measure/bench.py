"""Rounds, medians, bars, and the table that tells them."""

import contextlib
import dataclasses
import pathlib
import statistics
import sys
import tempfile

from .machine import Failed, Missing


@dataclasses.dataclass
class Bar:
    """What must be reached: by our figure alone, or by its ratio to the rival's."""

    of: str
    sign: str
    value: float

    def reached(self, ours, ratio):
        measured = ours if self.of == "ours" else ratio
        if measured is None:
            return None
        return measured <= self.value if self.sign == "≤" else measured >= self.value

    def __str__(self):
        return f"{self.sign} {self.value:,g}" + (" × rival" if self.of == "ratio" else "")


def at_most(value):
    return Bar("ours", "≤", value)


def at_least(value):
    return Bar("ours", "≥", value)


def at_most_times(value):
    return Bar("ratio", "≤", value)


def at_least_times(value):
    return Bar("ratio", "≥", value)


@dataclasses.dataclass
class Row:
    """A figure as it was measured."""

    name: str
    unit: str
    bar: Bar | None
    rival_name: str = ""
    note: str = ""
    ours: list = dataclasses.field(default_factory=list)
    rival: list = dataclasses.field(default_factory=list)
    skipped: str = ""
    failed: str = ""

    @staticmethod
    def median(samples):
        return statistics.median(samples) if samples else None

    @property
    def ratio(self):
        ours, rival = self.median(self.ours), self.median(self.rival)
        return ours / rival if ours is not None and rival else None

    @property
    def verdict(self):
        if self.skipped or self.failed:
            return "skipped" if self.skipped else "FAILED"
        reached = self.bar.reached(self.median(self.ours), self.ratio) if self.bar else None
        return {True: "yes", False: "NO", None: "-"}[reached]

    def cells(self):
        def shown(value, unit=""):
            if value is None:
                return "-"
            digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
            return f"{value:,.{digits}f}{unit}"

        rival = shown(self.median(self.rival), f" {self.unit}") + (f" ({self.rival_name})" if self.rival else "")
        return [self.name, shown(self.median(self.ours), f" {self.unit}"), rival, shown(self.ratio), str(self.bar or "-"), self.verdict]


class Bench(contextlib.ExitStack):
    """A run: the program that is measured, a throw-away folder, and the figures so far."""

    def __init__(self, binary, rounds):
        super().__init__()
        self.binary = binary
        self.rounds = rounds
        self.rows = []

    def __enter__(self):
        super().__enter__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="loopsy-bench-")))
        return self

    def compare(self, name, unit, bar, ours, rival=None, rival_name="", rounds=None, note=""):
        """Takes a figure in interleaved rounds. One that can't be taken is a row too. `note` says what the two do not have in
        common: what the rival leaves out, or we do."""
        row = Row(name, unit, bar, rival_name, note)
        self.rows.append(row)
        print(f"  {name} ...", end="", flush=True, file=sys.stderr)
        try:
            for _ in range(rounds or self.rounds):
                row.ours.append(ours())
                try:
                    row.rival += [rival()] if rival else []
                except Missing as missing:
                    row.skipped, rival = str(missing), None
        except Missing as missing:
            row.skipped = str(missing)
        except (Failed, OSError) as failure:
            row.failed = str(failure)
        print(f" {row.verdict}", file=sys.stderr)

    def skip(self, group, why):
        print(f"  {group}: {why}", file=sys.stderr)
        self.rows.append(Row(group, "", None, skipped=str(why)))

    def fail(self, group, why):
        print(f"  {group}: {why}", file=sys.stderr)
        self.rows.append(Row(group, "", None, failed=str(why)))

    def any_failed(self):
        return any(row.failed for row in self.rows)

    def table(self):
        lines = [["figure", "ours", "rival", "ratio", "bar", "reached"], *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(6)]
        lines.insert(1, ["-" * width for width in widths])
        text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        text += [f"{row.name}: {row.skipped or row.failed}" for row in self.rows if row.skipped or row.failed]
        notes = [f"  {row.name}: {row.note}" for row in self.rows if row.note and not row.skipped]
        text += ["What is not the same on both sides:", *notes] if notes else []
        if self.rounds < 5:
            text.append(f"Only {self.rounds} rounds: a look, no measurement.")
        return "\n".join(text)

    def as_json(self):
        return [{**dataclasses.asdict(row), "bar": str(row.bar or ""), "ratio": row.ratio, "verdict": row.verdict} for row in self.rows]
