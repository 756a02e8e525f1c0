"""Operator pages. They cover accounts of every time zone, so their times are in UTC."""

ZONE = "UTC"
