"""The compiled copy: what is to be compiled is there, and nothing derives from it elsewhere."""

from __future__ import annotations

import ast

import pytest

from tools import compiled

DERIVED_FROM = {
    base.id
    for name in ("core", "venues", "tools")
    for path in (compiled.ROOT / name).rglob("*.py")
    if str(path.relative_to(compiled.ROOT)) not in compiled.MODULES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
    for base in node.bases
    if isinstance(base, ast.Name)
}


@pytest.mark.parametrize("module", compiled.MODULES)
def test_no_source_derives_a_class_from_a_compiled_one(module: str) -> None:
    tree = ast.parse((compiled.ROOT / module).read_text(encoding="utf-8"))
    plain = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and not {"Struct", "Protocol", "Enum", "StrEnum", "Misuse", "Malformed"}
        & {base.id for base in node.bases if isinstance(base, ast.Name)}
    }

    assert not plain & DERIVED_FROM
