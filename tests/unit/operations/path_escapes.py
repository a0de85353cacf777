"""Logical names that try to leave a site's root, or to mean something else than they say."""

from __future__ import annotations

_UP = ("..", ".", "", " ..", ".. ", "...", "\u2025", "\uff0e\uff0e", "\u2024\u2024", "\u2026", "\uff0e", " ", "\u3000")
_ENCODED = (
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..%2f",
    "%2f",
    "%5c",
    "..%5c",
    "%00",
    "%c0%ae%c0%ae",
    "%u002e%2e",
    "%e0%80%ae",
    "..%c0%af",
    "%0a",
    "%20..",
    "%2e%2e%2f%2e%2e",
)
_HIDDEN = (
    "\0",
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x7f",
    "\x85",
    "\u200b",
    "\u202e",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\u2066",
    "\ue000",
    "\ud800",
    "\u0378",
)
_FORMS = ("/store/a/{}/b", "/{}/b", "/store/{}", "{}/b", "/store/{0}/{0}/{0}/{0}/{0}/{0}/outside/secret")
_WHOLE = (
    "",
    "/",
    "//",
    "///",
    ".",
    "..",
    "./",
    "../",
    "/.",
    "/..",
    "/../",
    "../outside/secret",
    "/../outside/secret",
    "/store/../../outside/secret",
    "store/../../outside/secret",
    "//outside/secret",
    "//etc/passwd",
    "/store/",
    "/store//a",
    "/store/a/",
    "/store/./a",
    "/.dynamo-storage",
    "/.dynamo-trash/2026-01-01/a",
    "/store/.dynamo-storage",
    "/.DYNAMO-storage",
    "/\uff0edynamo-storage",
    "\\",
    "..\\outside\\secret",
    "/store\\..\\..\\outside",
    "C:\\outside\\secret",
    "\\\\host\\share",
    "/store/a\\b",
    "/store/\uff0f\uff0e\uff0e\uff0foutside",
    "/store/..\u2044outside",
    "/store/\uff0e\uff0e/outside",
    "/" + "a" * 256,
    "/" + "\u00e9" * 130,
    "/" + "a/" * 600 + "b",
    "/store/" + "x" * 1100,
    "/proc/../../../etc/passwd",
    "file:///../etc/passwd",
    "file://localhost//etc/passwd",
    "/store/a::file:///etc/passwd/..",
)


def escapes() -> list[str]:
    """Return the corpus, each name once, in a fixed order; every one of them must be refused."""
    names = list(_WHOLE)
    names += [form.format(part) for part in _UP for form in _FORMS if part or form != "{}/b"]
    names += [form.format(f"x{part}y" if index % 2 else part) for part in _ENCODED for index, form in enumerate(_FORMS)]
    names += [f"/store/{before}{char}{after}/f" for char in _HIDDEN for before, after in (("a", "b"), ("", ".."), ("..", ""))]
    return list(dict.fromkeys(names))


#: Rules that make of a harmless name a path that is none: pattern, replacement, the name.
RULE_TRICKS = (
    ("/store/(.*)", "../$1", "/store/secret"),
    ("/store/(.*)", "/../outside/$1", "/store/secret"),
    ("/store/(.)a/(.)a/(.*)", "/$1$2/$3", "/store/.a/.a/secret"),
    ("/store/(.)(.)(.)/(.*)", "/$1$2/outside/$4", "/store/..x/secret"),
    ("/store/dots(.*)/(.*)", "/$1/$2", "/store/dots../secret"),
    ("/store/(?P<a>.*)/x", "/$a/../../${a}/secret", "/store/outside/x"),
    ("/store/(.*)", "/%2e%2e/outside/$1", "/store/secret"),
    ("/store/(.*)", "/a/%252e%252e/$1", "/store/secret"),
    ("/store/(..)(..)", "/%$1%$2/outside/secret", "/store/2e2e"),
    ("/store/(.*)", "/..\\outside\\$1", "/store/secret"),
    ("/store/(.*)", "//etc/$1", "/store/passwd"),
    ("/store/(.*)", "/store//$1", "/store/a"),
    ("/store/(.*)", "/$1/", "/store/a"),
    ("/store/(.*)", "/$2", "/store/secret"),
    ("/store/(.*)", "$2", "/store/secret"),
    ("/store/(.*)", "/.$2./outside/$1", "/store/secret"),
    ("/store/(.*)", "/.dynamo-trash/2026-01-01/120000-17/$1", "/store/kept"),
    ("/store/(.*)", "/.dynamo-storage", "/store/a"),
    ("/store/(.*)", "/.${2}dynamo-storage", "/store/a"),
    ("/store/(.*)", "/\uff0e\uff0e/outside/$1", "/store/secret"),
    ("/store/(.*)", "/a\0b/$1", "/store/secret"),
    ("/store/(.*)", "/" + "a" * 250 + "$1", "/store/secret"),
    ("(?s).*", "", "/store/secret"),
    ("(?s).*", "/", "/store/secret"),
    ("(?s).*", ".", "/store/secret"),
)

#: Names with what has a meaning in addresses, shells, lists or protocols, as users leave them behind.
ODD = (
    "/store/a#b",
    "/store/#/c",
    "/store/100%",
    "/store/a%zz/c",
    "/store/a b  c",
    "/store/ a",
    "/store/a+b",
    "/store/a&b;c=d",
    "/store/a'b\"c",
    "/store/<a>",
    "/store/a|b^c`d",
    "/store/{a}",
    "/store/a?b",
    "/store/q?/c",
    "/store/?",
    "/store/a?versionId=b",
    "/store/a?xrdcl.unzip=b",
)
#: By kind of storage, what a name must not hold because another file would be meant: it is refused, and such a file stays.
UNNAMEABLE = {"local": (), "xrootd": ("?",), "webdav": (), "s3": ("?versionId=",)}

#: Names that look dangerous and are plain files below the root.
HARMLESS = (
    "/store/..a/b",
    "/store/a../b",
    "/store/~root/b",
    "~/b",
    "/store/a b/c",
    "/store/$HOME/c",
    "/store/*",
    "/store/[ab]?",
    "/etc/passwd",
    "/store/-rf",
    "/store/%/c",
    "/store/a:b",
    "/proc/self/fd/0",
    "/store/\u00e9t\u00e9",
    *ODD,
)
