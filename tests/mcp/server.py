"""A server of MCP with three tools, for both generations of the Python package. Each run of a tool is a line in the file
that its argument names, so a test sees what really ran."""

import json
import sys

try:
    from mcp.server.fastmcp import FastMCP as Server
except ImportError:
    from mcp.server import MCPServer as Server

server = Server("shop")
log = sys.argv[1]


def ran(**what):
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


@server.tool()
def look_up(order: str) -> str:
    """Look an order up."""
    ran(tool="look_up", order=order)
    return f"order {order}: delivered, 45 days ago, «as new»"


@server.tool()
def refund(order: str, amount: int) -> str:
    """Give money back."""
    ran(tool="refund", order=order, amount=amount)
    return f"refunded {amount} for {order}"


@server.tool()
def drop_table(name: str) -> str:
    """Delete everything."""
    ran(tool="drop_table", name=name)
    return f"dropped {name}"


server.run()
