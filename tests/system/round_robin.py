"""A load balancer that knows nothing: each new connection goes to the next of these ports.

python -m tests.system.round_robin 9000 9001 9002
"""

from __future__ import annotations

import asyncio
import itertools
import sys


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


async def serve(port: int, behind: list[int]) -> None:
    """Until killed."""
    turns = itertools.cycle(behind)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", next(turns))
        await asyncio.gather(_carry(reader, back), _carry(onward, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
