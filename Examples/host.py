"""A server in a Python process, by ctypes alone: python3 host.py DIRECTORY [LIBRARY]

Sets a detail and reads the change back. Whoever needs more of tidemark.h declares more of it, in the same way.
"""

import ctypes
import sys
import threading
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p


class Error(ctypes.Structure):
    _fields_ = [("status", c_int32), ("retry_after_ms", c_uint32), ("message", c_char * 512)]


class Field(ctypes.Structure):
    _fields_ = [("number", c_uint16), ("value", c_char_p), ("value_bytes", c_size_t)]


class Options(ctypes.Structure):
    # As far as this program needs it; the library takes what is behind it to be zero.
    _fields_ = [("size", c_size_t), ("data_directory", c_char_p)]


class Change(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("stamp", c_uint64), ("kind", c_int32), ("user", c_uint64), ("other", c_uint64),
                ("name", c_char_p), ("fields", POINTER(Field)), ("field_count", c_size_t), ("private_count", c_size_t)]


CHANGED = ctypes.CFUNCTYPE(None, c_void_p, POINTER(Change))
TITLE, PROFILE = 6, 4

library = ctypes.CDLL(sys.argv[2] if len(sys.argv) > 2 else "libtidemark.so.0.1")
library.tidemark_server_start.restype = c_void_p
library.tidemark_server_start.argtypes = [POINTER(Options), POINTER(Error)]
library.tidemark_server_stop.argtypes = [c_void_p, POINTER(Error)]
library.tidemark_server_release.argtypes = [c_void_p]
library.tidemark_account_find.argtypes = [c_void_p, c_char_p, POINTER(c_uint64), POINTER(Error)]
library.tidemark_account_create.argtypes = library.tidemark_account_find.argtypes
library.tidemark_profile_set.argtypes = [c_void_p, c_uint64, POINTER(Field), c_size_t, POINTER(c_uint64), POINTER(Error)]
library.tidemark_observe.restype = c_void_p
library.tidemark_observe.argtypes = [c_void_p, c_char_p, CHANGED, c_void_p, c_void_p, POINTER(Error)]
library.tidemark_observer_advance.argtypes = [c_void_p, c_uint64, POINTER(Error)]
library.tidemark_observer_release.argtypes = [c_void_p]


def check(status, error):
    if status != 0:
        sys.exit(f"host: {error.message.decode()}")


def main():
    error = Error()
    options = Options(ctypes.sizeof(Options), sys.argv[1].encode())
    server = library.tidemark_server_start(byref(options), byref(error))
    if not server:
        check(error.status, error)

    seen = threading.Event()

    @CHANGED
    def changed(_, change):
        if change.contents.kind == PROFILE:
            field = change.contents.fields[0]
            print(f"user {change.contents.user}: {ctypes.string_at(field.value, field.value_bytes).decode()}")
            seen.set()

    observer = library.tidemark_observe(server, b"python", changed, None, None, byref(error))
    if not observer:
        check(error.status, error)
    user = c_uint64()
    if library.tidemark_account_find(server, b"ada", byref(user), None) != 0:
        check(library.tidemark_account_create(server, b"ada", byref(user), byref(error)), error)
    title = f"Countess, with library {library.tidemark_version():06x}".encode()
    field = Field(TITLE, title, len(title))
    stamp = c_uint64()
    check(library.tidemark_profile_set(server, user, byref(field), 1, byref(stamp), byref(error)), error)
    if stamp.value:
        seen.wait(10)
        # What is taken over does not come again.
        check(library.tidemark_observer_advance(observer, stamp, byref(error)), error)
    check(library.tidemark_server_stop(server, byref(error)), error)
    library.tidemark_observer_release(observer)
    library.tidemark_server_release(server)


if __name__ == "__main__":
    main()
