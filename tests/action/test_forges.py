"""The GitLab component and the snippets for other forges: syntax and guarantees."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from check_jsonschema import main
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from tests.action.act import ROOT
from tests.action.component import COMPONENT, jobs_of, load, scripts_of

CI = ROOT / "docs" / "ci"
_SCHEMAS = {
    "gitlab-ci": ["--data-transform", "gitlab-ci"],
    "bitbucket-pipelines": [],
    "azure-pipelines": ["--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"],
}


def check(forge: str, document: Any, folder: Path) -> Result:
    """By the schema that the forge publishes, as check-jsonschema has it."""
    path = folder / f"{forge}.json"
    # For Azure every scalar is text.
    path.write_text(json.dumps(_as_text(document) if forge == "azure-pipelines" else document))
    args = ["--builtin-schema", f"vendor.{forge}", *_SCHEMAS[forge], str(path)]
    return CliRunner().invoke(main, args)


def _as_text(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _as_text(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_as_text(each) for each in node]
    return str(node).lower() if isinstance(node, bool) else str(node)


@pytest.mark.parametrize("forge", list(_SCHEMAS))
def test_forges__syntax(forge: str, tmp_path: Path) -> None:
    """The schema detects mistakes."""
    text = (CI / f"{forge}.yml").read_text(encoding="utf-8")
    yaml = YAML(typ="safe")
    done = check(forge, yaml.load(text), tmp_path)
    assert done.exit_code == 0, done.output
    keys = {
        "gitlab-ci": "remote:",
        "bitbucket-pipelines": "trigger: manual",  # it takes keys that it does not know
        "azure-pipelines": "job:",
    }
    wrong = re.sub(rf"\b{keys[forge]}", "trigger: sometimes", text)
    assert wrong != text
    assert check(forge, yaml.load(wrong), tmp_path).exit_code == 1


def included() -> list[dict[str, str]]:
    return [each["inputs"] for each in load(CI / "gitlab-ci.yml")["include"]]


def test_gitlab_previews__promises(tmp_path: Path) -> None:
    """Never for forks, one run at a time, and stopped with the merge request."""
    jobs = load(CI / "gitlab-previews.yml")
    assert check("gitlab-ci", jobs, tmp_path).exit_code == 0
    up, stop = jobs["preview"], jobs["stop-preview"]
    assert up["environment"]["on_stop"] == "stop-preview"
    assert stop["environment"] == {"name": up["environment"]["name"], "action": "stop"}
    for job in (up, stop):
        (rule,) = job["rules"]
        assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]
    # GitLab only stops an environment by itself if the job has to be started by hand.
    assert (stop["rules"][0]["when"], stop["rules"][0]["allow_failure"]) == ("manual", True)
    assert jobs[".preview"]["resource_group"] == "preview-$CI_MERGE_REQUEST_IID"
    component = re.findall(r"kestra-sync/kestra-sync:([\d.]+)", COMPONENT.read_text("utf-8"))
    assert jobs[".preview"]["image"].endswith(f":{component[0]}")


def test_component__jobs_are_valid_with_any_inputs(tmp_path: Path) -> None:
    for inputs in ({}, *included()):
        done = check("gitlab-ci", jobs_of(inputs), tmp_path)
        assert done.exit_code == 0, done.output


def test_component__can_be_included_twice() -> None:
    """Each environment has its jobs, files, lock, and GitLab environments."""
    staging, production = map(jobs_of, included())
    assert not set(staging) & set(production)
    stages = load(CI / "gitlab-ci.yml")["stages"]
    assert {job["stage"] for job in (staging | production).values()} == set(stages)
    locks = [jobs[f"{name}:apply"]["resource_group"] for name, jobs in
             (("staging", staging), ("production", production))]  # fmt: skip
    assert locks == ["staging", "production"]

    def written(jobs: dict[str, Any]) -> set[str]:
        return set(re.findall(r"[\w-]+\.(?:xml|html|json)", json.dumps(jobs)))

    assert not written(staging) & written(production)
    order = stages.index
    assert order(staging["staging:apply"]["stage"]) < order(
        production["production:save-plan"]["stage"]
    )


def test_component__reviewed_means_applied() -> None:
    """Apply waits for someone, takes the plan of the job before, and is one at a time."""
    jobs = jobs_of({})
    apply = jobs["kestra:apply"]
    (rule,) = apply["rules"]
    assert (rule["when"], rule["allow_failure"]) == ("manual", False)
    assert apply["dependencies"] == ["kestra:save-plan"]
    assert "kestra-plan.json" in jobs["kestra:save-plan"]["artifacts"]["paths"]
    assert "--plan kestra-plan.json" in apply["script"][-1]
    assert apply["resource_group"]
    assert apply["interruptible"] is False


def test_component__token_that_writes_is_given_to_apply_only() -> None:
    """Every other job that needs a server has the environment of plans, which deploys nothing."""
    environments = {name: job.get("environment") for name, job in jobs_of({}).items()}
    reading = {"name": "kestra-plan", "action": "access"}
    assert environments == {
        "kestra:validate": None,
        "kestra:plan": reading,
        "kestra:save-plan": reading,
        "kestra:apply": {"name": "kestra"},
        "kestra:drift": reading,
    }


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({"CI_PIPELINE_SOURCE": "merge_request_event"}, {"validate", "plan"}),
        (
            {
                "CI_PIPELINE_SOURCE": "merge_request_event",
                "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2",
            },
            {"validate"},
        ),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, {"save-plan", "apply"}),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"}, set()),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}, {"drift"}),
        (
            {
                "CI_PIPELINE_SOURCE": "schedule",
                "CI_COMMIT_BRANCH": "main",
                "KESTRA_SYNC_SCHEDULE": "dependencies",
            },
            set(),
        ),
    ],
)  # fmt: skip
def test_component__which_jobs_run_when(pipeline: dict[str, str], expected: set[str]) -> None:
    """A fork gets no plan; a schedule detects drift and applies nothing."""
    variables = {
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
        "CI_DEFAULT_BRANCH": "main",
        **pipeline,
    }

    def holds(condition: str) -> bool:
        text = re.sub(r"\$(\w+)", lambda match: repr(variables.get(match[1])), condition)
        text = text.replace("null", "None").replace("&&", "and").replace("||", "or")
        return bool(eval(text, {"__builtins__": {}}))

    jobs = jobs_of({})
    ran = {name for name, job in jobs.items() if any(holds(rule["if"]) for rule in job["rules"])}
    assert ran == {f"kestra:{name}" for name in expected}


#: Where each forge says what runs.
_SNIPPETS = [
    COMPONENT,
    *(CI / name for name in ("bitbucket-pipelines.yml", "azure-pipelines.yml", "Jenkinsfile")),
]


@pytest.mark.parametrize("path", _SNIPPETS, ids=lambda path: path.name)
def test_forges__promises(path: Path) -> None:
    """All of them validate, plan, wait for approval, apply the saved plan, and detect drift."""
    text = path.read_text(encoding="utf-8")
    for words in ("validate --offline", "plan --out", "apply --yes --plan", "--rollback", "drift"):
        assert f"kestra-sync {words}" in text or words in text
    assert re.search(r"trigger: manual|environment: kestra|input \{|options: \[manual", text)
    versions = re.findall(r"ghcr\.io/kestra-sync/kestra-sync:([\d.]+)", text)
    (pinned,) = set(versions)
    recipe = (CI / "README.md").read_text(encoding="utf-8")
    assert f"rev: v{pinned}" in recipe


def test_jenkinsfile__is_balanced() -> None:
    """There is no parser of Groovy here; a bracket too many is the commonest mistake."""
    text = (CI / "Jenkinsfile").read_text(encoding="utf-8")
    code = re.sub(r"//.*|'[^'\n]*'", "", text)
    assert "'" not in code
    open_brackets = []
    for character in code:
        if character in "{([":
            open_brackets.append(character)
        elif character in "})]":
            assert open_brackets.pop() == "{(["["})]".index(character)]
    assert open_brackets == []


@pytest.mark.skipif(shutil.which("sh") is None, reason="Windows may have no sh")
@pytest.mark.parametrize("path", _SNIPPETS, ids=lambda path: path.name)
def test_forges__scripts_are_shell(path: Path) -> None:
    """Each script, as a forge gives it to a shell."""
    scripts = scripts_of(path)
    assert len(scripts) >= 3
    for script in scripts:
        done = subprocess.run(
            ["sh", "-n", "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, script + done.stderr
