"""Adds and removes a rule of the security group "default" with OpenStack's SDK: security_groups.py IDENTITY USER PASSWORD PROJECT.

Prints the rule's identifier once it is there, and removes it after a line of input.
"""

import sys

import openstack

url, user, password, project = sys.argv[1:]
cloud = openstack.connect(
    auth={"auth_url": url, "user_id": user, "password": password, "project_id": project},
    auth_type="password",
    load_yaml_config=False,
    load_envvars=False,
)
group = cloud.network.find_security_group("default", ignore_missing=False)
rule = cloud.network.create_security_group_rule(
    security_group_id=group.id,
    direction="ingress",
    ether_type="IPv4",
    protocol="tcp",
    port_range_min=443,
    port_range_max=443,
    remote_ip_prefix="192.0.2.0/24",
)
assert rule.id in [known.id for known in cloud.network.security_group_rules(security_group_id=group.id)]
print(rule.id, flush=True)
sys.stdin.readline()
cloud.network.delete_security_group_rule(rule.id, ignore_missing=False)
