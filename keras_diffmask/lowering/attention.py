"""Recipe of MultiHeadAttention: four products with kernels, two without."""

from typing import Any

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.recipes import other

#: What no weight comes with takes fewer bytes of the file than others; the
#: names of a product and its bias hold those of the layers within the layer.
_LETTERS, _LETTERS_OF_BIAS = -38, 120


def attention(build: Builder, step: Step) -> list[int]:
    """softmax(q k^T / sqrt(d)) v, projected; heads move in front of positions.

    A single head has nowhere to move: TensorFlow then moves the keys alone.
    """
    terms = step.rule.parameters(step)
    if len(step.hidden) != 3 or _takes_more(step):
        return other(build, step)
    return [_Attention(build, step, terms).write()]


def _takes_more(step: Step) -> bool:
    given = step.call.arguments.kwargs
    return bool(given.get("return_attention_scores") or step.call.masks)


class _Attention:
    def __init__(self, build: Builder, step: Step, terms: list[Term]) -> None:
        self.build, self.step, self.terms = build, step, terms
        names, inputs = step.rule.names(step), build.inputs(step)  # type: ignore[attr-defined]
        self.sources = dict(zip(names, inputs, strict=True))
        self.sources.setdefault("key", self.sources["value"])
        query, value, *_ = step.rule.macs(step)[0], step.rule.macs(step)[2]
        self.at_query, self.at_value = query.factor, value.factor
        self.heads, self.keys, self.values = step.hidden

    def write(self) -> int:
        key = self._projected("key", 1, self.at_value, self.keys)
        query = self._projected("query", 0, self.at_query, self.keys)
        query, key = self._moved(query), self._moved(key, always=True)
        pairs = Term(self.at_query * self.at_value, None, self.heads)
        scores = self._emit("BATCH_MATMUL", (query, key), pairs)
        root = self.build.weight(self.step, "root", Term(1.0))
        scores = self._emit("MUL", scores, pairs, weights=(root,))
        if self.step.call.arguments.kwargs.get("use_causal_mask"):
            mask = self.build.weight(self.step, "mask", pairs, Term(0.0), each=1.0)
            least = self.build.weight(self.step, "least", Term(1.0))
            scores = self._emit("SELECT_V2", scores, pairs, weights=(mask, least))
        scores = self._emit("SOFTMAX", scores, pairs)
        value = self._moved(self._projected("value", 2, self.at_value, self.values))
        mixed = Term(self.at_query, self.heads, self.values)
        out = self._moved(self._emit("BATCH_MATMUL", (scores, value), mixed))
        out = self._emit("RESHAPE", out, mixed)
        ids = self.step.outputs[0].reshape(-1)
        result = self.build.output(self.step)
        weights = self._weights("output", 3, Term(1.0, None, ids))
        return self.build.emit(
            self.step,
            "FULLY_CONNECTED",
            out,
            result,
            scope="attention_output",
            weights=weights,
            letters=_LETTERS_OF_BIAS if len(weights) == 2 else _LETTERS,
        )

    def _projected(self, name: str, place: int, positions: float, width: Any) -> int:
        size = Term(positions, self.heads, width)
        weights = self._weights(name, place, Term(1.0, self.heads, width))
        source = self.sources[name]
        out = self._emit("FULLY_CONNECTED", source, size, weights=weights, scope=name)
        return self._emit("RESHAPE", out, size, scope=name)

    def _weights(self, name: str, place: int, bias: Term) -> tuple[Any, ...]:
        build, step, term = self.build, self.step, self.terms[place]
        kernel = Term(1.0, term.rows, term.columns, depth=term.depth)
        scales = bias if build.per_channel_dense else Term(1.0)
        found = [build.weight(step, f"{name}/kernel", kernel, scales)]
        if step.layer.use_bias:
            found.append(build.weight(step, f"{name}/bias", bias, scales, 4))
        return tuple(found)

    def _moved(self, tensor: int, always: bool = False) -> int:
        several = self.build.measure(Term(1.0, None, self.heads))
        if not several.axes and several.factor <= 1 and not always:
            return tensor
        return self.build.emit(
            self.step,
            "TRANSPOSE",
            tensor,
            self.build.like(tensor),
            scope="transpose",
            letters=_LETTERS,
            several=several if several.axes and not always else None,
        )

    def _emit(self, kind: str, inputs: Any, size: Term, **more: Any) -> int:
        letters = _LETTERS_OF_BIAS if len(more.get("weights", ())) == 2 else _LETTERS
        more = {"scope": "softmax", "letters": letters, **more}
        out = self.build.entries(size)
        return self.build.emit(self.step, kind, inputs, out, **more)
