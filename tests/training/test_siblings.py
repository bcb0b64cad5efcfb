from training.siblings import fill


def test_paragraphs_are_wrapped_and_tables_are_not():
    row = "| " + "figure | " * 40
    long = "word " * 60
    found = fill(f"## head\n\n{long}\n\n|---|\n{row}\n\n![a picture]({'x' * 130})\n\nlast\n\n").split("\n")
    assert row in found
    assert found[0] == "## head"
    assert found.count("") == 6
    assert all(len(line) <= 120 for line in found if line[:1] not in ("|", "!"))
