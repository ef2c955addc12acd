"""``hotloop bench --write-docs``: the project's page of figures, and its picture.

Everything in it comes from what ``--json`` printed; nothing is measured or known here besides the
words between the tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from core.model.errors import BadParameter
from tools.bench import page
from tools.bench.goals import Goal, goals
from tools.bench.page import Table

PICTURE: Final = "performance.svg"

_INTRO: Final = """\
# Performance

Written by `hotloop bench --write-docs`; do not edit. Every figure of the race is from one run of

    hotloop bench --install-peers all
    python -m tools.compiled
    hotloop bench --against {against} --seconds {seconds:g} --rounds {rounds} --json > bench.json

and what is beside it from

    hotloop bench --soak 60 --json > soak.json
    hotloop bench --micro --check tools/bench/budgets.json --json > micro.json
    hotloop bench --replay --json > replay.json
    hotloop bench --saturation --json > saturation.json
    python -m tools.compiled --test --json compiled.json
    hotloop bench --write-docs bench.json soak.json micro.json replay.json saturation.json \\
        compiled.json docs/performance.md

## What is measured

A load generator, in a process and on a CPU of its own, is the venue: Binance Spot's streams, REST
and WebSocket API on loopback. It sends a tick and waits, spinning, for the order that has seen it;
the time between is measured in that one process, from before the tick's `send` to after the
order's `recv`. An order names its tick by its size. An order for a later tick answers all before
it, and each of them counts with the whole time since it was, or should have been, sent: nothing is
omitted. A tick that is never answered counts as lost, with the time waited for it. All processes
have the same priority.

One symbol's best price changes some 5 to 200 times a second, and in such a gap a path goes cold:
caches and branch predictors have forgotten it. The **quiet** rows are that: an open loop at 5, 20,
50 and 200 ticks a second, whose gaps vary between half and one and a half times their mean, the
same for every variant; each lasts for at least 60 ticks. The generator's own way out would go cold
as well and be charged to whom it serves, so in the gaps it sends ticks to itself, over a connection
of its own: what is measured is the variant's path, from a sender that is warm. The floor of these
rows spins as always, and does nothing to stay warm.

- **floor**: a spinning `recv` and a `send` of prepared bytes: the least that Python can do.
- **hotloop**: the whole of it as it trades: book, strategy, risk, order table, journal, hops,
  kernel stamps; its session logged on. **hotloop+hmac** signs every order; **hotloop+compiled**
  is the same source with its hot modules [compiled](compiled.md). **hotloop-stamps**, **-hops**
  and **-journal** lack the kernel's receive stamps, all stamps and counts of the hops, the
  journal: for comparison alone, no configuration does that. **hotloop-warm** does not
  [rehearse](operations.md#rehearsals) between ticks (`[loop] warm = "off"`).
- Peers: each in an environment of its own, with the smallest idiomatic strategy and its fastest
  supported way to send an order (`tools/bench/peers/`). They keep no journal, and most of them
  check no risk. A peer that falls behind at one rate of the open loop is spared the higher ones.

What signs every order takes part on book tickers in the clear, where that is all that differs. The
cells with most ticks a second (back to back, 5,000 and 20,000 a second, bursts) last half the
seconds.

The highest rate that holds is looked for in an open loop of half a second, whose ticks are made
beforehand: it holds where their median is answered within a millisecond and none is lost, in one of
two tries; what is 4 % above the rate shown did not. Orders leave for every tick, for the newest
tick of each read (what the race does), or for a thousand ticks a second, by which it is seen how
late the others are. "At least" says that the load generator could send, or take, no more.

A goal for several rates is held against the one that is farthest from it.

Variants take turns in each round. Percentiles are medians over the rounds, the largest value is
that of all rounds. Trust the ratios more than the microseconds.

## The machine

```
{preface}
```

![percentiles of all variants, and medians by ticks a second]({picture})
"""


def write(result: dict[str, Any], target: Path) -> None:
    """Write the page, and the picture beside it. Raises ``BadParameter`` without a race."""
    if "rows" not in result:
        raise BadParameter("--write-docs: one of the files is to be what the race printed")
    settings = dict(result["settings"])
    against = settings.pop("against")
    parts = [
        _INTRO.format(
            against=against or "all",
            seconds=settings["seconds"],
            rounds=settings["rounds"],
            preface=page.preface(result["machine"], settings),
            picture=PICTURE,
        )
    ]
    lines = _lines(goals(result))
    parts.append(_table(Table("Goals", ("goal", "limit", "seen", "reached"), lines)))
    parts += [_table(table) for table in page.tables(result)]
    if "compiled" in result:
        parts.append(_compiled(result["compiled"]))
    parts += [f"{note}\n" for note in page.notes(result)]
    target.write_text("\n".join(parts), encoding="utf-8")
    target.with_name(PICTURE).write_text(page.picture(result) + "\n", encoding="utf-8")


def _lines(held: list[Goal]) -> list[list[str]]:
    return [
        [
            goal.what,
            f"{'at least' if goal.at_least else 'at most'} {_number(goal.limit)}",
            _seen(goal.seen),
            "yes" if goal.reached else "**no**",
        ]
        for goal in held
    ]


def _seen(figure: float | None) -> str:
    if figure is None:
        return "not measured"
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.2f}"


def _number(limit: float) -> str:
    return f"{limit:,.0f}" if limit >= 1000 else f"{limit:.2f}".rstrip("0").rstrip(".")


def _table(table: Table) -> str:
    rule = ["---", *("---:" for _ in table.columns[1:])]
    lines = [list(table.columns), rule, *table.lines]
    shown = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"## {table.title}\n\n{shown}\n"


def _compiled(found: dict[str, Any]) -> str:
    return (
        f"## The compiled build\n\n{found['modules']} modules compiled; all tests in it: "
        f"{found['tests']}. What each build recorded, the other replayed identically.\n"
    )
