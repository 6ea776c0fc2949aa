"""Evaluation: measure a bundle's decisions on labelled products that it was not fitted on."""
