"""Tables of records: the same values as CSV and as Markdown; with repeats, medians and spreads."""

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, str]  # of a CSV file


@dataclass(frozen=True)
class Column:
    """`of` makes the value of one item: None where there is none, text, or a number, which is shown
    with so many decimals. With repeats a number is their median, and its column of a `spread` has
    the least and the most behind it; texts that differ are all shown."""

    name: str
    of: Callable[[Any], Any]
    decimals: int = 0
    spread: bool = False


@dataclass(frozen=True)
class _Cell:
    value: Any
    least: float | None = None
    most: float | None = None


def _cell(column: Column, repeats: Sequence[Any]) -> _Cell:
    values = [value for item in repeats if (value := column.of(item)) is not None]
    if not values:
        return _Cell(None)
    if isinstance(values[0], str):
        return _Cell("; ".join(dict.fromkeys(values)))
    return _Cell(statistics.median(values), min(values), max(values))


def _plain(value: Any, decimals: int) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.{decimals}f}"


def _grouped(value: Any, decimals: int) -> str:
    if value is None or isinstance(value, str):
        return (value or "").replace("|", "\\|").replace("\n", " ")
    return f"{value:,.{decimals}f}"


def _lines(text: Iterable[str]) -> list[Line]:
    return list(csv.DictReader(text))


def read_lines(path: Path) -> list[Line]:
    """Of a CSV file that a Table has written."""
    with open(path, encoding="utf-8", newline="") as file:
        return _lines(file)


def number(line: Line, name: str) -> float | None:
    """None where the line has none: a case that was not measured, or a file that is older than the
    column."""
    text = line.get(name)
    return float(text) if text else None


def spread(line: Line, name: str) -> tuple[float | None, float | None, float | None]:
    """The value, and the least and the most of its repeats."""
    return number(line, name), number(line, name + "_min"), number(line, name + "_max")


class Table:
    """`groups` has for each line the repeats of one thing."""

    def __init__(self, columns: Sequence[Column], groups: Sequence[Sequence[Any]]):
        self._columns = columns
        self._lines = [[_cell(column, repeats) for column in columns] for repeats in groups]
        self._repeated = any(len(repeats) > 1 for repeats in groups)

    def __len__(self) -> int:
        return len(self._lines)

    def csv(self) -> str:
        """With repeats, a column NAME with a spread is followed by NAME_min and NAME_max."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([name for column in self._columns for name in self._csv_names(column)])
        for line in self._lines:
            row = []
            for column, cell in zip(self._columns, line):
                values = (cell.value, cell.least, cell.most) if self._spread(column) \
                    else (cell.value,)
                row += [_plain(value, column.decimals) for value in values]
            writer.writerow(row)
        return text.getvalue()

    def lines(self) -> list[Line]:
        """As a reader of the CSV file has them."""
        return _lines(io.StringIO(self.csv()))

    def markdown(self, max_lines: int | None = None) -> str:
        head = "| " + " | ".join(column.name for column in self._columns) + " |"
        rule = "|" + "|".join("---:" if self._is_number(i) else "---"
                              for i in range(len(self._columns))) + "|"
        lines = ["| " + " | ".join(self._markdown_cell(column, cell)
                                   for column, cell in zip(self._columns, line)) + " |"
                 for line in self._lines[:max_lines]]
        return "\n".join([head, rule, *lines]) + "\n"

    def _spread(self, column: Column) -> bool:
        return self._repeated and column.spread

    def _csv_names(self, column: Column) -> list[str]:
        extra = ["_min", "_max"] if self._spread(column) else []
        return [column.name + end for end in ["", *extra]]

    def _is_number(self, index: int) -> bool:
        return any(line[index].least is not None for line in self._lines)

    def _markdown_cell(self, column: Column, cell: _Cell) -> str:
        text = _grouped(cell.value, column.decimals)
        if self._spread(column) and cell.least is not None:
            text += (f" ({_grouped(cell.least, column.decimals)} to "
                     f"{_grouped(cell.most, column.decimals)})")
        return text
