"""The interface to GitHub's runner: commands in the log, and files named by variables.

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

    :param active: whether there is a runner, which interprets commands in the log.
    """

    active: bool
    output: Path | None = None
    summary: Path | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Runner:
        """Create it from the environment."""
        output, summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        return cls(
            environ.get("GITHUB_ACTIONS") == "true",
            Path(output) if output else None,
            Path(summary) if summary else None,
        )

    def mask(self, secret: str) -> None:
        """Mask a secret in the log, in case it is not a secret of GitHub."""
        if self.active:  # elsewhere this would show it
            for line in secret.splitlines():
                if line.strip():
                    self._write(command("add-mask", line))

    def say(self, kind: str, message: str) -> None:
        """Print an ``error``, ``warning`` or ``notice`` without a position."""
        lines = [visible(line) for line in message.splitlines()]
        if self.active:
            self._write(command(kind, "\n".join(lines), title="kestra-sync"))
        else:
            self._write("\n".join(no_command(f"{kind}: {line}") for line in lines))

    def annotate(self, commands: str) -> None:
        """Print annotations of the ``github`` format."""
        if self.active and commands:
            self._write(commands.rstrip("\n"))

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step. No value can terminate its own here-document."""
        if self.output is None:
            return
        text = ""
        for name, value in outputs.items():
            delimiter = f"ghadelimiter_{uuid.uuid4()}"
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        with append_to(self.output) as file:
            file.write(text.encode("utf-8", "backslashreplace"))

    def add_summary(self, text: str) -> bool:
        """Add to the summary of the step. Return ``False`` if it would exceed GitHub's limit."""
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
