"""Enforces the rules of ``docs/architecture.md``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.code import PACKAGE, ROOT, nodes, paths, tree

_LONGEST_MODULE = 400
_SMALL = 60
#: Modules that may be longer, with the reason: a part would be understood with the rest only.
_LONGER = {
    "kestra_sync/plan/compare.py": 450,  # the three-way table, and what refines its outcome
}

#: What the stages hand to each other; everybody may import it.
_VALUES = {
    "configured", "edits", "errors", "findings", "model", "observer",
    "previews", "reasons", "resources", "safe", "schemas", "settings", "suggest", "version",
}  # fmt: skip

#: Part → the parts that it may import beyond the values. The stages are in the order of the
#: data flow, and none imports a later one.
_ALLOWED: dict[str, set[str]] = {
    "client": set(),
    "repo": set(),
    "render": {"repo", "plan"},  # the patterns that select flows
    "config": {"repo", "render", "checks", "plan"}, # the choices and rules that it names
    "inventory": {"client"},
    "checks": {"repo", "plan"},  # the order that calls give
    "plan": {"repo"},
    "triggers": {"repo"},
    "apply": {"client", "inventory", "plan", "triggers", "kinds"},
    # Of each kind of resource: reading, checking, writing and showing it.
    "kinds": {"client", "repo", "render", "checks", "plan"},
    "executions": {"client", "repo"},
    "smoke": {"client", "repo", "executions"},
    # Renders the values of every stage and the results of the commands.
    "report": {
        "repo", "config", "checks", "inventory", "plan", "kinds", "triggers", "apply",
        "executions", "smoke",
        "commands",
    },
    # Everything but the rendering.
    "commands": {
        "config", "client", "repo", "render", "inventory", "checks", "kinds", "plan",
        "triggers", "apply", "executions", "smoke",
    },
    "cli": {"client", "config", "inventory", "commands", "plan", "kinds", "report"},
    # Runs the command line inside of CI. Calls GitHub and GitLab by the rules of our HTTP.
    "action": {"client", "cli", "report", "repo"},
}  # fmt: skip

#: The values themselves import only each other.
_ALLOWED_VALUES: dict[str, set[str]] = {
    "edits": set(),
    "errors": set(),
    "reasons": set(),
    "resources": {"errors"},
    "model": {"edits", "errors", "reasons", "resources"},
    "observer": {"model"},
    "findings": {"model"},
    "suggest": set(),
    "schemas": {"findings", "suggest"},
    "configured": {"model"},
    "previews": {"errors"},
    "settings": {"configured", "model", "previews"},
    "safe": {"errors", "resources"},
    "version": set(),
}

#: Where Python and the shell come in; they import the rest on first use.
_ENTRY_POINTS = {"__init__", "__main__"}

#: Library → the only part that knows it.
_OWNERS = {
    "click": "cli", "requests": "client", "dotenv": "client", "ruamel": "repo", "jinja2": "report",
    "cronsim": "triggers",
    "jsonschema": "schemas",
}  # fmt: skip

#: The methods of the client that change a server, and whose they are.
_WRITES = {"create", "update", "delete", "put", "kill", "set_disabled"}
_RESOURCES = {"flows", "kv", "executions", "files", "triggers"}
#: ``kinds`` has the writes, which ``apply`` calls.
_WRITERS = {"apply", "executions", "smoke", "client", "kinds"}


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path
    tree: ast.Module

    @property
    def part(self) -> str:
        """The stage or the top-level module that it belongs to."""
        return self.path.relative_to(PACKAGE).with_suffix("").parts[0]

    @property
    def name(self) -> str:
        """How it is imported."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of the tree, walked once for all tests."""
        # Of those that tests make up, there is no file.
        return nodes(self.path) if self.path.exists() else tuple(ast.walk(self.tree))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def imports(self) -> tuple[tuple[int, str], ...]:
        """Line and full name of every import, those inside functions too."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[tuple[int, str]]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self}:{node.lineno}: write imports out in full"
                assert node.module is not None
                yield node.lineno, node.module
                if node.module == "kestra_sync":
                    yield from ((node.lineno, f"kestra_sync.{each.name}") for each in node.names)


@cache
def _modules() -> tuple[Module, ...]:
    return tuple(Module(path, tree(path)) for path in paths())


@cache
def _names() -> frozenset[str]:
    return frozenset(each.name for each in _modules())


def _parts_imported(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in module.imports:
        parts = name.split(".")
        if parts[0] == "kestra_sync" and len(parts) > 1 and not parts[1].startswith("__"):
            yield line, parts[1]


def test_architecture__every_part_is_listed() -> None:
    """A new package says here what it may import."""
    known = {*_ALLOWED, *_ALLOWED_VALUES, *_ENTRY_POINTS}
    assert {module.part for module in _modules()} <= known


def test_architecture__data_flows_in_one_direction() -> None:
    """No part imports one that comes after it."""
    wrong = []
    for module in _modules():
        if module.part in _ENTRY_POINTS:
            continue
        allowed = _ALLOWED_VALUES.get(module.part, _ALLOWED.get(module.part, set()) | _VALUES)
        wrong += [
            f"{module}:{line}: {module.part} must not import {part}"
            for line, part in _parts_imported(module)
            if part not in {*allowed, module.part}
        ]
    assert wrong == []


def test_the_allowed_imports_form_no_cycle() -> None:
    """What this file allows is one direction itself (``report`` and ``commands`` included)."""
    TopologicalSorter(_ALLOWED).prepare()


def _modules_imported(module: Module) -> set[str]:
    """The modules of the package that ``module`` imports when run, on first use included."""
    known = _names()
    found: set[str] = set()
    for node in _run(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # Of ``from package import name`` the module, unless all names are modules themselves.
            found |= names & known if names <= known else {*(names & known), str(node.module)}
    return (found & known) - {module.name}


def _run(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below ``node`` but those for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # holds no import
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from (each for other in child.orelse for each in (other, *_run(other)))
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _run(child)


#: Class names that two modules may define, with the reason. Empty, and best kept so.
_DEFINED_TWICE: dict[str, str] = {}


def test_architecture__public_names_are_unique() -> None:
    """No public class, and no alias of a type, is called as one of another module."""
    found: dict[str, list[str]] = {}
    for module in _modules():
        for name in _types_defined(module.tree):
            found.setdefault(name, []).append(str(module))
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert {name: twice[name] for name in twice if name not in _DEFINED_TWICE} == {}
    assert set(_DEFINED_TWICE) <= set(twice)


def _types_defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        else:
            continue
        yield from (each for each in names if re.match(r"[A-Z][A-Za-z]*[a-z]", each))


def test_the_check_for_names_sees_aliases() -> None:
    """The check above detects violations."""
    text = "class A1:\n    pass\nRun = Callable[[], None]\nLOG = 1\n_Own = int\nclass Place: pass\n"
    assert list(_types_defined(ast.parse(text))) == ["Run", "Place"]


def test_imports_name_modules_that_exist() -> None:
    """An import on first use fails late."""
    known = _names()
    wrong = [
        f"{module}:{line}: {name}"
        for module in _modules()
        for line, name in module.imports
        if name.startswith("kestra_sync.")
        and name not in known
        and name.rpartition(".")[0] not in known | {"kestra_sync"}
    ]
    assert wrong == []


def test_architecture__no_import_cycles() -> None:
    """Not by way of a third one either; an import on first use is an import."""
    graph = {module.name: _modules_imported(module) for module in _modules()}
    assert sum(map(len, graph.values())) > len(graph), "the imports were not seen"
    TopologicalSorter(graph).prepare()  # raises CycleError, which has the cycle


def test_the_check_for_cycles_sees_imports_on_first_use() -> None:
    """The check above detects violations."""
    lazy = "def f():\n    from kestra_sync.plan import order\n    import kestra_sync.model\n"
    typed = "if TYPE_CHECKING:\n    import kestra_sync.errors\n"
    module = Module(PACKAGE / "x.py", ast.parse(lazy + typed + "import kestra_sync.settings\n"))
    assert _modules_imported(module) == {
        "kestra_sync.plan.order", "kestra_sync.model", "kestra_sync.settings",
    }  # fmt: skip


def test_architecture__one_module_suggests_names() -> None:
    """Other copies would find other names near."""
    users = [str(m) for m in _modules() if "get_close_matches" in m.path.read_text("utf-8")]
    assert users == ["kestra_sync/suggest.py"]


@pytest.mark.parametrize(("library", "owner"), _OWNERS.items())
def test_architecture__libraries_are_used_by_one_part(library: str, owner: str) -> None:
    """So that it can be replaced, and the rest can be run without it."""
    wrong = [
        f"{module}:{line}"
        for module in _modules()
        for line, name in module.imports
        if name.split(".")[0] == library and module.part != owner
    ]
    assert wrong == []


def test_architecture__only_apply_and_smoke_write() -> None:
    """Calls such as ``client.flows.update(…)`` elsewhere would escape guards and plans."""
    wrong = [
        f"{module}:{call.lineno}: {ast.unparse(call.func)}"
        for module in _modules()
        if module.part not in _WRITERS
        for call in module.calls
        if _writes(call.func)
    ]
    assert wrong == []


def _writes(function: ast.expr) -> bool:
    if not (isinstance(function, ast.Attribute) and function.attr in _WRITES):
        return False
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.lstrip("_") in _RESOURCES


def test_the_check_for_writes_sees_them() -> None:
    """The check above detects violations."""
    calls = ["client.flows.update(a, b)", "self._kv.put(a, b, c)", "flows.delete(a)"]
    reads = ["client.flows.get(a)", "found.update(b)", "shutil.move(a, b)"]
    assert all(_writes(_function(text)) for text in calls)
    assert not any(_writes(_function(text)) for text in reads)


def _function(text: str) -> ast.expr:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    return call.func


#: What opens, makes, changes or removes a file.
_FILE_CALLS = {
    "open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "touch", "mkdir",
    "makedirs", "rmdir", "rmtree", "unlink", "remove", "rename", "symlink_to", "hardlink_to",
    "chmod", "mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "copyfile",
    "copy2", "copytree", "move", "dotenv_values", "load_dotenv", "FileIO",
}  # fmt: skip
#: Who may: the one module; what runs before there is a package; the standard streams (/dev/null).
_OPENERS = {"safe/paths.py", "action/install.py", "cli/streams.py"}
#: Calls of these names that open nothing: parts of the package, a zip in memory, text in memory.
_NO_FILES = re.compile(
    r"files\('kestra_sync.*|resources\.files\(.*|archive\.open|\(files\(.*|entries\.remove"
    r"|super\(\)\.write_text"  # of a help formatter
)


def test_placeholders_are_filled_in() -> None:
    """A part of a text that lacks its ``f`` would print the name of a constant."""
    found = []
    for module in _modules():
        inside = {
            id(part)
            for node in module.nodes
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        found += [
            f"{module}:{node.lineno}: {node.value}"
            for node in module.nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
            and re.search(r"\{[A-Z_]{2,}\}", node.value)
        ]
    assert found == []


def test_one_module_opens_files() -> None:
    """A checkout may contain links and FIFOs: a module that opens files by itself would follow
    them."""
    wrong = [
        f"{module}:{call.lineno}: {ast.unparse(call)}"
        for module in _modules()
        if module.path.relative_to(PACKAGE).as_posix() not in _OPENERS
        for call in module.calls
        if _opens(call)
    ]
    assert wrong == []


def _opens(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in _FILE_CALLS:
        return False
    text = ast.unparse(function)
    # Functions of our own: those of safe.paths, or that remove something on the server.
    ours = isinstance(function, ast.Name) and name in {"read_text", "read_bytes", "remove", "move"}
    in_memory = any(each.arg == "stream" for each in call.keywords)
    return not (ours or in_memory or _NO_FILES.match(text))


def test_the_check_for_files_sees_them() -> None:
    """The check above detects violations."""
    opens = [
        "open(a)", "Path(a).open('rb')", "a.read_text()", "Path(a).write_bytes(b)", "os.open(a, b)",
        "tempfile.mkstemp()", "io.open(a)", "a.mkdir()", "dotenv_values(a)", "shutil.move(a, b)",
    ]  # fmt: skip
    others = ["read_text(a)", "read_bytes(a)", "dotenv_values(stream=a)", "archive.open(a)", "f(a)"]
    calls = [ast.parse(text, mode="eval").body for text in (*opens, *others)]
    found = [isinstance(each, ast.Call) and _opens(each) for each in calls]
    assert found == [True] * len(opens) + [False] * len(others)


def test_architecture__only_report_and_cli_print() -> None:
    """All other parts return values, or notify the observer."""
    wrong = [
        f"{module}:{call.lineno}"
        for module in _modules()
        if module.part not in {"report", "cli"}
        for call in module.calls
        if getattr(call.func, "id", "") == "print"
    ]
    assert wrong == []


def test_architecture__everything_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods whose names do not start with an underscore."""
    wrong = [str(module) for module in _modules() if ast.get_docstring(module.tree) is None]
    for module in _modules():
        wrong += [f"{module}:{line}: {name}" for line, name in _undocumented(module.tree.body)]
    assert wrong == []


def _undocumented(
    body: list[ast.stmt], *, inside: ast.ClassDef | None = None
) -> Iterator[tuple[int, str]]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        # The methods of a protocol or an overload are documented where they are implemented.
        stub = not isinstance(node, ast.ClassDef) and _is_stub(node)
        if ast.get_docstring(node) is None and not stub and not _overrides(node, inside):
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body, inside=node)


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    last = node.body[-1]
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Constant)
        and last.value.value is Ellipsis
    )


def _overrides(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, inside: ast.ClassDef | None
) -> bool:
    """A method of a class with bases of its own may be documented there."""
    return inside is not None and bool(inside.bases) and not isinstance(node, ast.ClassDef)


def test_architecture__modules_stay_small() -> None:
    """A module has one job; a long one usually has two."""
    lengths = {str(m): len(m.path.read_text(encoding="utf-8").splitlines()) for m in _modules()}
    assert {name: n for name, n in lengths.items() if n > _LONGER.get(name, _LONGEST_MODULE)} == {}
    assert [name for name in _LONGER if lengths.get(name, 0) <= _LONGEST_MODULE] == []


_LONGEST_BODY = 50
_DEEPEST = 4
_LONGER_BODIES = {
    "kestra_sync/repo/parse.py: run": "one loop over the events of YAML, called for each",
}
_NESTS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def test_functions_stay_small() -> None:
    """Without signature and docstring; nested at most four levels deep."""
    long, deep = set(), set()
    for module in _modules():
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body and (node.end_lineno or 0) - body[0].lineno >= _LONGEST_BODY:
                    long.add(f"{module}: {node.name}")
                if _depth(node) > _DEEPEST:
                    deep.add(f"{module}: {node.name}")
    assert long == _LONGER_BODIES.keys()
    assert deep == set()


def _depth(node: ast.AST) -> int:
    """How deep the statements below ``node`` are nested; an ``elif`` does not count."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        deepest = max(deepest, _depth(child) + (isinstance(child, _NESTS) and not is_elif))
    return deepest


def test_the_check_for_functions_sees_levels() -> None:
    """The check above is only as good as this."""
    text = "def f():\n if a:\n  pass\n elif b:\n  for c in d:\n   with e:\n    pass\n"
    assert _depth(ast.parse(text).body[0]) == 3


#: Modules that may be small though only one other imports them: one of many.
_ONE_EACH = {
    "checks/policy_rules": "a module per policy rule",
    "report/graph_dot.py": "a module per way to draw a graph",
    "report/text.py": "a module per format",
}


def test_no_small_module_is_kept_for_one_other() -> None:
    """It would be read with the other anyway, and is better a part of it."""
    importers: dict[str, set[str]] = {module.name: set() for module in _modules()}
    for module in _modules():
        imported = _modules_imported(module) | {name for _line, name in module.imports}
        for name in imported & importers.keys() - {module.name}:
            importers[name].add(module.name)
    small = [
        str(module.path.relative_to(PACKAGE))
        for module in _modules()
        if not module.path.name.startswith("__")
        and len(importers[module.name]) == 1
        and len(_text(module).splitlines()) < _SMALL
    ]
    assert small, "the imports were not seen"
    assert [each for each in small if not each.startswith(tuple(_ONE_EACH))] == []


#: Modules on the path from a plan to its writes that look into documents, and which.
_DOCUMENTS = {
    "apply/neighbours.py": "records of others, as they are stored",
    "inventory/codec.py": "records",
    "inventory/others.py": "records",
    "inventory/read.py": "records",
    "inventory/record.py": "resources of unknown kinds, as they are stored",
    "plan/diff.py": "parsed sources",
    "plan/saved.py": "saved plans",
    "plan/structured.py": "parsed sources",
    "commands/pull_resources.py": "configurations",
}
_TYPED = {"plan", "apply", "inventory", "commands", "model", "reasons", "resources", "observer"}


def test_nothing_is_untyped_from_plan_to_write() -> None:
    """``Any`` is for what comes out of JSON and YAML; a plan and its changes have types."""
    found = {
        module.path.relative_to(PACKAGE).as_posix()
        for module in _modules()
        if module.part in _TYPED
        for node in module.nodes
        if isinstance(node, ast.Name) and node.id == "Any"
    }
    assert found == _DOCUMENTS.keys()


def test_threads_of_requests_are_started_in_one_place() -> None:
    """It knows what ``^C`` does to running calls, and ``--parallelism`` holds for all of them."""
    pools = [str(module) for module in _modules() if "ThreadPoolExecutor(" in _text(module)]
    assert pools == ["kestra_sync/client/parallel.py"]


def _text(module: Module) -> str:
    return module.path.read_text(encoding="utf-8")


#: Modules outside of ``kinds`` that name a kind other than flows, and why.
_NAME_KINDS = {
    "checks/reads.py": "the expressions in which flows name files and keys",
    "plan/compare.py": "equal contents of files, but not of keys, are a move",
    "commands/pull.py": "where what is only on the server is written",
    "commands/pull_resources.py": "the same",
    "commands/layouts.py": "the same, for a new configuration",
}


def test_kinds_are_used_through_their_protocol() -> None:
    """So that a new kind is a package and its row; see ``tests/unit/test_extending.py``."""
    found = {
        module.path.relative_to(PACKAGE).as_posix()
        for module in _modules()
        if module.part != "kinds"
        for node in module.nodes
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "Kind"
        and node.attr not in ("FLOW", "noun")
    }
    assert found == _NAME_KINDS.keys()
