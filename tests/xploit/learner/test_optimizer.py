import io

import pytest
import torch
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.testing.learner import update
from hsuanwu.xploit.learner.optimizer import as_device, make_optimizer
from tests.xploit.learner.cases import batch_for, make


def optimizer_of(name, kwargs=None, lr=0.125, eps=0.25):
    return make_optimizer(name, [torch.nn.Parameter(torch.zeros(3, 2))], lr, eps, kwargs)


@pytest.mark.parametrize(
    "name, kwargs, expected",
    [
        ("RMSprop", None, {"lr": 0.125, "eps": 0.25, "alpha": 0.99, "momentum": 0}),
        ("RMSprop", {}, {"alpha": 0.99, "momentum": 0}),
        ("RMSprop", {"alpha": 0.5, "momentum": 0.75}, {"alpha": 0.5, "momentum": 0.75, "eps": 0.25}),
        ("Adam", None, {"lr": 0.125, "eps": 0.25, "betas": (0.9, 0.999)}),
        ("Adam", {"betas": [0.5, 0.75], "eps": 0.5}, {"betas": (0.5, 0.75), "eps": 0.5}),
        ("AdamW", {"weight_decay": 0.5}, {"eps": 0.25, "weight_decay": 0.5}),
        ("SGD", None, {"lr": 0.125, "momentum": 0}),
        ("SGD", {"momentum": 0.5, "nesterov": True}, {"momentum": 0.5, "nesterov": True}),
    ],
    ids=str,
)
def test_optimizers_by_name(name, kwargs, expected):
    for form in (lambda x: x, lambda x: None if x is None else OmegaConf.create(x)):
        optimizer = optimizer_of(name, form(kwargs))
        assert type(optimizer) is getattr(torch.optim, name)
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
    with pytest.raises(ConfigurationError, match=rf"^learner.lr: found {lr}; use a number above 0$"):
        optimizer_of("SGD", lr=lr)


@pytest.mark.parametrize("eps", [-1.0, float("nan")])
def test_epsilons_that_are_refused(eps):
    with pytest.raises(ConfigurationError, match=rf"^learner.eps: found {eps}; use a number of 0 or more$"):
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
