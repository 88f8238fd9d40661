import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import NO_KWARGS
from hsuanwu.testing.learner import update
from hsuanwu.xploit.learner.optimizer import as_device, make_optimizer
from tests.waiting import PATIENCE
from tests.xploit.learner.cases import batch_for, make


def optimizer_of(name, kwargs=NO_KWARGS, lr=0.125, eps=0.25):
    return make_optimizer(name, [torch.nn.Parameter(torch.zeros(3, 2))], lr, eps, kwargs)


@pytest.mark.parametrize(
    "name, kwargs, expected",
    [
        ("RMSprop", {}, {"lr": 0.125, "eps": 0.25, "alpha": 0.99, "momentum": 0}),
        ("RMSprop", {"alpha": 0.5, "momentum": 0.75}, {"alpha": 0.5, "momentum": 0.75, "eps": 0.25}),
        ("Adam", {}, {"lr": 0.125, "eps": 0.25, "betas": (0.9, 0.999)}),
        ("Adam", {"betas": [0.5, 0.75], "eps": 0.5}, {"betas": (0.5, 0.75), "eps": 0.5}),
        ("AdamW", {"weight_decay": 0.5}, {"eps": 0.25, "weight_decay": 0.5}),
        ("SGD", {}, {"lr": 0.125, "momentum": 0}),
        ("SGD", {"momentum": 0.5, "nesterov": True}, {"momentum": 0.5, "nesterov": True}),
    ],
    ids=str,
)
def test_optimizers_by_name(name, kwargs, expected):
    for form in (lambda x: x, OmegaConf.create):
        optimizer = optimizer_of(name, form(kwargs))
        assert isinstance(optimizer, getattr(torch.optim, name)) and type(optimizer).__name__ == name
        (group,) = optimizer.param_groups
        assert {key: group[key] for key in expected} == expected
        assert name != "SGD" or "eps" not in group


@pytest.mark.parametrize("name", ["RMSprop", "Adam", "AdamW", "SGD"])
def test_optimizers_learn(name):
    learner = make(optimizer=name, lr=1e-2)
    batch = batch_for(learner)
    before = [parameter.clone() for parameter in learner.learner.parameters()]
    losses = [update(learner, batch)["baseline_loss"] for _ in range(20)]
    assert all(not torch.equal(x, y) for x, y in zip(before, learner.learner.parameters(), strict=True))
    assert losses[-1] < losses[0]


def twins(name, kwargs):
    """Return ours and torch's optimizer, each over weights of its own that are equal."""
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(3, 2)) for _ in range(2)]
    weights[1].data.copy_(weights[0].data)
    theirs = getattr(torch.optim, name)(weights[1:], lr=0.125, **kwargs)
    ours = make_optimizer(name, weights[:1], 0.125, kwargs.get("eps", 0.25), kwargs)
    return list(zip((ours, theirs), weights, strict=True))


@pytest.mark.parametrize(
    "name, kwargs",
    [
        ("RMSprop", {"alpha": 0.9, "eps": 0.1, "momentum": 0.5}),
        ("Adam", {"eps": 0.1, "amsgrad": True}),
        ("AdamW", {"eps": 0.1, "weight_decay": 0.1}),
        ("SGD", {"momentum": 0.5, "foreach": True}),
        ("NAdam", {"eps": 0.1}),
        ("Rprop", {}),
        ("Muon", {"eps": 0.1}),
    ],
)
def test_steps_are_those_of_torch(name, kwargs):
    both = twins(name, kwargs)
    for step in range(4):
        gradient = torch.randn(3, 2)
        for optimizer, weight in both:
            optimizer.zero_grad()
            assert weight.grad is None
            weight.grad = gradient.clone()
            optimizer.step()
        assert torch.equal(both[0][1], both[1][1])
        if step == 1:
            saved = copy.deepcopy(both[1][0].state_dict())
            both[0][0].load_state_dict(saved)
    (ours, _), (theirs, _) = both
    assert str(ours.state_dict()) == str(theirs.state_dict())


def test_hooks_closures_and_copies_work():
    optimizer = optimizer_of("RMSprop")
    (weight,) = optimizer.param_groups[0]["params"]
    called = []
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))

    def loss():
        value = (weight - 1).square().sum()
        value.backward()
        return value

    assert optimizer.step(loss).item() == 6
    assert called == ["before", "after"]
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert type(twin) is type(optimizer) and str(twin.state_dict()) == str(optimizer.state_dict())
        assert twin.param_groups[0]["params"][0] is not weight
        twin.step()


EVERYTHING = """
import sys, torch
from hsuanwu.xploit.learner.optimizer import make_optimizer
weight = torch.nn.Parameter(torch.ones(3))
for name in ("RMSprop", "Adam"):
    optimizer = make_optimizer(name, [weight], 1e-3, 1e-8, {{}})
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
{}
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("last, expected", [("", "False"), ("torch.optim.SGD([weight])", "True")])
def test_the_compiler_is_not_imported(last, expected):
    command = [sys.executable, "-c", EVERYTHING.format(last)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert result.stdout.split() == ["False", expected]


def test_torch_itself_is_not_changed():
    optimizer = optimizer_of("SGD")
    for name in ("step", "zero_grad"):
        assert vars(type(optimizer))[name] is not getattr(torch.optim.SGD, name)
        assert hasattr(getattr(torch.optim.SGD, name), "__wrapped__"), "torch's guards are where they were"


def test_the_weights_of_a_compiled_network_are_stepped():
    network = torch.nn.Linear(3, 2)
    compiled = torch.compile(network, backend="eager")
    optimizer = make_optimizer("RMSprop", compiled.parameters(), 0.1, 1e-8, {})
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = compiled(torch.ones(4, 3)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_what_a_configuration_gives_can_be_saved():
    """A ListConfig in a checkpoint could not be read with ``weights_only=True``."""
    optimizer = optimizer_of("Adam", OmegaConf.create({"betas": [0.5, 0.75]}))
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == optimizer.state_dict()


@pytest.mark.parametrize("name", ["adam", "Adm", "", "lr_scheduler", "__doc__", "Tensor"])
def test_names_that_are_no_optimizer(name):
    with pytest.raises(ConfigurationError, match=rf"^learner.optimizer: found '{name}'; use a class of torch.optim"):
        optimizer_of(name)


@pytest.mark.parametrize("name", ["LBFGS", "Optimizer"])
def test_optimizers_that_cannot_be_used(name):
    with pytest.raises(ConfigurationError, match=rf"^learner.optimizer.*{name}"):
        optimizer_of(name)


@pytest.mark.parametrize(
    "name, kwargs, lr, message",
    [
        ("RMSprop", {"alpa": 0.9}, 0.1, r"RMSprop refuses \{'lr': 0.1, 'alpa': 0.9, 'eps': 0.25\}: .*'alpa'"),
        ("Adam", {"betas": [2.0, 0.9]}, 0.1, "Invalid beta parameter"),
        ("Adam", {"lr": 0.3}, 0.1, "multiple values"),
        ("SGD", {"eps": 1.0}, 0.1, "'eps'"),
    ],
)
def test_arguments_that_are_refused(name, kwargs, lr, message):
    with pytest.raises(ConfigurationError, match=rf"^learner.optimizer_kwargs: .*{message}") as caught:
        optimizer_of(name, kwargs, lr)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan")])
def test_learning_rates_that_are_refused(lr):
    with pytest.raises(ConfigurationError, match=rf"^learner.lr: found {lr}; use a finite number above 0$"):
        optimizer_of("SGD", lr=lr)


@pytest.mark.parametrize("eps", [-1.0, float("nan")])
def test_epsilons_that_are_refused(eps):
    with pytest.raises(ConfigurationError, match=rf"^learner.eps: found {eps}; use a finite number of 0 or more$"):
        optimizer_of("Adam", eps=eps)


def test_devices():
    assert as_device("cpu") == as_device(torch.device("cpu")) == torch.device("cpu")
    assert as_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("device", ["cuda:7", "cuda:99", "gpu", "", None, 3.5], ids=str)
def test_devices_that_are_not_there(device):
    with pytest.raises(ConfigurationError) as caught:
        as_device(device)
    assert str(caught.value).startswith(f"device: found {device!r}; this machine has cpu")
    assert "\n" not in str(caught.value)
