"""What the errors of an operating system say of a file: refused, to be tried again, or unknown."""

from __future__ import annotations

import errno

from operations.choices import FileOutcome

_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL})

_RETRYABLE = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EDQUOT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENODEV,
        errno.ENOLCK,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


def outcome_of(error: OSError) -> FileOutcome:
    """Return REFUSED, RETRYABLE or UNKNOWN. Never ABSENT: whether a missing file is gone depends on what was looked at."""
    if error.errno in _REFUSED:
        return FileOutcome.REFUSED
    if error.errno in _RETRYABLE or isinstance(error, TimeoutError | ConnectionError):
        return FileOutcome.RETRYABLE
    return FileOutcome.UNKNOWN


def message_of(error: OSError) -> str:
    """Return what the system said, without the path: the file is named by the result it stands in."""
    return error.strerror or str(error) or type(error).__name__
