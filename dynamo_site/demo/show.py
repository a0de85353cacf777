"""The demo itself: the long form with web, worker and beat, and the short one with a single cycle."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings

from dynamo_site.demo.accounts import ACCOUNTS, Logins
from dynamo_site.demo.folders import DemoError, DemoFolders
from dynamo_site.demo.once import OneCycle
from dynamo_site.demo.prepare import demo_prepare
from dynamo_site.demo.processes import HOST, beat, demand_free_port, environment, is_listening, web, worker
from dynamo_site.demo.sample import SampleSize
from dynamo_site.demo.scanned import SITE
from dynamo_site.demo.summary import summary_text
from dynamo_site.demo.supervisor import POLL_SECONDS, ProcessGaveUpError, StopRequest, Supervisor
from dynamo_site.demo.watch import Watch

#: Seconds between two looks at the database.
LOOK_SECONDS = 2.0

Say = Callable[[str], None]


def show_long(folders: DemoFolders, *, port: int, size: SampleSize, period_seconds: int, say: Say) -> int:
    """Run web, worker and beat until somebody stops them; return 0 then."""
    demand_free_port(port)
    logins = demo_prepare(folders, size=size, period_seconds=period_seconds, say=say)
    stop = StopRequest()
    watch = Watch(say)
    specs = [web(folders, port), worker(folders), beat(folders)]
    try:
        with Supervisor(specs, environment=environment(), say=say) as supervisor:
            say("\nStarting web, worker and beat ...")
            is_greeted = False
            next_look = time.monotonic()
            while not stop:
                supervisor.poll()
                if not is_greeted and is_listening(port):
                    say(_welcome(folders, port, logins))
                    is_greeted = True
                if time.monotonic() >= next_look:
                    watch.look()
                    next_look = time.monotonic() + LOOK_SECONDS
                time.sleep(POLL_SECONDS)
            say("\nStopping web, worker and beat ...")
    except ProcessGaveUpError as error:
        raise DemoError(_gave_up_text(error)) from error
    say("Stopped. 'make demo' goes on from here, 'make demo-reset' starts afresh.")
    return 0


def show_once(folders: DemoFolders, *, size: SampleSize, period_seconds: int, say: Say) -> int:
    """Run one cycle with its deletions through broker and worker, say what happened, and return 0."""
    demo_prepare(folders, size=size, period_seconds=period_seconds, say=say)
    stop = StopRequest()
    cycle = OneCycle(say)
    try:
        with Supervisor([worker(folders)], environment=environment(), say=say) as supervisor:
            say("\nOne cycle, by messages to a worker as in the long form ...")
            while not stop and not cycle.is_over():
                supervisor.poll()
                cycle.push()
                time.sleep(POLL_SECONDS)
    except ProcessGaveUpError as error:
        raise DemoError(_gave_up_text(error)) from error
    if stop:
        raise KeyboardInterrupt
    say("")
    say(summary_text(cycle.summary(folders)))
    return 0


def _gave_up_text(error: ProcessGaveUpError) -> str:
    tail = error.log.read_text(errors="replace").splitlines()[-12:]
    return "\n".join([f"{error}. The end of {error.log}:", *(f"    {line}" for line in tail)])


def _welcome(folders: DemoFolders, port: int, logins: Logins) -> str:
    address = f"http://{HOST}:{port}"
    people = "\n".join(f"    {account.login:<10} {logins.passwords[account.login]:<14} {account.what}" for account in ACCOUNTS)
    return f"""
Dynamo runs at  {address}/admin/   (Ctrl-C stops it)

Log in as
{people}
    (kept in {folders.logins})

Look at
    the front page: occupancy bars fall below the mark of 90 % to under 85 % within two minutes
    Campaigns: one waits for signatures; log in as physics, then as computing, look at what would be lost and sign
    Scans: one of {SITE} is held, because more is dark there than its limit takes; look at what it found, and decide
    Cycles > the latest: what was decided on each replica, and by which line of the policy
    Deletions: each with its state and files; Audit events: who did what
    {address}/api/docs/   the REST API:
    curl -H 'Authorization: Token {logins.api_token}' {address}/api/v1/inventory/sites/

Logs: {folders.log}   Storage: {folders.storage}   Database: {settings.DATABASES["default"]["NAME"]}
"""
