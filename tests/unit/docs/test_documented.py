"""What can be configured or is depended upon is documented, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


def first_column(text: str) -> list[str]:
    """Return the first cells of all table rows that name one thing."""
    rows = re.findall(r"^\| `?([A-Za-z][\w.-]*)`? \|", text, flags=re.MULTILINE)
    return [row for row in rows if row not in ("variable", "package", "word", "question")]


def variables_read(path: Path) -> Iterator[str]:
    """Yield the environment variables that a settings module reads by ``env.TYPE("NAME")``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "env"
        ):
            name = node.args[0]
            assert isinstance(name, ast.Constant), f"{path.name}:{node.lineno}: the name of the variable must be written out"
            yield str(name.value)


def direct_requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [re.split(r"[\[<>=!~; ]", line)[0] for line in lines if line and not line.startswith(("#", "-"))]


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    settings, _, tests = (DOCS / "configuration.md").read_text().partition("## Tests")
    read = {name for path in (ROOT / "dynamo_site" / "settings").glob("*.py") for name in variables_read(path)}
    assert len(read) > 10
    documented = first_column(settings)
    assert sorted(read) == documented, "docs/configuration.md: one row per variable, in alphabetical order"
    test_settings = (ROOT / "dynamo_site/settings/test.py").read_text() + (ROOT / "tests/conftest.py").read_text()
    used = set(re.findall(r'environ\.get\("(\w+)"', test_settings))
    assert sorted(used) == first_column(tests)


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("## To run", "requirements.in"),
        ("## Storage beyond local folders", "requirements-storage.in"),
        ("## To check and test", "requirements-dev.in"),
    ],
)
def test_every_direct_dependency_is_explained(heading: str, requirements: str) -> None:
    section = (DOCS / "dependencies.md").read_text().split(heading)[1].split("\n## ")[0]
    assert first_column(section) == sorted(direct_requirements(requirements))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-storage.txt", "requirements-dev.txt"])
def test_pins_are_exact_and_name_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(pins) > 50
    assert [line for line in pins if not re.match(r"^[a-z0-9.-]+(\[[a-z,]+\])?==\S+( ; .+)?$", line)] == []
    assert not re.search(r"https?://|--index|file:|/(home|root|work|tmp|opt|usr)/", text)


def test_pins_are_those_of_the_direct_requirements() -> None:
    for source, compiled in (
        ("requirements.in", "requirements.txt"),
        ("requirements-storage.in", "requirements-storage.txt"),
        ("requirements-dev.in", "requirements-dev.txt"),
    ):
        pinned = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / compiled).read_text(), flags=re.MULTILINE))
        assert set(direct_requirements(source)) <= pinned


def test_all_files_pin_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9.-]+==\S+.*$", (ROOT / name).read_text(), flags=re.MULTILINE))

    assert pins("requirements.txt") <= pins("requirements-storage.txt") <= pins("requirements-dev.txt")


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
