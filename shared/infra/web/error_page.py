"""`/errors`: every error code with its meaning, as one page that the `type` of a problem refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from http import HTTPStatus

from shared.domain import error as errors
from shared.domain.error import UndertoneError

PATH = "/errors"
# What the framework answers with a bare status.
BARE_STATUS = {
    400: ("invalid_request", "The request is malformed."),
    404: ("not_found", "The resource does not exist."),
    405: ("method_not_allowed", "The method is not allowed for this path."),
    408: ("body_timeout", "The request body arrived too slowly."),
    413: ("upload_too_large", "The request body is too large for this call."),
    415: ("unsupported_content_type", "This call does not accept that content type."),
}
# A line of the tree in the package of the errors: a name, then what it means.
TREE_LINE = re.compile(r"^[│├└─ ]+(\w+) {2,}(.+)$", re.MULTILINE)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Errors of Undertone</title>
<h1>Errors of Undertone</h1>
<p>An error is a JSON object (RFC 9457). Programs decide by its <code>code</code>, which does not change.
<code>detail</code> says what happened, and <code>hint</code> what helps. Repeat a request later where it says so,
after the seconds in the header <code>Retry-After</code>.</p>
<dl>
{entries}
</dl>
"""
ENTRY = '<dt id="{code}"><code>{code}</code>, HTTP {status}{again}</dt>\n<dd>{meaning}.</dd>'


def type_reference(code: str) -> str:
    """The `type` of a problem: a reference that clients resolve against the address that they called."""
    return f"{PATH}#{code}"


def error_classes(base: type[UndertoneError] = UndertoneError) -> Iterator[type[UndertoneError]]:
    yield base
    for subclass in base.__subclasses__():
        if subclass.__module__.startswith(errors.__name__):
            yield from error_classes(subclass)


def meanings() -> dict[str, str]:
    """The class names of the error tree, each with its line."""
    return dict(TREE_LINE.findall(errors.__doc__ or ""))


def render_error_page() -> str:
    by_class = meanings()
    entries = {error.code: _entry(error, by_class) for error in error_classes()}
    for status, (code, meaning) in BARE_STATUS.items():
        entries.setdefault(code, ENTRY.format(code=code, status=status, again="", meaning=escape(meaning.rstrip("."))))
    return PAGE.format(entries="\n".join(entries[code] for code in sorted(entries)))


def _entry(error: type[UndertoneError], by_class: dict[str, str]) -> str:
    meaning = by_class.get(error.__name__, "The service failed; the operator's log names the reason")
    again = ", may be repeated" if error.retryable or error.http_status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    return ENTRY.format(code=error.code, status=error.http_status, again=again, meaning=escape(meaning))
