"""The tree keeps the house rules."""

from pathlib import Path

import pytest

from tests.architecture import rules

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "hsuanwu").rglob("*.py"))
COMPOSITION_ROOT = Path("hsuanwu/engine/build.py")
# Importing any module runs these too: an import here would reach up from every room below.
ROOF_FILES = [Path("hsuanwu") / room / "__init__.py" for room in ("", "xploit", "xplore")]


@pytest.fixture(params=FILES, ids=str)
def file(request):
    return request.param


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_nothing_is_too_long(file):
    assert rules.long_parts(read(file)) == []


def test_names_are_full_words(file):
    assert rules.forbidden_names(read(file)) == []


def test_fenced_libraries_are_imported_openly(file):
    assert rules.hidden_imports(read(file)) == []


def test_only_the_composition_root_instantiates(file):
    assert len(rules.instantiations(read(file))) == (file == COMPOSITION_ROOT)


@pytest.mark.parametrize("file", ROOF_FILES, ids=str)
def test_roofs_import_no_room(file):
    assert rules.house_imports(read(file)) == []


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in FILES}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []
