"""Files whose pickle makes a folder when it is read with trust, in the forms that torch reads."""

import copyreg
import functools
import operator
import os
import pathlib
import pickle
import zipfile

from mmengine.logging import HistoryBuffer


class Call:
    """Pickles as the call of something with some arguments."""

    def __init__(self, what, *args, state=None):
        self.what, self.args, self.state = what, args, state

    def __call__(self):
        raise AssertionError("pickle asks only whether it is callable")

    def __reduce__(self):
        return (self.what, self.args, self.state) if self.state else (self.what, self.args)


class Foreign:
    """A class whose state runs code."""

    def __setstate__(self, state):
        os.mkdir(state["path"])


def hostile_objects(path):
    """Objects by name; unpickled with trust, each makes the folder ``path``."""
    path = str(path)
    code = f"import os; os.mkdir({path!r})"
    scope = Call(getattr, Call(getattr, HistoryBuffer, "__init__"), "__globals__")
    same = Call(Call(operator.attrgetter, "__init__.__globals__"), HistoryBuffer)

    def item(what, key):
        return Call(Call(getattr, what, "__getitem__"), key)

    return {
        "os.mkdir": Call(os.mkdir, path),
        "eval": Call(eval, f"__import__('os').mkdir({path!r})"),
        "getattr": Call(item(item(scope, "__builtins__"), "exec"), code),
        "attrgetter": Call(
            Call(operator.getitem, Call(operator.getitem, same, "__builtins__"), "exec"), code
        ),
        "methodcaller": Call(Call(operator.methodcaller, "mkdir"), pathlib.Path(path)),
        "partial": Call(Call(functools.partial, os.mkdir, path)),
        "reduce": Call(functools.reduce, os.mkdir, (path, 0o777)),
        "_reconstructor": Call(
            copyreg._reconstructor, Foreign, object, None, state=dict(path=path)
        ),
    }


def _global(module, name):
    return f"c{module}\n{name}\n".encode()


def _text(text):
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


_HISTORY = _global("mmengine.logging.history_buffer", "HistoryBuffer")


def hostile_streams():
    """Pickles by name that reach for more than plain values without a call that makes a folder."""
    start, new = b"\x80\x02", b")\x81"
    state = b"}" + _text("__class__") + _HISTORY + b"s"
    foreign = _global("hostile_files", "Foreign")
    return {
        "dotted name": start
        + _global("mmengine.logging.history_buffer", "HistoryBuffer.__init__.__globals__")
        + b".",
        "dotted name, protocol 4": b"\x80\x04"
        + b"\x8c\x1fmmengine.logging.history_buffer"
        + b"\x8c\x22HistoryBuffer.__init__.__globals__"
        + b"\x93.",
        "state with __class__": start + _HISTORY + new + state + b"b.",
        "state with __setstate__": start
        + _HISTORY
        + new
        + b"}"
        + _text("__setstate__")
        + foreign
        + b"sb.",
        "state by slots": start + _HISTORY + new + b"N" + state + b"\x86b.",
        "state of the class itself": start + _HISTORY + b"}" + _text("mean") + _HISTORY + b"sb.",
        "no state": start + _HISTORY + new + b".",
        "the bare class": start + _HISTORY + b".",
        "getattr of something else": start
        + _global("__builtin__", "getattr")
        + _HISTORY
        + _text("mro")
        + b"\x86R.",
        "a foreign array class": start
        + _global("numpy.core.multiarray", "_reconstruct")
        + foreign
        + b"K\x00\x85C\x01b\x87R.",
        "a dict that hides its methods": start
        + _global("collections", "OrderedDict")
        + b")R}"
        + _text("items")
        + _HISTORY
        + b"sb.",
        "a function of code": start
        + _global("types", "FunctionType")
        + _global("marshal", "loads")
        + b"C\x01c\x85R}\x86R)R.",
        "importing": start + _global("numpy.testing", "run_module_suite") + b".",
    }


def write_zip(path, stream):
    """Put a pickle into the archive that torch.save writes."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", stream)
        file.writestr("archive/byteorder", "little")
        file.writestr("archive/version", "3\n")


def write_hostile_files(folder, marker):
    """Write every form of every hostile pickle and return the paths."""
    streams = {name: pickle.dumps({"state_dict": value}, 2) for name, value in _all(marker)}
    streams |= {f"{n}, protocol 4": pickle.dumps({"a": v}, 4) for n, v in _all(marker)}
    streams |= hostile_streams()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, stream in enumerate(streams.values()):
        for kind in ("zip", "bare"):
            paths.append(folder / f"{number}_{kind}.pth")
            if kind == "zip":
                write_zip(paths[-1], stream)
            else:
                paths[-1].write_bytes(stream)
    return paths


def _all(marker):
    return hostile_objects(marker).items()
