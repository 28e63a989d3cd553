"""Which of the machines of a training this one is: from the list of addresses that the runner hands over."""

import os
import socket

from judgeforge.errors import InputError

HOSTS_VARIABLE = "JUDGEFORGE_HOSTS"
"""Addresses of all machines, with commas between them; the others meet at the first."""
RANK_VARIABLE = "JUDGEFORGE_NODE_RANK"
"""This machine's place in the list, from 0, where it cannot be told from the addresses (NAT, containers)."""


def load_hosts(nodes: int) -> list[str]:
    """Read the addresses of the machines.

    Args:
        nodes: how many there must be.

    Raises:
        InputError: more or fewer.
    """
    hosts = [host.strip() for host in os.environ.get(HOSTS_VARIABLE, "").split(",") if host.strip()]
    if len(hosts) != nodes:
        raise InputError(
            f"train.distribution.nodes is {nodes}, but {HOSTS_VARIABLE} holds {len(hosts)} addresses.",
            f"set {HOSTS_VARIABLE}=FIRST,SECOND,... on every machine, or set nodes to the number of machines.",
        )
    return hosts


def find_node_rank(hosts: list[str]) -> int:
    """Find this machine's place among ``hosts``.

    Raises:
        InputError: it is not among them, or not once, and JUDGEFORGE_NODE_RANK does not say it.
    """
    told = os.environ.get(RANK_VARIABLE, "").strip()
    if told:
        if not told.isdecimal() or int(told) >= len(hosts):
            raise InputError(
                f"{RANK_VARIABLE} is {told!r}, but the machines are 0 to {len(hosts) - 1}.",
                f"set it to this machine's place in {HOSTS_VARIABLE}, or leave it out.",
            )
        return int(told)
    own = [place for place, host in enumerate(hosts) if _is_own(host)]
    if len(own) != 1:
        found = "several are" if own else "none is"
        raise InputError(
            f"Of the addresses in {HOSTS_VARIABLE} ({', '.join(hosts)}), {found} this machine's.",
            f"correct the list, or set {RANK_VARIABLE} to this machine's place in it, from 0.",
        )
    return own[0]


def _is_own(host: str) -> bool:
    """Tell whether a socket can be bound to ``host``: only to an address of this machine it can."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
        except OSError:
            continue
        return True
    return False
