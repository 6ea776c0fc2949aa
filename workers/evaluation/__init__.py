"""Evaluation: how good a bundle's decisions are on labelled products that it was not fitted on."""
