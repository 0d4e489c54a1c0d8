"""The page of a study: ``python -m studies.report --plan NAME`` writes ``report.md`` and figures.

It is written after each run of a study, too. Every number comes from the committed files of runs.
"""

import argparse
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from projects.SRKD.analysis.report import markdown_table, spread
from projects.SRKD.base import misuse_told, write_text
from studies.arms import Bench
from studies.metrics import MIOU_LABELED, Metric, metric_of
from studies.paired import (
    LEAST_PAIRS,
    LEVEL,
    PairedDifference,
    Verdict,
    holm,
    paired_difference,
    pairs_needed,
    verdict,
)
from studies.plan import Comparison, Plan
from studies.plan_file import read_plan
from studies.report_figures import draw_curves, draw_differences
from studies.run_store import Result, RunStore

LEAST_LEAD = 3.0  # points of a teacher over the baseline; below, a bench cannot tell
_FLAT = 1.0  # points that an arm may gain in its second half and still be called flat
_ENDING = 0.25  # of a claim; a control that gains so much ends it


class Report:
    """What the results of a plan say.

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

    def write(self) -> Path:
        """Write page and figures beside the results; returns the page."""
        page = self.store.folder / 'report.md'
        write_text(page, self.text())
        return page

    def text(self) -> str:
        """The page."""
        done, planned = len(self.results), len(self.plan.runs)
        lines = [f'# {self.plan.title}', '', self.plan.question, '']
        if done < planned:
            lines += [f'**Not finished: {done} of {planned} runs.**', '']
        if self.stale:
            lines += [
                f'**{self.stale} results are left out: their config, options, data, teacher or '
                'test changed since.**',
                '',
            ]
        lines += [*self._bench(), *self._verdicts(), *self._arms(), *self._figures()]
        lines += self._source()
        return '\n'.join(lines).rstrip() + '\n'

    def scores(self, arm: str, metric: Metric | None = None) -> dict[int, float]:
        """Per cent of an arm, by pair; runs that diverged have none."""
        metric = metric or self.metric
        return {
            pair: metric.percent(result.metrics)
            for (name, pair), result in sorted(self.results.items())
            if name == arm and result.diverged is None
        }

    def difference(self, of: Comparison) -> PairedDifference | None:
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
        adjusted = self._adjusted()
        words = {}
        for claim in claims:
            name = claim.name
            if name not in known:
                words[name] = Verdict.TOO_FEW
                continue
            words[name] = verdict(known[name], adjusted[name], len(claims))
            if words[name] is Verdict.SHOWN and self._objections(claim):
                words[name] = Verdict.NOT_SHOWN
        return words

    def _adjusted(self) -> dict[str, float]:
        """Holm's p over all claims that were made; one that has no pair yet counts as 1."""
        found = {of.name: self.difference(of) for of in self.plan.primary}
        return holm({name: 1.0 if of is None else of.p for name, of in found.items()})

    def _objections(self, claim: Comparison) -> list[str]:
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

    def _bench(self) -> list[str]:
        """Whether the teachers have something to teach."""
        base = self.scores(self.plan.baseline)
        rows = []
        for name in self.plan.teachers:
            found = self.store.read(f'teacher_{name}', 0)
            if found is None or (self.bench and self.bench.teacher_key(name) != found.key):
                continue
            score = self.metric.percent(found.metrics)
            lead = f'{score - spread(list(base.values()))["mean"]:+.2f}' if base else ''
            weak = bool(base) and score - spread(list(base.values()))['mean'] < LEAST_LEAD
            rows.append([name, f'{score:.2f}', lead, 'this bench cannot tell' if weak else ''])
        if not rows:
            return []
        header = ['teacher', self.metric.title, f'ahead of {self.plan.baseline}', '']
        return ['## Teachers', '', markdown_table(header, rows), '']

    def _verdicts(self) -> list[str]:
        lines: list[str] = []
        words = self.verdicts()
        adjusted = self._adjusted()
        kinds = (
            ('Claims, fixed before the run', self.plan.primary),
            ('Controls', self.plan.control),
            ('Other comparisons, without a claim', self.plan.secondary),
        )
        for title, comparisons in kinds:
            rows, told = [], []
            for of in comparisons:
                found = self.difference(of)
                if found is None:
                    continue
                rows.append([self._title(of), *_cells(found)])
                if of.name in words and comparisons is self.plan.primary:
                    rows[-1] += [f'{adjusted[of.name]:.4f}', f'**{words[of.name].value}**']
                    told += [f'- {of.name}: {text}' for text in self._remarks(of, found)]
            if not rows:
                continue
            header = ['', 'pairs', f'{self.metric.title}, mean', 'BCa 95 %', 't 95 %',
                      'pairs ahead', 'p']  # fmt: skip
            header += ['p, Holm', ''] if comparisons is self.plan.primary else []
            lines += [f'## {title}', '', markdown_table(header, rows), '']
            lines += [*told, ''] if told else []
        return lines

    def _title(self, of: Comparison) -> str:
        metric = '' if of.metric is None else f' ({metric_of(of.metric).title})'
        return f'{of.name}: {of.arm} - {of.minus}{metric}'

    def _remarks(self, claim: Comparison, found: PairedDifference) -> list[str]:
        told = self._objections(claim)
        if found.bca[1] < 0:
            told.append('the interval lies below zero: what was claimed costs')
        known = found.pairs > 1 and found.std and found.mean
        if known and self.verdicts()[claim.name] is not Verdict.SHOWN:
            told.append(
                f'spread of the pairs {found.std:.2f}; an effect of {found.mean:+.2f} needs '
                f'about {pairs_needed(found.mean, found.std)} pairs'
            )
        return told

    def _arms(self) -> list[str]:
        metrics = [metric_of(key) for key in self.plan.metrics]
        base = self._cpu(self.plan.baseline)
        rows = []
        for name in self.plan.arms:
            runs = [result for (arm, _), result in self.results.items() if arm == name]
            if not runs:
                continue
            cells = [name, str(len(runs))]
            for metric in metrics:
                cells.append(_of(list(self.scores(name, metric).values())))
            faithful = [result.fidelity for result in runs if result.fidelity]
            for key, scale in (('agreement', 100), ('kl', 1)):
                values = [scale * of[key] for of in faithful]
                cells.append(f'{spread(values)["mean"]:.2f}' if values else '')
            cpu = self._cpu(name)
            cells += [f'{cpu / 60:.1f}', f'{cpu / base:.2f}' if base else '']
            rows.append([*cells, self._flatness(name)])
        header = ['arm', 'runs', *(metric.title for metric in metrics), 'agreement with teacher, %',
                  'KL to teacher', 'CPU min', f'cost / {self.plan.baseline}', '']  # fmt: skip
        return ['## Arms', '', markdown_table(header, rows), ''] if rows else []

    def _cpu(self, arm: str) -> float:
        runs = [result for (name, _), result in self.results.items() if name == arm]
        times = [result.cpu_seconds for result in runs if result.diverged is None]
        return spread(times)['mean'] if times else 0.0

    def _flatness(self, arm: str) -> str:
        """Compare an arm with the same at half its length."""
        lost = [p for (name, p), r in self.results.items() if name == arm and r.diverged]
        told = [f'DIVERGED in pair {", ".join(map(str, sorted(lost)))}'] if lost else []
        shorter = self.plan.arms[arm].shorter
        if shorter is not None:
            found = self.difference(Comparison('', arm, shorter))
            if found is not None and found.mean > _FLAT:
                told.append(f'still climbing ({found.mean:+.1f} over {shorter})')
            elif found is not None:
                told.append(f'flat ({found.mean:+.1f} over {shorter})')
        return '; '.join(told)

    def _figures(self) -> list[str]:
        lines, folder = [], self.store.folder
        drawn = [
            (self._title(of), found)
            for of in (*self.plan.primary, *self.plan.control, *self.plan.secondary)
            if (found := self.difference(of)) is not None
        ]
        if drawn:
            draw_differences(drawn, f'{self.metric.title}, points', folder / 'differences.svg')
            lines += ['![Paired differences](differences.svg)', '']
        for number, figure in enumerate(self.plan.figures):
            name = f'curves_{number}.svg'
            curves = self.curves(number)
            if curves:
                draw_curves(figure, curves, self.metric.title, folder / name)
                lines += [f'![{figure.title}]({name})', '']
        return lines

    def curves(self, number: int) -> dict[str, dict[float, list[float]]]:
        """Scores of a figure's lines: label, place on the axis, per cent of every pair."""
        figure = self.plan.figures[number]
        curves: dict[str, dict[float, list[float]]] = {}
        for arm in self.plan.arms.values():
            first = arm.name.removesuffix(''.join(f'-{value}' for value in arm.point.values()))
            scores = list(self.scores(arm.name).values())
            if first not in figure.lines or figure.x not in arm.point or not scores:
                continue
            rest = [f'{v} {k}' for k, v in arm.point.items() if k != figure.x]
            curves.setdefault(' '.join([first, *rest]), {})[arm.point[figure.x]] = scores
        return curves

    def _source(self) -> list[str]:
        results: Sequence[Result] = list(self.results.values())
        if not results:
            return []
        hours = sum(result.seconds for result in results) / 3600
        commits = sorted({result.commit for result in results})
        codes = {result.code for result in results}
        other = [result for result in results if result.claims != self.plan.claims]
        lines = [
            '## Where it comes from',
            '',
            f'- `python -m studies.study --plan {self.plan.name}`, one thread per run; '
            f'{hours:.1f} core-hours of training',
            f'- commits of the runs: {", ".join(commits)}'
            + ('' if len(codes) == 1 else f' ({len(codes)} states of the code that trains)'),
            '- a pair shares its seed: initialization, what the options draw by it, order of the '
            'data where two arms have the same',
            f'- BCa: bootstrap interval of 10,000 samples; p: exact sign-flip test, two-sided; '
            f'*shown*: p after Holm <= {LEVEL} and the interval above zero, with at least '
            f'{LEAST_PAIRS} pairs and no objection',
        ]
        if self.plan.primary and other:
            lines.append(
                f'- **{len(other)} of {len(results)} runs were made while the plan claimed '
                'something else**'
            )
        return lines


def _of(values: Sequence[float]) -> str:
    if not values:
        return 'none'
    found = spread(values)
    if len(values) == 1:
        return f'{found["mean"]:.2f}'
    return f'{found["mean"]:.2f} +- {found["std"]:.2f}'


def _cells(found: PairedDifference) -> list[str]:
    def interval(of: tuple[float, float]) -> str:
        return '' if isnan(of[0]) else f'{of[0]:+.2f} .. {of[1]:+.2f}'

    return [
        str(found.pairs),
        f'{found.mean:+.2f}',
        interval(found.bca),
        interval(found.t),
        f'{100 * found.improvement:.0f} %',
        f'{found.p:.4f}',
    ]


def main() -> None:
    """Write the page of a plan from its results."""
    parser = argparse.ArgumentParser(description='Write the page of a study')
    parser.add_argument('--plan', required=True, help='file, or its name in studies/plans')
    parser.add_argument('--results', type=Path, help='default: studies/results/NAME')
    parser.add_argument('--data-root', type=Path, help='data of a plan that does not make its own')
    args = parser.parse_args()
    with misuse_told('report.py'):
        plan = read_plan(args.plan)
        bench = Bench(plan, Path('work_dirs') / 'studies' / plan.name, args.data_root)
        print(Report(plan, RunStore(plan, args.results), bench).write())


if __name__ == '__main__':
    main()
