"""Compile a JSON Schema into a function that tells whether a value is valid, and no more.

Nearly every flow is valid, and ``jsonschema`` takes milliseconds to say so. This knows just the
keywords that our schema uses, and refuses others; the tests hold it against ``jsonschema``, which
is asked for the reasons as soon as the answer is no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

_ANNOTATIONS = frozenset(
    ("$schema", "$id", "$defs", "$comment", "title", "description", "x-expected", "x-rule", "then")
)


def compile_schema(schema: Mapping[str, Any]) -> Check:
    """The function for a schema of draft 2020-12.

    :raises ValueError: for a keyword that is not known here.
    """
    return _Compiler(schema).check(schema)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: dict[str, Check] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}

# The classes for a quick look; a whole float is an integer to JSON Schema, hence both.
_CLASSES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._refs: dict[str, Check] = {}

    def check(self, schema: Any) -> Check:
        if isinstance(schema, bool):
            return lambda _value: schema
        checks = [
            check
            for keyword, argument in schema.items()
            if (check := self._keyword(keyword, argument, schema)) is not None
        ]
        if len(checks) == 1:
            return checks[0]

        def all_of(value: Any) -> bool:
            for check in checks:  # noqa: SIM110  all() with a generator is half as fast
                if not check(value):
                    return False
            return True

        return all_of

    def _keyword(self, keyword: str, argument: Any, schema: Mapping[str, Any]) -> Check | None:
        if keyword in _ANNOTATIONS:
            return None
        if keyword == "additionalProperties":
            known = frozenset(schema.get("properties", ()))
            return self._additional(known, argument)
        if keyword == "if":
            return self._if(argument, schema.get("then", True))
        name = keyword.removeprefix("$")
        build: Callable[[Any], Check] | None = getattr(self, f"_of_{name}", None)
        if build is None:
            raise ValueError(f"unknown keyword: {keyword}")
        return build(argument)

    def _of_ref(self, reference: str) -> Check:
        if reference not in self._refs:
            target: Check | None = None

            def follow(value: Any) -> bool:
                nonlocal target
                # Compiled when it is first needed: definitions refer to each other in circles.
                if target is None:
                    target = self.check(self._root["$defs"][reference.removeprefix("#/$defs/")])
                return target(value)

            self._refs[reference] = follow
        return self._refs[reference]

    def _of_type(self, names: str | list[str]) -> Check:
        if isinstance(names, str):
            return _TYPES[names]
        classes = tuple({found for name in names for found in _CLASSES[name]})
        if "boolean" not in names and "number" in names:
            return lambda value: isinstance(value, classes) and not isinstance(value, bool)
        if "integer" not in names or "number" in names:
            return lambda value: isinstance(value, classes)
        checks = [_TYPES[name] for name in names]
        return lambda value: any(check(value) for check in checks)

    def _of_enum(self, allowed: list[str]) -> Check:
        # Only texts: no need for JSON's idea of equal numbers and booleans.
        values = frozenset(allowed)
        return lambda value: isinstance(value, str) and value in values

    def _of_const(self, allowed: str) -> Check:
        return lambda value: isinstance(value, str) and value == allowed

    def _of_pattern(self, pattern: str) -> Check:
        search = re.compile(pattern).search
        return lambda value: not isinstance(value, str) or search(value) is not None

    def _of_minLength(self, least: int) -> Check:  # noqa: N802  the keyword's name
        return lambda value: not isinstance(value, str) or len(value) >= least

    def _of_maxLength(self, most: int) -> Check:  # noqa: N802
        return lambda value: not isinstance(value, str) or len(value) <= most

    def _of_minItems(self, least: int) -> Check:  # noqa: N802
        return lambda value: not isinstance(value, list) or len(value) >= least

    def _of_minimum(self, least: int) -> Check:
        return lambda value: not _is_number(value) or value >= least

    def _of_required(self, keys: list[str]) -> Check:
        return lambda value: not isinstance(value, dict) or all(key in value for key in keys)

    def _of_properties(self, schemas: Mapping[str, Any]) -> Check:
        checks = {
            key: self.check(schema) for key, schema in schemas.items() if schema not in (True, {})
        }

        def properties(value: Any) -> bool:
            if isinstance(value, dict):
                for key, item in value.items():
                    check = checks.get(key)
                    if check is not None and not check(item):
                        return False
            return True

        return properties

    def _additional(self, known: frozenset[str], schema: Any) -> Check:
        check = self.check(schema)
        return lambda value: (
            not isinstance(value, dict)
            or all(key in known or check(item) for key, item in value.items())
        )

    def _of_propertyNames(self, schema: Any) -> Check:  # noqa: N802
        check = self.check(schema)
        return lambda value: not isinstance(value, dict) or all(check(key) for key in value)

    def _of_items(self, schema: Any) -> Check:
        check = self.check(schema)
        return lambda value: not isinstance(value, list) or all(check(item) for item in value)

    def _of_allOf(self, schemas: list[Any]) -> Check:  # noqa: N802
        key = _switch(schemas)
        if key is not None:
            cases = {
                schema["if"]["properties"][key]["const"]: self.check(schema["then"])
                for schema in schemas
            }
            return lambda value: _by_case(value, key, cases)
        checks = [self.check(schema) for schema in schemas]
        return lambda value: all(check(value) for check in checks)

    def _of_anyOf(self, schemas: list[Any]) -> Check:  # noqa: N802
        checks = [self.check(schema) for schema in schemas]
        return lambda value: any(check(value) for check in checks)

    def _of_not(self, schema: Any) -> Check:
        check = self.check(schema)
        return lambda value: not check(value)

    def _if(self, condition: Any, then: Any) -> Check:
        test, check = self.check(condition), self.check(then)
        return lambda value: not test(value) or check(value)


def _switch(schemas: list[Any]) -> str | None:
    """The property by whose value each of ``schemas`` is chosen, if that is how they are built."""
    keys: set[str] = set()
    for schema in schemas:
        match schema:
            case {"if": {"properties": properties, "required": [key], **rest}, "then": _}:
                if rest != {"type": "object"} or set(properties[key]) != {"const"}:
                    return None
                keys.add(key)
            case _:
                return None
    return keys.pop() if len(keys) == 1 else None


def _by_case(value: Any, key: str, cases: Mapping[str, Check]) -> bool:
    if not isinstance(value, dict):
        return True
    case = value.get(key)
    check = cases.get(case) if isinstance(case, str) else None
    return check is None or check(value)
