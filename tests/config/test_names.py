"""A run without a name is named after what tells models apart."""

from ctrecon.config.make import target
from ctrecon.config.sweep import training
from ctrecon.models.fitting import Fitting


def test_what_learns_is_named_after_its_features_and_what_does_not_after_itself(model):
    """The default model after its features alone."""
    config = training([f"model={model}", "conv=p4"])
    learns = target("model", config["model"]).fitting is Fitting.WEIGHTS
    assert config["name"] == ("p4" if model == "unrolled_unet" else f"{model}-p4" if learns else model)


def test_a_sweep_names_what_varies_after_the_name():
    words = ["conv=c4", "fit.lr=0.01", "seed=3", "swept=[conv,fit.lr,seed]"]
    assert training(words)["name"] == "c4-lr0.01" and training(["name=a", *words])["name"] == "a-c4-lr0.01"
