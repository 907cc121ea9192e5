"""Starts and stops everything that the app needs: storage, the simulated tenant, and the app's hosts."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.azurite import FINANCE_ACCOUNT, Azurite
from simulators.processes import PROJECT, Server, find_free_ports, give_back

TENANT = "5a1e7e4a-0000-4000-8000-000000000001"
CLIENT_ID = "c11e47a9-0000-4000-8000-000000000001"
WEBHOOK_FUNCTION = "confirm_invoice"
IDENTITY_ID = "1de47177-0000-4000-8000-000000000001"
ADMINISTRATOR = "ad317157-0000-4000-8000-000000000001"
SITE_ID = (
    "/subscriptions/5b5c817e-0000-4000-8000-000000000001/resourceGroups/rg-relay/providers/Microsoft.Web/sites/relay"
)
# devhost gives running functions 30 s to finish.
HOST_GRACE_SECONDS = 35.0

Settings = Mapping[str, str]


class Stack:
    """Azurite, sign-in, Dataverse, Finance and several hosts of one app, in one run directory.

    All addresses are known before anything runs, and a restarted process keeps its own. `app_settings` are merged over
    the settings that every function app has; given as a function it is called with the stack, whose addresses and
    credentials it may use. `flags` and `env` add arguments and variables to a process by its name: signin, dataverse,
    finance, arm, host. `services` are the simulators to start besides sign-in; arm has the keys of the first host.
    `log_storage` has Azurite log every request. `host_module` is started instead of devhost, with the same arguments.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        app_settings: Settings | Callable[["Stack"], Settings] | None = None,
        hosts: int = 1,
        root: Path = PROJECT,
        services: Sequence[str] = ("dataverse", "finance"),
        flags: Mapping[str, Sequence[str]] | None = None,
        env: Mapping[str, Mapping[str, str]] | None = None,
        log_storage: bool = False,
        host_module: str = "devhost",
    ) -> None:
        self.run_dir = run_dir
        self._host_module = host_module
        self.root = root
        self.tenant, self.client_id, self.client_secret = TENANT, CLIENT_ID, secrets.token_hex(24)
        self.token_secret, self.identity_header = secrets.token_hex(32), secrets.token_hex(16)
        self.master_key, self.function_key = secrets.token_hex(32), secrets.token_hex(32)
        self.webhook_key = secrets.token_hex(32)
        self.ca = run_dir / "signin-ca.pem"
        self._flags, self._env = flags or {}, env or {}
        run_dir.mkdir(parents=True, exist_ok=True)
        self.azurite = Azurite(run_dir, log_requests=log_storage)
        self._ports = dict(zip(["signin", *services], find_free_ports(1 + len(services)), strict=True))
        self.signin = self._make_signin()
        self._app_settings = app_settings
        self._host_ports = find_free_ports(hosts)
        self.services = {name: self._make_service(name) for name in services}
        self.host_urls = [f"http://127.0.0.1:{port}" for port in self._host_ports]
        self.hosts = [self._make_host(number, url) for number, url in enumerate(self.host_urls)]

    @property
    def authority(self) -> str:
        """The sign-in authority, for MSAL."""
        return f"https://localhost:{self._ports['signin']}/{self.tenant}"

    @property
    def identity_endpoint(self) -> str:
        """IDENTITY_ENDPOINT of the managed identity; known once the stack runs."""
        return str(self.signin.facts["msi"])

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings, as in the settings file of the hosts."""
        given = self._app_settings(self) if callable(self._app_settings) else self._app_settings or {}
        standard = {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": self.azurite.connection_string()}
        return {**standard, **given}

    def url(self, service: str) -> str:
        """The address of a simulator, its audience too: dataverse or finance."""
        return f"http://127.0.0.1:{self._ports[service]}"

    def start(self) -> None:
        """Start everything and wait until it serves; when one part does not start, all are stopped again."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the hosts, then the simulators, then storage."""
        for group, grace in ((self.hosts, HOST_GRACE_SECONDS), ([*self.services.values(), self.signin], 10.0)):
            for server in group:
                server.request_stop()
            for server in group:
                server.stop(grace)
        self.azurite.stop()
        give_back([*self._ports.values(), *self._host_ports, *self.azurite.ports])

    def kill_host(self, number: int = 0) -> None:
        """End a host with SIGKILL, whatever it is doing."""
        self.hosts[number].kill()

    def start_host(self, number: int = 0) -> None:
        """Start a host that was stopped or killed, on its own port."""
        self._write_host_files()
        self.hosts[number].start()
        self.hosts[number].await_ready()

    def restart_host(self, number: int = 0) -> None:
        """Stop a host gracefully and start it again."""
        self.hosts[number].stop(HOST_GRACE_SECONDS)
        self.start_host(number)

    def restart_azurite(self) -> None:
        """Stop storage and start it again with the same data and ports."""
        self.azurite.restart()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self.azurite.start()
        self.signin.start()
        # Finance creates its blob container when it starts, so storage must be up before.
        early = [server for name, server in self.services.items() if name != "finance"]
        for server in early:
            server.start()
        self.azurite.await_ready()
        if "finance" in self.services:
            # If Azurite could not bind its first ports, it has others now; Finance must be given the final ones.
            self.services["finance"] = self._make_service("finance")
        late = [server for name, server in self.services.items() if name == "finance"]
        for server in late:
            server.start()
        for server in [self.signin, *early, *late]:
            server.await_ready()
        # The app's settings contain addresses that the services report when they are ready.
        self._write_host_files()
        for server in self.hosts:
            server.start()
        for server in self.hosts:
            server.await_ready()

    def _make_signin(self) -> Server:
        clients = {
            self.client_id: {"secret": self.client_secret},
            IDENTITY_ID: {"managedIdentity": "system"},
        }
        path = self.run_dir / "clients.json"
        path.write_text(json.dumps(clients))
        arguments = ["--tenant", self.tenant, "--clients", str(path), "--identity-header", self.identity_header]
        return self._make_server("signin", arguments)

    def _make_service(self, name: str) -> Server:
        if name == "arm":
            return self._make_server(name, self._arm_arguments())
        arguments = ["--clients", f"{self.client_id},{IDENTITY_ID}"]
        if name == "dataverse":
            arguments += ["--administrators", ADMINISTRATOR]
        if name == "finance":
            arguments += ["--storage", self.azurite.connection_string(FINANCE_ACCOUNT)]
        return self._make_server(name, arguments)

    def _arm_arguments(self) -> list[str]:
        host = f"127.0.0.1:{self._host_ports[0]}" if self._host_ports else "127.0.0.1"
        arguments = ["--site", SITE_ID, "--host-name", host, "--keys", str(self.run_dir / "keys.json")]
        return [*arguments, "--tenant", self.tenant, "--administrators", ADMINISTRATOR]

    def _make_server(self, name: str, arguments: Sequence[str]) -> Server:
        standard = ["--port", str(self._ports[name]), "--token-secret", self.token_secret]
        flags = [*standard, *arguments, *self._flags.get(name, ())]
        return Server(name, f"simulators.{name}", flags, run_dir=self.run_dir, env=self._env.get(name))

    def _make_host(self, number: int, url: str) -> Server:
        files = ["--settings", str(self.run_dir / "settings.json"), "--keys", str(self.run_dir / "keys.json")]
        arguments = ["--root", str(self.root), *files, "--port", url.rsplit(":", 1)[1], *self._flags.get("host", ())]
        # The CA bundle that requests, and so MSAL, trusts. A bundle set on the machine would override it.
        trust = {"REQUESTS_CA_BUNDLE": str(self.ca)}
        env = {**trust, **self._env.get("host", {})}
        return Server(f"host-{number}", self._host_module, arguments, run_dir=self.run_dir, env=env)

    def _write_host_files(self) -> None:
        keys = {
            "masterKey": self.master_key,
            "functionKeys": {"operator": self.function_key},
            "functions": {WEBHOOK_FUNCTION: {"dataverse": self.webhook_key}},
        }
        content = {"IsEncrypted": False, "Values": self.settings}
        # Not over keys that were changed since.
        if not (path := self.run_dir / "keys.json").exists():
            path.write_text(json.dumps(keys))
        (self.run_dir / "settings.json").write_text(json.dumps(content, indent=2))
