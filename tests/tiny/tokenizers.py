"""Tokenizers made of letters: the real classes, with vocabularies written down here instead of downloaded."""

import string

from transformers import BertTokenizer, CLIPTokenizer, T5Tokenizer

LETTERS = string.ascii_lowercase + string.digits + ",.-'"
MAX_LENGTH = 16
"""Tokens of a padded CLIP prompt; it differs from every tiny image's token count, so that streams of text and of
image can be told apart by their shapes."""


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    """Byte-pair encoding without merges: every letter is a token, and so is every letter that ends a word."""
    pieces = ["<|startoftext|>", "<|endoftext|>", "!", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=[], pad_token=pad_token, model_max_length=MAX_LENGTH)


def t5_tokenizer() -> T5Tokenizer:
    """Unigram model over letters; no sentinel tokens, which only pre-training needs."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\N{LOWER ONE EIGHTH BLOCK}", -2.0)]
    letters = [(letter, -3.0) for letter in LETTERS]
    return T5Tokenizer(vocab=[*special, *letters], extra_ids=0, model_max_length=MAX_LENGTH)


def bert_tokenizer() -> BertTokenizer:
    """WordPiece over letters: a word is its first letter and continued letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *LETTERS, *("##" + letter for letter in LETTERS)]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=77)
