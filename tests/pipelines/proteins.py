"""Proteins: a backbone and the latents of what hangs on it are denoised together, each by a scheduler of its own."""

from __future__ import annotations

import torch
from diffusers.models import RFD4ProteinaAutoencoder
from diffusers.schedulers import RFD4ProteinaScheduler

from tests.pipelines.row import Kit, Parts, denoiser

RESIDUES = 5
KINDS = 5


def proteina() -> Parts:
    """Return the parts of RFD4-Proteina; the trunk runs as often in a call as a step's depth says."""
    return {
        "transformer": denoiser("RFD4ProteinaTransformer"),
        "vae": RFD4ProteinaAutoencoder(
            atom37_mask=[[True] * 37] * KINDS,
            allowed_residue_types=[[True] * KINDS] * 7,
            latent_dim=4,
            n_residue_types=KINDS,
            nlayers=1,
            token_dim=16,
            nheads=2,
            dim_cond=8,
            pair_repr_dim=8,
            token_type_emb_dim=4,
        ),
        "bb_ca_scheduler": RFD4ProteinaScheduler("log", "tan", tsr_k=1.0, tsr_sigma=1.0, tail_steps=0),
        "local_latents_scheduler": RFD4ProteinaScheduler("power", "1/t", tsr_k=1.0, tsr_sigma=1.0, tail_steps=0),
        "recycle_depths": [1, 1, 2, 1],
    }


YES = torch.ones(1, RESIDUES, dtype=torch.bool)
PROTEINA = Kit(
    proteina,
    {
        "padding_mask": YES,
        "is_in_context_conditioning": ~YES,
        "supports_local_latent": YES,
        "token_type": torch.zeros(1, RESIDUES, dtype=torch.long),
        "conditioning_features": {
            "condition_sequence_1_residue": torch.zeros(1, RESIDUES, dtype=torch.long),
            "molecule_iid": torch.zeros(1, RESIDUES, dtype=torch.long),
        },
    },
)

ROWS = (PROTEINA.row("RFD4ProteinaPipeline"),)
