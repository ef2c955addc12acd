"""Draw which components of the engine know which, as Mermaid: who imports whom, and ways back.

A way back is a function that `Engine.__init__` hands to a component and that leads to another one,
or into the engine: it makes a ring at run time, whatever the imports say. Both are read from the
source of a checkout, so that two of them can be compared. Imports that others imply are left out.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator, Mapping

HERE = pathlib.Path(__file__).parents[1]
COMPONENTS = sorted(path.stem for path in (HERE / "core/engine").glob("*.py"))
BESIDE = ("__init__", "engine", "replay", "status")
"""What is no component: the engine itself, and who looks at it."""

Edges = dict[str, set[str]]


def imports(checkout: pathlib.Path, package: str) -> Edges:
    """Return which components import which."""
    folder = checkout / package.replace(".", "/")
    names = [n for n in COMPONENTS if n not in BESIDE and (folder / f"{n}.py").is_file()]
    found: Edges = {name: set() for name in names}
    for name in names:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
                found[name].add((node.module or "").removeprefix(f"{package}."))
        found[name] &= set(names) - {name}
    return found


def reduced(edges: Edges) -> Edges:
    """Leave out each edge that a longer way implies."""

    def reach(name: str) -> set[str]:
        return {name}.union(*(reach(other) for other in edges[name]))

    return {
        name: {to for to in others if not any(to in reach(via) for via in others - {to})}
        for name, others in edges.items()
    }


def ways_back(source: str) -> Edges:
    """Return which component was handed a function that leads to which other."""
    tree = ast.parse(source)
    modules = {
        alias.name: (node.module or "").rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    made: dict[str, tuple[str, list[ast.keyword]]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)],
                value=ast.Call(func=ast.Name(id=name), keywords=given),
            ) if modules.get(name) in COMPONENTS:
                made[attribute] = (modules[name], given)
    components = {attribute: module for attribute, (module, _) in made.items()}
    found: Edges = {}
    for module, given in made.values():
        leads = {to for each in given for to in _leads_to(each.value, components)} - {module}
        if leads:
            found[module] = leads
    return found


def _leads_to(given: ast.expr, components: Mapping[str, str]) -> Iterator[str]:
    if isinstance(given, ast.Lambda):
        names = [n.attr for n in ast.walk(given) if isinstance(n, ast.Attribute) and _is_self(n)]
    elif isinstance(given, ast.Attribute) and _is_self(given) and given.attr.startswith("_"):
        names = [given.attr]
    else:
        return
    for name in names:
        if name in components:
            yield components[name]
        elif name.startswith("_"):
            yield "engine"


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def picture(checkout: pathlib.Path) -> str:
    """Return the picture of one checkout."""
    package = "core.engine" if (checkout / "core/engine").is_dir() else "core"
    lines = ["flowchart TD"]
    for name, others in sorted(reduced(imports(checkout, package)).items()):
        lines += [f"    {name} --> {other}" for other in sorted(others)]
    engine = checkout / package.replace(".", "/") / "engine.py"
    back = ways_back(engine.read_text(encoding="utf-8"))
    for name, others in sorted(back.items()):
        lines += [f"    {name} -. back .-> {other}" for other in sorted(others)]
    return "\n".join(lines)


def main() -> None:
    print(picture(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))


if __name__ == "__main__":
    main()
