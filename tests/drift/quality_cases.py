"""Labels, predictions and scores of the quality cases, the same with every version of NumPy."""

import numpy as np
from cbpe_cases import uniforms

K = 5
QUANTILE = 0.8
CLASSES = 5


def binary_case():
    """Give label, prediction, score, float64[3000] each: with ties, and scores of 0 and 1."""
    score = np.round(uniforms(901, 3_000) * 1.2 - 0.1, 3).clip(0.0, 1.0)
    label = (uniforms(902, 3_000) < 0.2 + 0.5 * score).astype(float)
    return label, (score >= 0.4).astype(float), score


def class_case():
    """Give label and prediction of five classes, one of which is never a label."""
    label = np.floor(uniforms(903, 2_000) * (CLASSES - 1))
    guess = np.floor(uniforms(904, 2_000) * CLASSES)
    return label, np.where(uniforms(905, 2_000) < 0.6, label, guess)


def value_case():
    """Give label and prediction of a regression, far from zero."""
    label = 1e6 + 50 * uniforms(906, 2_000)
    return label, label + 20 * uniforms(907, 2_000) - 8


def ranking_case():
    """Give (score, relevance) of 60 queries of 3 to 14 items, with ties and relevant ones."""
    queries = []
    for query in range(60):
        items = 3 + query % 12
        score = np.floor(10 * uniforms(2_000 + query, items))
        relevance = np.floor(4 * uniforms(3_000 + query, items) ** 2)
        relevance[query % items] = 3.0
        queries.append((score, relevance))
    return queries
