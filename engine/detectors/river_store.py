"""River's models of many series or entities, and the bytes that they are saved as."""

import pickle
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from engine.detectors.river_names import said

_log = structlog.get_logger()

ARRAYS: Final = {
    "model_header": np.dtype(np.uint8),
    "model_place": np.dtype(np.int32),
    "model_end": np.dtype(np.int64),
    "model_bytes": np.dtype(np.uint8),
}
"""What models are saved as, by name: all one-dimensional."""


class RiverStore:
    """Models by place, each made when it is first asked for.

    Saved models are pickles: whoever can write the state folder can run code here, as with any
    file of the program itself. Pickles are only ever loaded from there.

    Parameters
    ----------
    name : str
        The models' class; what another class or version of River saved is not used.
    make : callable
        Makes a new model.
    """

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._header = msgspec.json.encode({"river": version("river"), "model": name})
        self._make = make
        self._live: dict[int, Any] = {}
        self._saved: dict[int, bytes] = {}
        """Pickles of models that have not changed since; those not live are loaded when needed."""

    def take(self, place: int) -> tuple[Any, bool]:
        """Give a model that is about to change, and whether what it had learned is lost."""
        saved = self._saved.pop(place, None)
        model = self._live.get(place)
        lost = False
        if model is None and saved is not None:
            model = self._load(place, saved)
            lost = model is None
        if model is None:
            model = self._make()
        self._live[place] = model
        return model, lost

    def drop(self, place: int) -> None:
        """Forget a model that is asked no more."""
        self._live.pop(place, None)
        self._saved.pop(place, None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All models, as `ARRAYS` says; only those that changed since are pickled anew."""
        for place in self._live.keys() - self._saved.keys():
            try:
                self._saved[place] = pickle.dumps(self._live[place], pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # noqa: BLE001  (pickling raises what it likes)
                # A checkpoint without it is better than none; nothing is loaded for it.
                self._saved[place] = b""
                _log.warning("a River model can't be saved", place=place, error=said(error))
        places = sorted(self._saved)
        sizes = [len(self._saved[place]) for place in places]
        content = b"".join(self._saved[place] for place in places)
        return {
            "model_header": np.frombuffer(self._header, np.uint8),
            "model_place": np.array(places, np.int32),
            "model_end": np.cumsum(np.array(sizes, np.int64)),
            "model_bytes": np.frombuffer(content, np.uint8),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take saved models over; False if another class or version of River saved them.

        Raises
        ------
        ValueError
            If an array is missing or not as `ARRAYS` says.
        """
        for name, dtype in ARRAYS.items():
            if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != 1:
                raise ValueError(f"no {name} of {dtype}")
        place, end, content = (arrays[f"model_{name}"] for name in ("place", "end", "bytes"))
        begin = np.concatenate([np.zeros(1, np.int64), end])
        if len(place) != len(end) or begin[-1] != len(content) or (np.diff(begin) < 0).any():
            raise ValueError("model_end of other lengths")
        self._live.clear()
        self._saved.clear()
        header = arrays["model_header"].tobytes()
        if header != self._header:
            _log.warning(
                "River's models start anew: the checkpoint holds others",
                saved=header.decode(errors="replace"),
                own=self._header.decode(),
            )
            return False
        cuts = zip(place.tolist(), begin[:-1].tolist(), end.tolist(), strict=True)
        self._saved = {number: content[first:last].tobytes() for number, first, last in cuts}
        return True

    def _load(self, place: int, saved: bytes) -> Any:
        """Load a model; None if that fails."""
        try:
            return pickle.loads(saved)  # noqa: S301  (from the flow's own state folder)
        except Exception as error:  # noqa: BLE001  (unpickling raises what it likes)
            _log.warning("a River model starts anew", place=place, error=said(error))
            return None
