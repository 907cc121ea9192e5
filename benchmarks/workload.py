"""Invoices to carry, made once and copied for every round, so that each round starts from the same bytes."""

import asyncio
import json
import pickle
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.costs import charge
from benchmarks.reading import Copy, read_copy
from simulators.stack import Stack
from simulators.tenant import Tenant, app_settings

COMPANY = "usmf"
_SERVICES = ("dataverse", "finance")


@dataclass(frozen=True)
class Workload:
    """So many confirmed invoices of so many lines each, whose unbilled sales Finance has had before."""

    invoices: int
    lines: int

    @property
    def name(self) -> str:
        """A word for folders and tables."""
        return f"{self.invoices}x{self.lines}"


@dataclass(frozen=True)
class Prepared:
    """A workload on disk: the databases of both services after the confirmation, and what has to arrive. `reading`
    names the version of the code that reads it."""

    workload: Workload
    folder: Path
    reading: str

    @property
    def invoices(self) -> list[str]:
        """The ids of its invoices."""
        return list(json.loads(self._list.read_text()))

    @property
    def is_whole(self) -> bool:
        """Whether all of its invoices are made."""
        return self._list.exists()

    @property
    def _list(self) -> Path:
        return self.folder / "invoices.json"

    def keep(self, invoices: list[str]) -> None:
        """Note that it is made, and of which invoices."""
        self._list.write_text(json.dumps(invoices))

    @property
    def data(self) -> dict[str, Path]:
        """The folders of the services' databases."""
        return {name: self.folder / name for name in _SERVICES}

    @property
    def copy(self) -> Path:
        """The file of the rows and requests of a reading made beforehand, for the ceiling."""
        return self.folder / f"copy-{self.reading}.pickle"


def prepare(prepared: Prepared) -> None:
    """Make the invoices, and confirm them while no webhook is registered."""
    workload = prepared.workload
    prepared.folder.mkdir(parents=True)
    with _stack(prepared.folder / "run", prepared.data, hosts=0) as stack:
        tenant = Tenant(stack)
        invoices = [tenant.draft(workload.lines, seed=number, company=COMPANY) for number in range(workload.invoices)]
        for invoice_id in invoices:
            tenant.confirm(invoice_id)
    prepared.keep(invoices)


def copy_reading(prepared: Prepared) -> None:
    """Read the invoices once for the ceiling."""
    for old in prepared.folder.glob("copy-*.pickle"):
        old.unlink()
    with _stack(prepared.folder / "run", prepared.data, hosts=0) as stack:
        copies: list[Copy] = asyncio.run(read_copy(job_of(stack, prepared)))
    prepared.copy.write_bytes(pickle.dumps(copies))


@dataclass(frozen=True)
class Round:
    """A fresh set of processes with a workload in it; `folder` holds the services' databases."""

    stack: Stack
    tenant: Tenant
    prepared: Prepared
    folder: Path

    @property
    def job(self) -> dict[str, Any]:
        """What a contestant has to know."""
        return job_of(self.stack, self.prepared)


@contextmanager
def fresh(prepared: Prepared, folder: Path, *, hosts: int = 0, delays: bool = True, **settings: str) -> Iterator[Round]:
    """Restart everything on a fresh copy of the workload."""
    folder = folder / f"{prepared.workload.name}-{time.monotonic_ns()}"
    data = {name: folder / name for name in _SERVICES}
    for name, copy in prepared.data.items():
        shutil.copytree(copy, data[name])
    try:
        with _stack(folder / "run", data, hosts=hosts, **settings) as stack:
            tenant = Tenant(stack)
            charge(tenant, delays=delays)
            yield Round(stack, tenant, prepared, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def job_of(stack: Stack, prepared: Prepared) -> dict[str, Any]:
    """What a contestant has to know to do the work of this stack."""
    return {
        "settings": stack.settings,
        "tokenSecret": stack.token_secret,
        "tenant": stack.tenant,
        "clientId": stack.client_id,
        "clientSecret": stack.client_secret,
        "authority": stack.authority,
        "ca": str(stack.ca),
        "dataverse": stack.url("dataverse"),
        "finance": stack.url("finance"),
        "invoices": prepared.invoices,
        "copy": str(prepared.copy),
        "company": COMPANY,
    }


def _stack(run_dir: Path, data: dict[str, Path], *, hosts: int, **settings: str) -> Stack:
    flags = {name: ["--data", str(folder)] for name, folder in data.items()}
    return Stack(
        run_dir, app_settings=lambda stack: app_settings(stack) | settings, hosts=hosts, flags=flags, log_storage=True
    )
