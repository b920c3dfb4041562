"""What the queueing model says: table and chart, and how far it is from what was measured."""

from collections.abc import Sequence

from studies.charts import Chart, Lines
from studies.records import Record
from studies.scaling_model import EXPERIMENT, Row, rows_of
from studies.study import Report, Study, origin_of
from studies.tables import Column, Line, Table, number

WITHIN = 0.10

COLUMNS = (
    Column("workload", lambda row: row.workload),
    Column("CPUs", lambda row: row.cpus),
    Column("default, messages/s", lambda row: row.default.messages_per_s),
    Column("its CPU us a reply", lambda row: row.default.cpu_us, 2),
    Column("best", lambda row: row.best),
    Column("its messages/s", lambda row: row.of_best.messages_per_s),
    Column("default to best", lambda row: row.ratio, 3),
    Column("measured", lambda row: row.measured),
    Column("error %", lambda row: None if row.error is None else 100 * row.error, 1),
)

ABOUT = """\
A queueing model (scripts/studies/queueing.py): lanes and client threads that take up to 64 messages
at a time, the CPUs they share (on one CPU the client has another), what a message, a pass and a
wake-up cost, measured here, and the socket's lock, fitted to two lanes on one socket. It leaves out
caches, interrupts and memory. There are a client thread and as many outstanding messages for each
two CPUs as are measured with two. The default is modelled as a lane for each CPU on one socket.
"""


def judgement(rows: Sequence[Row]) -> str:
    errors = [abs(row.error) for row in rows if row.error is not None]
    if not errors:
        return "Nothing of it is measured: **an illustration**."
    close = sum(error <= WITHIN for error in errors)
    met = f"It is within {WITHIN:.0%} of {close} of {len(errors)} measured points"
    return f"{met}." if close == len(errors) else f"{met}: **an illustration**, no forecast."


def report(records: Sequence[Record]) -> Report:
    rows = rows_of(records)
    return Report(f"{ABOUT}\n{judgement(rows)}\n\n{origin_of(records)}",
                  Table(COLUMNS, [[row] for row in rows]))


def charts(lines: Sequence[Line]) -> list[Chart]:
    series: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        series.setdefault(line["workload"], []).append(
            (number(line, "CPUs"), number(line, "default to best")))
    if not series:
        return []
    least = min(ratio for points in series.values() for _, ratio in points)
    return [Lines(f"By the model the default gives at least {least:.2f} of the best on any number "
                  "of CPUs", "Messages a second of the default, as a ratio to the best of sped, "
                  "symped with one socket and symped with a socket for each lane.",
                  "CPUs, with the client", "ratio", series, log_x=True)]


STUDY = Study("scaling-model", "More CPUs than are here", EXPERIMENT, report, charts)
