"""The pipelines that ``init`` writes: those of ``docs/ci``, which the wheel contains."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from kestra_sync.commands.explain import SITE
from kestra_sync.inventory.record import origin
from kestra_sync.model import StrEnum
from kestra_sync.safe.paths import is_there, read_text


class Forge(StrEnum):
    """The platform that hosts a repository and runs its pipelines; ``none`` writes no pipeline."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    AZURE = "azure"
    JENKINS = "jenkins"
    NONE = "none"


#: The files by which a repository that already has pipelines is recognized.
_MARKERS = {
    ".github": Forge.GITHUB,
    ".gitlab-ci.yml": Forge.GITLAB,
    "bitbucket-pipelines.yml": Forge.BITBUCKET,
    "azure-pipelines.yml": Forge.AZURE,
    "Jenkinsfile": Forge.JENKINS,
}
#: Parts of the host name of its remote.
_HOSTS = {
    "github": Forge.GITHUB,
    "gitlab": Forge.GITLAB,
    "bitbucket": Forge.BITBUCKET,
    "dev.azure.com": Forge.AZURE,
    "visualstudio.com": Forge.AZURE,
}
#: Forge → file in docs/ci, destination, purpose.
_PIPELINES = {
    Forge.GITHUB: (
        (
            "pull-request.yml",
            ".github/workflows/kestra-plan.yml",
            "plans each pull request, and comments on it",
        ),
        ("main.yml", ".github/workflows/kestra-apply.yml", "applies what was merged"),
    ),
    Forge.GITLAB: (("gitlab-ci.yml", ".gitlab-ci.yml", "plans merge requests, applies main"),),
    Forge.BITBUCKET: (
        (
            "bitbucket-pipelines.yml",
            "bitbucket-pipelines.yml",
            "plans pull requests, applies main",
        ),
    ),
    Forge.AZURE: (
        ("azure-pipelines.yml", "azure-pipelines.yml", "plans pull requests, applies main"),
    ),
    Forge.JENKINS: (("Jenkinsfile", "Jenkinsfile", "plans branches, applies main"),),
    Forge.NONE: (),
}
_PAGES = SITE


def forge_of() -> Forge:
    """Detect the forge of the repository, from its files, else from the host of its remote."""
    for marker, forge in _MARKERS.items():
        if is_there(marker):
            return forge
    host = origin().repository.partition("/")[0]
    return next((forge for part, forge in _HOSTS.items() if part in host), Forge.NONE)


def pipelines(forge: Forge) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    """Return the files for ``forge``: path, purpose and text of each; and the manual steps."""
    made = [(path, purpose, _text(name)) for name, path, purpose in _PIPELINES[forge]]
    if not made:
        return [], ("For a pipeline, see docs/ci, or run with --ci github, gitlab, …",)
    notes = [
        f"{path} already exists: add the jobs of {_PAGES}/ci/ manually"
        for path, _, _ in made
        if is_there(path)
    ]
    return made, (*notes, f"The variables and secrets that the pipeline needs: {_PAGES}/ci/")


def _text(name: str) -> str:
    if (files("kestra_sync") / "pipelines" / name).is_file():
        text = (files("kestra_sync") / "pipelines" / name).read_text(encoding="utf-8")
    else:  # a working tree
        text = read_text(Path(__file__).parents[2] / "docs" / "ci" / name)
    text = re.sub(r"Copy to (?:\.github/workflows/|the root of the repository)\. ?", "", text)
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    text = text.replace("docs/ci/README.md", f"{_PAGES}/ci/")
    return _one_environment(text) if name == "gitlab-ci.yml" else text


def _one_environment(text: str) -> str:
    """The include of the component, without the inputs of an example with two environments."""
    include = re.search(r"^  - remote: .+$", text, re.MULTILINE)
    assert include is not None
    return (
        "# Plans merge requests, with a note on them; on the default branch saves a plan, and\n"
        "# applies it once it is approved; detects drift on a schedule.\n"
        f"# Explained in {_PAGES}/ci/.\n"
        f"include:\n{include[0]}\n"
    )
