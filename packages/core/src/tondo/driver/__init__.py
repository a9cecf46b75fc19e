"""The composition root: pipeline files, the compile driver, compiled models and their cache.

``compile`` itself is :func:`tondo.compile`; here the name is that of its module.
"""

from __future__ import annotations

from tondo.driver.compile import Tools, generate, lower
from tondo.driver.config import Config, json_schema
from tondo.driver.config_file import PipelineFile, config_of, load_config, parse_config
from tondo.driver.environment import Environment, read_environment
from tondo.driver.model import Model
from tondo.driver.plan import Plan, Steps, choose_steps, make_plan

__all__ = [
    "Config",
    "Environment",
    "Model",
    "PipelineFile",
    "Plan",
    "Steps",
    "Tools",
    "choose_steps",
    "config_of",
    "generate",
    "json_schema",
    "load_config",
    "lower",
    "make_plan",
    "parse_config",
    "read_environment",
]
