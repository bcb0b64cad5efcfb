import csv
import json
from pathlib import Path

import pytest

from evocache.cli.inputs.prompts import drop_repeats, gather, read_prompts
from evocache.errors import InputError

REAL = Path(__file__).parents[4] / "shared" / "data" / "prompts"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "a fox\n\n  two foxes \r\n"),
        ("a.tsv", 'Prompt\tCategory\na fox\tAnimals\n\t\ntwo foxes\t"unbalanced\n'),
        ("a.csv", 'id,caption\n1,a fox\n2,"two foxes"\n'),
        ("a.json", '["a fox", {"id": 2, "prompt": "two foxes"}]'),
        ("a.jsonl", '{"prompt": "a fox"}\n\n{"Prompt": "two foxes", "x": 1}\n'),
        ("a", "\ufeffa fox\ntwo foxes"),
        ("a.txt", "# of foxes\n#\na fox\r\r\n\ttwo foxes"),
        ("a.TSV", "\ufeffid\tPROMPT\r\n1\ta fox\r\n2\ttwo foxes\r\n"),
        ("a.csv", "prompt;note\n a fox ;1,5\ntwo foxes;\n\n"),
        ("a.csv", "Caption\na fox\ntwo foxes"),
        ("a.ndjson", '{"prompt_en": "a fox"}\r\n{"text": "two foxes"}'),
    ],
)
def test_kinds_of_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_prompts(path) == ["a fox", "two foxes"]


def test_separators_within_a_prompt_do_not_end_its_line(tmp_path):
    odd = "a\u2028fox\x85 and\x0ca hare"
    for name, text in (("a.jsonl", json.dumps({"prompt": odd}, ensure_ascii=False)), ("a.tsv", f"prompt\n{odd}")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read_prompts(tmp_path / name) == [odd]
        assert gather([], tmp_path / name) == ["a fox and a hare"]


def test_quotes_hashes_and_accents_are_part_of_a_prompt(tmp_path):
    prompts = ['"hello" on a sign', "#1 fan", 'a 5" disc', "crème brûlée, 紅狐"]
    (tmp_path / "a.txt").write_text("\n".join(prompts), encoding="utf-8")
    (tmp_path / "a.tsv").write_text("\n".join(["x\tprompt", *(f"\t{p}" for p in prompts)]), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(prompts), encoding="utf-16")
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["prompt", "n"], *([p, i] for i, p in enumerate(prompts))])
    for name in ("a.txt", "a.tsv", "b.txt", "a.csv"):
        assert read_prompts(tmp_path / name) == prompts


def test_repeats_are_kept_until_they_matter(tmp_path):
    (tmp_path / "a.txt").write_text("b\na\nb\n")
    assert gather([], tmp_path / "a.txt") == ["b", "a", "b"]
    assert drop_repeats(gather([], tmp_path / "a.txt")) == ["b", "a"]


def test_half_a_character_is_no_text(tmp_path):
    (tmp_path / "a.json").write_text('["a \\ud83d fox"]')
    with pytest.raises(InputError, match="incomplete character"):
        gather([], tmp_path / "a.json")


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
        ("a.txt", b"", "without a prompt"),
        ("a.txt", b"# nothing but this\n", "without a prompt"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.txt", "a fox\ncr\u00e8me".encode("latin-1"), r"byte 0xe8 in line 2"),
        ("a.txt", b"\x89PNG\r\n", r"byte 0x89 in line 1"),
        ("a.txt", b"a\x00b", "no text"),
        ("a.tsv", b"Category\tNote\nx\ty\n", "Category, Note"),
        ("a.tsv", b"id\tprompt\n1\ta fox\n2\n", "without a prompt in row 3"),
        ("a.csv", b"", "a column"),
        ("a.csv", b"prompt\n", "without a prompt"),
        ("a.csv", b'prompt\n"a fox\ntwo foxes\n', "unexpected end of data"),
        ("a.csv", b"id,prompt\n1,a fox\n2,\n", "without a prompt in row 3"),
        ("a.json", b'{"prompt": "x"}', "an object"),
        ("a.json", b'["x", 3]', "a number as entry 1"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.json", b'[{"id": 3}]', "an object as entry 0"),
        ("a.json", b'[{"prompt": null}]', "null as entry 0"),
        ("a.json", b'["x", " "]', "an empty prompt as entry 1"),
        ("a.json", b'{"prompt": "x"}\n{"prompt": "y"}\n', r"name it \.jsonl"),
        ("a.json", b"[]", "without a prompt"),
        ("a.json", b"", "JSON"),
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt"', "line 2"),
    ],
)
def test_what_holds_no_prompts_is_explained(tmp_path, name, content, word):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=word):
        read_prompts(path)


def test_no_file_a_folder_no_prompt_an_empty_one(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="check the path"):
            read_prompts(path)
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
    prompts = read_prompts(REAL / path)
    assert len(prompts) == count
    assert prompts[0] == first
    assert all(prompt == prompt.strip() != "" for prompt in prompts)
