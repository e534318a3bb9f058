"""Every bundled network has a card for machines and a page for people, and they say the same."""

from __future__ import annotations

import pytest

from services.trainer.model_card import PAGES, render
from shared.engines.model_cards import BUNDLED, Card, list_cards, load_card

WEIGHTS = {".onnx", ".npz"}


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_the_page_says_what_the_card_says(card: Card) -> None:
    """`python -m services.trainer.model_card` writes the pages anew."""
    assert (PAGES / f"{card.name}.md").read_text(encoding="utf-8") == render(card)


def test_no_weights_are_bundled_without_a_card_and_no_page_outlives_its_network() -> None:
    assert {path.stem for path in BUNDLED.iterdir() if path.suffix in WEIGHTS} == {card.name for card in list_cards()}
    assert {path.stem for path in PAGES.glob("*.md")} == {card.name for card in list_cards()}


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_what_was_learnt_from_restricted_data_may_not_be_sold(card: Card) -> None:
    restricted = {"RAVDESS speech", "FER2013"} & {data.name for data in card.data}
    assert card.commercial_use is not bool(restricted)
    assert card.limits
    assert load_card(card.name) == card
