"""Every error code is explained on the page that problems refer to."""

from __future__ import annotations

import re

import pytest

from shared.domain.error import UndertoneError
from shared.infra.web.error_page import error_classes, meanings, render_error_page, type_reference
from shared.infra.web.problems import error_response

CLASSES = [error for error in error_classes() if error is not UndertoneError]


def test_the_tree_lists_exactly_the_classes() -> None:
    assert sorted(meanings()) == sorted(error.__name__ for error in CLASSES)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_a_class_has_an_anchor_with_its_meaning(error: type[UndertoneError]) -> None:
    found = re.search(rf'<dt id="{error.code}">.*?</dt>\n<dd>(.+?)</dd>', render_error_page())
    assert found and len(found[1]) > 10


def test_a_code_appears_once() -> None:
    anchors = re.findall(r'<dt id="(\w+)">', render_error_page())
    assert len(anchors) == len(set(anchors)) > len({error.code for error in CLASSES}) - 1


def test_a_problem_refers_to_its_anchor() -> None:
    answer = bytes(error_response(CLASSES[0]("It cannot be used.")).body).decode()
    assert f'"type":"{type_reference(CLASSES[0].code)}"' in answer
