"""Which of the machines this one is."""

import socket

import pytest

from judgeforge.errors import InputError
from judgeforge.train.hosts import HOSTS_VARIABLE, RANK_VARIABLE, find_node_rank, load_hosts

ELSEWHERE = "203.0.113.7"  # RFC 5737: an address of nobody


@pytest.fixture(autouse=True)
def _untold(monkeypatch):
    monkeypatch.delenv(HOSTS_VARIABLE, raising=False)
    monkeypatch.delenv(RANK_VARIABLE, raising=False)


def test_the_list_has_an_address_for_each_machine(monkeypatch):
    with pytest.raises(InputError, match="nodes is 2, but JUDGEFORGE_HOSTS holds 0"):
        load_hosts(2)
    monkeypatch.setenv(HOSTS_VARIABLE, " one, two,")
    assert load_hosts(2) == ["one", "two"]
    with pytest.raises(InputError, match="nodes is 3, but JUDGEFORGE_HOSTS holds 2"):
        load_hosts(3)


@pytest.mark.parametrize("own", ["127.0.0.1", "localhost"])
def test_the_own_address_is_found(own):
    assert find_node_rank([ELSEWHERE, own]) == 1


def test_the_own_name_is_found(monkeypatch):
    found = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        return found("127.0.0.1" if host == "trainer-2" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert find_node_rank([ELSEWHERE, "trainer-2"]) == 1


@pytest.mark.parametrize(
    ("hosts", "found"), [([ELSEWHERE, "no-such-host.invalid"], "none is"), (["127.0.0.1", "localhost"], "several are")]
)
def test_a_list_without_this_machine_is_an_error(hosts, found, monkeypatch):
    with pytest.raises(InputError, match=f"{found} this machine's.*JUDGEFORGE_NODE_RANK"):
        find_node_rank(hosts)
    monkeypatch.setenv(RANK_VARIABLE, "0")
    assert find_node_rank(hosts) == 0


@pytest.mark.parametrize("told", ["2", "-1", "first"])
def test_a_place_outside_the_list_is_an_error(told, monkeypatch):
    monkeypatch.setenv(RANK_VARIABLE, told)
    with pytest.raises(InputError, match="machines are 0 to 1"):
        find_node_rank(["one", "two"])
