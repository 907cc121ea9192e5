import no_such_module  # type: ignore[import-not-found]  # noqa: F401 - the mistake under test
