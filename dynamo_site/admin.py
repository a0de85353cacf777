"""The admin site: its own front page, pages across the apps, and the admin of other packages in the same looks.

Admin classes of Dynamo's models live in their own apps.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.forms import ModelForm
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat
from knox import admin as knox_admin
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from dynamo_site import token_admin  # noqa: F401 - registers the page of API tokens

#: Registered by packages with Django's plain admin (importing their admin modules above has done so), shown here with unfold's.
_REPLACED = [
    User,
    Group,
    knox_admin.models.AuthToken,
    beat.PeriodicTask,
    beat.IntervalSchedule,
    beat.CrontabSchedule,
    beat.SolarSchedule,
    beat.ClockedSchedule,
]
admin.site.unregister(_REPLACED)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Accounts; what they may do comes from their groups."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of accounts with their permissions; the default ones come from ``dynamo_site.roles``."""


class TaskSelectWidget(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):
    """The registered tasks as a list in unfold's looks."""


class PeriodicTaskForm(beat_admin.PeriodicTaskForm):
    """Celery beat's form in unfold's looks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A user who may only look gets no such fields.
        if "task" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
        if "regtask" in self.fields:
            self.fields["regtask"].widget = TaskSelectWidget()


@admin.register(beat.PeriodicTask)
class PeriodicTaskAdmin(beat_admin.PeriodicTaskAdmin, ModelAdmin):
    """What beat starts and when."""

    form: type[ModelForm[Any]] = PeriodicTaskForm


@admin.register(beat.IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    """Intervals that periodic tasks use."""


@admin.register(beat.CrontabSchedule)
class CrontabScheduleAdmin(beat_admin.CrontabScheduleAdmin, ModelAdmin):
    """Calendar times that periodic tasks use."""


@admin.register(beat.SolarSchedule)
class SolarScheduleAdmin(ModelAdmin):
    """Times of the sun that periodic tasks use."""


@admin.register(beat.ClockedSchedule)
class ClockedScheduleAdmin(beat_admin.ClockedScheduleAdmin, ModelAdmin):
    """Single moments that periodic tasks use."""
