# SPDX-License-Identifier: Apache-2.0
"""A network that a test can break: a TCP relay between one program and one server.

    relay = Relay(redis.port)      # the program is told relay.port
    relay.stall()                  # connections stay, nothing comes through; what is sent waits
    relay.stall("answers")         # requests come through, answers wait
    relay.cut()                    # what waits is lost, connections are reset, new ones too
    relay.mend()                   # all is well again; what waited comes through
"""
import asyncio
import contextlib
import functools
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)  # closing resets, and what was not sent yet is lost
PIECE = 1 << 16


@functools.cache
def the_loop() -> asyncio.AbstractEventLoop:
    """One thread plays all relays of the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="relays").start()
    return loop


class Relay:
    def __init__(self, server_port: int, server_host: str = "127.0.0.1"):
        self.server = (server_host, server_port)
        self.loop = the_loop()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.ends: set[asyncio.StreamWriter] = set()
        self.is_cut = False
        self._do(self._start())

    # ---- what breaks; each returns when it is so

    def stall(self, *ways: str) -> None:
        """Both ways, or "requests" or "answers" alone."""
        self._do(self._set(ways or tuple(self.gates), is_open=False))

    def cut(self) -> None:
        self._do(self._cut())

    def mend(self) -> None:
        self.is_cut = False
        self._do(self._set(tuple(self.gates), is_open=True))

    def close(self) -> None:
        self._do(self._close())

    # ---- on the loop

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _start(self) -> None:
        self.gates = {"requests": asyncio.Event(), "answers": asyncio.Event()}
        await self._set(tuple(self.gates), is_open=True)
        self.acceptor = await asyncio.start_server(self._serve, sock=self.listener)

    async def _set(self, ways, is_open: bool) -> None:
        for way in ways:
            (self.gates[way].set if is_open else self.gates[way].clear)()

    async def _cut(self) -> None:
        self.is_cut = True
        for end in self.ends:
            reset(end)
        await self._set(tuple(self.gates), is_open=True)

    async def _close(self) -> None:
        await self._cut()
        self.acceptor.close()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        ends = {to_client}
        end = reset
        self.ends.add(to_client)
        try:
            await self.gates["requests"].wait()
            if self.is_cut:
                return
            from_server, to_server = await asyncio.open_connection(*self.server)
            ends.add(to_server)
            self.ends.add(to_server)
            if not self.is_cut:
                await asyncio.gather(self._pump("requests", from_client, to_server), self._pump("answers", from_server, to_client))
                end = asyncio.StreamWriter.close
        except OSError:
            pass
        finally:
            self.ends -= ends
            for each in ends:
                end(each)

    async def _pump(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            await self.gates[way].wait()
            sink.write(piece)
            await sink.drain()
        await self.gates[way].wait()
        sink.write_eof()


def reset(end: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.transport.abort()
