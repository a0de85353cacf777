"""The calls of a worker to a storage: one after the other, each asked for first, each answer held against what was asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from django.db import Error as DatabaseError

from operations.constants import MAX_FILES_PER_CALL
from operations.services.watch import Watch
from operations.storage import ShouldStop

logger = logging.getLogger(__name__)

#: What does not get done in the time of one call is asked for in calls so many times smaller, down to one file.
_SMALLER = 4


class Named(Protocol):
    """What has a logical name: a file that is asked for, or the answer for one."""

    @property
    def lfn(self) -> str: ...


class Answered(Named, Protocol):
    """The answer for one file."""

    @property
    def outcome(self) -> str: ...


FileT = TypeVar("FileT", bound=Named)
AnswerT = TypeVar("AnswerT", bound=Answered)
#: A file with the key of the row that it belongs to.
Keyed = tuple[int, FileT]


def answers_in_calls(
    files: Iterable[Keyed[FileT]],
    ask: Callable[[Sequence[Keyed[FileT]], ShouldStop], Sequence[AnswerT]],
    *,
    watch: Watch,
    outcomes: Set[str],
    unknown: Callable[[str, str], AnswerT],
    most_keys: int = MAX_FILES_PER_CALL,
) -> Iterator[tuple[int, AnswerT]]:
    """Yield key and answer of each file that was tried, until all are or *watch* says to stop; it is asked before each call.

    - *ask* makes one call for at most ``MAX_FILES_PER_CALL`` files of at most *most_keys* rows, no two with one logical name; it
      stops when it is told to, and gives no answer for what was not tried any more;
    - what *unknown* makes of a logical name and a message is the answer for each file of a call that raised an error, that
      answered what was not asked or not in *outcomes*, or of which a file has no answer though nothing stopped the call;
    - what the time of a call does not suffice for is asked for again, in a smaller call if nothing of it was done.

    Errors of the database pass through: then nothing is recorded, the lease runs out and the files are asked for again.
    """
    for call in in_calls(files, MAX_FILES_PER_CALL, most_keys):
        waiting, size = call, len(call)
        while waiting and not watch.should_stop_now():
            asked = waiting[:size]
            calling = watch.for_one_call()
            answers = _answers(
                asked, partial(ask, asked, calling.should_stop), outcomes=outcomes, unknown=unknown, site_name=watch.site_name
            )
            yield from ((key, answers[file.lfn]) for key, file in asked if file.lfn in answers)
            silent = [(key, file) for key, file in asked if file.lfn not in answers]
            if silent and not watch.reason:
                if not calling.is_time_over or (not answers and len(asked) == 1):
                    yield from ((key, unknown(file.lfn, "the storage did not answer for this file")) for key, file in silent)
                    silent = []
                elif not answers:
                    size = max(1, len(asked) // _SMALLER)
            waiting = silent + waiting[len(asked) :]


def _answers(
    asked: Sequence[Keyed[FileT]],
    call: Callable[[], Sequence[AnswerT]],
    *,
    outcomes: Set[str],
    unknown: Callable[[str, str], AnswerT],
    site_name: str,
) -> dict[str, AnswerT]:
    """Make one call; return the answers by logical name, all unknown where nothing can be concluded from what was said."""
    names = {file.lfn for _, file in asked}
    try:
        answers = call()
    except DatabaseError:
        raise
    except Exception as error:
        # Back ends raise whatever their libraries raise. Nothing is known of these files then, and a person sees it.
        logger.exception("the storage of %s failed", site_name, extra={"site": site_name})
        problem = f"{type(error).__name__}: {error}"[:1024]
        return {name: unknown(name, problem) for name in names}
    by_name = {answer.lfn: answer for answer in answers}
    fits = len(by_name) == len(answers) and by_name.keys() <= names and {answer.outcome for answer in answers} <= outcomes
    if not fits:
        logger.error("the storage of %s answered what was not asked", site_name, extra={"site": site_name})
        return {name: unknown(name, "the storage's answer does not fit the question") for name in names}
    return by_name


def in_calls(files: Iterable[Keyed[FileT]], size: int, most_keys: int) -> Iterator[list[Keyed[FileT]]]:
    """Yield *files* in lists of at most *size* with at most so many keys, in which no logical name comes twice."""
    rest = iter(files)
    while some := list(islice(rest, size)):
        if len({file.lfn for _, file in some}) == len(some) and len({key for key, _ in some}) <= most_keys:  # nearly always
            yield some
        else:
            yield from _in_parts(some, most_keys)


def _in_parts(files: Sequence[Keyed[FileT]], most_keys: int) -> Iterator[list[Keyed[FileT]]]:
    """Yield *files* in lists that end before a logical name comes again, or a key too many."""
    call: list[Keyed[FileT]] = []
    names: set[str] = set()
    keys: set[int] = set()
    for key, file in files:
        if file.lfn in names or (key not in keys and len(keys) == most_keys):
            yield call
            call, names, keys = [], set(), set()
        call.append((key, file))
        names.add(file.lfn)
        keys.add(key)
    yield call
