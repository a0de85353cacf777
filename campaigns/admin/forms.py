"""What people type on the pages of campaigns, checked for kind alone; whether it may be so is the services' matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from campaigns.models import Campaign
from campaigns.services.campaigns import Edits
from inventory.selectors.groups import group_names
from inventory.selectors.wording import size_text
from policies.language.literals import LiteralError, number
from policies.language.types import Unit
from policies.selectors.partitions import partition_names


class MomentField(forms.DateTimeField):
    """A moment in UTC, picked in the browser's own calendar."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], **kwargs)

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        return None if moment is None else moment.replace(tzinfo=UTC)


class SizeField(forms.CharField):
    """A size with its unit, as in the policy language: ``150 TB``; bytes when cleaned."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            size = int(number(text, Unit.BYTES).value)
        except LiteralError as error:
            raise ValidationError(str(error)) from error
        if size <= 0:
            raise ValidationError("Give more than nothing, or leave it empty for no limit.")
        return size

    def prepare_value(self, value: Any) -> Any:
        return size_text(value) if isinstance(value, int) else value


class CampaignForm(forms.Form):
    """A draft: what, where, why and when. The text is written on the page of the study."""

    title = forms.CharField(max_length=200, label="Title")
    purpose = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Purpose",
        help_text="Why the data may go. Everybody who is told reads it.",
    )
    partition = forms.ChoiceField(label="Partition")
    site_patterns = forms.CharField(
        max_length=1024, initial="*", label="Sites", help_text="Names or patterns with blanks between: T*_MSS T2_DE_*"
    )
    exceptions_close_at = MomentField(required=False, label="Exceptions close (UTC)", help_text="Until then people may object.")
    earliest_start_at = MomentField(required=False, label="Earliest start (UTC)", help_text="Nothing is deleted before.")
    expires_at = MomentField(required=False, label="Expires (UTC)", help_text="Nothing is deleted afterwards.")
    notice_reason = forms.CharField(
        max_length=512, required=False, label="Why less notice than usual", help_text="Needed only then; shown to everybody."
    )
    site_bytes_per_day = SizeField(
        required=False, label="At most per site and day", help_text="As 150 TB. Empty: no limit.", max_length=32
    )
    starts_by_itself = forms.BooleanField(required=False, label="Starts by itself once it is signed and its time has come")

    def __init__(self, *args: Any, campaign: Campaign | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["partition"].choices = [(name, name) for name in partition_names()]  # type: ignore[attr-defined]
        if campaign is not None:
            del self.fields["partition"]  # the partition is what the campaign is about: another one is another campaign

    def edits(self) -> Edits:
        """Return what was typed, but for the partition."""
        return Edits(**{name: value for name, value in self.cleaned_data.items() if name != "partition"})


class ExceptionForm(forms.Form):
    """Keep mine, please: what, why, until when, for whom."""

    patterns = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "class": "dy-mono", "spellcheck": "false"}),
        label="Which datasets",
        help_text="A name or pattern per line; * stands for any text.",
    )
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), label="Why must they stay?")
    until = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), label="Until", help_text="At most a year from now."
    )
    group_name = forms.ChoiceField(label="For the group")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group_name"].choices = [(name, name) for name in group_names()]  # type: ignore[attr-defined]
