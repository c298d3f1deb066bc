"""SHA-256 and HMAC without OpenSSL, whose loading costs a third of the interpreter's start."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _constructor() -> Callable[[bytes | memoryview], Any]:
    for module in ("_sha2", "_sha256"):  # Python 3.12 and later, 3.11
        try:
            found: Callable[[bytes | memoryview], Any] = import_module(module).sha256
        except ImportError:
            continue
        return found
    from hashlib import sha256  # an interpreter built without its own

    return sha256


sha256 = _constructor()
BLOCK = 64


def sha256_hex(data: bytes) -> str:
    return str(sha256(data).hexdigest())


def hmac_hex(key: bytes, data: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104). ``key`` has at most 64 bytes."""
    padded = key.ljust(BLOCK, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in padded) + data).digest()
    return sha256_hex(bytes(byte ^ 0x5C for byte in padded) + inner)
