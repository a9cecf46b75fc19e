"""The composition root: pipeline files, the compile driver, compiled models and their cache."""
