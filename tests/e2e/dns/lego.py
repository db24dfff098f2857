"""Adds the record of one challenge with lego, and removes it after a line of input: lego.py PROVIDER SERVER DOMAIN AUTHORIZATION.

lego takes credentials from the environment, and asks SERVER (host:port) for the zones of names.
"""

import json
import sys

from lego_bridge import cmd

provider, server, domain, authorization = sys.argv[1:]


def run(action, **arguments):
    answer = json.loads(cmd(json.dumps({"action": action, **arguments})))
    if not answer["success"]:
        sys.exit(f"{action}: {answer['error']}")


challenge = {"domain": domain, "token": "token", "key_authorization": authorization}
run("configure", provider=provider, credentials={}, nameservers=[server])
run("perform", **challenge)
print("present", flush=True)
sys.stdin.readline()
run("cleanup", **challenge)
