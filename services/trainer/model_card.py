"""Generate the pages in docs/model-cards from the cards of the bundled networks.

python -m services.trainer.model_card
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.engines.weights.model_cards import BUNDLED, Card, list_cards

PAGES = Path(__file__).parents[2] / "docs" / "model-cards"
MODALITIES = {
    "text": "in the text",
    "voice": "in the voice",
    "face": "in the face",
}
USE = (
    "Use it to show how an utterance may have sounded or appeared, with the transcript and the confidence. Do not "
    "use it to make decisions about people, to rank them, or to infer emotion at work or in education: see "
    "[governance](../governance.md)."
)
OTHERS = {  # slot: purpose and permitted use
    "speaker": ("which stretches have the same speaker", "Speakers are distinguished within one recording only."),
    "segmentation": (
        "where somebody speaks, and where two speak at the same time",
        "Speakers are distinguished within ten seconds only, and no voice is stored.",
    ),
}
FETCHED = ("whisper_base",)  # pages written by hand, of weights that are not bundled
HEADINGS = ("precision", "recall", "f1", "support")


def render(card: Card) -> str:
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    size = (BUNDLED / card.file).stat().st_size / 1e6
    commercial = "allowed" if card.commercial_use else "**not allowed**; `ENGINES__COMMERCIAL_ONLY=true` rejects it"
    purpose = f"emotion perceived {MODALITIES[card.slot]}" if card.slot in MODALITIES else OTHERS[card.slot][0]
    yield from (f"# {card.name}", "", f"{purpose.capitalize()}. {card.architecture}.", "")
    yield from ("| | |", "|---|---|", f"| file | `{card.file}`, {size:.1f} MB, SHA-256 `{card.sha256[:16]}…` |")
    yield f"| licence | {card.licence}; commercial use {commercial} |"
    if card.slot in MODALITIES:
        yield f"| calibration | temperature {card.calibration.temperature} |"
    if card.fusion_weight is not None:
        yield f"| weight in the fusion | {card.fusion_weight} beside text, limited by the cap of {card.slot} |"
    yield from (f"| made by | `{card.command}` ({card.made}) |", "", "## Data", "")
    yield from ("| set | licence | part used |", "|---|---|---|")
    yield from (f"| {data.name} | {data.licence} | {data.split} |" for data in card.data)
    yield from ("", "## Metrics", "")
    yield from _metrics(card.metrics)
    yield from ("## Limits", "", card.limits, "")
    yield from ("## Use", "", USE if card.slot in MODALITIES else OTHERS[card.slot][1])


def _metrics(metrics: Mapping[str, Any]) -> Iterator[str]:
    plain = {name: value for name, value in metrics.items() if not isinstance(value, Mapping | list)}
    yield from (f"- {name}: {value}" for name, value in plain.items())
    if plain:
        yield ""
    for name, value in metrics.items():
        if not isinstance(value, Mapping):
            continue
        single = {key: one for key, one in value.items() if not isinstance(one, Mapping | list)}
        yield from (f"**{name}**: " + ", ".join(f"{key} {one}" for key, one in single.items()), "")
        if "per_class" in value:
            yield f"| emotion | {' | '.join(HEADINGS)} |"
            yield "|---" * (len(HEADINGS) + 1) + "|"
            for emotion, row in value["per_class"].items():
                yield f"| {emotion} | {' | '.join(str(row[heading]) for heading in HEADINGS)} |"
            yield ""


def main() -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    known = {f"{name}.md" for name in (*FETCHED, *(card.name for card in list_cards()))}
    for page in PAGES.glob("*.md"):
        if page.name not in known:
            page.unlink()
    for card in list_cards():
        (PAGES / f"{card.name}.md").write_text(render(card), encoding="utf-8")


if __name__ == "__main__":
    main()
