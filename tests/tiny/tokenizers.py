"""Tokenizers made of letters: the real classes, with vocabularies written down here instead of downloaded."""

import string

from tokenizers import pre_tokenizers
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GemmaTokenizer,
    LlamaTokenizer,
    Qwen2Tokenizer,
    T5Tokenizer,
)

LETTERS = string.ascii_lowercase + string.digits + ",.-'"
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
MAX_LENGTH = 16
"""Tokens of a padded prompt. It differs from the token counts of the tiny images and videos that share a
block with it, so that streams can be told apart by their shapes."""


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    """Byte-pair encoding without merges: every letter is a token, and so is every letter that ends a word."""
    pieces = ["<|startoftext|>", "<|endoftext|>", "!", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=[], pad_token=pad_token, model_max_length=MAX_LENGTH)


def t5_tokenizer() -> T5Tokenizer:
    """Unigram model over letters; no sentinel tokens, which only pre-training needs."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (SPACE, -2.0)]
    letters = [(letter, -3.0) for letter in LETTERS]
    return T5Tokenizer(vocab=[*special, *letters], extra_ids=0, model_max_length=MAX_LENGTH)


def bert_tokenizer() -> BertTokenizer:
    """WordPiece over letters: a word is its first letter and continued letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *LETTERS, *("##" + letter for letter in LETTERS)]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=77)


def llama_tokenizer() -> LlamaTokenizer:
    """Byte-pair encoding without merges; pads on the left, as language models do."""
    pieces = ["<unk>", "<s>", "</s>", "<pad>", SPACE, *LETTERS]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return LlamaTokenizer(vocab=vocab, merges=[], pad_token="<pad>", model_max_length=MAX_LENGTH)


def gemma_tokenizer() -> GemmaTokenizer:
    """Byte-pair encoding without merges."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", SPACE, *LETTERS]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return GemmaTokenizer(vocab=vocab, merges=[], model_max_length=MAX_LENGTH)


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{{ part.text }}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""How Qwen2-VL lays out a conversation, pictures and its default system prompt left out."""


def qwen_tokenizer(template: str = "") -> Qwen2Tokenizer:
    """Byte-level encoding; the words of the template are tokens, as they are in the real vocabulary.

    Pipelines with a template drop a fixed number of tokens, that of its own, from the front of every prompt; those
    without lay prompts out as a conversation.
    """
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    splitter = Qwen2Tokenizer(vocab={}, merges=[]).backend_tokenizer.pre_tokenizer
    words = sorted({word for word, _ in splitter.pre_tokenize_str(template)} - set(alphabet))
    vocab = {piece: index for index, piece in enumerate([*special, *alphabet, *words])}
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], extra_special_tokens=special[1:], model_max_length=1024)
    tokenizer.backend_tokenizer.model.ignore_merges = True  # words need no merges to be found
    tokenizer.chat_template = CHAT
    return tokenizer
