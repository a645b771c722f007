"""Accuracy of the detectors on labelled data, through the whole pipeline."""
