"""Validation of setting values: common ways of writing them are accepted, an invalid value is refused with the
reason.
"""
