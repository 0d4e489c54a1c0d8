"""What the results of a plan say of its claims."""

from functools import cache

from studies.arms import Bench
from studies.metrics import MIOU_LABELED, Metric, metric_of
from studies.paired import PairedDifference, Verdict, holm, paired_difference, verdict
from studies.plan import Comparison, Plan
from studies.run_store import RunStore

_ENDING = 0.25  # of a claim; a control that gains so much ends it


class Claims:
    """Scores, differences and verdicts of a plan.

    Args:
        plan: The plan.
        store: Its results.
        bench: Knows what each run is asked today; results that were asked something else are left
            out. None: all are taken.
    """

    def __init__(self, plan: Plan, store: RunStore, bench: Bench | None = None) -> None:
        self.plan, self.store, self.bench = plan, store, bench
        found = store.all()
        self.results = {
            (name, pair): result
            for (name, pair), result in found.items()
            if bench is None or result.key == bench.key(plan.arms[name], pair)
        }
        self.stale = len(found) - len(self.results)
        self.metric = metric_of(plan.metrics[0])
        # a page asks for the same difference many times, and each costs 10,000 resamples
        self.difference = cache(self._difference)

    def scores(self, arm: str, metric: Metric | None = None) -> dict[int, float]:
        """Per cent of an arm, by pair; runs that diverged have none."""
        metric = metric or self.metric
        return {
            pair: metric.percent(result.metrics)
            for (name, pair), result in sorted(self.results.items())
            if name == arm and result.diverged is None
        }

    def _difference(self, of: Comparison) -> PairedDifference | None:
        """Differences over the pairs that both arms have; None without a pair."""
        metric = metric_of(of.metric) if of.metric else self.metric
        arm, minus = self.scores(of.arm, metric), self.scores(of.minus, metric)
        gains = [arm[pair] - minus[pair] for pair in sorted(arm.keys() & minus.keys())]
        return paired_difference(gains) if gains else None

    def verdicts(self) -> dict[str, Verdict]:
        """The word of every primary comparison."""
        claims = self.plan.primary
        found = {of.name: self.difference(of) for of in claims}
        known = {name: of for name, of in found.items() if of is not None}
        adjusted = self.adjusted_p()
        words = {}
        for claim in claims:
            name = claim.name
            if name not in known:
                words[name] = Verdict.TOO_FEW
                continue
            words[name] = verdict(known[name], adjusted[name], len(claims))
            if words[name] is Verdict.SHOWN and self.objections(claim):
                words[name] = Verdict.NOT_SHOWN
        return words

    def adjusted_p(self) -> dict[str, float]:
        """Holm's p over all claims that were made; one that has no pair yet counts as 1."""
        found = {of.name: self.difference(of) for of in self.plan.primary}
        return holm({name: 1.0 if of is None else of.p for name, of in found.items()})

    def objections(self, claim: Comparison) -> list[str]:
        """What forbids a claim, whatever its p."""
        told = []
        for arm in (claim.arm, claim.minus):
            lost = [p for (n, p), r in self.results.items() if n == arm and r.diverged]
            if lost:
                told.append(f'{arm} diverged in pair {", ".join(map(str, sorted(lost)))}')
        gained = self.difference(claim)
        planned = len(self.plan.pairs_of(claim))
        if gained is not None and gained.pairs < planned:
            told.append(f'only {gained.pairs} of {planned} planned pairs')
        for control in self.plan.control:
            if claim.name not in control.ends:
                continue
            found = self.difference(control)
            if found is None or found.pairs < len(self.plan.pairs_of(control)):
                told.append(f'its control {control.name} has not run in all pairs')
            elif gained is not None and found.mean >= _ENDING * gained.mean:
                told.append(
                    f'its control {control.name} gains {found.mean:+.2f}, a quarter of it or more'
                )
        told += self._other_classes(claim)
        codes = [self._codes(arm) for arm in (claim.arm, claim.minus)]
        apart = [pair for pair, code in codes[0].items() if codes[1].get(pair, code) != code]
        if apart:
            told.append(
                f'{claim.arm} and {claim.minus} are of different code in pair '
                f'{", ".join(map(str, sorted(apart)))}'
            )
        return told

    def _other_classes(self, claim: Comparison) -> list[str]:
        """Scores over labeled classes are compared where both arms have labels of the same."""
        if (claim.metric or self.plan.metrics[0]) != MIOU_LABELED.key:
            return []
        of = [{p: r.unlabeled for (n, p), r in self.results.items() if n == arm}
              for arm in (claim.arm, claim.minus)]  # fmt: skip
        apart = sorted(p for p in of[0].keys() & of[1].keys() if of[0][p] != of[1][p])
        return [f'the arms have labels of other classes in pair {apart}'] if apart else []

    def _codes(self, arm: str) -> dict[int, str]:
        return {pair: result.code for (name, pair), result in self.results.items() if name == arm}
