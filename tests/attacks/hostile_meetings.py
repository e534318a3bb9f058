"""Hostile content of a tenant: edits, exports, share links, transcripts alone and known voices."""

from __future__ import annotations

import csv
import io
import wave
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from xml.etree import ElementTree as ET

import httpx

from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Speaker, Transcript
from shared.exports.document import render_json
from shared.exports.formats import FORMATS
from shared.exports.svg import DRAWINGS
from tests.attacks.hostile_requests import Attack
from tests.attacks.served import SECRET_WORD, VICTIM, Served
from tests.exports.sample import transcript
from tests.fakes import utterance
from tests.gateway.serving import MP4

HOSTILE_TEXTS = (
    "=cmd|' /C calc'!A0",
    "@SUM(1)\t+1\r-1",
    "<script>alert(1)</script>]]><!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
    "\x00\x01\x08\x0b\x1b[2J\x7f\x9b\ufffe\uffff",
    "\u202eevil\u202c\u2066x\u2069\u200e\u200f",
    '"><svg onload=alert(1)>',
    "\U0001f600\U0010ffff" * 10,
    "a\u0300" * 500,
)


def named(size: int, names: str, text: str) -> Transcript:
    """Each utterance has a different speaker with this name."""
    made = transcript(())
    return Transcript.model_validate(
        made.model_dump(exclude={"turns"})
        | {
            "utterances": tuple(utterance(n, n, n + 1, f"S{n}", text) for n in range(size)),
            "speakers": tuple(Speaker(id=f"S{n}", name=names, talk_seconds=1, utterances=1) for n in range(size)),
        }
    )


def one_word(size: int) -> Transcript:
    word = "a" * size
    said = Utterance(index=0, start=0, end=2, speaker="S1", text=word, words=(Word(text=word, start=0, end=2),))
    return transcript((said,))


HOSTILE_TRANSCRIPTS: dict[str, Callable[[], Transcript]] = {
    "5000 speakers": lambda: named(5000, "Ana", "hello there"),
    "a word of a megabyte": lambda: one_word(1 << 20),
    "5000 utterances": lambda: transcript(tuple(utterance(n, n, n + 1, "S1", "so it goes") for n in range(5000))),
    "right to left": lambda: named(300, "\u0634\u0628\u0643\u0629", "\u0634\u0628\u0643\u0629 abc " * 200),
    "combining signs": lambda: named(100, "a\u0300" * 90, "a\u0300" * 5000),
}


def exports_of(served: Served, build: Callable[[], Transcript]) -> Iterator[int]:
    """All formats and drawings at once, and the pages."""
    job_id = served.publish(build())
    tails = [*(f".{suffix}" for suffix in FORMATS), "", "/summary", *(f"/summary/{name}" for name in DRAWINGS)]
    paths = [f"/v1/transcripts/{job_id}{tail}" for tail in tails] + [f"/v1/transcripts/{job_id}/clips.csv"]
    with served.client() as client, ThreadPoolExecutor(8) as threads:
        yield from threads.map(lambda path: client.get(path).status_code, paths)


def exports_of_hostile_text(served: Served) -> Iterator[int]:
    """Every export is well-formed, and no cell is a formula."""
    for text in HOSTILE_TEXTS:
        shown = "".join(sign for sign in text if sign.isprintable() or sign.isspace()).strip() or "x"
        job_id = served.publish(named(3, shown[:190], text))
        with served.client() as client:
            got = {}
            for name in [*(f".{suffix}" for suffix in FORMATS), *(f"/summary/{one}" for one in DRAWINGS)]:
                answer = client.get(f"/v1/transcripts/{job_id}{name}")
                got[name] = answer.content
                yield answer.status_code
            for name in (".eaf", *(f"/summary/{one}" for one in DRAWINGS)):
                ET.fromstring(got[name])  # noqa: S314 - our own output, without entities
                assert b"<!ENTITY" not in got[name]
            with zipfile.ZipFile(io.BytesIO(got[".docx"])) as archive:
                for part in archive.namelist():
                    ET.fromstring(archive.read(part))  # noqa: S314 - see above
            for table in (got[".csv"], client.get(f"/v1/transcripts/{job_id}/clips.csv").content):
                for row in csv.reader(io.StringIO(table.decode("utf-8-sig"))):
                    assert not [cell for cell in row if cell.lstrip()[:1] in ("=", "+", "@")], row
            assert got[".pdf"].startswith(b"%PDF") and b"/JavaScript" not in got[".pdf"]


def edits(served: Served) -> Iterator[int]:
    job_id = served.publish(transcript(tuple(utterance(n, n, n + 1, "S1", "a b " * 10) for n in range(2000))))
    operations: list[list[object]] = [
        [{"op": "split", "utterance": n, "word": 10**9} for n in range(1000)],
        [{"op": "split", "utterance": 0, "word": 1}, *({"op": "join", "utterance": 0},) * 999],
        [{"op": "split", "utterance": n, "word": 50} for n in range(1000)],
        [{"op": "replace", "find": "a b", "replacement": "(a+)+$" * 100}],
        [{"op": "replace", "find": ".*(?=", "replacement": "\\1\\g<0>"}] * 200,
        [{"op": "replace", "find": "\u0130", "replacement": "\u0000"}],
        [{"op": "replace", "find": "a b " * 50, "replacement": "", "case": True, "whole_words": True}],
        [{"op": "text", "utterance": 0, "text": ("a b " * 5000)[:19_999]}],
        [{"op": "text", "utterance": 10**30, "text": "x"}],
        [{"op": "merge", "speaker": "S1", "into": "S1"}],
        [{"op": "rename", "speaker": "S1", "name": "\u202e\x00"}],
        [{"op": "speaker", "utterances": list(range(2000)), "name": "N"}] * 50,
        [{"op": "accept", "utterance": 0, "words": list(range(1000))}],
        [{"op": "unknown"}],
        [],
    ]
    with served.client() as client:
        path = f"/v1/transcripts/{job_id}/edits"

        def send(one: list[object]) -> int:
            return client.post(path, json={"operations": one}).status_code

        with ThreadPoolExecutor(4) as threads:
            yield from threads.map(send, operations)
        for step in ("undo", "redo", "undo", "undo"):
            yield client.post(f"{path}/{step}", json={}).status_code
        theirs = client.post(f"/v1/transcripts/{served.victim_job}/edits", json={"operations": operations[3]})
        assert theirs.status_code == 404


def share_links(served: Served) -> Iterator[int]:
    job_id = served.publish(transcript())
    with served.client() as client, served.client(VICTIM) as victim, httpx.Client(base_url=served.url) as guest:
        url = client.post(f"/v1/transcripts/{job_id}/links", json={"sound": True}).json()["url"]
        assert guest.get(url).status_code == 200
        token = url.rpartition("/")[2]
        for path in (
            f"/shared/{token}%2f..%2f..%2fv1%2fjobs",
            f"/shared/{token}/..;/{served.victim_job}",
            f"/shared/{token}/%252e%252e/{served.victim_job}",
            f"/shared/{token}\\..\\{served.victim_job}",
            f"/shared/./{token}/transcript.json%00.vtt",
            f"/shared/{token}/transcript.mp4",
            "/shared/" + "A" * 8000,
            "/shared/%ff%fe",
        ):
            answer = guest.get(path)
            assert SECRET_WORD not in answer.text
            assert answer.status_code in (401, 404, 405), path
            yield answer.status_code
        for ranges in (
            "bytes=0-",
            "bytes=-1",
            "bytes=5-1",
            "bytes=0-0,1-1",
            "bytes=" + "9" * 40 + "-",
            "bytes=a-b",
            "x=0-1",
        ):
            yield guest.get(f"{url}/media", headers={"Range": ranges}).status_code
        with ThreadPoolExecutor(8) as threads:
            guesses = threads.map(lambda number: guest.get(f"/shared/{number:043d}").status_code, range(500))
            assert set(guesses) == {404}
        links = client.get(f"/v1/transcripts/{job_id}/links").json()["items"]
        assert victim.delete(f"/v1/transcripts/{job_id}/links/{links[0]['id']}").status_code == 404
        for hours in (1e308, -1, 0, 1e-300, "x"):
            yield client.post(f"/v1/transcripts/{job_id}/links", json={"expires_in_hours": hours}).status_code
        brief = client.post(f"/v1/transcripts/{job_id}/links", json={"expires_in_hours": 1e-7}).json()["url"]
        assert guest.get(brief).status_code == 404, "an expired link"
        client.delete(f"/v1/transcripts/{job_id}/links/{links[0]['id']}")
        assert guest.get(url).status_code == guest.get(f"{url}/media").status_code == 404


def transcripts_alone(served: Served) -> Iterator[int]:
    """The jobs run while the victim sends requests; each ends without a server error."""
    cue = "WEBVTT\n\n00:00.000 --> 00:02.000\n"
    many = "\n\n".join(["WEBVTT", *(f"00:00.000 --> 06:00:00.000\n<v A{n}>hello" for n in range(5000))])
    bodies: list[tuple[str, bytes]] = [
        ("text/vtt", f"{cue}{'<' * 450_000}".encode()),
        ("text/vtt", many.encode()),
        ("text/vtt", f"{cue}a &#{'9' * 100_000};".encode()),
        ("application/x-subrip", b"1\n00:00:00,000 --> 99:59:59,999\n" + b"a" * 1_000_000),
        ("text/plain", b"\n".join(b"A%d: x" % number for number in range(5000))),
        ("text/plain", b"A: " + b"x" * 1_000_000),
        ("text/plain", "\u202e: \x00\ud7ff\n".encode() * 1000),
        ("text/vtt", b"WEBVTT\n\n99999999:00:00.000 --> 99999999:00:00.001\nx"),
        ("text/plain", b"\xff\xfe\x00"),
        ("text/vtt", b""),
    ]
    alone = render_json(named(2000, "\u202e=1+1", "x"), emotion=True)
    with served.client() as client:
        query = {"modalities": "none"}
        jobs = []
        for kind, body in bodies:
            answer = client.post("/v1/recordings", content=body, headers={"Content-Type": kind}, params=query)
            yield answer.status_code
            if answer.status_code == 202:
                jobs.append(answer.json()["id"])
        form = client.post("/v1/recordings", files={"transcript": ("../x.json", alone)}, data=query)
        yield form.status_code
        for job_id in jobs:
            yield client.delete(f"/v1/jobs/{job_id}").status_code


def known_voices(served: Served) -> Iterator[int]:
    clips = {
        "no rate": header(0),
        "one hertz": header(1),
        "an hour": sound(3600),
        "no sound": header(16_000),
        "no clip": b"x",
    }
    with served.client() as client:
        for name, clip in clips.items():
            files = [("file", ("a.mp4", MP4)), ("known_voice", (f"{name}\u202e\x00.wav", clip))]
            answer = client.post("/v1/recordings", files=files)
            yield answer.status_code
            if answer.status_code == 202:
                yield client.delete(answer.headers["location"]).status_code
        many = [("file", ("a.mp4", MP4)), *(("known_voice", (f"{n}.wav", header(8000))) for n in range(200))]
        yield client.post("/v1/recordings", files=many).status_code


def header(rate: int) -> bytes:
    """The header of a WAV file that declares one second at this rate."""
    size = 32_000
    parts = (b"RIFF", (size + 36).to_bytes(4, "little"), b"WAVEfmt ", (16).to_bytes(4, "little"), b"\1\0\1\0")
    rates = rate.to_bytes(4, "little") + (2 * rate).to_bytes(4, "little")
    return b"".join(parts) + rates + b"\2\0\x10\0data" + size.to_bytes(4, "little") + bytes(size)


def sound(seconds: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(2000)
        file.writeframes(bytes(2000 * seconds))
    return out.getvalue()


MEETINGS: dict[str, Attack] = {
    "exports of hostile text": exports_of_hostile_text,
    "edits": edits,
    "share links": share_links,
    "transcripts alone": transcripts_alone,
    "known voices": known_voices,
    **{f"exports of {name}": partial(exports_of, build=build) for name, build in HOSTILE_TRANSCRIPTS.items()},
}
