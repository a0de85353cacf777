"""Two cycles compared by what they decided: on the command line, by the API, on the page; and when they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from inventory.models import BlockReplica
from policies.choices import CycleKind
from policies.exceptions import PolicyError
from policies.models import Comparison, Cycle
from policies.services.comparisons import cycles_comparison_request
from policies.services.cycles import cycle_run
from policies.services.policies import policy_create, policy_version_create
from policies.tasks import carry_out_comparison
from tests.factories.api import client_with
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db
OLD = """\
Partition P
On site.name == *
When always
Until never
ProtectBlock blockreplica.owner == DataOps
Protect dataset.name == /A/*
Dismiss
"""
NEW = OLD.replace("/A/*", "/B/*")
COMPARISONS = "/api/v1/policies/comparisons/"


def cycle_of(text: str, partition: str = "P") -> Cycle:
    text = text.replace("Partition P", f"Partition {partition}")
    return cycle_run(text=text, source=f"text of {partition}", kind=CycleKind.TEST_RUN, actor=ACTOR, now=CLOCK).cycle


@pytest.fixture
def cycles() -> tuple[Cycle, Cycle]:
    """Between them /A's first block leaves S1, and so does all of /C; /B goes in part in the old one, stays in the new one."""
    define("P")
    define("Q")
    mixed = {"b1": {"group": "DataOps"}, "b2": {}}
    datasets = [dataset("/A/x/RAW", ["b1", "b2"]), dataset("/B/x/AOD", ["b1", "b2"]), dataset("/C/x/AOD")]
    replicas = [replica("/A/x/RAW", "S1", ["b1", "b2"]), replica("/B/x/AOD", "S1", mixed), replica("/C/x/AOD", "S1")]
    store(document([site("S1")], datasets, replicas))
    old = cycle_of(OLD)
    BlockReplica.objects.filter(block__dataset__name="/A/x/RAW", block__name="b1").delete()
    BlockReplica.objects.filter(block__dataset__name="/C/x/AOD").delete()
    return old, cycle_of(NEW)


def compared(cycles: tuple[Cycle, Cycle], carry_out: Callable[..., Any]) -> Comparison:
    old, new = cycles
    with carry_out(execute=True):
        comparison = cycles_comparison_request(old_cycle_id=old.pk, new_cycle_id=new.pk, actor=ACTOR)
    comparison.refresh_from_db()
    return comparison


@pytest.fixture
def carry_out(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., Any]:
    monkeypatch.setattr(carry_out_comparison, "delay", carry_out_comparison.run)
    return django_capture_on_commit_callbacks


def test_what_changes_is_summed_by_blocks_and_what_left_meanwhile_is_no_change_of_mind(
    cycles: tuple[Cycle, Cycle], carry_out: Callable[..., Any]
) -> None:
    comparison = compared(cycles, carry_out)
    assert (comparison.state, comparison.error) == ("COMPLETED", "")
    sums = comparison.summary
    assert sums["goes"] == {"size_bytes": TB, "num_replicas": 1, "num_sites": 1}, "/A's second block"
    assert sums["stays"] == {"size_bytes": TB, "num_replicas": 1, "num_sites": 1}, "/B's second block; the first stayed anyway"
    assert sums["gone"] == {"size_bytes": 2 * TB, "num_replicas": 2, "num_sites": 1}, "/A's first block and all of /C"
    assert sums["others"]["num_replicas"] == 0
    assert {row["name"]: (row["goes_bytes"], row["stays_bytes"], row["gone_bytes"]) for row in sums["tiers"]} == {
        "RAW": (TB, 0, TB),
        "AOD": (0, TB, TB),
    }
    assert [(r["old"], r["old_line"], r["new"], r["new_line"]) for r in sums["rules"]] == [
        ("delete", 0, "gone", None),
        ("delete", 0, "protect", 6),
        ("protect", 6, "delete", 0),
        ("protect", 6, "gone", None),
    ]


def test_the_command_compares_them_and_exits_with_1_where_they_differ(cycles: tuple[Cycle, Cycle]) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("policy_compare", "--cycles", *(str(cycle.pk) for cycle in cycles), stdout=out)
    assert ended.value.code == 1
    assert "3 replicas change their decisions: 4 blocks, 4.00 TB" in out.getvalue()
    same = cycle_of(NEW)
    out = StringIO()
    call_command("policy_compare", "--cycles", str(cycles[1].pk), str(same.pk), stdout=out)
    assert out.getvalue() == "Both decide the same.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("1", "x"), 2, "'x' is no number of a cycle"),
        (("1", "2", "--with-guardrails"), 2, "--with-guardrails: only texts take it"),
        (("998", "999"), 1, "there is no cycle 998"),
    ],
)
def test_wrong_use_of_the_command_is_told(arguments: tuple[str, ...], code: int, message: str) -> None:
    with pytest.raises(CommandError, match=message) as refused:
        call_command("policy_compare", "--cycles", *arguments)
    assert refused.value.returncode == code


def test_cycles_that_cannot_be_compared_are_refused_with_the_reason(cycles: tuple[Cycle, Cycle]) -> None:
    old, new = cycles
    other = cycle_of(OLD, "Q")
    for pair, reason in (
        ((old.pk, old.pk), f"both are cycle {old.pk}"),
        ((old.pk, other.pk), f"cycle {old.pk} works in the partition P, cycle {other.pk} in Q"),
    ):
        with pytest.raises(PolicyError, match=reason):
            cycles_comparison_request(old_cycle_id=pair[0], new_cycle_id=pair[1], actor=ACTOR)
    Cycle.objects.filter(pk=old.pk).update(evidence_file="")
    with pytest.raises(PolicyError, match=f"what cycle {old.pk} saw is not kept any more"):
        cycles_comparison_request(old_cycle_id=old.pk, new_cycle_id=new.pk, actor=ACTOR)
    Cycle.objects.filter(pk=old.pk).update(state="FAILED")
    with pytest.raises(PolicyError, match=f"cycle {old.pk} is failed"):
        cycles_comparison_request(old_cycle_id=old.pk, new_cycle_id=new.pk, actor=ACTOR)
    assert not Comparison.objects.exists()


def test_the_api_compares_cycles_and_takes_nothing_beside_them(
    cycles: tuple[Cycle, Cycle], carry_out: Callable[..., Any]
) -> None:
    old, new = cycles
    client = client_with("view_cycle", "view_comparison")
    body = {"old_cycle": old.pk, "new_cycle": new.pk}
    with carry_out(execute=True):
        answer = client.post(COMPARISONS, body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    done = client.get(f"{COMPARISONS}{answer.json()['id']}/").json()
    assert (done["state"], done["old_cycle"], done["new_cycle"]) == ("COMPLETED", old.pk, new.pk)
    assert client.get(f"{COMPARISONS}{done['id']}/changes/", {"new": "gone"}).json()["total"] == 2
    assert client.get(COMPARISONS, {"new_cycle": new.pk}).json()["results"][0]["id"] == done["id"]
    for wrong in ({"old_cycle": old.pk}, body | {"text": NEW}, body | {"partition": "P"}, {"old_cycle": 2**70, "new_cycle": 1}):
        assert client.post(COMPARISONS, wrong, content_type="application/json").status_code == 400, wrong
    refused = client.post(COMPARISONS, {"old_cycle": old.pk, "new_cycle": old.pk}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_error")


def test_a_cycle_is_compared_from_its_page_and_every_change_is_listed(
    cycles: tuple[Cycle, Cycle], carry_out: Callable[..., Any], client: Client
) -> None:
    old, new = cycles
    client.force_login(User.objects.create_superuser("root"))
    page = client.get(reverse("admin:policies_cycle_change", args=[new.pk])).content.decode()
    assert f'<option value="{old.pk}">' in page
    with carry_out(execute=True):
        answer = client.post(reverse("admin:policies_cycle_compare", args=[new.pk]), {"other": old.pk})
        assert "looks again by itself" in client.get(answer["Location"]).content.decode()
    shown = reverse("admin:policies_comparison_change", args=[Comparison.objects.get().pk])
    assert answer["Location"] == shown
    page = client.get(shown).content.decode()
    for words in ("at 1 site would be deleted", "2 replicas", "were not there any more", "protected, line 6", "/B/x/AOD"):
        assert words in page, words
    filtered = client.get(shown, {"dataset": "/A/", "new": "delete"}).content.decode()
    assert "1 change," in filtered
    refused = client.post(reverse("admin:policies_cycle_compare", args=[new.pk]), {"other": "x"}, follow=True)
    assert "there is no cycle 0" in refused.content.decode()
    assert client.get(reverse("admin:policies_comparison_changelist")).status_code == 200


def test_two_saved_versions_are_compared_from_the_page_of_one(
    cycles: tuple[Cycle, Cycle], carry_out: Callable[..., Any], client: Client
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    policy = policy_create(name="P", partition_name="P", actor=ACTOR)
    old, new = (policy_version_create(policy_id=policy.pk, text=text, actor=ACTOR) for text in (OLD, NEW))
    address = reverse("admin:policies_policyversion_compare", args=[new.pk])
    page = client.get(reverse("admin:policies_policyversion_change", args=[new.pk])).content.decode()
    assert f'<option value="{old.pk}">v1' in page
    with carry_out(execute=True):
        answer = client.post(address, {"other": old.pk, "with_guardrails": "1"})
    comparison = Comparison.objects.get()
    assert answer["Location"] == reverse("admin:policies_comparison_change", args=[comparison.pk])
    assert (comparison.state, comparison.old_version, comparison.with_guardrails) == ("COMPLETED", old, True)
    assert comparison.summary["goes"]["num_replicas"] == comparison.summary["stays"]["num_replicas"] == 1
    for wrong in (new.pk, 999):
        refused = client.post(address, {"other": wrong}, follow=True).content.decode()
        assert "name two different versions of one policy" in refused
    assert client.get(address).status_code == 405
    client.force_login(User.objects.create_user("nobody"))
    assert client.post(address, {"other": old.pk}).status_code == 403
