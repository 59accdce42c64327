"""An authorization server, and the Python client of MCP that gets its tokens there: `oauth.py` says on its first line where the
server is, reads the address of an MCP server behind HTTP, connects to it by what that server says of itself, and then takes
steps as drive.py does. `{"do": "token", "claims": {…}, "resource": …, "kid": …}` gives a token of the authorization server with
these claims besides what it puts there by itself, signed with RSA."""

import asyncio
import base64
import http.server
import json
import sys
import threading
import time
import urllib.parse

import jwt
import mcp
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = ""


def told(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def token(resource, scope, kid="one", **claims):
    now = int(time.time())
    said = {"iss": ISSUER, "aud": resource, "client_id": "assistant", "sub": "of the client", "scope": scope, "iat": now, "exp": now + 300}
    return jwt.encode({**said, **claims}, KEY, algorithm="RS256", headers={"kid": kid, "typ": "at+jwt"})


class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def say(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        number = lambda value: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
        public = KEY.public_key().public_numbers()
        if self.path == "/keys":
            return self.say({"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "n": number(public.n), "e": number(public.e)}]})
        if self.path.startswith("/.well-known/"):
            return self.say({
                "issuer": ISSUER,
                "authorization_endpoint": ISSUER + "/authorize",
                "token_endpoint": ISSUER + "/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "response_types_supported": ["code"],
            })
        self.say({}, 404)

    def do_POST(self):
        asked = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        proof = base64.b64decode(self.headers["authorization"].removeprefix("Basic ")).decode()
        if proof != "assistant:of-the-client" or asked["grant_type"] != ["client_credentials"]:
            return self.say({"error": "invalid_client"}, 401)
        scope = asked.get("scope", [""])[0]
        self.say({"access_token": token(asked["resource"][0], scope), "token_type": "Bearer", "expires_in": 300, "scope": scope})


class Memory:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def main():
    global ISSUER
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    ISSUER = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"issuer": ISSUER}), flush=True)
    loop = asyncio.get_running_loop()
    line = lambda: loop.run_in_executor(None, sys.stdin.readline)
    url = (await line()).strip()
    proof = ClientCredentialsOAuthProvider(
        server_url=url, storage=Memory(), client_id="assistant", client_secret="of-the-client", issuer=ISSUER
    )
    import httpx2 as httpx

    async with httpx.AsyncClient(auth=proof, timeout=60) as client_http:
        async with mcp.Client(streamable_http_client(url, http_client=client_http)) as client:
            while step := await line():
                step = json.loads(step)
                try:
                    if step["do"] == "token":
                        result = {"token": token(step.get("resource", url), kid=step.get("kid", "one"), **{"scope": "mcp", **step.get("claims", {})})}
                    elif step["do"] == "list":
                        result = {"tools": sorted(tool.name for tool in (await client.list_tools()).tools)}
                    else:
                        result = told(await client.call_tool(step["name"], step["arguments"]))
                except Exception as error:  # what the client makes of an answer is the result of the step
                    result = {"raised": f"{type(error).__name__}: {error}"}
                print(json.dumps(result), flush=True)


asyncio.run(main())
