"""Word-level tokenizer and small T5 encoder of the emoji model."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from evocache.zoo.prompts import BACKGROUNDS, CLASSES, TEMPLATES, caption

#: Tokens of the longest caption and the end mark; shorter ones are padded and masked.
TOKENS = 12
SPECIAL = ("<pad>", "</s>", "<unk>")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-cased words; what training never saw becomes <unk>."""
    normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex("[^a-z0-9]+"), " ")])
    captions = [
        caption(name, ground, template)
        for name in CLASSES
        for ground in BACKGROUNDS
        for template in range(len(TEMPLATES))
    ]
    words = sorted({word for text in captions for word in normalizer.normalize_str(text).split()})
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=120,
    )


def build_encoder(vocabulary: int) -> T5EncoderModel:
    """0.7 M parameters, width 192."""
    config = T5Config(
        vocab_size=vocabulary,
        d_model=192,
        d_kv=32,
        num_heads=6,
        d_ff=384,
        num_layers=2,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
    )
    return T5EncoderModel(config)
