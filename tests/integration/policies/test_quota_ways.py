"""Quotas by command, by API and on screens: the same services, each with, without and with another's right."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import assign_perm
from kombu.exceptions import OperationalError

from inventory.models import AuditEvent
from policies.models import Partition, Quota, QuotaPreview
from policies.selectors.quotas import quota_grid
from policies.services.partitions import partition_define
from policies.tasks import carry_out_quota_preview
from tests.factories.api import client_of, client_with
from tests.factories.inventories import TB, document, site
from tests.factories.policies import ACTOR, define, store
from tests.factories.screens import account

pytestmark = pytest.mark.django_db(transaction=True)
QUOTAS = "/api/v1/policies/quotas/"
PREVIEWS = "/api/v1/policies/quota-previews/"
JSON = "application/json"


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out_quota_preview, "delay", carry_out_quota_preview.run)
    define("A", "blockreplica.owner == AnalysisOps")
    define("D", "blockreplica.owner == DataOps")
    partition_define(name="AD", parts=["A", "D"], actor=ACTOR)
    quotas = {("T2_A", "A"): 100 * TB, ("T2_A", "D"): 50 * TB, ("T2_B", "A"): 10 * TB}
    store(document([site("T2_A"), site("T2_B"), site("T3_C")], [], [], quotas=quotas))


def sizes() -> dict[tuple[str, str], int]:
    return {key: size // TB for key, size in quota_grid().size_bytes.items() if key[1] != "AD"}


def run(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("quota_set", *words, stdout=out, stderr=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def post(client: Client, address: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = client.post(address, body, content_type=JSON)
    return answer.status_code, answer.json()


# -- command ---------------------------------------------------------------------------------------------------------------


def test_the_command_sets_quotas_at_sites_by_wildcard() -> None:
    code, said = run("--partition", "A", "--site", "T2_*", "--volume", "70TB", "--dry-run")
    assert (code, sizes()["T2_A", "A"]) == (0, 100)
    assert "-30.0 TB" in said
    assert "2 quotas would be set" in said
    assert run("--partition", "A", "--site", "T2_*", "--volume", "70TB", "--reason", "as agreed")[0] == 0
    assert (sizes()["T2_A", "A"], sizes()["T2_B", "A"]) == (70, 70)
    assert AuditEvent.objects.get(action="policies.quotas_set").reason == "as agreed"
    assert run("--partition", "A", "--site", "T?_*", "--scale", "1.5")[0] == 0
    assert (sizes()["T2_A", "A"], sizes().get(("T3_C", "A"))) == (105, None)
    assert run("--partition", "A", "--site", "T2_A", "--volume", "120 TB", "--adjust-other")[0] == 0
    assert (sizes()["T2_A", "A"], sizes()["T2_A", "D"]) == (120, 35)
    assert run("--partition", "A", "--site", "T2_B", "--remove")[0] == 0
    assert ("T2_B", "A") not in sizes()


def test_the_command_shows_what_the_policies_would_do() -> None:
    assert (
        "no active policy works on it"
        in run("--partition", "A", "--site", "T2_A", "--volume", "1TB", "--preview", "--dry-run")[1]
    )


def test_a_dump_is_taken_back_by_inject(tmp_path: Any) -> None:
    code, dump = run("--dump")
    assert code == 0
    assert len(json.loads(dump)["sitepartition"]) == 3
    before = sizes()
    Quota.objects.all().delete()
    (tmp_path / "quotas.json").write_text(dump)
    call_command("inject", str(tmp_path / "quotas.json"), stdout=io.StringIO())
    assert sizes() == before
    assert run("--dump", "csv", "--partition", "A", "--site", "T2_B")[1].splitlines() == [
        "site,partition,quota",
        "T2_B,A,10000000000000",
    ]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--partition", "A"], 2, "name a --partition and a --site"),
        (["--partition", "A", "--site", "T2_A"], 2, "say what the quota shall be"),
        (["--partition", "A", "--site", "T2_A", "--volume", "much"], 2, "is no size"),
        (["--partition", "A", "--site", "T9_*", "--volume", "1TB"], 1, "no site fits 'T9_*'"),
        (["--partition", "X", "--site", "T2_A", "--volume", "1TB"], 1, "no partition 'X'"),
        (["--partition", "AD", "--site", "T2_A", "--volume", "1TB"], 1, "the sum of theirs"),
        (["--partition", "D", "--site", "T3_C", "--scale", "2"], 1, "nothing to scale"),
        (["--partition", "A", "--site", "T2_A", "--scale", "0"], 1, "above 0"),
    ],
)
def test_wrong_use_is_explained_and_sets_nothing(words: list[str], code: int, problem: str) -> None:
    before = sizes()
    found, said = run(*words)
    assert problem in said
    assert found == code
    assert sizes() == before


# -- API -------------------------------------------------------------------------------------------------------------------


def test_one_quota_is_set_by_who_may_on_that_partition() -> None:
    body = {"partition": "A", "site": "T2_A", "size": "90 TB", "reason": "as agreed"}
    assert post(Client(), QUOTAS, body)[0] == 401
    user = User.objects.create_user("asmith")
    user.user_permissions.set(Permission.objects.filter(codename="view_quota"))
    assert post(client_of(user), QUOTAS, body)[0] == 403
    assign_perm("policies.set_quota", user, Partition.objects.get(name="D"))
    assert post(client_of(user), QUOTAS, body)[0] == 403
    assert post(client_of(user, "read"), QUOTAS, body | {"partition": "D"})[1]["code"] == "scope_missing"
    assign_perm("policies.set_quota", user, Partition.objects.get(name="A"))
    status, done = post(client_of(user), QUOTAS, body)
    assert (status, done["changed"]) == (
        200,
        [{"partition": "A", "site": "T2_A", "before_bytes": 100 * TB, "after_bytes": 90 * TB}],
    )
    assert AuditEvent.objects.get(action="policies.quota_set").reason == "as agreed"
    assert post(client_of(user), QUOTAS, body)[1]["changed"] == []
    quota = Quota.objects.get(partition__name="A", site__name="T2_A")
    assert [row["size_bytes"] for row in client_of(user).get(f"{QUOTAS}{quota.pk}/history/").json()] == [100 * TB, 90 * TB]


def test_many_quotas_are_set_together_and_the_sum_is_kept() -> None:
    client = client_with("set_quota", "view_quota")
    wanted = [{"partition": "A", "site": "T2_A", "size_bytes": 120 * TB}]
    assert post(client, f"{QUOTAS}set-many/", {"quotas": wanted, "keep_sum_of": "AD"})[0] == 200
    assert (sizes()["T2_A", "A"], sizes()["T2_A", "D"]) == (120, 30)
    stale = [{"partition": "A", "site": "T2_A", "size_bytes": 1, "expected_bytes": 5}]
    status, refusal = post(client, f"{QUOTAS}set-many/", {"quotas": stale})
    assert (status, refusal["code"]) == (409, "invalid_transition")
    for wrong, code in [
        ({"partition": "AD", "site": "T2_A", "size_bytes": 1}, "partition_invalid"),
        ({"partition": "A", "site": "T2_A"}, "invalid"),
        ({"partition": "A", "site": "T2_A", "size": "much"}, "invalid"),
        ({"partition": "A", "site": "T2_A", "size_bytes": 2**70}, "quota_invalid"),
    ]:
        status, refusal = post(client, f"{QUOTAS}set-many/", {"quotas": [*wanted, wrong]})
        assert (status, refusal["code"]) == (400, code), wrong
    assert sizes()["T2_A", "A"] == 120


def test_a_preview_is_asked_for_polled_and_sets_nothing() -> None:
    body = {"quotas": [{"partition": "A", "site": "T2_A", "size": "1 TB"}]}
    assert post(Client(), PREVIEWS, body)[0] == 401
    assert post(client_with("view_quota"), PREVIEWS, body)[0] == 403
    client = client_with("view_cycle", "view_quotapreview")
    status, preview = post(client, PREVIEWS, body)
    assert status == 202
    found = client.get(f"{PREVIEWS}{preview['id']}/").json()
    assert (found["state"], found["result"]["without_policy"]) == ("COMPLETED", ["A"])
    assert sizes()["T2_A", "A"] == 100
    same = {"quotas": [{"partition": "A", "site": "T2_A", "size": "100 TB"}]}
    assert post(client, PREVIEWS, same)[1]["code"] == "quota_invalid"


def test_a_broker_that_is_down_fails_the_preview_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(carry_out_quota_preview, "delay", refuse)
    body = {"quotas": [{"partition": "A", "site": "T2_A", "size": "1 TB"}]}
    assert post(client_with("view_cycle"), PREVIEWS, body)[0] == 503
    assert QuotaPreview.objects.get().state == "FAILED"


# -- screens ---------------------------------------------------------------------------------------------------------------


def grid_fields(client: Client) -> dict[str, str]:
    """Return what a browser would send of the untouched grid."""
    context = client.get("/admin/policies/quota/grid/").context
    fields = {}
    for row in context["rows"]:
        fields[f"seen:{row.site}"] = row.seen
        fields |= {cell.name: cell.text for cell in row.cells if cell.is_editable}
    return fields


def test_the_grid_is_typed_previewed_and_then_set(client: Client) -> None:
    client.force_login(account("Operators"))
    page = client.get("/admin/policies/quota/grid/").content.decode()
    assert 'value="100 TB"' in page
    assert "150 TB" in page, "the sum of the superpartition"
    fields = grid_fields(client)
    key = Partition.objects.get(name="A").pk
    assert client.post("/admin/policies/quota/grid/", fields).status_code == 200
    assert not QuotaPreview.objects.exists()
    wrong = client.post("/admin/policies/quota/grid/", fields | {f"q:{key}:T2_A": "much"})
    assert wrong.status_code == 400
    assert "is no size" in wrong.content.decode()
    answer = client.post("/admin/policies/quota/grid/", fields | {f"q:{key}:T2_A": "80 TB", f"q:{key}:T3_C": "5 TB"})
    assert answer.status_code == 302
    shown = client.get(answer["Location"]).content.decode()
    assert "Set 2 quotas" in shown
    assert sizes()["T2_A", "A"] == 100
    assert "Say why" in client.post(answer["Location"], {"reason": " "}).content.decode()
    Quota.objects.filter(partition_id=key, site__name="T2_A").update(size_bytes=99 * TB)
    refused = client.post(answer["Location"], {"reason": "as agreed"})
    assert (refused.status_code, "look again" in refused.content.decode()) == (409, True)
    Quota.objects.filter(partition_id=key, site__name="T2_A").update(size_bytes=100 * TB)
    assert client.post(answer["Location"], {"reason": "as agreed"}).status_code == 302
    assert (sizes()["T2_A", "A"], sizes()["T3_C", "A"]) == (80, 5)


def test_the_grid_shows_every_size_with_its_unit_and_what_is_left_as_it_was_stays_to_the_byte(client: Client) -> None:
    client.force_login(account("Operators"))
    key, exact = Partition.objects.get(name="A").pk, 2_241_555_351_234_567
    Quota.objects.filter(partition_id=key, site__name="T2_A").update(size_bytes=exact)
    page = client.get("/admin/policies/quota/grid/").content.decode()
    assert 'value="2.24 PB"' in page
    assert 'title="2.241555351234567 PB"' in page
    fields = grid_fields(client)
    client.post("/admin/policies/quota/grid/", fields)
    assert not QuotaPreview.objects.exists()
    client.post("/admin/policies/quota/grid/", fields | {f"q:{key}:T2_B": "11 TB"})
    assert [row["site"] for row in QuotaPreview.objects.get().changes] == ["T2_B"]
    assert Quota.objects.get(partition_id=key, site__name="T2_A").size_bytes == exact


def test_a_decrease_waits_for_its_preview_and_an_increase_does_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out_quota_preview, "delay", lambda preview_id: None)
    client.force_login(account("Operators"))
    key, fields = Partition.objects.get(name="A").pk, grid_fields(client)
    address = client.post("/admin/policies/quota/grid/", fields | {f"q:{key}:T2_A": "80 TB"})["Location"]
    assert "wait until it is known" in client.post(address, {"reason": "now"}).content.decode()
    assert sizes()["T2_A", "A"] == 100
    address = client.post("/admin/policies/quota/grid/", fields | {f"q:{key}:T2_A": "180 TB"})["Location"]
    assert client.post(address, {"reason": "now"}).status_code == 302
    assert sizes()["T2_A", "A"] == 180


def test_who_may_set_one_partition_edits_that_alone(client: Client) -> None:
    user = account("Auditors")
    client.force_login(user)
    assert "dy-cell" not in client.get("/admin/policies/quota/grid/").content.decode()
    assign_perm("policies.set_quota", user, Partition.objects.get(name="D"))
    fields = grid_fields(client)
    assert {name.split(":")[1] for name in fields if name.startswith("q:")} == {str(Partition.objects.get(name="D").pk)}
    forged = {"seen:T2_A": json.dumps({str(Partition.objects.get(name="A").pk): "100 TB"})}
    client.post("/admin/policies/quota/grid/", forged | {f"q:{Partition.objects.get(name='A').pk}:T2_A": "1 TB"})
    assert not QuotaPreview.objects.exists()


def test_the_form_of_one_quota_takes_units_and_previews_a_decrease(client: Client) -> None:
    client.force_login(account("Operators"))
    quota = Quota.objects.get(partition__name="A", site__name="T2_A")
    address = f"/admin/policies/quota/{quota.pk}/change/"
    page = client.get(address).content.decode()
    assert 'value="100 TB"' in page
    assert "How it was set" in page
    assert client.post(address, {"size": "120 TB"}).status_code == 302
    assert sizes()["T2_A", "A"] == 120
    assert "/preview/" in client.post(address, {"size": "20 TB"})["Location"]
    assert sizes()["T2_A", "A"] == 120
    assert "is no size" in client.post(address, {"size": "much"}).content.decode()


def test_previews_have_a_list_from_which_each_opens(client: Client) -> None:
    changes = [{"partition": "A", "site": f"T2_{name}", "size_bytes": 10**12, "expected_bytes": None} for name in "ABC"]
    preview = QuotaPreview.objects.create(changes=changes, clock=timezone.now(), started_by="olga")
    client.force_login(account("Auditors"))
    page = client.get("/admin/policies/quotapreview/", {"q": "olga"}).content.decode()
    assert "A at T2_A: 1.00 TB and 2 more" in page
    opened = client.get(f"/admin/policies/quotapreview/{preview.pk}/change/")
    assert opened["Location"] == f"/admin/policies/quota/preview/{preview.pk}/"
    client.force_login(account(None))
    assert client.get("/admin/policies/quotapreview/").status_code == 403
