"""Export as PDF: a report with the summary of a meeting, its drawings and its transcript."""

from __future__ import annotations

from shared.domain.transcript import Transcript
from shared.exports.direction import document_text
from shared.exports.drawings import draw_emotions, draw_talk_time, draw_valence, short_clock
from shared.exports.pdf_paper import PdfPaper, lacks
from shared.exports.summary import summarize

SOFT = "#565d66"
FOOTER = "Undertone. Perceived emotion says how an utterance sounds or appears, and is often wrong."
BOXES = "Characters that the font of this PDF lacks are shown as boxes; the other formats have them."


def render_pdf(transcript: Transcript, *, emotion: bool) -> bytes:
    summary = summarize(transcript, emotion=emotion)
    title = document_text(transcript.recording.name)
    names = {speaker: document_text(name) for speaker, name in transcript.names.items()}
    texts = [document_text(one.text) for one in transcript.utterances]
    paper = PdfPaper(title, transcript.language, FOOTER if emotion else "Undertone")
    paper.text(title, 18)
    language = transcript.language or "language unknown"
    paper.text(f"{short_clock(summary.duration)}, {len(summary.speakers)} speakers, {language}", 9, SOFT)
    paper.text(document_text(transcript.disclosure.notice), 9, SOFT)
    if any(lacks(text) for text in (title, *names.values(), *texts)):
        paper.text(BOXES, 9, SOFT)
    paper.heading("Talk time")
    paper.draw(draw_talk_time(summary))
    for one in summary.speakers:
        counts = f"{one.turns} turns, {one.interruptions} interruptions, {one.words} words"
        paper.text(f"{names[one.speaker]}: {counts}", 9)
    paper.text(f"Several speakers spoke at the same time for {short_clock(summary.overlap_seconds)}.", 9)
    turning = summary.turning_points or ()
    if emotion:
        paper.heading("Perceived emotion of each speaker")
        paper.draw(draw_emotions(summary))
        paper.heading("Course of the perceived valence")
        paper.draw(draw_valence(summary))
        for number, turn in enumerate(turning, 1):
            change = f"{number}. At {short_clock(turn.at)} it goes from {turn.before:+.2f} to {turn.after:+.2f}."
            paper.text(change, 9, link=f"utterance {turn.utterance}")
    targets = {turn.utterance for turn in turning}
    paper.heading("Transcript")
    for utterance, text in zip(transcript.utterances, texts, strict=True):
        said = f"{short_clock(utterance.start)}  {names.get(utterance.speaker, utterance.speaker)}"
        if emotion and utterance.emotion:
            said += f"  ({utterance.emotion.label} {utterance.emotion.confidence:.0%})"
        paper.keep(36)
        paper.text(said, 8, SOFT, target=f"utterance {utterance.index}" if utterance.index in targets else "")
        paper.text(text)
        paper.space(4)
    return paper.finish()
