"""The compiled copy: what is to be compiled is there, and nothing derives from it elsewhere."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from core.model.errors import Misuse
from core.model.frozen import Frozen
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


@pytest.mark.parametrize("module", compiled.MODULES)
def test_what_a_compiled_struct_must_not_lose_it_inherits(module: str) -> None:
    """A metaclass gets no keywords of a compiled class. Without kw_only what has to be given comes
    first.
    """
    tree = ast.parse((compiled.ROOT / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or not node.keywords:
            continue
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        lost = {str(keyword.arg) for keyword in node.keywords} - {"kw_only"}
        assert bases == ["Frozen"], node.name
        assert lost <= {"frozen", "gc"}, node.name
        fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
        given = [field.value is None for field in fields]
        assert given == sorted(given, reverse=True), node.name
        assert Frozen.__struct_config__.frozen
        assert not Frozen.__struct_config__.gc


def test_what_is_to_be_compiled_exists_and_is_said_to_setuptools() -> None:
    text = compiled.SETUP.format(modules=list(compiled.MODULES))

    ast.parse(text)
    assert all(module in text and (compiled.ROOT / module).exists() for module in compiled.MODULES)


def test_a_copy_of_another_source_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, copy = tmp_path / "here", tmp_path / "copy"
    for folder in (here, copy):
        (folder / "core").mkdir(parents=True)
        (folder / "core" / "book.py").write_text("best = 1\n", encoding="utf-8")
    monkeypatch.setattr(compiled, "ROOT", here)
    assert compiled.differs(copy) == ""

    (here / "core" / "book.py").write_text("best = 2\n", encoding="utf-8")
    assert compiled.differs(copy) == "core/book.py"
    (copy / "core" / "book.py").unlink()
    assert compiled.differs(copy) == "core/book.py"


def test_what_cannot_be_compiled_says_why(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no such thing"):
        compiled._make([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_a_build_that_fails_its_tests_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "print('1 failed'); raise SystemExit(1)"]
    with pytest.raises(compiled.BuildsDiffer, match="the compiled copy"):
        compiled._run(failing, tmp_path)
    assert "1 failed" in capsys.readouterr().out

    passing = [sys.executable, "-c", "print('8 passed')"]
    assert compiled._run(passing, tmp_path) == "8 passed"
