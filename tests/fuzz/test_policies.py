"""Twenty thousand mutated lines of real policies; ``make fuzz`` tries a million."""

from __future__ import annotations

import pytest

from tests.fuzz.policies import HEAD, check_line, check_text, fuzz, main, real_lines

#: Four runs, so that they can share the processes of a run of all tests.
SEEDS = (1, 2, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_mutated_lines_are_read_and_keep_every_promise(seed: int) -> None:
    assert fuzz(20_000 // len(SEEDS), seed) is None


def test_lines_are_those_of_many_policies() -> None:
    words = {line.split()[0] for line in real_lines()}
    assert {"Partition", "On", "When", "Until", "Protect", "Dismiss", "Order"} <= words


def test_a_broken_promise_is_shown_with_the_text_that_breaks_it() -> None:
    with pytest.raises(AssertionError, match="without its wrong lines the text has errors"):
        check_text(HEAD.replace("Dismiss\n", ""))
    with pytest.raises(UnicodeEncodeError):
        check_line("\ud800")


def test_command_line_says_what_was_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lines", "60", "--seed", "7"]) == 0
    assert capsys.readouterr().out == "60 mutated lines: every one read, none broke a promise (seed 7)\n"
