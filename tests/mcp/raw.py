"""A server of MCP without a library. It keeps each line that it reads in the file that its argument names; lines end as in
every text stream of Python, at a bare return too. A call of a tool takes two rounds: the first answer asks the client to
come back."""

import json
import sys

for line in sys.stdin:
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        file.write(line.rstrip("\n") + "\n")
    try:
        message = json.loads(line)
    except ValueError:
        continue
    if "id" not in message or "method" not in message:
        continue
    if message["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "raw", "version": "1"}}
    elif message["method"] != "tools/call":
        result = {}
    elif message["params"].get("requestState") is None:
        result = {"resultType": "input_required", "requestState": "of the server"}
    else:
        result = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
