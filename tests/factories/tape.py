"""Campaigns on tape, in the style of those that the field kept: exact names, patterns, locks, and last copies among them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group as AuthGroup

from campaigns.models import QuorumGroup, QuorumRule
from inventory.models import BlockReplica, Site
from inventory.services.audit import Actor
from inventory.services.injections import inject
from inventory.services.locks import lock_create
from policies.models import Partition
from tests.factories.campaigns import COMPUTING, PHYSICS, Collaboration

TEXT = """\
### Partition
Partition Tape

### Target sites
On site.name in [T*_MSS]

### Deletion trigger
When always
Until never

### Rules

ProtectBlock blockreplica.is_locked

Protect dataset.name == /MinBias_TuneZ2star_8TeV-pythia6/Summer12-START50_V13-v3/GEN-SIM
Protect dataset.name == /Neutrino*/*/*

Delete dataset.name =~ /[^/]+/Summer12-[^/]*/GEN-SIM
Delete dataset.name =~ /[^/]+/RunIIWinter15GS-[^/]*/GEN-SIM allow last copy
Delete dataset.name =~ /[^/]+/RunIISummer15GS-[^/]*/GEN-SIM allow last copy

# Default decision
Protect

### Candidate ordering
Order none
"""
#: Dataset -> (blocks, whether a copy is on disk, too).
DATASETS = {
    "/TTJets_8TeV-madgraph/Summer12-START50_V13-v3/GEN-SIM": (3, True),
    "/WJetsToLNu_13TeV-pythia8/RunIIWinter15GS-MCRUN2_71_V1-v1/GEN-SIM": (2, False),
    "/GluGluHToZZ_M125_13TeV/RunIISummer15GS-MCRUN2_71_V1-v2/GEN-SIM": (2, False),
    "/MinBias_TuneZ2star_8TeV-pythia6/Summer12-START50_V13-v3/GEN-SIM": (1, False),
    "/TTJets_8TeV-madgraph/RunIIAutumn18-102X_v15-v1/AODSIM": (1, True),
}
KEPT = "/GluGluHToZZ*"
#: Files of a dataset of the made inventory, and what a byte there becomes here.
MOST_FILES, BYTES_PER_BYTE = 12, 10**8
MADE_DATASETS = 1200


@dataclass(frozen=True)
class Tape:
    """What a campaign on tape needs: its partition exists, its files lie in the folders of the tape sites."""

    text: str
    kept: str
    sites: tuple[str, ...]

    def files(self, people: Collaboration) -> dict[str, set[str]]:
        return {site: people.world.files(site) for site in self.sites}


def own_tape(people: Collaboration) -> Tape:
    """Make a small tape site: data with a copy on disk, last copies, a locked block, and what the text protects."""
    _partition()
    tape = people.world.site("T1_X_MSS", storage_type="MSS")
    disk = Site.objects.get(name="T2_A")
    for dataset, (num_blocks, is_on_disk) in DATASETS.items():
        for number in range(num_blocks):
            block = people.world.block(dataset, f"{dataset.split('/')[1][:8]}-{number}", num_files=2, size_bytes=400)
            people.world.replica(block, tape, people.higgs if "Higgs" in dataset or "HTo" in dataset else None)
            if is_on_disk:
                people.world.replica(block, disk, with_files=False)
    lock_create(dataset_pattern="/TTJets*", block_pattern="TTJets_8-2", actor=people.actor("rita"), now=people.now)
    return Tape(TEXT, KEPT, ("T1_X_MSS",))


def made_tape(people: Collaboration, *, tool: Path, text: Path) -> Tape:
    """Make an inventory with *tool*, scaled down to files of some bytes, and take the real *text* of a campaign."""
    _partition()
    made, small = people.folder / "made.json", people.folder / "small.json"
    people.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(tool), "--datasets", str(MADE_DATASETS), "--seed", "3", "--files", "--out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    num_kept = 0
    with made.open() as source, small.open("w") as target:
        for line in source:
            document = json.loads(line)
            if (scaled := _scaled(document)) is not None:
                num_kept += 1
                if num_kept % 3 == 0:  # the tool gives everything a copy on disk; a campaign on tape is about last copies, too
                    on_tape = [replica for replica in scaled.get("datasetreplica", []) if replica["site"].endswith("_MSS")]
                    scaled |= {"datasetreplica": on_tape} if on_tape else {}
                target.write(json.dumps(scaled) + "\n")
    inject(source=str(small), actor=Actor("test"), now=people.now)
    sites = Site.objects.filter(storage_type="MSS")
    for site in sites:
        people.world.root(site.name).mkdir(parents=True)
        site.endpoint_url = people.world.root(site.name).as_uri()
        site.save()
    for replica in BlockReplica.objects.filter(site__in=sites).select_related("site", "block"):
        _write(people, replica)
    rules = [f"{line} allow last copy" if line.startswith("Delete") and "RunII" in line else line for line in _lines(text)]
    return Tape("\n".join(rules) + "\n", "", tuple(sites.values_list("name", flat=True)))


def _lines(text: Path) -> list[str]:
    return text.read_text().splitlines()


def _partition() -> None:
    partition = Partition.objects.create(name="Tape", condition="site.storage_type == MSS")
    rule = QuorumRule.objects.create(partition=partition, min_signatures=2)
    for name in (PHYSICS, COMPUTING):
        QuorumGroup.objects.create(rule=rule, group=AuthGroup.objects.get(name=name))


def _scaled(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return a line of the made inventory with small files, None for one that this campaign does not need."""
    if "sitepartition" in document:
        return None
    if "dataset" not in document:
        return {"site": document["site"], "group": document["group"]}
    (dataset,) = document["dataset"]
    is_on_tape = any(replica["site"].endswith("_MSS") for replica in document["datasetreplica"])
    if not is_on_tape or sum(block["num_files"] for block in dataset["blocks"]) > MOST_FILES:
        return None
    sizes: dict[str, int] = {}
    for block in dataset["blocks"]:
        for file in block["files"]:
            file["size"] = sizes[file["name"]] = 1 + file["size"] // BYTES_PER_BYTE
        block["size"] = sum(file["size"] for file in block["files"])
    for replica in document["datasetreplica"]:
        for part in replica["blockreplicas"]:
            if "files" in part:
                part["size"] = sum(sizes[name] for name in part["files"])
    return document


def _write(people: Collaboration, replica: BlockReplica) -> None:
    files = replica.block.files.all()
    if (replica.size_bytes, replica.num_files) != (replica.block.size_bytes, replica.block.num_files):
        files = files.filter(pk__in=replica.present_files.values("file"))
    for lfn, size in files.values_list("lfn", "size_bytes"):
        path = people.world.path(replica.site.name, lfn)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
