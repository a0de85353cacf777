"""What a new name may look like."""

from __future__ import annotations

from inventory.ingest.rejects import Problem, shown


def name_problem(name: str, path: str) -> Problem | None:
    """Return what is wrong with a new site, group, dataset or block name, None if nothing is.

    Wildcards are refused because locks and policies would read them as patterns; lengths are checked with the types.
    """
    if not name.isprintable():
        return Problem(path, shown(name), "printable characters", "control characters in names cannot be told apart on a screen")
    if name != name.strip():
        return Problem(path, shown(name), "no blank at either end")
    if "*" in name or "?" in name:
        return Problem(path, shown(name), "a name without * and ?", "locks and policies read these as wildcards")
    return None


def lfn_problem(lfn: str, path: str) -> Problem | None:
    """Return what is wrong with a new logical file name, None if nothing is: it becomes a path below a site's endpoint."""
    if not lfn.isprintable() or lfn != lfn.strip():
        return Problem(path, shown(lfn), "printable characters and no blank at either end")
    # The first question is quick and answers nearly all: such a part begins the name or follows a slash.
    if (lfn[0] == "." or "/." in lfn) and not {".", ".."}.isdisjoint(lfn.split("/")):
        return Problem(path, shown(lfn), "a path without . and ..", "such a name could leave the folder of its site")
    return None
