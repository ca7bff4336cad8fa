"""The elements of reports for people: styled lines, columns, sections, words for changes.

They are independent of terminals. Each section of a result goes to one of the two streams. A
terminal shows the sections as they are completed, ``-o text`` writes all of them: the text of a
plan or an apply exists only once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

from kestra_sync.model import Action, Change, Kind, Plan, Reason, ResourceId, plural
from kestra_sync.reasons import Alert
from kestra_sync.resources import in_words
from kestra_sync.safe.text import no_command, visible


class Style(str, Enum):
    """The meaning of a piece of text; the only place where colors are chosen."""

    PLAIN = ""
    HEADING = "bold"
    DIM = "dim"
    CREATE = "green"
    UPDATE = "yellow"
    DELETE = "red"
    ALERT = "magenta"
    ERROR = "bold red"
    WARNING = "bold yellow"
    GOOD = "bold green"


@dataclass(frozen=True)
class Span:
    """A piece of a line. Its text is always safe to print."""

    text: str
    style: Style = Style.PLAIN

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


@dataclass(frozen=True)
class Line:
    """One line of a report, without its line end."""

    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The line without colors, safe for the logs of CI."""
        return no_command("".join(span.text for span in self.spans).rstrip())


def line(*parts: str | Span) -> Line:
    """A line of plain strings and spans."""
    return Line(tuple(part if isinstance(part, Span) else Span(part) for part in parts))


BLANK = Line()


def write(lines: Iterable[Line], stream: TextIO, *, colour: bool) -> None:
    """Write ``lines``; with ``colour`` as ANSI, otherwise the same as plain text."""
    if not colour:
        stream.writelines(f"{each.text}\n" for each in lines)
        return
    # Only imported on a terminal.
    from rich.console import Console
    from rich.text import Text

    # The use of colors is already decided; rich must not evaluate NO_COLOR and TERM again.
    console = Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        legacy_windows=False,
        soft_wrap=True,
        highlight=False,
    )
    for each in lines:
        text = Text()
        for span in each.spans:
            text.append(span.text, style=span.style.value or None)
        text.rstrip()
        console.print(text)


class StandardStream(Enum):
    """The stream of a section."""

    RESULT = "stdout"
    MESSAGE = "stderr"


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    lines: tuple[Line, ...]
    stream: StandardStream = StandardStream.RESULT


Sections = tuple[Section, ...]


def section(lines: Iterable[Line], stream: StandardStream = StandardStream.RESULT) -> Section:
    """Make a section of the result from ``lines``, which may be a generator."""
    return Section(tuple(lines), stream)


def message(lines: Iterable[Line]) -> Section:
    """Make a section of messages that are not part of the result."""
    return Section(tuple(lines), StandardStream.MESSAGE)


#: The maximum width of a column; longer texts only shift their own row.
_WIDEST = 64


def cells(text: str) -> int:
    """Return the number of terminal cells of ``text``."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # most texts are ASCII

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return ``text`` as it will be shown, padded with spaces to ``width`` cells."""
    shown = visible(text)
    return shown + " " * (width - cells(shown))


def width_of(texts: Iterable[str]) -> int:
    """Return the width of a column with ``texts``."""
    widths = [cells(visible(text)) for text in texts]
    return max((each for each in widths if each <= _WIDEST), default=min([*widths, _WIDEST]))


#: The sign in front of a change, in addition to ``!`` for changes made on the server, and
#: ``x`` for a flow whose file has errors.
_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.MOVE: ">",
    Action.NONE: "=",
}


def sign(change: Change) -> str:
    """One character for the kind of change."""
    if change.invalid:
        return "x"
    return "!" if is_alert(change) else _SIGNS[change.action]


def is_alert(change: Change) -> bool:
    """Whether the flow was changed on the server."""
    return change.reason.traits.alert is not None


def is_conflict(change: Change) -> bool:
    """Whether both sides changed the flow."""
    return change.reason.traits.alert is Alert.CONFLICT


def note(change: Change) -> str:
    """Return the reason in words; empty if the sign is sufficient."""
    why = _why(change)
    if change.invalid:
        return f"invalid, cannot be applied; {why}" if why else "invalid, cannot be applied"
    return why


def _why(change: Change) -> str:
    traits = change.reason.traits
    if change.moved_from is not None:
        moved = f"moved from {change.moved_from.flow_id}"
        if change.flow_id.kind is not Kind.FLOW:
            return moved
        return f"{moved}; executions and trigger state stay there"
    if change.action is Action.DELETE and traits.deleted:
        return traits.deleted
    return (change.refused and traits.refused) or traits.note


def folders(source: str) -> str:
    """Return paths with a slash after directories: ``flows/``."""
    paths = source.split(", ")
    return ", ".join(
        path if path.endswith(("/", ".yaml", ".yml", "\\")) or not path else f"{path}/"
        for path in paths
    )


def summary(plan: Plan) -> str:
    """``Plan: 1 to create, 1 to update, 1 drifted, 1 to delete, 210 unchanged.``"""
    parts = [*_writes(plan), *_recording(plan)]
    if not parts:
        return f"No changes. {_nothing_to_do(plan)}"
    return f"Plan: {', '.join([*parts, f'{plan.unchanged:,} unchanged'])}."


def _recording(plan: Plan) -> list[str]:
    """Return what would be recorded in addition to the writes: ``11 flows to adopt``."""
    found: list[str] = []
    for each in plan.record:
        what = each.what or plural(each.flows, "flow")
        if each.flows and not (plan.writes or found):
            found.append(f"{what} {each.message.partition(' ')[2]}")
        elif each.flows and what != plural(each.flows, "flow"):
            found.append(f"{each.message} ({what})")
        else:
            found.append(each.message)
    return found


def question(plan: Plan, others: Sequence[str] = ()) -> str:
    """``Apply 4 changes (3 to update, 1 to delete) to URL (tenant main, environment prod)?``

    It contains all that is needed to confirm: what will be changed, and where.

    :param others: additional changes, in words.
    """
    environment = f", environment {plan.target.environment}" if plan.target.environment else ""
    parts = [*_writes(plan), *_recording(plan), *others]
    number = len(plan.writes) + len(plan.record) + len(others)
    return (
        f"Apply {plural(number, 'change')} ({', '.join(parts)}) to"
        f" {plan.target.url} (tenant {plan.target.tenant}{environment})?"
    )


def _writes(plan: Plan) -> list[str]:
    """Count the writes of each kind, in words. Each is counted once."""
    found: defaultdict[Action | Alert, Counter[Kind]] = defaultdict(Counter)
    for each in plan.writes:
        found[each.reason.traits.alert or each.action][each.flow_id.kind] += 1
    words: Mapping[Action | Alert, str] = {
        Action.CREATE: "to create",
        Action.UPDATE: "to update",
        Action.MOVE: "to move",
        Alert.DRIFT: "drifted",
        Alert.CONFLICT: "in conflict",
        Action.DELETE: "to delete",
    }
    return counts_in_words((found[key], text) for key, text in words.items())


def counts_in_words(parts: Iterable[tuple[Mapping[Kind, int], str]]) -> list[str]:
    """``["2 created (1 flow, 1 key)", "1 updated (1 file)"]``; no kinds if there are only flows.

    :param parts: counts by kind, and the words for them; zeros are left out.
    """
    there = [(counts, words) for counts, words in parts if any(counts.values())]
    flows_only = all(kind is Kind.FLOW for counts, _ in there for kind in counts if counts[kind])
    return [
        f"{sum(counts.values()):,} {words}" + ("" if flows_only else f" ({_kinds(counts)})")
        for counts, words in there
    ]


def kind_counts(resources: Iterable[ResourceId]) -> str:
    """``2 flows, 1 file, 1 key``; ``""`` if there are only flows."""
    counts = Counter(each.kind for each in resources)
    return "" if counts.keys() <= {Kind.FLOW} else _kinds(counts)


def _kinds(counts: Mapping[Kind, int]) -> str:
    return ", ".join(plural(counts[kind], kind.noun) for kind in Kind if counts.get(kind))


def other_counts_text(plan: Plan) -> str:
    """``, 3 files, 1 key``: what Git has in addition to the flows."""
    return "".join(
        f", {plural(plan.other_counts[kind], kind.noun)}"
        for kind in Kind
        if plan.other_counts.get(kind)
    )


def _nothing_to_do(plan: Plan) -> str:
    if plan.rollback_to is not None:
        return f"The server is already in the state after run {plan.rollback_to}."
    selected = "selected " if plan.partial else ""
    if not plan.resources:
        return "No flows selected." if plan.partial else "No flows in Git."
    others = {
        reason.traits.differs: number
        for reason in Reason
        if reason.traits.differs
        and (number := sum(each.desired is not None for each in plan.because(reason)))
    }
    counted = {Kind.FLOW: plan.flows, **plan.other_counts}
    parts = [plural(counted[kind], f"{selected}{kind.noun}") for kind in Kind if counted.get(kind)]
    everything, several = in_words(parts), len(parts) > 1
    if not others:
        if plan.resources == 1:
            return f"{everything} is up to date."
        return f"{'' if several else 'All '}{everything} are up to date."
    same = plan.resources - sum(others.values())
    differ = ", ".join(f"{number:,} {words}" for words, number in others.items())
    if several:
        return f"{same:,} of {plan.resources:,} up to date ({everything}), {differ}."
    return f"{same:,} of {everything} up to date, {differ}."
