"""Tests of the doctor: its checks, each against a tenant that is broken in just that way, and its runs."""
