"""``python -m dynamo_site.demo``: what ``make demo``, ``make demo ONCE=1`` and ``make demo-reset`` run."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import django
from django.db import OperationalError

from dynamo_site.demo.sample import SampleSize
from dynamo_site.demo.supervisor import stop_with_parent


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dynamo_site.demo", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="run one cycle with its deletions, print what happened, exit")
    what.add_argument("--reset", action="store_true", help="remove what the demo has made")
    parser.add_argument("--port", type=int, default=8000, help="port of the web pages on 127.0.0.1 (default 8000)")
    parser.add_argument("--files-per-block", type=int, default=3, help="how many files to make per block, about (default 3)")
    parser.add_argument("--file-size", type=int, default=24_000, help="their size in bytes, about (default 24000)")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when the process that started this one ends")
    period_help = "seconds between two evaluations of the policy; a first start notes it (default 60)"
    parser.add_argument("--period", type=int, default=60, metavar="SECONDS", help=period_help)
    options = parser.parse_args()
    if options.period < 1:
        parser.error("--period: at least one second")
    if options.stop_with_parent:
        stop_with_parent()

    # Set, not defaulted: the demo has settings of its own, whatever the caller uses otherwise.
    os.environ["DJANGO_SETTINGS_MODULE"] = "dynamo_site.settings.demo"
    from dynamo_site.demo.folders import DemoError, DemoFolders  # noqa: PLC0415 - after the choice of settings

    folders = DemoFolders.from_environment()
    try:
        if options.reset:
            return folders.reset(say=_say)
        folders.prepare()
        with folders.lock():
            django.setup()
            _log_to(folders.log / "demo.log")
            from dynamo_site.demo.show import show_long, show_once  # noqa: PLC0415 - models are there only now

            size = SampleSize(options.files_per_block, options.file_size)
            if options.once:
                return show_once(folders, size=size, period_seconds=options.period, say=_say)
            return show_long(folders, port=options.port, size=size, period_seconds=options.period, say=_say)
    except DemoError as error:
        _say(f"The demo cannot go on: {error}")
        return 1
    except (OperationalError, OSError) as error:
        # Said once for every step: a disk that is full shows itself in the database, in the log or in a sample file.
        advice = f"See that {folders.var} can be written and has room, then start again: it goes on from here."
        _say(f"The demo cannot go on: {error}. {advice}")
        return 1
    except KeyboardInterrupt:
        _say("Stopped. The next start goes on from here.")
        return 130


def _log_to(path: Path) -> None:
    """Have this process log to a file: its terminal is for what a person should read."""
    root = logging.getLogger()
    handler = logging.FileHandler(path)
    handler.setFormatter(root.handlers[0].formatter)
    root.handlers[:] = [handler]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
