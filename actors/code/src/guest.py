"""What a script finds instead of an operating system.

A file system in memory with the files of the run, standard output and error that lead out, and the module `posix` with as
much in it as the standard library wants to see: enough that `os`, `random`, `statistics` and what they carry import and do
what needs no machine, and an honest error for the rest.
"""

import sys
import _lamos


class _Stream:
    """Standard output or error: text goes straight to who reads the run."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    closed = False

    def __init__(self, number, name):
        self._number = number
        self.name = name

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        _lamos.write(self._number, text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def fileno(self):
        raise OSError("there is no descriptor here")

    def close(self):
        pass


sys.stdout = sys.__stdout__ = _Stream(1, "<stdout>")
sys.stderr = sys.__stderr__ = _Stream(2, "<stderr>")

_files = {}


def _no(what, name, error=FileNotFoundError, number=2):
    return error(number, what, name)


def _posix():
    """The module `posix`: files in memory, a clean environment, randomness from the run's seed."""

    module = type(sys)("posix")
    place = module.__dict__

    class stat_result(tuple):
        n_fields = 10
        st_mode = property(lambda self: self[0])
        st_ino = property(lambda self: self[1])
        st_dev = property(lambda self: self[2])
        st_nlink = property(lambda self: self[3])
        st_uid = property(lambda self: self[4])
        st_gid = property(lambda self: self[5])
        st_size = property(lambda self: self[6])
        st_atime = property(lambda self: self[7])
        st_mtime = property(lambda self: self[8])
        st_ctime = property(lambda self: self[9])
        st_mtime_ns = property(lambda self: self[8] * 10**9)

    class terminal_size(tuple):
        columns = property(lambda self: self[0])
        lines = property(lambda self: self[1])

    def fspath(path):
        if isinstance(path, (str, bytes)):
            return path
        return type(path).__fspath__(path)

    def name_of(path):
        path = fspath(path)
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        while path.startswith("./"):
            path = path[2:]
        return path.removeprefix("/")

    def stat(path, *, dir_fd=None, follow_symlinks=True):
        name = name_of(path)
        if name in ("", "."):
            return stat_result((0o040755, 1, 1, 2, 0, 0, 0, 0, 0, 0))
        if name not in _files:
            raise _no("No such file or directory", fspath(path))
        return stat_result((0o100644, 2, 1, 1, 0, 0, len(_files[name]), 0, 0, 0))

    def listdir(path="."):
        if name_of(path) not in ("", "."):
            raise _no("No such file or directory", fspath(path))
        return sorted(_files)

    def remove(path, *, dir_fd=None):
        if _files.pop(name_of(path), None) is None:
            raise _no("No such file or directory", fspath(path))

    def rename(old, new, **_):
        if name_of(old) not in _files:
            raise _no("No such file or directory", fspath(old))
        _files[name_of(new)] = _files.pop(name_of(old))

    def refuse(*_, **__):
        raise PermissionError(1, "a script has no operating system")

    place.update(
        stat_result=stat_result,
        terminal_size=terminal_size,
        fspath=fspath,
        stat=stat,
        lstat=stat,
        listdir=listdir,
        remove=remove,
        unlink=remove,
        rename=rename,
        replace=rename,
        getcwd=lambda: "/",
        getcwdb=lambda: b"/",
        getpid=lambda: 1,
        getppid=lambda: 0,
        cpu_count=lambda: 1,
        urandom=_lamos.urandom,
        environ={b"HOME": b"/", b"LANG": b"C.UTF-8"},
        error=OSError,
        get_terminal_size=lambda *_: terminal_size((100, 40)),
        strerror=lambda number: f"error {number}",
        access=lambda path, mode, **_: name_of(path) in _files,
        _have_functions=[],
        _exit=refuse,
        putenv=lambda key, value: None,
        unsetenv=lambda key: None,
        F_OK=0,
        R_OK=4,
        W_OK=2,
        X_OK=1,
        O_RDONLY=0,
        O_WRONLY=1,
        O_RDWR=2,
        O_CREAT=64,
        O_EXCL=128,
        O_TRUNC=512,
        O_APPEND=1024,
        O_CLOEXEC=524288,
        EX_OK=0,
    )
    for name in (
        "open close read write mkdir rmdir chdir chmod scandir symlink readlink link truncate utime kill system "
        "pipe dup dup2 isatty fstat lseek waitpid times getuid umask"
    ).split():
        place[name] = refuse
    return module, name_of


_module, _name_of = _posix()
sys.modules["posix"] = _module
if "posix" not in sys.builtin_module_names:
    sys.builtin_module_names = tuple(sorted((*sys.builtin_module_names, "posix")))

import io  # noqa: E402
import builtins  # noqa: E402


class _Kept(io.BytesIO):
    """A file being written: its bytes are the file's when it is closed or flushed."""

    def __init__(self, name, start):
        super().__init__(start)
        self.name = name

    def flush(self):
        super().flush()
        _files[self.name] = self.getvalue()

    def close(self):
        if not self.closed:
            _files[self.name] = self.getvalue()
        super().close()


def _open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """`open` over the files of the run."""

    if isinstance(file, int):
        raise OSError(9, "there are no descriptors here")
    kind = set(mode)
    if len(kind) != len(mode) or not kind <= set("rwxabt+") or len(kind & set("rwxa")) != 1 or kind >= {"b", "t"}:
        raise ValueError(f"invalid mode: {mode!r}")
    name = _name_of(file)
    if "r" in kind and name not in _files:
        given = ", ".join(sorted(_files)) or "none"
        raise _no(f"No such file (the run was given: {given})", name)
    if "x" in kind and name in _files:
        raise _no("File exists", name, FileExistsError, 17)
    old = _files.get(name, b"")
    if kind & set("wxa+"):
        raw = _Kept(name, b"" if kind & set("wx") else old)
        if "a" in kind:
            raw.seek(0, 2)
        if "r" not in kind:
            raw.flush()
    else:
        raw = io.BytesIO(old)
        raw.name = name
    if "b" in kind:
        return raw
    return io.TextIOWrapper(raw, encoding=encoding or "utf-8", errors=errors, newline=newline)


io.open = builtins.open = _open
if "_pyio" in sys.modules:
    sys.modules["_pyio"].open = _open


import _random  # noqa: E402


class _Random(_random.Random):
    """A generator that nobody seeded begins with the run's own randomness, not with the machine's."""

    def seed(self, a=None):
        super().seed(int.from_bytes(_lamos.urandom(32), "little") if a is None else a)


_random.Random = _Random


def _input(prompt=""):
    """`input` has nobody to ask."""

    raise EOFError("a script has nobody to ask")


builtins.input = _input

# What nearly every script wants, loaded while the process is waiting for one.
import json  # noqa: E402
import re  # noqa: E402, F401
import math  # noqa: E402, F401
import csv  # noqa: E402, F401
import datetime  # noqa: E402, F401
import collections  # noqa: E402, F401


def begin(files):
    """Called once, when the run has come."""

    _files.update(files)


def plain(value):
    """A result as JSON. What JSON has no word for becomes text, what it cannot hold is an error."""

    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
