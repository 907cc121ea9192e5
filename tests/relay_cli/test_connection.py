"""The key is sent to the app only, encrypted. Without a valid key nothing is sent."""

from pathlib import Path

import pytest

from relay_cli.connection import check_address, read_key
from relay_cli.problems import Misused


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://contoso.azurewebsites.net/", "https://contoso.azurewebsites.net"),
        ("https://contoso.azurewebsites.net/api/", "https://contoso.azurewebsites.net"),
        ("http://127.0.0.1:7071", "http://127.0.0.1:7071"),
        ("http://localhost:7071", "http://localhost:7071"),
        ("http://[::1]:7071", "http://[::1]:7071"),
    ],
)
def test_an_address_is_https_or_on_this_machine(url: str, address: str) -> None:
    assert check_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "contoso",
        "https://",
        "ftp://127.0.0.1",
        "http://contoso.azurewebsites.net",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "https://contoso.azurewebsites.net@evil.example",
        "https://contoso.azurewebsites.net/?code=key",
        "http://127.0.0.1:99999",
        "http://[::1",
    ],
)
def test_an_address_that_would_give_the_key_away_is_refused(url: str) -> None:
    with pytest.raises(Misused):
        check_address(url)


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"two\nlines", "k\u00fcey".encode(), b"\xff\xfe"])
def test_a_garbled_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(Misused) as refusal:
        read_key(file)
    assert "two" not in str(refusal.value)


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="cannot be read"):
        read_key(tmp_path / "none")
