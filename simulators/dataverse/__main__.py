"""`python -m simulators.dataverse`."""

from simulators.dataverse.process import main

main()
