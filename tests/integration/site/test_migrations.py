"""Migrations were squashed: a database that stands amid those of before goes on with them, to what a fresh one has at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parent.parent.parent.parent

#: Campaigns are not there yet; a plan is, of before plans had titles.
HALF_WAY = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now
executor = MigrationExecutor(connection)
executor.loader.replace_migrations = False
executor.loader.build_graph()
targets = [("inventory", "0009_resumable_injections"), ("policies", "0004_plan_item_owner"), ("operations", "0001_initial")]
model = executor.migrate(targets).apps.get_model
partition = model("policies", "Partition").objects.create(name="P")
cycle = model("policies", "Cycle").objects.create(
    partition=partition, kind="MANUAL", state="COMPLETED", finished_at=now(), clock=now(), source="P, version 1"
)
model("policies", "Plan").objects.create(cycle=cycle, num_items=0, size_bytes=0)
call_command("migrate", verbosity=0)
call_command("migrate", check_unapplied=True, verbosity=0)
"""


def make_database(path: Path, *arguments: str) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test",
        "TEST_DATABASE_URL": f"sqlite:///{path}",
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def read(path: Path, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def schema(path: Path) -> dict[str, list[str]]:
    """Return indexes by name, and the parts of each table: where it was altered, they stand in another order."""
    rows = read(path, "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name: sorted(sql[sql.index("(") + 1 : sql.rindex(")")].split(", ")) if kind == "table" else [sql]
        for name, kind, sql in rows
    }


def test_a_database_half_way_arrives_where_a_fresh_one_begins(tmp_path: Path) -> None:
    fresh, upgraded = tmp_path / "fresh.sqlite3", tmp_path / "upgraded.sqlite3"
    make_database(fresh, "manage.py", "migrate", "--verbosity=0")
    make_database(upgraded, "-c", HALF_WAY)
    assert schema(upgraded) == schema(fresh)
    assert read(upgraded, "SELECT title FROM policies_plan") == [("P, version 1",)]
    rights = "SELECT app_label, codename FROM auth_permission JOIN django_content_type t ON content_type_id = t.id ORDER BY 1, 2"
    assert read(upgraded, rights) == read(fresh, rights)


def test_a_squashed_migration_asks_of_other_apps_what_those_it_replaces_asked() -> None:
    """More would stop databases that have all that it replaces and not yet the rest."""
    migrations = MigrationLoader(None, replace_migrations=False).disk_migrations
    squashed = {key: migration for key, migration in migrations.items() if migration.replaces}
    assert squashed
    for (app, _name), migration in squashed.items():
        asked = {parent for key in migration.replaces for parent in migrations[key].dependencies if parent[0] != app}
        assert asked >= set(migration.dependencies)
        assert {parent[0] for parent in migration.dependencies} == {parent[0] for parent in asked}
