"""Drives the Python client of MCP with the extension of tasks (SEP-2663), by the client's own way to take extensions:
`tasks.py COMMAND…` connects to the command; then each line of standard input is a call (`{"name": …, "arguments": …}`), and
each line of standard output what came of it and of the task that it was: the states that were seen, in order. With
`"cancel": true` the task is cancelled once it waits."""

import asyncio
import json
import os
import sys
from typing import Any, Literal

import mcp
from mcp.client.extension import ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, Result
from pydantic import ConfigDict, Field

states: list[str] = []
cancels = False


class Task(Result):
    model_config = ConfigDict(extra="allow", populate_by_name=True)
    result_type: Literal["task"] = Field("task", alias="resultType")
    task_id: str = Field(alias="taskId")
    poll: int = Field(alias="pollIntervalMs")
    status: str


class Looked(Result):
    model_config = ConfigDict(extra="allow")
    status: str | None = None
    result: dict[str, Any] | None = None


class Ask(Request[dict[str, Any], str]):
    name_param = "taskId"


async def resolve(task, context):
    ask = lambda method: context.session.send_request(Ask(method=method, params={"taskId": task.task_id}), Looked)
    states.append(task.status)
    if cancels:
        await ask("tasks/cancel")
    while True:
        looked = await ask("tasks/get")
        if looked.status != states[-1]:
            states.append(looked.status)
        if looked.status != "working":
            text = {"content": [{"type": "text", "text": looked.status}], "isError": True}
            return CallToolResult.model_validate(looked.result or text)
        await asyncio.sleep(task.poll / 10_000)


class Tasks(ClientExtension):
    identifier = "io.modelcontextprotocol/tasks"

    def claims(self):
        return [ResultClaim(result_type="task", model=Task, resolve=resolve)]


async def main():
    global cancels
    parameters = mcp.StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    async with mcp.Client(parameters, extensions=[Tasks()]) as client:
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            step = json.loads(line)
            states.clear()
            cancels = step.get("cancel", False)
            try:
                result = (await client.call_tool(step["name"], step["arguments"])).model_dump(mode="json", by_alias=True, exclude_none=True)
            except Exception as error:  # what the client makes of an answer is the result of the step
                result = {"raised": f"{type(error).__name__}: {error}"}
            print(json.dumps({"result": result, "states": states}), flush=True)


asyncio.run(main())
