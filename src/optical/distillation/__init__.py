"""The training run: from bitext to a saved artefact."""

from optical.distillation.batches import BitextCollator
from optical.distillation.recipes import RECIPES
from optical.distillation.settings import Settings
from optical.distillation.training import distill, graft

__all__ = ["RECIPES", "BitextCollator", "Settings", "distill", "graft"]
