import pytest

from hsuanwu.common import registry
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS, lookup, options, register


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """A table of its own for every test."""
    monkeypatch.setattr(registry, "_TABLE", {kind: {} for kind in KINDS})


def make_class(name="Thing", module="somewhere"):
    return type(name, (), {"__module__": module})


def test_register_and_lookup():
    first, second = make_class("First"), make_class("Second")
    assert register("encoder", "zebra")(first) is first
    register("encoder", "apple")(second)
    assert lookup("encoder", "zebra") is first
    assert options("encoder") == {"apple": second, "zebra": first} and list(options("encoder")) == ["apple", "zebra"]
    assert options("learner") == {}


def test_options_are_a_copy():
    register("encoder", "mlp")(make_class())
    options("encoder").clear()
    assert "mlp" in options("encoder")


def test_a_kind_is_one_of_a_closed_set():
    for call in (lambda: register("actor", "x"), lambda: lookup("actor", "x"), lambda: options("actor")):
        with pytest.raises(ConfigurationError, match=r"^'actor' is no kind of module; kinds: augmentation, distribu"):
            call()


def test_the_closest_name_is_offered():
    register("learner", "impala")(make_class())
    register("learner", "ppo")(make_class("Ppo"))
    with pytest.raises(ConfigurationError) as caught:
        lookup("learner", "impalla")
    assert str(caught.value) == "learner: 'impalla' is unknown; did you mean 'impala'? options: impala, ppo"
    with pytest.raises(ConfigurationError, match=r"^learner: 'xyz' is unknown; options: impala, ppo$"):
        lookup("learner", "xyz")


def test_a_name_belongs_to_one_class():
    ours = register("encoder", "mlp")(make_class(module="ours"))
    with pytest.raises(ConfigurationError, match=r"^encoder=mlp is ours.Thing; theirs.Thing needs another name$"):
        register("encoder", "mlp")(make_class(module="theirs"))
    assert lookup("encoder", "mlp") is ours


def test_a_module_that_is_loaded_again_replaces_itself():
    register("encoder", "mlp")(make_class())
    again = register("encoder", "mlp")(make_class())
    assert lookup("encoder", "mlp") is again


def test_names_of_different_kinds_do_not_clash():
    encoder, learner = register("encoder", "same")(make_class("A")), register("learner", "same")(make_class("B"))
    assert lookup("encoder", "same") is encoder and lookup("learner", "same") is learner
