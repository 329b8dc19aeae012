"""The visitor of ``benchmarks/load.py`` sees and does what a reader does."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from urllib.parse import urlencode

import pytest

from benchmarks.visitor import VisitError, visiting


def run(stay: Coroutine[None, None, None]) -> None:
    """Run it in a thread: Playwright, which other tests have begun, has a loop at work in ours."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(stay)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def test_a_visitor_without_a_browser_moves_reads_and_is_refused(server: str) -> None:
    async def stay() -> None:
        async with visiting(server, "spectrum", "window=100:480") as visitor:
            assert visitor.page == "Spectrum"
            assert visitor.window == (100, 480, 576)
            moved = await visitor.move("101:480", "102:480", every=0.05)
            assert visitor.window == (102, 480, 576)
            assert visitor.stamps[0] == "102:480"
            assert 0 < moved.first <= moved.whole
            assert moved.received > 1000

            await visitor.go("Filter and lens")
            assert visitor.words[0] == "Filter and lens"
            assert visitor.window == (102, 480, 576)
            before = visitor.words
            await visitor.type("Your text", "The tide came in early.")
            assert visitor.words != before
            with pytest.raises(VisitError, match="red line: Your text is empty"):
                await visitor.type("Your text", " ")
            with pytest.raises(VisitError, match="no control 'Your cat' on Filter and lens"):
                await visitor.type("Your cat", "Tom")

    run(stay())


def test_a_visitor_without_a_browser_has_texts_embedded(server: str, tiny_folder: Path) -> None:
    async def stay() -> None:
        asked = urlencode({"model": tiny_folder, "prompt": "mean", "window": "3:20"})
        async with visiting(server, "geometry", asked) as visitor:
            await visitor.choose("Texts", "your file")
            texts = "\n".join(f"Boat {i} came in with {i * i} fish." for i in range(24))
            await visitor.upload("A .txt file", "boats.txt", texts.encode())
            assert not visitor.stamps
            await visitor.press("Embed 24 texts")
            assert not visitor.busy
            assert visitor.stamps == ["3:20", "3:20", "PCA-3:20"]

    run(stay())
