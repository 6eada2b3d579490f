"""The source tree as the house tests see it: files, their imports, their functions. Reads, never imports."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
GATEWAY: Final = ROOT / "gateway"
TESTS: Final = ROOT / "tests"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(folder: Path) -> list[Path]:
    """Every source file below, in order; installed npm packages are not ours."""
    return sorted(path for path in folder.rglob("*.py") if "node_modules" not in path.parts)


def short(path: Path) -> str:
    """The path from the top of the repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names the file imports, anywhere in it: in functions and under TYPE_CHECKING too.

    `from gateway.core import record` counts as `gateway.core.record`.
    """
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(path, node)
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _origin(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).with_suffix("").parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def calls(path: Path, name: str) -> bool:
    """Does the file call something by this name, bare or as an attribute?"""
    return name in _calls(path)


@cache
def _calls(path: Path) -> frozenset[str]:
    nodes = ast.walk(tree(path))
    return frozenset(_called(node.func) for node in nodes if isinstance(node, ast.Call))


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@cache
def functions(path: Path) -> tuple[tuple[str, int], ...]:
    """Name and length in lines, docstring included, of every function in the file."""
    return tuple(
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree(path))
        if isinstance(node, Function)
    )


def committed() -> list[Path]:
    """Every file of the repository; in a copy without git, every file outside of set-up and caches."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=True
        )
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not _made_here(path)]
    return [path for path in paths if path.is_file()]


def _made_here(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part == "node_modules" or part.endswith("_cache") for part in parts) or (
        not {".venv", ".git", ".bulkhead", ".bench", "__pycache__", ".hypothesis"}.isdisjoint(parts)
    )
