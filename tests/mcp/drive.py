"""Drives the Python client of MCP: `drive.py COMMAND…` connects to the command, or `drive.py URL` to a server behind HTTP
with the key in COUNTERSIGN_KEY; then each line of standard input is a step
(`{"do": "list"}` or `{"do": "call", "name": …, "arguments": …}`), and each line of standard output its result.

With MCP_ELICIT, the second client says so to whoever leads its user to an address, and each line is
`{"result": …, "led": […]}` with the addresses that it was led to."""

import asyncio
import json
import os
import sys

import mcp

COMMAND = sys.argv[1:]
ANSWER = os.environ.get("MCP_ELICIT")
led = []


def told(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def steps(client):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        step = json.loads(line)
        led.clear()
        try:
            if step["do"] == "list":
                result = {"tools": sorted(tool.name for tool in (await client.list_tools()).tools)}
            else:
                result = told(await client.call_tool(step["name"], step["arguments"]))
        except Exception as error:  # what the client makes of an answer is the result of the step
            result = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps({"result": result, "led": led} if ANSWER else result), flush=True)


async def lead(_context, asked):
    from mcp_types import ElicitResult

    led.append({"mode": asked.mode, "url": asked.url, "message": asked.message})
    return ElicitResult(action=ANSWER)


def headers():
    return {"Authorization": f"Bearer {os.environ['COUNTERSIGN_KEY']}"}


async def second():
    able = {"elicitation_callback": lead} if ANSWER else {}
    if COMMAND[0].startswith("http"):
        import httpx2 as httpx
        from mcp.client.streamable_http import streamable_http_client

        async with httpx.AsyncClient(headers=headers(), timeout=60) as http:
            async with mcp.Client(streamable_http_client(COMMAND[0], http_client=http), **able) as client:
                return await steps(client)
    parameters = mcp.StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=dict(os.environ))
    async with mcp.Client(parameters, **able) as client:
        await steps(client)


async def first():
    from mcp.client.stdio import stdio_client

    if COMMAND[0].startswith("http"):
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(COMMAND[0], headers=headers()) as (read, write, _):
            async with mcp.ClientSession(read, write) as session:
                await session.initialize()
                return await steps(session)

    parameters = mcp.StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), mcp.ClientSession(read, write) as session:
        await session.initialize()
        await steps(session)


asyncio.run(second() if hasattr(mcp, "Client") else first())
