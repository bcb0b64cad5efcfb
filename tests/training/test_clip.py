from transformers import CLIPTokenizer

from evocache.zoo.motions import MOTIONS
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, TEMPLATES
from training import clip
from training.moving import KINDS


def test_every_word_of_every_caption_is_one_token():
    tokenizer, captions = clip.build_tokenizer(), clip.captions()
    assert len(captions) == len(CLASSES) * len(BACKGROUNDS) * len(KINDS) * len(TEMPLATES)
    rows = tokenizer(captions)["input_ids"]
    assert max(map(len, rows)) <= clip.TOKENS
    sample = captions[:: len(KINDS) * len(TEMPLATES) * 3 + 1]
    for text in sample:
        assert tokenizer.tokenize(text) == [f"{word}</w>" for word in clip.split(text)]


def test_numbers_lead_back_to_the_words():
    tokenizer = clip.build_tokenizer()
    for motion in MOTIONS:
        text = f"fox on a light blue background {motion}"
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True).split() == text.split()


def test_what_was_never_seen_is_told_by_letters():
    tokenizer = clip.build_tokenizer()
    tokens = tokenizer.tokenize("foxes")
    assert len(tokens) > 1
    assert "".join(tokens).replace("</w>", "") == "foxes"


def test_the_saved_tokenizer_gives_the_same_numbers(tmp_path):
    texts = ["emoji of jack-o-lantern on navy turning counterclockwise", "fox, pink background", ""]
    clip.build_tokenizer().save_pretrained(tmp_path)
    clip.save_vocabulary(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(loaded).__name__ == "CLIPTokenizer"
    options = {"padding": "max_length", "max_length": loaded.model_max_length, "truncation": True}
    assert loaded(texts, **options)["input_ids"] == clip.encode(texts).tolist()
    # What older versions of transformers read instead.
    files = CLIPTokenizer(vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"))
    assert files(texts[0])["input_ids"] == loaded(texts[0])["input_ids"]


def test_merges_make_whole_words_and_keep_those_before():
    words = ["on", "one", "balloon", "no", "neon", "on"]
    ranks = {pair: rank for rank, pair in enumerate(clip.learn(words))}
    assert [clip.merge(clip.letters(word), ranks) for word in words] == [[f"{word}</w>"] for word in words]


def test_captions_of_different_motions_differ():
    tokens = clip.caption_tokens()
    assert tokens.shape == (len(CLASSES), len(BACKGROUNDS), len(KINDS), len(TEMPLATES), clip.TOKENS)
    rows = tokens[0, 0, :, 0].tolist()
    assert len({tuple(row) for row in rows}) == len(KINDS)
