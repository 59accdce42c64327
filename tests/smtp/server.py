"""A mail server for tests: takes mail on a free port of 127.0.0.1 and prints each message as a line of JSON.

The first line that it prints is its port. It refuses `gone@…` for good, and `later@…` the first time. With a certificate
and a key as arguments it takes nothing without STARTTLS and the password of `me`."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and address not in self.seen:
            self.seen.add(address)
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in message.iter_parts()}
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": parts.get("text/plain"),
            "html": parts.get("text/html"),
        }
        print(json.dumps(told), flush=True)
        return "250 OK"


def sign_in(server, session, envelope, mechanism, data):
    good = data.login == b"me" and data.password == b"pass/word"
    return AuthResult(success=good, handled=good)


def guarded(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": sign_in,
        "auth_required": True,
    }


async def main():
    mailbox = Mailbox()
    # With a name of its own it asks nobody for one, which can take seconds where no name server answers.
    how = guarded(*sys.argv[1:3]) if len(sys.argv) > 2 else {}
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox, hostname="localhost", **how), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
