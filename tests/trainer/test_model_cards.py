"""Every bundled network has a card and a documentation page with the same content."""

from __future__ import annotations

import pytest

from services.trainer.model_card import FETCHED, PAGES, render
from shared.engines.weights.model_cards import BUNDLED, Card, list_cards, load_card

WEIGHTS = {".onnx", ".npz"}


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_the_page_matches_the_card(card: Card) -> None:
    """`python -m services.trainer.model_card` regenerates the pages."""
    assert (PAGES / f"{card.name}.md").read_text(encoding="utf-8") == render(card)


def test_every_bundled_network_has_a_card_and_a_page_and_no_page_is_obsolete() -> None:
    assert {path.stem for path in BUNDLED.iterdir() if path.suffix in WEIGHTS} == {card.name for card in list_cards()}
    assert {path.stem for path in PAGES.glob("*.md")} == {card.name for card in list_cards()} | set(FETCHED)


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_networks_trained_on_restricted_data_forbid_commercial_use(card: Card) -> None:
    restricted = {"RAVDESS speech", "FER2013"} & {data.name for data in card.data}
    assert card.commercial_use is not bool(restricted)
    assert card.limits
    assert load_card(card.name) == card
