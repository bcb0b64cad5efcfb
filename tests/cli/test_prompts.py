from pathlib import Path

import pytest

from evocache.cli.failures import InputError
from evocache.cli.prompts import gather, read

REAL = Path(__file__).parents[3] / "shared" / "data" / "prompts"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "a fox\n\n  two foxes \r\n"),
        ("a.tsv", 'Prompt\tCategory\na fox\tAnimals\n\t\ntwo foxes\t"unbalanced\n'),
        ("a.csv", 'id,caption\n1,a fox\n2,"two foxes"\n'),
        ("a.json", '["a fox", {"id": 2, "prompt": "two foxes"}]'),
        ("a.jsonl", '{"prompt": "a fox"}\n\n{"Prompt": "two foxes", "x": 1}\n'),
        ("a", "\ufeffa fox\ntwo foxes"),
    ],
)
def test_kinds_of_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read(path) == ["a fox", "two foxes"]


def test_a_csv_cell_may_hold_commas_and_line_breaks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('prompt\n"a fox,\nred"\n', encoding="utf-8")
    assert gather([], path) == ["a fox, red"]


def test_the_command_line_comes_first_and_the_limit_counts_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("b\nc\n")
    assert gather(["a"], path) == ["a", "b", "c"]
    assert gather(["a"], path, 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.txt", b"\n\n", "without a prompt"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.tsv", b"Category\tNote\nx\ty\n", "Category, Note"),
        ("a.csv", b"", "a column"),
        ("a.json", b'{"prompt": "x"}', "an object"),
        ("a.json", b'["x", 3]', "a number as entry 1"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.json", b'[{"id": 3}]', "an object as entry 0"),
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt"', "line 2"),
    ],
)
def test_what_holds_no_prompts_is_explained(tmp_path, name, content, word):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=word):
        read(path)


def test_no_file_a_folder_no_prompt_an_empty_one(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="check the path"):
            read(path)
    with pytest.raises(InputError, match="no prompt"):
        gather([], None)
    with pytest.raises(InputError, match="empty"):
        gather(["  "], None)


@pytest.mark.parametrize(
    ("path", "count", "first"),
    [
        ("parti/PartiPrompts.tsv", 1632, "bond"),
        ("imagereward/benchmark-prompts.json", 100, "a concept art of a vehicle, cyberpunk"),
        ("geneval/evaluation_metadata.jsonl", 553, "a photo of a bench"),
        ("vbench/all_dimension.txt", 946, "In a still frame, a stop sign"),
    ],
)
def test_published_prompt_sets(path, count, first):
    if not (REAL / path).is_file():
        pytest.skip(f"{path} is not beside the repository")
    prompts = read(REAL / path)
    assert len(prompts) == count
    assert prompts[0] == first
