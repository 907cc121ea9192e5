"""The version of this release, defined only here, for the app, its messages and rows, and the command's wheel."""

VERSION = "0.5.0"
