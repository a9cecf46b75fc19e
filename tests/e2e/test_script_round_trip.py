"""The printed module of whole networks parses back to an equal module, after import and after every pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from light_batch import BATCH, free_reshapes

import tondo
from networks import LIGHT_MODELS, light_model
from tondo.driver import Tools, lower, make_plan
from tondo.plugin import collect
from tondo.script import parse, script

pytestmark = pytest.mark.slow

EXPORTED = (
    "bert_base",
    "gpt2_small_decode",
    "llama_small_decode",
    "llama_small_prefill",
    "mobilenet_v2",
    "resnet50",
    "vit_base",
)


@dataclass
class Reader:
    """Prints and parses the module after every pass; keeps the names of the passes and what went wrong."""

    passes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    previous: tondo.IRModule | None = None

    def before(self, step, module) -> None:
        if step.index == 0:
            self.check("input", module)

    def after(self, step, module) -> None:
        self.check(step.name, module)

    def check(self, name, module) -> None:
        self.passes.append(name)
        if module is self.previous:
            return
        self.previous = module
        text = script(module)
        parsed = parse(text, constants=module.constants, file=name)
        if parsed != module:
            names = [key for key, value in module.functions.items() if parsed.functions.get(key) != value]
            self.wrong.append(f"{name}: functions {', '.join(names[:5])}, {len(names)} in all")
        elif script(parsed) != text:
            self.wrong.append(f"{name}: the second text differs from the first")


def check(source, config=None):
    reader = Reader()
    plan = make_plan(source, None, None, None, config, collect(""))
    lower(plan, Tools(instruments=[reader]))
    assert reader.passes == ["input", *(entry.name for entry in plan.passes)]
    assert len(reader.passes) > 10
    assert not reader.wrong, "\n".join(reader.wrong)


def check_light(name, batch):
    model = light_model(name)
    free_reshapes(model)
    check(model, {"model": {"inputs": {model.graph.input[0].name: [batch, 3, 224, 224]}}})


@pytest.mark.parametrize(("name", "batch"), [("resnet50", 1), ("shufflenet", BATCH), ("squeezenet", BATCH)])
def test_a_network(name, batch):
    check_light(name, batch)


@pytest.mark.long
@pytest.mark.parametrize("batch", [1, BATCH])
@pytest.mark.parametrize("name", LIGHT_MODELS)
def test_every_network(name, batch):
    check_light(name, batch)


@pytest.mark.long
@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_model(name, exported):
    check(exported(name) / "model.onnx")
