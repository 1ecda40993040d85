"""Words of the command line -> a configuration -> objects. The one home of Hydra and OmegaConf."""
