"""Adds or removes the record of one challenge with lego: lego.py present|cleanup PROVIDER SERVER DOMAIN AUTHORIZATION.

lego takes credentials from the environment, and asks SERVER (host:port) for the zones of names.
"""

import json
import sys

from lego_bridge import cmd

action, provider, server, domain, authorization = sys.argv[1:]
commands = [
    {"action": "configure", "provider": provider, "credentials": {}, "nameservers": [server]},
    {
        "action": "perform" if action == "present" else "cleanup",
        "domain": domain,
        "token": "token",
        "key_authorization": authorization,
    },
]
for command in commands:
    answer = json.loads(cmd(json.dumps(command)))
    if not answer["success"]:
        sys.exit(answer["error"])
