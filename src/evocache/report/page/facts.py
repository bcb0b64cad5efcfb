"""How a report's figures were measured, as names and texts."""

from __future__ import annotations

from ...tables import in_seconds
from ...validation.proof_file import Basis
from ..run.run_contents import Contents


def list_facts(contents: Contents) -> dict[str, str]:
    """Return what the figures stand on, by what each fact is about; unknown ones are left out."""
    facts = {} if contents.basis is None else _of_proof(contents.basis)
    if contents.calibration is not None and contents.calibration.accuracy.checked:
        accuracy = contents.calibration.accuracy
        facts["latency model"] = (
            f"off by {accuracy.median:.1%} in the median and {accuracy.largest:.1%} at most, on {accuracy.checked} "
            "schedules that it was not fitted to"
        )
    run = contents.history.run if contents.history else {}
    if run:
        if "least steps" in run:
            facts["steps"] = f"{run['least steps']} to {run['steps']}, held against the uncached {run['steps']}"
        facts["objectives"] = ", ".join(["error", *map(str, run.get("objectives", ()))])
        facts["prompts searched on"] = "; ".join(map(str, run.get("prompts", ())))
        facts["settings"] = ", ".join(f"{k} {v}" for k, v in dict(run.get("settings", {})).items() if v is not None)
    return facts


def _of_proof(basis: Basis) -> dict[str, str]:
    clock = f"{basis.rounds} rounds of {basis.timed} prompts, decoding included, on {basis.device}"
    facts = {
        "quality": f"{basis.quality}, on {basis.stands_on}",
        "clock": clock + (f", by {basis.clock}" if basis.clock else ""),
        "proof": f"took {in_seconds(basis.seconds)}",
    }
    if basis.versions:
        facts["versions"] = ", ".join(f"{name} {version}" for name, version in basis.versions.items())
    if basis.left_out:
        facts["not measured"] = "; ".join(basis.left_out)
    return facts
