"""What GitHub's runner reads: commands in the log, and the files it names in variables.

Elsewhere those variables are not set, and nothing is written.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kestra_sync.report.comment import SUMMARY_LIMIT
from kestra_sync.report.github import command
from kestra_sync.safe.paths import append_to, is_file
from kestra_sync.safe.text import no_command, visible


@dataclass(frozen=True)
class Runner:
    """The runner of this step.

    :param active: there is one: commands in the log mean something.
    """

    active: bool
    output: Path | None = None
    summary: Path | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Runner:
        """From the environment."""
        output, summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        return cls(
            environ.get("GITHUB_ACTIONS") == "true",
            Path(output) if output else None,
            Path(summary) if summary else None,
        )

    def mask(self, secret: str) -> None:
        """Keep a secret out of the log, if it comes from elsewhere than GitHub's own."""
        if self.active:  # elsewhere this would show it
            for line in secret.splitlines():
                if line.strip():
                    self._write(command("add-mask", line))

    def say(self, kind: str, message: str) -> None:
        """An ``error``, ``warning`` or ``notice`` without a place."""
        lines = [visible(line) for line in message.splitlines()]
        if self.active:
            self._write(command(kind, "\n".join(lines), title="kestra-sync"))
        else:
            self._write("\n".join(no_command(f"{kind}: {line}") for line in lines))

    def annotate(self, commands: str) -> None:
        """Annotations, as the ``github`` format makes them."""
        if self.active and commands:
            self._write(commands.rstrip("\n"))

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Step outputs. No value can end its own here-document."""
        if self.output is None:
            return
        text = ""
        for name, value in outputs.items():
            delimiter = f"ghadelimiter_{uuid.uuid4()}"
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        with append_to(self.output) as file:
            file.write(text.encode("utf-8", "backslashreplace"))

    def add_summary(self, text: str) -> bool:
        """Add to the summary of the step; ``False`` if GitHub would drop all of it for its size."""
        if self.summary is None:
            return True
        there = self.summary.stat().st_size if is_file(self.summary) else 0
        data = text.encode("utf-8", "backslashreplace")
        if there + len(data) > SUMMARY_LIMIT:
            return False
        with append_to(self.summary) as file:
            file.write(data)
        return True

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
