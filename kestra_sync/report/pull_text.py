"""What ``pull`` wrote to files, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kestra_sync.commands.pull import Pulled, PulledFlow
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.wording import plural

_SIGNS = {Pulled.UPDATED: ("~", Style.UPDATE), Pulled.CREATED: ("+", Style.CREATE)}


def pull_lines(flows: Sequence[PulledFlow], *, dry_run: bool) -> Iterator[Line]:
    """A line for each file, and one that counts."""
    if not flows:
        yield line(Span("Nothing to pull: the files hold what the server holds.", Style.GOOD))
        return
    names = max(len(str(each.flow_id)) for each in flows)
    for each in flows:
        sign, style = _SIGNS[each.pulled]
        yield line("  ", Span(sign, style), f" {each.flow_id!s:<{names}}   {each.path}")
    yield BLANK
    verb = "Would pull" if dry_run else "Pulled"
    after = "" if dry_run else " Look at them with 'git diff'."
    yield line(Span(f"{verb} {plural(len(flows), 'flow')}.{after}", Style.HEADING))
