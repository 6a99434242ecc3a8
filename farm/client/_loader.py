"""YAML and JSON, read safely: no objects, no key twice, complaints with line numbers."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Hashable
from typing import Any

import yaml

from farm.errors import InvalidInput


class _Loader(yaml.SafeLoader):
    """Plain values only, and a key may be there once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; refuses a key that comes twice, where YAML would let the last one win."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def load_text(text: str, name: str, *, json: bool = False) -> Any:
    """The value in a job file's text.

    Raises:
        InvalidInput: it is not YAML (or JSON); the sentence has the line.
    """
    try:
        return _from_json(text) if json else _from_yaml(text)
    except jsonlib.JSONDecodeError as error:
        found = f"line {error.lineno}: {error.msg.lower()}"
        raise _invalid(name, "JSON", found) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise _invalid(name, "YAML", f"{line}{error.problem or error.context}") from None
    except yaml.YAMLError:
        raise _invalid(name, "YAML", "it has characters that no text has") from None
    except RecursionError:
        raise _invalid(name, "YAML", "it is nested too deeply") from None
    except ValueError as error:
        raise _invalid(name, "YAML", str(error)) from None


def load_value(text: str, field: str) -> Any:
    """A value given on the command line, with YAML's types: ``2048``, ``30 cm``, ``true``, ``null``.

    Raises:
        InvalidInput: it is not YAML.
    """
    try:
        return _from_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidInput(
            f"--set {field}: {text!r} is not a YAML value; put quotes around it.", field=field
        ) from None


def _from_yaml(text: str) -> Any:
    # _Loader is a SafeLoader; the linter only knows the name.
    return yaml.load(text, Loader=_Loader)  # noqa: S506


def _from_json(text: str) -> Any:
    return jsonlib.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} is there twice")
        result[key] = item
    return result


def _invalid(name: str, language: str, found: str) -> InvalidInput:
    return InvalidInput(f"job file {name}: not valid {language} ({found}); correct it.", field="job")
