"""``judgeforge serve``: a judge as a service."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback, tokens are needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8080,
    model: Annotated[Path | None, typer.Option(help="A judge's folder; without it the champion is served.")] = None,
    base: Annotated[Path | None, typer.Option(help="Base model of a LoRA judge, if not where it was.")] = None,
    max_body_bytes: Annotated[int, typer.Option(min=1, help="Longest request.")] = 1 << 18,
    max_queue: Annotated[int, typer.Option(min=1, help="Requests that may wait for the judge.")] = 256,
    max_connections: Annotated[int, typer.Option(min=1, help="Connections open at once.")] = 1024,
    timeout_s: Annotated[float, typer.Option(min=0.001, help="For an answer, waiting included.")] = 120,
    read_timeout_s: Annotated[float, typer.Option(min=0.001, help="To send a request, or read an answer.")] = 10,
    drain_s: Annotated[float, typer.Option(min=1, help="For what is under way when the service ends.")] = 120,
    start_s: Annotated[float, typer.Option(min=1, help="For a worker to load the judge.")] = 1800,
    hang_s: Annotated[float, typer.Option(min=1, help="Silence after which a worker is killed.")] = 300,
    watch_s: Annotated[float, typer.Option(min=0, help="Between looks for a new champion; 0: none.")] = 30,
    one_at_a_time: Annotated[
        bool, typer.Option("--one-at-a-time", help="On a change, end the old judge before loading the new one.")
    ] = False,
) -> None:
    """Answer /grade/direct and /grade/pairwise over HTTP, and change to a new champion without losing a request.

    Tokens are read from JUDGEFORGE_SERVE_TOKENS. Decoding follows the section evaluate of params.yaml.

    Example: judgeforge serve --model models/merged --port 8080
    """
    from judgeforge.serve.server import run_service  # noqa: PLC0415 - fastapi takes a second
    from judgeforge.serve.settings import ServeSettings, check_address, load_tokens  # noqa: PLC0415

    tokens = load_tokens()
    check_address(host, tokens)
    settings = ServeSettings(
        host=host,
        port=port,
        model=model,
        base=base,
        max_body_bytes=max_body_bytes,
        max_queue=max_queue,
        max_connections=max_connections,
        timeout_s=timeout_s,
        read_timeout_s=read_timeout_s,
        drain_s=drain_s,
        start_s=start_s,
        hang_s=hang_s,
        watch_s=watch_s,
        one_at_a_time=one_at_a_time,
    )
    run_service(settings, tokens)
