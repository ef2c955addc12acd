"""``python -m tools.draw``: draw the state tables of ``docs`` from the code that runs.

Here two tables become pages; nothing is said in them that is not read from ``core.state.orders``
and ``core.state.session``. A test holds the pages to what is drawn, so that neither can move alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.model.events import OrdStatus
from core.model.views import OrderState
from core.state.orders import EVIDENCE, PRECEDENCE, STATES, Evidence
from core.state.session import TABLE, Phase, Step

DOCS = Path(__file__).parents[1] / "docs"

ORDERS = """\
# The states of an order

Drawn from `core/state/orders.py` by `python -m tools.draw`; a test keeps this page equal to the
code.

An order's state is not moved from one to the next. Every event adds evidence, evidence is never
taken away, and the state is read from the whole set of it. So any order and any number of the same
events end the same, and there is no empty cell: whatever comes, in whatever order, has its place.

## What each event proves

{events}

The set of events is closed: a word of the venue that is not here is never booked, and halts its
instrument.

## How evidence reads

The strongest of what has been seen decides; the strongest stands first.

{precedence}

## From state to state

Rows: how an order stands, by the strongest evidence so far. Columns: evidence that is added. Cells:
how it stands then; bold where that is another state.

{moves}

```mermaid
{diagram}
```

`filled`, `canceled`, `expired` and `rejected` are terminal: nothing of the order is open any more.
Fills that come later are counted all the same, and a `rejected` order that the venue then says it
has accepted is `live` again, with its exposure, unless the venue itself had reported the rejection.

## In doubt for good

An `unknown` order is asked about until the venue's answers prove how it stands. That it was never
accepted they prove once its request has expired, or once the connection is gone with which orders
end. At a venue where neither is so (`request_expiry_ms` and `dead_man` of `hotloop venues --json`)
nothing proves it, however much time passes and whatever lists lack it. The order stays `unknown`,
keeps its exposure, goes over to the next run, and keeps a run that is left from proving that none
of its orders is left (exit code 4). A guardian cancels what it finds there, and proves nothing.

Then look at the venue, by the id that `hotloop ctl RUNDIR status` shows. Where it has the order,
`cancel-all` takes it out, or the venue's own page does. Where it does not, and will not any more,
say so: `hotloop ctl RUNDIR absent ID`. The order is `rejected` from then on; should the venue tell
of it after all, it is `live` again. Where a journal cannot be read, not even the ids are known: the
run that finds this out ends with 4, whatever the lists say.
"""

SESSIONS = """\
# The phases of a connection

Drawn from `core/state/session.py` by `python -m tools.draw`; a test keeps this page equal to the
code.

A connection is one session with the venue. Rows: its phase. Columns: what happens. An empty cell
cannot happen; that it did is an error of ours, and ends the run.

{table}

```mermaid
{diagram}
```
"""


def order_states() -> str:
    """Return the page of an order's states."""
    return ORDERS.format(
        events=table(["event", "evidence"], events()),
        precedence=table(["evidence", "state"], [[word(b), str(s)] for b, s in precedence()]),
        moves=table(["", *map(word, Evidence)], moves()),
        diagram=diagram(order_moves(), str(OrderState.PENDING)),
    )


def session_states() -> str:
    """Return the page of a line's phases."""
    rows = [[str(phase), *(str(TABLE.get((phase, step), "")) for step in Step)] for phase in Phase]
    edges = [(str(a), str(step), str(b)) for (a, step), b in TABLE.items() if a is not b]
    return SESSIONS.format(
        table=table(["", *map(str, Step)], rows), diagram=diagram(edges, str(Phase.DOWN))
    )


PAGES: dict[str, Callable[[], str]] = {
    "order-states.md": order_states,
    "session-states.md": session_states,
}


# -- what the fold says ----------------------------------------------------------------------


def events() -> Iterable[Sequence[str]]:
    for status in OrdStatus:
        yield f"the venue says `{status}`", words(EVIDENCE[status])
    yield "a fill, by whatever channel", words(Evidence.ACCEPTED)
    yield "filled size reaches the order's size", words(Evidence.FILLED)
    yield "a refusal, or proof that it can no longer be accepted", words(Evidence.REFUSED)
    yield "a person gives it up: `hotloop ctl RUNDIR absent ID`", words(Evidence.REFUSED)
    yield "proof that the venue knows it no more", words(Evidence.FORGOTTEN)
    yield "an answer is lost", words(Evidence.IN_DOUBT)


def precedence() -> Sequence[tuple[Evidence, OrderState]]:
    return [*PRECEDENCE, (Evidence(0), OrderState.PENDING)]


def moves() -> Iterable[Sequence[str]]:
    """Yield a row for each strongest evidence; the weaker that may be there too change nothing."""
    for strongest, state in reversed(precedence()):
        after = [STATES[strongest | added] for added in Evidence]
        cells = [str(s) if s is state else f"**{s}**" for s in after]
        yield [f"{state} ({word(strongest)})", *cells]


def order_moves() -> Iterable[tuple[str, str, str]]:
    for strongest, state in reversed(precedence()):
        for added in Evidence:
            after = STATES[strongest | added]
            if after is not state:
                yield str(state), word(added), str(after)


# -- how it is written -----------------------------------------------------------------------


def word(evidence: Evidence) -> str:
    return (evidence.name or "none").lower().replace("_", " ")


def words(evidence: Evidence) -> str:
    return ", ".join(word(bit) for bit in Evidence if bit in evidence)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(connection) + " |" for connection in lines)


def diagram(edges: Iterable[tuple[str, str, str]], first: str) -> str:
    """Return a Mermaid state diagram; moves between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, label, after in edges:
        labels = arrows.setdefault((before, after), [])
        if label not in labels:
            labels.append(label)
    lines = [f"    {a} --> {b}: {', '.join(labels)}" for (a, b), labels in arrows.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {first}", *lines])


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
