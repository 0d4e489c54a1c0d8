"""Forms of the logit term besides plain soft targets."""
