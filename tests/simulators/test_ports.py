"""Ports that servers keep over restarts: while one is dead, no other program may take its port."""

import subprocess
import sys

from simulators.processes import PROJECT, find_free_ports, give_back

FIND = "from simulators import processes as p; print(p._reserve({port}))"


def found_by_another_program(port: int) -> bool:
    """Whether another program may have a port that looks free."""
    command = [sys.executable, "-c", FIND.format(port=port)]
    return "True" in subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own command


def test_a_port_is_found_by_one_program_until_it_is_given_back() -> None:
    [port] = find_free_ports(1)
    assert not found_by_another_program(port)
    give_back([port])
    assert found_by_another_program(port)
