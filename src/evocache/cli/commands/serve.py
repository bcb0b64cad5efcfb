"""`evocache serve`: a server for models, as OpenAI's clients speak to it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ...errors import InputError
from ...units import in_bytes
from ..inputs.request_limits import KeepDays, MaxPictures, MaxPixels, MaxPrompt, MaxSteps, ResultsRoom
from ..inputs.served_models import Fronts, Loras, Models, read_fronts, read_loras, read_models
from ..ui.console import errors


class LogFormat(str, Enum):
    """Forms of the log's lines."""

    text = "text"
    json = "json"


def serve(
    model: Models = None,
    front: Fronts = None,
    lora: Loras = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    memory: Annotated[str | None, typer.Option(help="Most bytes of a worker, weights included, such as 10GB.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that compute; 0: the server's own.")] = 1,
    open_: Annotated[int, typer.Option("--open", min=1, max=256, help="Generations that run at a time in each.")] = 16,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, max=512, help="Threads of each worker on the CPU.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="For jobs, results and the cache; without it nothing lasts."),
    ] = None,
    database: Annotated[str | None, typer.Option(help="URL of a Postgres database; --folder is for results.")] = None,
    shared: Annotated[str | None, typer.Option(help="URL of a Valkey server, for several servers.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name that the server goes by, as behind a proxy; more than one may be given, * is any."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Origin whose pages may ask, such as https://studio.example.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let others than this machine in without keys.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Form of the log's lines.")] = LogFormat.text,
    cache: Annotated[str, typer.Option(help="Memory for results, so that none is made twice; 0 keeps none.")] = "256MB",
    conditioning: Annotated[
        str | None,
        typer.Option(help="Memory of a worker for outputs of encoders; 64MB, or a 32nd of --memory; 0 keeps none."),
    ] = None,
    reuse_unseeded: Annotated[
        bool, typer.Option("--reuse-unseeded", help="Give who names no seed what was made before, not another picture.")
    ] = False,
    share_within_tenant: Annotated[
        bool, typer.Option("--share-within-tenant", help="Let owners of a tenant share results; times tell of them.")
    ] = False,
    tenants: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="Tenants with room for results; as many as have keys, and 4 at least."),
    ] = None,
    max_pixels: MaxPixels = 4096 * 4096,
    max_steps: MaxSteps = 200,
    max_pictures: MaxPictures = 10,
    max_prompt: MaxPrompt = 32_000,
    keep_days: KeepDays = 1.0,
    results: ResultsRoom = "10GB",
    drain: Annotated[float, typer.Option(min=0, max=3600, help="Seconds that what runs may take at the end.")] = 30.0,
    measure: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of cached generations made once more uncached when idle, to measure quality.",
        ),
    ] = 0.01,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Serve on a Ray cluster: host:port, auto, or local for a new one."),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, max=4096, help="Servers on the Ray cluster.")] = 1,
    cpus: Annotated[float, typer.Option(min=0, help="CPUs that each of them takes of its machine.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that each takes; 0.5 shares one with another.")] = 0.0,
) -> None:
    """Serve models to OpenAI's clients: pictures, videos, previews; many at a time."""
    from ...serve.requests.fit import Limits
    from ...serve.reuse.settings import ReuseSettings
    from ...serve.run import run
    from ...serve.settings import Settings
    from ...usage.keys.secret import installation_secret

    models = read_models(model)
    loras = read_loras(lora, list(models))
    settings = Settings(
        models,
        read_fronts(front, list(models), loras),
        host,
        port,
        memory,
        workers,
        device,
        dtype,
        open_,
        threads,
        folder,
        database,
        shared,
        limits=Limits(max_pixels, max_steps, max_pictures, max_prompt),
        keep=keep_days * 86400.0,
        disk_bytes=in_bytes(results),
        names=frozenset(allow_host or ()),
        origins=frozenset(allow_origin or ()),
        insecure=insecure,
        secret=installation_secret(),
        log=log_format.value,
        drain=drain,
        loras=loras,
        measure=measure,
        conditioning=conditioning,
        reuse=ReuseSettings(
            in_bytes(cache), tenants=tenants, unseeded=reuse_unseeded, within_tenant=share_within_tenant
        ),
    )
    said = ", ".join(models)

    def tell(url: str) -> None:
        errors().print(f"{said} on {url}", markup=False, highlight=False)

    if ray is None:
        if (replicas, cpus, gpus) != (1, 1.0, 0.0):
            raise InputError("--replicas, --cpus or --gpus without --ray", "a cluster of Ray", "add --ray local")
        run(settings, tell)
        return
    from ...serve.ray_app.deploy import serve_on_ray
    from ...serve.ray_app.replica_settings import ReplicaSettings

    serve_on_ray(settings, ray, ReplicaSettings(replicas, cpus, gpus), tell)
