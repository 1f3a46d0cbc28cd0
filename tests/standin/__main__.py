# SPDX-License-Identifier: Apache-2.0
"""python -m standin --port P: run the stand-in until SIGTERM or SIGINT."""
import argparse
import asyncio
import gc
import signal
import sys

from .server import make_server
from .version import COMMITS


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standin", description="A stand-in for Qdrant's REST port, for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one; the ready line names it")
    parser.add_argument("--version", default="1.18.3", choices=sorted(COMMITS), help="which server to imitate")
    parser.add_argument("--api-key", help="read-write key; without keys everything is allowed")
    parser.add_argument("--read-only-key")
    parser.add_argument("--seed", type=int, default=1, help="for everything drawn at random")
    parser.add_argument("--merge-upserts", type=float, default=0.0, metavar="PROB",
                        help="how likely an existing point sits in an indexed segment, where upserts merge")
    parser.add_argument("--apply-delay-ms", type=float, default=0.0, help="how late acknowledged writes are applied")
    parser.add_argument("--default-wait-ms", type=float, help="when wait=true gives up (the version's own if unset)")
    parser.add_argument("--body-max-mb", type=int, default=32)
    parser.add_argument("--no-log", action="store_true", help="do not keep requests for GET /__standin__/log")
    return parser.parse_args(argv)


async def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    server = make_server(arguments)
    listener = await server.listen(arguments.host, arguments.port)
    port = listener.sockets[0].getsockname()[1]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.freeze()
    print(f"standin: qdrant {arguments.version} ready on http://{arguments.host}:{port}", flush=True)
    await stop.wait()
    listener.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
