"""What a reply costs: the traffic, and the servers it is sent to."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studies import machine
from studies.blast import Load
from studies.cases import Case
from studies.instructions import LANES, why_not_counted

EXPERIMENT = "bench"
SIZE = 256
SEGMENTS = ("--segment", "32")
OUTSTANDING = 512
ARTICLE_COUNT = 2_020_222
BLOCKING, MMSG, OFFLOAD = "floor: recvfrom, sendto", "floor: recvmmsg, sendmmsg", \
    "floor: UDP_GRO, UDP_SEGMENT"
FLOORS = {BLOCKING: "blocking", MMSG: "mmsg", OFFLOAD: "offload"}
CPSSD = "cpssd"
UNCOUNTED = "cpssd without counters"
INSTRUCTIONS = "instructions"  # a traffic without a client, and its figure


@dataclass(frozen=True)
class Traffic:
    """A load, the servers that get it, and the CPUs they may use."""

    name: str
    about: str
    load: Load
    floors: tuple[str, ...]
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {CPSSD: {}})
    pinned: bool = True
    needs_numbers: bool = False
    more_rounds: int = 1  # times as many as of other traffic


# What can be switched off or set otherwise.
VARIANTS = {
    "sped": {"CPSS_MODEL": "sped"},
    "queued": {"CPSS_DISPATCH": "queued"},
    "no spin": {"CPSS_SPIN_US": "0"},
    "no pauses": {"CPSS_COALESCE_US": "0"},
    "no GSO": {"CPSS_GSO": "false"},
    "no GRO": {"CPSS_GRO": "false"},
    "neither": {"CPSS_GRO": "false", "CPSS_GSO": "false"},
    "batch 16": {"CPSS_BATCH": "16"},
    "batch 256": {"CPSS_BATCH": "256"},
    "no histograms": {"CPSS_HISTOGRAMS": "false"},
}


def _variants(*names: str) -> dict[str, Mapping[str, str]]:
    """cpssd as it is, and each variant of it."""
    return {CPSSD: {}, **{f"{CPSSD}, {name}": VARIANTS[name] for name in names}}


def traffics(numbers: Path | None) -> list[Traffic]:
    """All of it. `numbers`: a folder with numbers.csv and queries.tsv."""
    echo = Load("echo", size=SIZE, outstanding=OUTSTANDING)
    segments = dataclasses.replace(echo, more=SEGMENTS)
    two_cpus = {"CPSS_SERVICE": "work", "CPSS_WORK": "fixed:50;burn"}
    data = str(numbers / "queries.tsv") if numbers else ""
    on_numbers = {CPSSD: {"CPSS_SERVICE": "lookup",
                          "CPSS_NUMBERS": str(numbers / "numbers.csv") if numbers else ""}}
    lookup = Load("lookup", size=SIZE, outstanding=OUTSTANDING, more=(*SEGMENTS, "-d", data))
    return [
        Traffic("plain", "one peer, plain datagrams", echo, (MMSG,),
                _variants("sped", "queued", "no spin", "no pauses", "no GSO")),
        Traffic("segments", "one peer, 32 in a packet, both ways", segments, (MMSG, OFFLOAD),
                _variants("sped", "queued", "no spin", "no GSO", "no GRO", "neither", "batch 16",
                          "batch 256")),
        # Spinning would hide what counting costs: it takes what CPU time is left.
        Traffic("counters", "segments, no spinning, against servers that measure less or nothing",
                segments, (), {name: {**settings, **VARIANTS["no spin"]} for name, settings in
                               {**_variants("no histograms"), UNCOUNTED: {}}.items()},
                more_rounds=2),
        Traffic("peers", "256 peers in turn, plain: little to bring together",
                dataclasses.replace(echo, clients=256), (MMSG,), _variants("sped", "queued", "no GSO")),
        Traffic("ping", "one message at a time", dataclasses.replace(echo, outstanding=1),
                (BLOCKING,), _variants("sped", "queued", "no spin")),
        Traffic("lookup", "segments, service lookup on real numbers", lookup, (), on_numbers,
                needs_numbers=True),
        *(Traffic(f"{name} unpinned", f"{name}, server and client on any CPU", load, floors,
                  servers or {CPSSD: {}}, pinned=False, needs_numbers=name == "lookup")
          for name, load, floors, servers in (
              ("plain", echo, (MMSG,), None), ("segments", segments, (MMSG, OFFLOAD), None),
              ("peers", dataclasses.replace(echo, clients=256), (MMSG,), None),
              ("ping", dataclasses.replace(echo, outstanding=1), (BLOCKING,), None),
              ("lookup", lookup, (), on_numbers))),
        Traffic("article", f"{ARTICLE_COUNT:,} messages, 32 in a packet",
                dataclasses.replace(segments, count=ARTICLE_COUNT), ()),
        Traffic("article plain", f"{ARTICLE_COUNT:,} messages, plain",
                dataclasses.replace(echo, count=ARTICLE_COUNT), ()),
        Traffic("work", "service work, 50 us of CPU a message, segments, any CPU",
                dataclasses.replace(segments, service="work",
                                    more=(*SEGMENTS, "--work", "fixed:50;burn")), (),
                {"cpssd, 1 service lane": two_cpus,
                 "cpssd, 2 service lanes": {**two_cpus, "CPSS_SERVICE_THREADS": "2"}},
                pinned=False),
    ]


def instruction_cases(seconds: float, quick: bool) -> list[Case]:
    """They have no load, and take about two seconds; `seconds`: of the others' loads."""
    return [Case(EXPERIMENT, f"{INSTRUCTIONS}: {lane}", Load("echo", size=SIZE, seconds=2),
                 f"{seconds:g} s",
                 labels={"traffic": INSTRUCTIONS, "about": "of user space, for each message",
                         "server": lane, "quick": quick}, skip=why_not_counted())
            for lane in LANES]


def cases_of(traffic: Traffic, seconds: float, quick: bool, why_no_numbers: str,
             why_no_uncounted: str) -> list[Case]:
    allowed = machine.allowed_cpus()
    server, client = machine.split_cpus(1, allowed) if traffic.pinned else (allowed, allowed)
    load = traffic.load
    if load.count is None:
        load = dataclasses.replace(load, seconds=seconds)
    elif quick:
        load = dataclasses.replace(load, count=20_000)
    skip = why_no_numbers if traffic.needs_numbers else ""
    servers = {**{floor: {} for floor in traffic.floors}, **traffic.servers}
    return [Case(EXPERIMENT, f"{traffic.name}: {name}", load, f"{seconds:g} s",
                 {} if name in FLOORS else {"CPSS_SERVICE": "echo", **settings}, tuple(server),
                 tuple(client), {"traffic": traffic.name, "about": traffic.about, "server": name,
                                 "quick": quick},
                 skip or (why_no_uncounted if name == UNCOUNTED else ""))
            for name, settings in servers.items()]
