import json
from importlib.util import find_spec

import pytest
from rich.console import Console

from evocache.cli.commands.usage.braille import draw_lines
from evocache.cli.commands.usage.demo import pacer
from evocache.cli.commands.usage.demo_display import FRAME, Display
from evocache.cli.commands.usage.demo_race import Race
from evocache.usage.workloads import drifting


def test_the_learning_cache_overtakes(run, tmp_path):
    picture = tmp_path / "race.png"
    found = json.loads(run("usage", "demo", "--seconds", 0, "--requests", 4000, "--out", picture, "--json").stdout)
    lru, learned = found["caches"]["lru"], found["caches"]["learned"]
    assert found["requests"] == 4000
    assert learned["hits"] > lru["hits"] > 0
    assert found["more_hits"] == learned["hits"] / lru["hits"] - 1
    assert learned["seconds_saved"] == pytest.approx(0.8 * learned["hits"])
    assert found["ahead_since"] is not None
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_summary_says_who_was_ahead(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("usage", "demo", "--seconds", 0, "--requests", 300).stdout
    assert "300 requests" in text
    assert "hit: answered from a stored result" in text
    assert (tmp_path / "usage-demo.png").exists() == (find_spec("matplotlib") is not None)


def test_a_picture_in_no_folder_is_refused_at_once(run, tmp_path):
    result = run("usage", "demo", "--out", tmp_path / "nothing" / "a.png")
    assert result.exit_code == 2
    assert "in no folder" in result.stderr


def test_requests_come_when_they_are_due():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = pacer(60.0, lambda: now[0], sleep)
    pace(0.0)
    pace(0.5)
    now[0] += 45.0  # late
    pace(0.75)
    assert slept == [30.0]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 14)])
def test_the_display_fits_a_terminal(width, height):
    race = Race(drifting(7, 600))
    display = Display(race, 60.0)
    display.elapsed = 10.0
    for i, _ in enumerate(race.run(lambda part: None)):
        if i in (0, 3):
            assert len(_lines(display, width, height)) <= height
    lines = _lines(display, width, height)
    race.close()
    assert len(lines) == max(4, height - FRAME) + FRAME
    assert len(lines) <= height or height < FRAME + 4
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("lru", "learned", "hit rate now", "decides now"):
        assert word in text
    assert any("\u2800" < letter <= "\u28ff" for letter in text)


def test_a_machine_that_does_not_keep_up_has_longer_to_go():
    race = Race(drifting(7, 600))
    display = Display(race, 10.0)
    for _ in race.run(lambda part: None):
        if race.done == 300:
            break
    for elapsed, left in ((5.0, "0:05"), (20.0, "0:20")):
        display.elapsed = elapsed
        assert f"{left} to go" in _lines(display, 80, 24)[-1]
    race.close()


def _lines(display, width, height):
    console = Console(width=width, height=height, force_terminal=False)
    with console.capture() as held:
        console.print(display.render(width, height))
    return held.get().rstrip("\n").split("\n")


def test_lines_of_dots():
    rows = draw_lines([([0.0, 0.0, 1.0, 1.0], "red")], 2, 1, 1.0)
    assert [row.plain for row in rows] == ["\u28c0\u284f"]
    assert draw_lines([([0.5], "red"), ([2.0], "blue")], 1, 2, 1.0)[0].plain == "\u2841"
