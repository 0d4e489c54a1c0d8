import torch

from projects.SRKD.analysis.agreement.rights import Rights


def test_the_table_counts_points_of_all_scans():
    first, second = torch.rand(2, 57) > 0.4
    of = Rights()
    of.add(first[:20], second[:20])
    of.add(first[20:], second[20:])
    of.add(first[:0], second[:0])
    expected = dict(both=0, gained=0, lost=0, neither=0)
    for own, other in zip(first.tolist(), second.tolist()):
        name = ('both' if other else 'gained') if own else ('lost' if other else 'neither')
        expected[name] += 1
    assert of.result() == expected
    assert of.counts.tolist()[1][0] == expected['gained']
