"""Frozen values that every room shares; standard library only, and little of it.

They are ``NamedTuple``s: ``import dataclasses`` alone costs as much as the interpreter's start,
and ``ps`` has three of those to spend in all (benchmarks/README.md).
"""
