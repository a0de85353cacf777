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
    if is_plain_lfn(lfn):
        return None
    if not lfn.isprintable() or lfn != lfn.strip():
        return Problem(path, shown(lfn), "printable characters and no blank at either end")
    if not {".", ".."}.isdisjoint(lfn.split("/")):
        return Problem(path, shown(lfn), "a path without . and ..", "such a name could leave the folder of its site")
    return None


def is_plain_lfn(lfn: str) -> bool:
    """Tell whether nothing can be wrong with the name; quick, and true of nearly all that are right."""
    return lfn.isascii() and lfn.isprintable() and " " not in lfn and lfn[0] != "." and "/." not in lfn
