"""Denoisers of embeddings and of tokens: priors, masked models, molecules."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Given, Recipe, normal

TEXT = 6


def call_prior(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Latents by position, a single time by keyword."""
    return module(latents, timestep=t, **given, return_dict=False)


def call_ratio(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """A share of noise instead of a time."""
    return module(latents, r=t.expand(1) / 1000, **given)


def call_amused(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Tokens, and no time: how much is masked shows in them."""
    return module(latents, **given)


def call_vq(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Tokens, and a whole number as time."""
    return module(latents, timestep=t.long() % 100, **given, return_dict=False)


def call_joint(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """UniDiffuser: a picture's latents, its embedding and a text's, each with a time."""
    return module(latents, **given, timestep_img=t, timestep_text=t)


def protein() -> Given:
    """Residues that may be placed."""
    yes = torch.ones(1, 5, dtype=torch.bool)
    return {
        "padding_mask": yes,
        "token_type": torch.zeros(1, 5, dtype=torch.long),
        "conditioning": {"is_in_context_conditioning": ~yes, "supports_local_latent": yes},
    }


def call_protein(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """A backbone's coordinates and latents of what hangs on it, each with a time."""
    time = 1 - t.expand(1) / 1000
    backbone, local = latents.split([3, 4], dim=-1)
    output = module(bb_ca=backbone, local_latents=local, bb_ca_time=time, local_latents_time=time, **given)
    return torch.cat([output.backbone, output.local_latents], -1)


RECIPES = (
    Recipe(
        "PriorTransformer",  # as unCLIP and Kandinsky 2 have it
        {
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "num_layers": 3,
            "embedding_dim": 12,
            "num_embeddings": TEXT,
        },
        (1, 12),
        lambda: {
            "proj_embedding": normal(1, 12),
            "encoder_hidden_states": normal(1, TEXT, 12),
            "attention_mask": torch.ones(1, TEXT, dtype=torch.bool),
        },
        blocks=3,
        call=call_prior,
        component="prior",
    ),
    Recipe(
        "WuerstchenPrior",
        {"c_in": 4, "c": 16, "c_cond": 12, "c_r": 8, "depth": 2, "nhead": 2},
        (1, 4, 4, 4),
        lambda: {"c": normal(1, TEXT, 12)},
        blocks=6,
        call=call_ratio,
        component="prior",
        module="diffusers.pipelines.deprecated.wuerstchen.modeling_wuerstchen_prior",
    ),
    Recipe(
        "UVit2DModel",
        {"hidden_size": 16, "cond_embed_dim": 12, "micro_cond_encode_dim": 4, "micro_cond_embed_dim": 20}
        | {
            "encoder_hidden_size": 12,
            "vocab_size": 24,
            "codebook_size": 16,
            "in_channels": 16,
            "block_out_channels": 16,
        }
        | {"num_res_blocks": 2, "block_num_heads": 2, "num_hidden_layers": 3, "num_attention_heads": 2}
        | {"intermediate_size": 32, "sample_size": 4},
        (1, 4, 4),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "pooled_text_emb": normal(1, 12),
            "micro_conds": torch.tensor([[64.0, 64.0, 0.0, 0.0, 6.0]]),
        },
        blocks=3,
        call=call_amused,
        vocabulary=16,
    ),
    Recipe(
        "Transformer2DModel",  # as VQ diffusion has it
        {
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "num_layers": 2,
            "cross_attention_dim": 12,
            "sample_size": 4,
        }
        | {"num_vector_embeds": 17, "num_embeds_ada_norm": 100, "activation_fn": "geglu-approximate"}
        | {"attention_bias": True, "norm_type": "ada_norm"},
        (1, 16),
        lambda: {"encoder_hidden_states": normal(1, TEXT, 12)},
        blocks=2,
        call=call_vq,
        vocabulary=17,
    ),
    Recipe(
        "UniDiffuserModel",
        {"text_dim": 12, "clip_img_dim": 10, "num_text_tokens": TEXT, "num_attention_heads": 2, "attention_head_dim": 8}
        | {"in_channels": 4, "out_channels": 4, "num_layers": 5, "sample_size": 8, "patch_size": 2},
        (1, 4, 8, 8),
        lambda: {"image_embeds": normal(1, 1, 10), "prompt_embeds": normal(1, TEXT, 12)},
        blocks=7,  # two in, a middle, two out, each behind a block that takes a skip connection in
        call=call_joint,
        component="unet",
        module="diffusers.pipelines.deprecated.unidiffuser.modeling_uvit",
    ),
    Recipe(
        "RFD4ProteinaTransformer",
        {
            "nlayers": 3,
            "token_dim": 16,
            "nheads": 2,
            "dim_cond": 8,
            "pair_repr_dim": 8,
            "latent_dim": 4,
            "tri_mult_c": 8,
        }
        | {"token_type_emb_dim": 4, "t_emb_dim": 8, "xt_pair_dist_dim": 4, "feats_pair_repr": ("xt_bb_ca_pair_dists",)}
        | {"feats_seq": ("xt_bb_ca", "xt_local_latents", "token_type"), "num_sequence_classes": 5}
        | {"feats_cond_seq": ("time_emb_bb_ca", "time_emb_local_latents")},
        (1, 5, 7),
        protein,
        blocks=3,
        call=call_protein,
    ),
)
