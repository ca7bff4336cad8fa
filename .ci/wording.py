"""Rejects archaic wording in texts: help, messages, docs, comments, names of tests.

``python .ci/wording.py`` prints each place with a better word, and fails if there is any. Plain,
current, technical English is what a reader of the docs of Terraform or Argo CD is used to.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent

#: Pattern → what to write instead. A space stands for any white space, line breaks included.
WORDS = {
    r"\b(?:there )?(?:is|are|was|were|be) no (?!longer|more\b|such|matter|need|way)": "is not a …",
    r"\b(?:nobody|whoever|somebody|somebody's)\b": "no one, someone, the user, the caller …",
    r"\bmend(?:s|ed|ing)?\b": "fix, repair",
    r"\banew\b": "again, new",
    r"\bunder way\b": "running, in progress",
    r"\bfor ever\b": "forever, without limit",
    r"\bin so many words\b": "explicitly",
    r"\bof old\b": "old, legacy",
    r"\b(?:come|comes|came) of\b": "results from",
    r"\b(?:hear|hears)\b": "is notified of",
    r"\bstands? (?:for|in|at|beside|above|below|between|behind)\b": "is, means, replaces",
    r"\b(?:goes|go) before\b": "precedes",
    r"\byields no \w+ any more\b": "no longer contains",
    r"\b(?:a|one|[0-9]+) line each\b|\bone (?:\w+ )?a line\b": "one per line",
    r"\bthere twice\b": "duplicate",
    r"\bwhat(?:ever)? (?:becomes|became) of\b": "the outcome of, what happens to",
    r"\bat the begin of\b": "at the start of",
    r"\bas ever\b": "as usual, as before",
    r"\banybody\b": "anyone",
    r"\bsp(?:eak|eaks|eaking|oke) against\b": "objects to, is a reason to refuse",
    r"\b(?:is|are|was|were) held against\b": "is compared with, is checked against",
    r"\blies? between\b": "is between, the proxies and gateways between",
    r"\b(?:tell|tells|telling|told) of\b": "report, mention",
    r"\b(?:is|was|are) said of\b|\bwhat is said\b": "is reported about",
    r"\bsta(?:y|ys|ying) away\b": "is missing, does not come back",
    r"\bin vain\b": "without success",
    r"\bredirected in circles\b": "too many redirects",
    r"\bnowhere to go\b": "without a target",
    r"\bputs? up\b": "deploys, creates",
    r"\bsearch for drift\b|\blook(?:s|ing)? for drift\b": "drift detection, detects drift",
    r"\bfor want of\b": "without, because … is missing",
    r"\btext of others\b": "untrusted text",
    r"\bspeaks? to (?:a |the )?(?:terminal|kestra-sync)\b": "control sequences, directives",
    r"\bholds? what (?:it held|Git holds)\b": "is in the state of, has the flows in Git",
    r"\bbeside (?:the|its|their) (?:writes|frame|flows|plan)\b": "in addition to, next to",
    r"\bcannot be the name of anything\b": "is not a valid name",
    r"\b(?:is|are) not meant,": "is not intended",
    r"\bnone is cut off\b": "is not canceled",
    r"\b(?:left|removed) in part\b": "partly removed",
    r"\bwhat (?:else )?there is to say\b|\bthere is to say about\b": "notes, diagnostics",
    r"\bwhatever (?:throws|a parser throws)\b": "any exception",
    r"\bone way only\b": "only one way",
    r"\bas one would write\b": "formatted, as the user would write",
    r"\bby itself where\b": "alone if",
}

#: What the rule is about, and texts that are not ours.
_SKIP = re.compile(
    r"^\.ci/wording\.py$|^tests/test_wording\.py$|/data/|/problems/|^LICENSE$"
    r"|\.(?:png|svg|lock|jar)$"
)
#: "There is no lock" is plain English, "files that are no flows" is not.
_FINE = re.compile(r"there\s+(?:is|are|was|were|be)\b", re.IGNORECASE)
_GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:#|//|\*|:)?[ \t]*)"
_PATTERNS = [
    (re.compile(each.replace(" ", _GAP), re.IGNORECASE), better) for each, better in WORDS.items()
]
#: Whether a text has any of it; asked for each of them, that takes six times as long.
_ANY = re.compile("|".join(f"(?:{each.pattern})" for each, _ in _PATTERNS), re.IGNORECASE)


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, words and what to write instead, for each place in ``text``."""
    if _ANY.search(text) is None:
        return
    for pattern, better in _PATTERNS:
        for match in pattern.finditer(text):
            if _FINE.match(match[0]):
                continue
            line = text.count("\n", 0, match.start()) + 1
            yield line, " ".join(match[0].split()), better


_NAME = re.compile(r"(?:\bdef|\bclass)\s+(\w+)|^\s*(\w+)\s*[:=]", re.MULTILINE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def names(text: str) -> Iterator[tuple[int, str, str]]:
    """The same for names that Python code defines: ``test_what_is_no_flow``, ``TellNobody``."""
    for match in _NAME.finditer(text):
        name = match[1] or match[2]
        words = _HUMP.sub("_", name).replace("_", " ")
        line = text.count("\n", 0, match.start(1) if match[1] else match.start(2)) + 1
        yield from ((line, name, better) for _, _, better in findings(words))


def files(*below: str) -> list[Path]:
    """The tracked texts below these paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *below], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return [_ROOT / each for each in listed.stdout.split("\0") if each and not _SKIP.search(each)]


def main(arguments: list[str]) -> int:
    """Check the paths that are given, or everything."""
    found = 0
    for path in files(*arguments):
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found_here = [*findings(text), *(names(text) if path.suffix == ".py" else ())]
        for line, words, better in sorted(found_here):
            found += 1
            print(f"{path.relative_to(_ROOT)}:{line}: '{words}': {better}")
    if found:
        print(f"{found} places in archaic English", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
