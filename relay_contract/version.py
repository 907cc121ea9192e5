"""The version of this release, in its only place: of the app, its messages and rows, and the command's wheel."""

VERSION = "0.3.0"
