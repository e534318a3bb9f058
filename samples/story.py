"""The script of the sample meeting: speaker, text and intended emotion of every turn."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.emotion import Emotion

ANGER, DISGUST, FEAR, JOY, NEUTRAL, SADNESS, SURPRISE = Emotion


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One turn with one emotion, `pause` seconds after the previous turn."""

    speaker: str
    emotion: Emotion
    pause: float
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


# Participant -> flite voice, in the order of the tiles.
CAST = {"Ana": "slt", "Ben": "rms", "Carl": "awb", "Dev": "kal16"}

# pocketsphinx recognises every word of these lines; test a new wording before you commit it.
STORY = (
    ScriptLine("Ana", NEUTRAL, 0.6, ("Good morning everyone.", "What is the plan for today?")),
    ScriptLine("Ben", NEUTRAL, 0.7, ("The new page is ready.", "I will test it this afternoon.")),
    ScriptLine("Carl", NEUTRAL, 0.7, ("I will send the report after lunch.",)),
    ScriptLine("Ana", SADNESS, 0.9, ("I feel very sad.", "We lost our best customer on Friday.")),
    ScriptLine("Carl", SADNESS, 0.8, ("I am so sorry to hear that.", "This breaks my heart.")),
    ScriptLine("Dev", ANGER, 0.6, ("This makes me so angry!", "I have said it for months, and nobody listened to me!")),
    ScriptLine("Ben", ANGER, 0.6, ("It makes me mad.", "They never keep their promises!")),
    ScriptLine("Ana", NEUTRAL, 0.9, ("Please tell us about the problem with the computers.",)),
    ScriptLine(
        "Dev", FEAR, 0.7, ("I was terrified.", "The whole system was down, and I was afraid of losing all the data.")
    ),
    ScriptLine("Carl", FEAR, 0.7, ("I am worried.", "It could happen again tonight.")),
    ScriptLine(
        "Ben",
        DISGUST,
        0.7,
        ("And that is not all.", "It is a disgusting story.", "They sold the private letters of our customers."),
    ),
    ScriptLine("Carl", DISGUST, 0.6, ("That is really gross.", "It makes me sick.")),
    ScriptLine("Dev", SURPRISE, 1.0, ("Oh my god!", "I just got a letter from the customer!")),
    ScriptLine("Carl", SURPRISE, 0.5, ("Really?", "I did not expect that!")),
    ScriptLine("Ana", SURPRISE, 0.6, ("Are you serious?", "I cannot believe it!")),
    ScriptLine("Dev", JOY, 0.7, ("They want to stay with us!", "They are very happy with the new system.")),
    ScriptLine("Ana", JOY, 0.6, ("That is wonderful!", "I am so happy.", "I love this team.")),
    ScriptLine("Ben", JOY, 0.6, ("This is the best day of the year!", "Great work, everyone.")),
    ScriptLine("Ana", NEUTRAL, 0.8, ("We will meet again tomorrow morning.",)),
)
