"""Counts of two sides: what is not known is no zero, and the reason stands below."""

from __future__ import annotations

import re
from dataclasses import replace

from dashboard.model.references import Histology
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.compare import texts


def row(text: str, name: str) -> list[str]:
    """Return good A, good B, all A, all B of a region."""
    found = re.search(rf"<th>{name}</th>(.*?)</tr>", text)
    assert found is not None
    return re.findall(r'<td class="n">(.*?)</td>', found[1])


def test_a_probe_without_regions_or_labels_says_why(scene: Scene) -> None:
    clusters = scene.sorting.clusters.drop(columns=["acronym", "label"])
    bare = replace(scene.sorting, clusters=clusters, histology=Histology.NONE, histology_reason="no <b>files</b>")
    other = Scene(replace(scene.opened, sorting=bare))
    text = texts.counts(scene, other)
    n = scene.sorting.n_clusters
    assert row(text, "all")[1:] == ["–", str(n), str(n)]
    good, _, own, _ = row(text, "LP")
    assert int(own) >= int(good)
    assert row(text, "LP")[1::2] == ["–", "–"]
    assert row(text, "no region")[3] == str(n)
    assert "Good units of B are not known: clusters have no label;" in text
    assert "Regions of B are not known: no &lt;b&gt;files&lt;/b&gt;." in text
    assert "of A" not in text


def test_regions_that_may_still_change_are_marked(scene: Scene) -> None:
    traced = Scene(replace(scene.opened, sorting=replace(scene.sorting, histology=Histology.TRACED)))
    assert "Regions of A are not final: histology traced." in texts.counts(traced, scene)
