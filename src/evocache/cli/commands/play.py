"""`evocache play`: the page of a server, which is started if there is none."""

from __future__ import annotations

import http.client
import json
import webbrowser
from typing import Annotated

import typer

from ..inputs.served_models import Fronts, Loras, Models, read_fronts, read_loras, read_models
from ..ui.console import errors

PATIENCE = 5.0
"""Seconds in which a server that runs says so."""


def play(
    model: Models = None,
    front: Fronts = None,
    lora: Loras = None,
    host: Annotated[str, typer.Option(help="Address of the server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 starts one at a free one.")] = 8000,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Open the page to play with models; the server of it is started if none answers."""
    if port and answers(host, port):
        if model or front or lora:
            errors().print("A server runs already: its models are played with.", markup=False, highlight=False)
        _show(f"http://{f'[{host}]' if ':' in host else host}:{port}", browser)
        return
    from ...serve.run import run
    from ...serve.settings import Settings

    models = read_models(model)
    loras = read_loras(lora, list(models))
    settings = Settings(models, read_fronts(front, list(models), loras), host, port, loras=loras)
    run(settings, lambda url: _show(url, browser))


def answers(host: str, port: int) -> bool:
    """Return whether a server of ours answers at an address; whatever else is there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        found = json.loads(connection.getresponse().read(1 << 16))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return bool(found == {"status": "ok"})


def _show(url: str, browser: bool) -> None:
    opened = browser and webbrowser.open(url)
    errors().print(f"{'Opened' if opened else 'Open'} {url}", markup=False, highlight=False)
