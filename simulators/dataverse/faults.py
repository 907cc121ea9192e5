"""Faults on demand, as a network or a busy service causes them."""

import random
import time

from simulators.dataverse.switches import Switches


class Faults:
    """Decides for each request which fault occurs. The switches set the frequency."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self._seed: int | None = None
        self._numbers = random.Random()  # noqa: S311 - faults, no secrets

    def strikes(self, name: str, route: str) -> bool:
        """Whether the fault of the switches `<name>Next` and `<name>Share` hits this request."""
        if self.switches.faultRoute not in route:
            return False
        left = getattr(self.switches, f"{name}Next")
        if left > 0:
            setattr(self.switches, f"{name}Next", left - 1)
            return True
        share = getattr(self.switches, f"{name}Share", 0.0)
        return bool(share) and self._random() < share

    def spoils(self, route: str) -> str:
        """The form in which this request's answer is corrupted, or ""."""
        if not self.switches.spoilForm or self.switches.spoilRoute not in route:
            return ""
        if self.switches.spoilNext > 0:
            self.switches.spoilNext -= 1
            return self.switches.spoilForm
        return self.switches.spoilForm if time.time() < self.switches.spoilUntil else ""

    def _random(self) -> float:
        if self._seed != self.switches.faultSeed:
            self._seed = self.switches.faultSeed
            self._numbers.seed(self._seed)
        return self._numbers.random()


def gateway_page(status: int) -> bytes:
    """Return the HTML that a gateway in front of the service answers with."""
    title = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}.get(status, "Error")
    return (
        f"<!DOCTYPE html>\r\n<html><head><title>{status} - {title}</title></head>\r\n"
        f"<body><h1>{status} - {title}</h1><p>The service is unavailable.</p></body></html>\r\n"
    ).encode()
