"""Starting, stopping and crashing the servers that the tests stand on."""

import sys
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from simulators.azurite import APP_ACCOUNT, FINANCE_ACCOUNT, Azurite
from simulators.processes import Child, Server, StartFailed, write_ready_file


def never() -> None:
    return None


def test_a_child_that_dies_at_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child("broken", [sys.executable, "-c", "raise SystemExit('no such map')"], run_dir=tmp_path, ready=never)
    child.start()
    with pytest.raises(StartFailed, match=r"ended with 1(?s:.)*no such map"):
        child.await_ready()


def test_a_child_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    child = Child("silent", [sys.executable, "-c", "import time; time.sleep(60)"], run_dir=tmp_path, ready=never)
    child.start()
    with pytest.raises(StartFailed, match=r"not ready after 0\.2 s"):
        child.await_ready(timeout=0.2)
    assert not child.running


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    mark = tmp_path / "deaf"
    code = f"import signal,time; signal.signal(15, signal.SIG_IGN); open({str(mark)!r}, 'w'); time.sleep(60)"
    child = Child("deaf", [sys.executable, "-c", code], run_dir=tmp_path, ready=lambda: {} if mark.exists() else None)
    child.start()
    child.await_ready()
    assert child.stop(grace=0.2) == -9


def test_a_ready_file_of_an_earlier_life_is_not_believed(tmp_path: Path) -> None:
    server = Server("dead", "this_module_does_not_exist", run_dir=tmp_path)
    write_ready_file(server.ready_file, {"url": "http://127.0.0.1:1"})
    server.start()
    with pytest.raises(StartFailed, match="No module named"):
        server.await_ready()


def test_azurite_keeps_ports_and_data_over_a_restart_and_ports_over_a_crash(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path)
    azurite.start()
    try:
        azurite.await_ready()
        before = azurite.connection_string(APP_ACCOUNT)
        with QueueServiceClient.from_connection_string(before) as service:
            service.create_queue("kept").send_message("still here")
            azurite.restart()
            assert [m.content for m in service.get_queue_client("kept").receive_messages()] == ["still here"]
            azurite.kill()
            azurite.restart()
            assert azurite.connection_string(APP_ACCOUNT) == before
            assert service.get_service_properties()
    finally:
        azurite.stop()
    assert not azurite.running


def test_the_two_accounts_see_nothing_of_each_other(azurite: Azurite) -> None:
    with (
        QueueServiceClient.from_connection_string(azurite.connection_string(APP_ACCOUNT)) as app,
        QueueServiceClient.from_connection_string(azurite.connection_string(FINANCE_ACCOUNT)) as finance,
    ):
        app.create_queue("only-of-the-app")
        assert "only-of-the-app" in [queue.name for queue in app.list_queues()]
        assert "only-of-the-app" not in [queue.name for queue in finance.list_queues()]
