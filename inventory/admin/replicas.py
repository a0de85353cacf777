"""Dataset replicas and block replicas: lists over tens of millions of rows, read-only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.filtersets import BlockFilterSet, BlockReplicaFilterSet, DatasetReplicaFilterSet, FileFilterSet
from inventory.keyset_lists import KeysetAdmin
from inventory.models import Block, BlockReplica, DatasetReplica, File
from inventory.selectors.wording import badge_html, count_text, size_html, when_html


@admin.register(DatasetReplica)
class DatasetReplicaAdmin(KeysetAdmin):
    """A dataset at a site."""

    list_display = ["dataset", "site", "owner", "growing"]
    filterset_class = DatasetReplicaFilterSet
    main_filters = ("site", "group", "is_complete")
    dataset_field = "dataset__name"
    list_select_related = ["dataset", "site", "group"]
    search_fields = ["dataset__name"]
    search_help_text = "Dataset name or part of it; * and ? are wildcards"
    fields = ["dataset", "site", "group", "is_growing"]

    @display(description="owner of new blocks")
    def owner(self, replica: DatasetReplica) -> str:
        return replica.group.name if replica.group else "nobody"

    @display(description="takes up new blocks", boolean=True)
    def growing(self, replica: DatasetReplica) -> bool:
        return replica.is_growing


@admin.register(BlockReplica)
class BlockReplicaAdmin(KeysetAdmin):
    """A block at a site, with what of it is physically there."""

    list_display = ["block", "site", "owner", "size", "completeness", "updated"]
    filterset_class = BlockReplicaFilterSet
    main_filters = ("site", "group", "is_complete")
    list_select_related = ["block__dataset", "site", "group"]
    dataset_field = "block__dataset__name"
    search_fields = ["block__dataset__name"]
    search_help_text = "Dataset name or part of it; * and ? are wildcards"
    fields = ["block", "site", "group", "size", "completeness", "is_custodial", "updated"]

    @display(description="owner")
    def owner(self, replica: BlockReplica) -> str:
        return replica.group.name if replica.group else "nobody"

    @display(description="size")
    def size(self, replica: BlockReplica) -> SafeString:
        return size_html(replica.size_bytes)

    @display(description="files")
    def completeness(self, replica: BlockReplica) -> SafeString | str:
        if replica.num_files == replica.block.num_files:
            return f"all {count_text(replica.num_files)}"
        return badge_html("warning", f"{count_text(replica.num_files)} of {count_text(replica.block.num_files)}")

    @display(description="last update")
    def updated(self, replica: BlockReplica) -> SafeString:
        return when_html(replica.last_update)


@admin.register(Block)
class BlockAdmin(KeysetAdmin):
    """A block of a dataset."""

    list_display = ["block", "size", "files", "updated"]
    list_select_related = ["dataset"]
    filterset_class = BlockFilterSet
    main_filters = ("tier", "min_size")
    dataset_field = "dataset__name"
    search_fields = ["dataset__name"]
    search_help_text = "Dataset name or part of it; * and ? are wildcards"
    fields = ["dataset", "name", "size", "files", "is_open", "updated"]

    @display(description="block")
    def block(self, block: Block) -> str:
        return str(block)

    @display(description="size")
    def size(self, block: Block) -> SafeString:
        return size_html(block.size_bytes)

    @display(description="files")
    def files(self, block: Block) -> str:
        return count_text(block.num_files)

    @display(description="last update")
    def updated(self, block: Block) -> SafeString:
        return when_html(block.last_update)


@admin.register(File)
class FileAdmin(KeysetAdmin):
    """A file of a block."""

    list_display = ["lfn", "dataset", "size"]
    list_select_related = ["block__dataset"]
    filterset_class = FileFilterSet
    main_filters = ("lfn",)
    dataset_field = "block__dataset__name"
    search_fields = ["block__dataset__name"]
    search_help_text = "Dataset name or part of it; * and ? are wildcards"
    fields = ["lfn", "dataset", "block", "size", "checksum"]

    @display(description="dataset")
    def dataset(self, file: File) -> str:
        return file.block.dataset.name

    @display(description="size")
    def size(self, file: File) -> SafeString:
        return size_html(file.size_bytes)
